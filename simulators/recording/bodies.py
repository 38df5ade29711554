"""Bodies of messages as they may be written down: JSON, XML and forms value by value; text as filling; anything else as a number of bytes.

    {"json": ..} | {"xml": "<..>"} | {"form": {..}} | {"text": ".."} | {"bytes": 1234} | {}

``fields_of`` names every value by its place, so that a replay can put today's delivery id where the recorded one was.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from lxml import etree
from pydantic import JsonValue

from simulators.recording.made_up import Kind, filled
from simulators.recording.sifting import HIDDEN, Sieve

_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_-]+)", re.IGNORECASE)
_DECLARED: Final = re.compile(rb"<\?xml[^>]*encoding=[\"']([A-Za-z0-9_-]+)")
_SECURITY: Final = frozenset({"Security"})
_NAMED: Final = re.compile(r"[A-Za-z_#/:.0-9-]{1,120}")
_NUMBERED: Final = re.compile(r"#?[A-Za-z]{0,4}[-_]?\d{0,4}")
_STRUCTURE: Final[Mapping[str, re.Pattern[str]]] = {
    **dict.fromkeys(("type", "nil", "encodingStyle", "mustUnderstand", "lang", "schemaLocation"), _NAMED),
    **dict.fromkeys(("href", "id"), _NUMBERED),
}
"""Attributes that hold a message together, and the form in which they may stay."""
_ADDRESSING: Final = frozenset(
    {"http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"}
)
_ACTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.:/_#-]{0,200}")
"""WS-Addressing names the operation by a URI, which is the interface's and nobody's."""
_DEEPEST: Final = 200

Body = Mapping[str, JsonValue]


def sifted(content: bytes, content_type: str, encoding: str, sieve: Sieve) -> Body:
    """What of a body may be written. ``encoding``: gzip and its like, blank for none."""
    plain = _unpacked(content, encoding)
    if plain is None:
        return {"bytes": len(content)}
    if not plain:
        return {}
    text = _decoded(plain, content_type)
    if text is None:
        return {"bytes": len(plain)}
    return _read(text, content_type, sieve)


def _read(text: str, content_type: str, sieve: Sieve) -> Body:
    head = text.lstrip("\ufeff \t\r\n")
    if head.startswith(("{", "[")):
        try:
            return {"json": _json(json.loads(text), "", sieve, 0)}
        except (ValueError, RecursionError):
            return {"text": sieve.made_up.value(Kind.TEXT, text)}
    if head.startswith("<"):
        found = _xml(head, sieve)
        return {"xml": found} if found is not None else {"text": "<html><body>样例</body></html>"}
    if "x-www-form-urlencoded" in content_type:
        pairs = parse_qsl(text, keep_blank_values=True)
        return {"form": {sieve.key(name): sieve.text(name, value) for name, value in pairs}}
    return {"text": sieve.text("", text)}


def _unpacked(content: bytes, encoding: str) -> bytes | None:
    try:
        match encoding.strip().lower():
            case "" | "identity":
                return content
            case "gzip" | "x-gzip":
                return gzip.decompress(content)
            case "deflate":
                return zlib.decompress(content)
    except (OSError, EOFError, zlib.error):
        return None
    return None


def _decoded(content: bytes, content_type: str) -> str | None:
    """By the declared encoding, else UTF-8, else GB18030, in which every byte of GBK has a meaning; None: no text at all."""
    declared = _DECLARED.match(content.lstrip()) or _CHARSET.search(content_type)
    name = declared[1] if declared else b""
    tried = [name.decode() if isinstance(name, bytes) else name, "utf-8", "gb18030"]
    if b"\x00" in content[:512] or content_type.startswith(
        ("multipart/", "image/", "application/pdf", "application/zip")
    ):
        return None
    for one in filter(None, tried):
        try:
            return content.decode("gb18030" if one.lower() in {"gbk", "gb2312"} else one)
        except (LookupError, UnicodeDecodeError):
            continue
    return None


def _json(value: Any, name: str, sieve: Sieve, depth: int) -> JsonValue:
    if value is None or isinstance(value, bool) or depth > _DEEPEST:
        return value if isinstance(value, bool) else None
    if isinstance(value, list):
        return [_json(one, name, sieve, depth + 1) for one in value]
    if isinstance(value, dict):
        return {sieve.key(key): _json(inner, key, sieve, depth + 1) for key, inner in value.items()}
    return _inner(value, name, sieve) if isinstance(value, str) else sieve.number(name, value)


def _inner(text: str, name: str, sieve: Sieve) -> str:
    """A text may hold a whole document, as old SOAP interfaces do."""
    head = text.lstrip()
    if head.startswith("<") and (found := _xml(head, sieve)) is not None:
        return found
    if head.startswith(("{", "[")):
        try:
            return json.dumps(_json(json.loads(text), name, sieve, 1), ensure_ascii=False)
        except (ValueError, RecursionError):
            return sieve.text(name, text)
    return sieve.text(name, text)


def _xml(text: str, sieve: Sieve) -> str | None:
    """Element by element; comments and instructions fall away, and of a security header its name stays. None: no XML."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True, huge_tree=False
    )
    body = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    try:
        root = etree.fromstring(body.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root.getroottree().docinfo.doctype:
        return None
    made = _element(root, sieve)
    return str(etree.tostring(made, encoding="unicode"))


def _element(node: Any, sieve: Sieve) -> Any:
    tag = etree.QName(node)
    name = sieve.key(tag.localname)
    made = etree.Element(f"{{{tag.namespace}}}{name}" if tag.namespace else name, nsmap=_spaces(node, sieve))
    if tag.localname in _SECURITY:
        made.text = HIDDEN
        return made
    for key, value in node.attrib.items():
        plain = etree.QName(key)
        form = _STRUCTURE.get(plain.localname)
        stays = form is not None and form.fullmatch(value) and not re.search(r"\d{5}", value)
        made.set(key, value if stays else sieve.text(plain.localname, value))
    if node.text:
        stays = not node.text.strip() or _is_action(tag, node.text)
        made.text = node.text if stays else _inner(node.text, tag.localname, sieve)
    for child in node:
        if isinstance(child.tag, str):
            made.append(_element(child, sieve))
    if node.tail and node.tail.strip():
        made.tail = sieve.text(tag.localname, node.tail)
    return made


def _is_action(tag: Any, text: str) -> bool:
    named = tag.localname == "Action" and tag.namespace in _ADDRESSING
    return named and _ACTION.fullmatch(text.strip()) is not None and not re.search(r"\d{5}", text)


def _spaces(node: Any, sieve: Sieve) -> dict[str | None, str]:
    return {prefix: uri for prefix, uri in node.nsmap.items() if not re.search(r"\d{7}", uri) and uri.isascii()}


def written(body: Body, content_type: str) -> bytes:
    """A recorded body as bytes, in the encoding that its type names."""
    found = _CHARSET.search(content_type)
    charset = found[1] if found else "utf-8"
    if "json" in body:
        text = json.dumps(body["json"], ensure_ascii=False)
    elif "xml" in body:
        text = f'<?xml version="1.0" encoding="{charset.upper()}"?>{body["xml"]}'
    elif "form" in body and isinstance(body["form"], dict):
        text = urlencode({name: str(value) for name, value in body["form"].items()})
    elif "text" in body:
        text = str(body["text"])
    else:
        length = body.get("bytes", 0)
        return filled("sample ", length if isinstance(length, int) else 0).encode()
    return text.encode(charset, "xmlcharrefreplace" if "xml" in body else "replace")


def plain_body(content: bytes, content_type: str) -> Body:
    """A live body in the same form, nothing replaced: what a replay compares with. Never written down."""
    text = _decoded(content, content_type)
    if not text:
        return {}
    head = text.lstrip("\ufeff \t\r\n")
    if head.startswith(("{", "[")):
        try:
            found: JsonValue = json.loads(text)
        except ValueError:
            return {}
        return {"json": found}
    if head.startswith("<"):
        return {"xml": re.sub(r"^\s*<\?xml[^>]*\?>", "", head)}
    return {"form": dict(parse_qsl(text))} if "form" in content_type else {}


def fields_of(body: Body) -> Mapping[str, str]:
    """Every text of a body by its place."""
    if "json" in body:
        return dict(_leaves(body["json"], ""))
    if "form" in body and isinstance(body["form"], dict):
        return {name: str(value) for name, value in body["form"].items()}
    if "xml" in body:
        try:
            root = etree.fromstring(str(body["xml"]).encode(), etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError:
            return {}
        return dict(_texts(root, ""))
    return {}


def _leaves(value: JsonValue, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{place}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}/{number}")
    elif isinstance(value, str):
        yield place, value


def _texts(node: Any, place: str) -> Iterator[tuple[str, str]]:
    here = f"{place}/{etree.QName(node).localname}"
    if node.text and node.text.strip():
        yield here, node.text
    for number, child in enumerate(one for one in node if isinstance(one.tag, str)):
        yield from _texts(child, f"{here}.{number}")


def operation_of(body: Body) -> str:
    """The local name of the request in a SOAP envelope; blank for anything else."""
    if "xml" not in body:
        return ""
    try:
        root = etree.fromstring(str(body["xml"]).encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return ""
    inner = root.find("{*}Body")
    first = next((one for one in inner if isinstance(one.tag, str)), None) if inner is not None else None
    return "" if first is None else str(etree.QName(first).localname)
