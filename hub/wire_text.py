"""Bytes made readable: pretty XML and JSON, text in the encoding it is in, hex for the rest."""

import orjson
from lxml import etree

from hub.recorder import Sent

_ENCODINGS = ("utf-8", "gb18030")
"""Strict, in this order: a text in UTF-8 is hardly ever one in GB18030 by chance, the other way round it often is."""

_WIDTH = 16


def readable(sent: Sent) -> str:
    """The body as a person reads it."""
    body = sent.body
    if not body:
        return "(no body)"
    stripped = body.lstrip()
    if stripped.startswith((b"{", b"[")):
        return _json(body)
    if stripped.startswith(b"<"):
        return _xml(body)
    return _text(body)


def _json(body: bytes) -> str:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    except ValueError:
        return _text(body)


def _xml(body: bytes) -> str:
    """Our own message, so it is whole; even so nothing in it is resolved."""
    try:
        parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)
        return str(etree.tostring(etree.fromstring(body, parser), pretty_print=True, encoding="unicode"))
    except etree.XMLSyntaxError:
        return _text(body)


def _text(body: bytes) -> str:
    """Text with its encoding and line ends made visible, or hex where a byte belongs to no text."""
    for encoding in _ENCODINGS:
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(character.isprintable() or character in "\r\n\t\u3000" for character in text):
            shown = text.replace("\r\n", "␍␊\n")
            return f"({encoding}, {len(body)} bytes)\n{shown}\n\n{hex_dump(body)}"
    return hex_dump(body)


def hex_dump(body: bytes) -> str:
    """Offset, sixteen bytes, and those of them that are ASCII."""
    lines = []
    for start in range(0, len(body), _WIDTH):
        chunk = body[start : start + _WIDTH]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in chunk)
        lines.append(f"{start:06x}  {chunk.hex(' '):<{_WIDTH * 3}} {shown}")
    return "\n".join(lines)
