"""XML read without trust and written without loss.

What comes in is decoded strictly, holds no DTD (so no entity of its own), stays within libxml2's limits of depth and length, and
never makes the parser open anything. What goes out in an encoding that lacks a character carries it as a numeric reference.
"""

import codecs
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from lxml import etree
from pydantic import JsonValue

from adapters.text_encodings import CODECS, Encoding, EncodingRefused, to_bytes, to_text, without_mark
from contracts.errors import OutcomeUnknownError, PermanentError

Element: TypeAlias = etree._Element  # noqa: SLF001 - lxml has no other name for the type of its elements

_MOST_ELEMENTS = 50_000
_MOST_ATTRIBUTES = 256
"""zeep looks at the attributes of an element in quadratic time: two megabytes of them would keep it busy for many minutes."""

XSI = "http://www.w3.org/2001/XMLSchema-instance"

_DECLARATION = re.compile(
    r"<\?xml\s+version=[\"']1\.[0-9][\"'](?:\s+encoding=[\"']([A-Za-z0-9._-]{1,40})[\"'])?"
    r"(?:\s+standalone=[\"'](?:yes|no)[\"'])?\s*\?>"
)
_LONG_TAG = re.compile(r"<[^!>][^>]{65536}")
"""A tag of that length holds nothing but attributes, and each costs a hundred times its bytes once it is parsed."""

_SAME_CODEC: Mapping[Encoding, frozenset[str]] = {
    "UTF-8": frozenset({"utf-8"}),
    "GBK": frozenset({"gbk", "gb2312"}),
    "GB18030": frozenset({"gb18030", "gbk", "gb2312"}),
}
"""What a document may declare, by the encoding that was agreed: GB 2312, GBK and GB 18030 each contain the one before."""


_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""XML 1.0 section 2.2: not even a numeric reference may stand for these."""


def parsed_bytes(body: bytes, encoding: Encoding) -> Element:
    """The root of a document in exactly that encoding. Raises OutcomeUnknownError (``unreadable_answer``)."""
    try:
        text = to_text(without_mark(body, encoding), encoding)
    except EncodingRefused as error:
        raise OutcomeUnknownError("unreadable_answer", f"the answer is not {encoding}") from error
    return parsed_text(text, _SAME_CODEC[encoding])


def parsed_text(text: str, declarable: frozenset[str] | None = None) -> Element:
    """The root of a document that is text already; ``declarable``: codecs that it may declare, None: any, since it says nothing
    of a text. Raises OutcomeUnknownError."""
    text = text.strip()
    declaration = _DECLARATION.match(text)
    if declaration:
        text = text[declaration.end() :]
        if declarable is not None and declaration[1] and _codec(declaration[1]) not in declarable:
            raise OutcomeUnknownError("unreadable_answer", "the answer declares another encoding than was agreed")
    if text.startswith(("<?xml ", "\ufeff")) or _LONG_TAG.search(text):
        raise OutcomeUnknownError("unreadable_answer", "the answer begins twice, or has a tag without end")
    # Even a DTD that defines nothing is looked at by nobody here, and what it defines may be a bomb.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise OutcomeUnknownError("unreadable_answer", "the answer brings a document type definition, which is refused")
    try:
        root: Element = etree.fromstring(text.encode(), _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise OutcomeUnknownError("unreadable_answer", "the answer is not the XML that was agreed") from error
    if any(len(node.attrib) > _MOST_ATTRIBUTES for node in root.iter(etree.Element)):
        raise OutcomeUnknownError(
            "unreadable_answer", f"an element of the answer has more than {_MOST_ATTRIBUTES} attributes"
        )
    return root


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "unknown"


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )


def with_references(text: str, encoding: Encoding) -> str:
    """XML text in which every character outside ``encoding`` is a numeric reference."""
    if encoding == "UTF-8" or _fits(text, encoding):
        return text
    return "".join(char if _fits(char, encoding) else f"&#{ord(char)};" for char in text)


def _fits(text: str, encoding: Encoding) -> bool:
    try:
        to_bytes(text, encoding)
    except EncodingRefused:
        return False
    return True


def written(root: Element, encoding: Encoding) -> str:
    """A document with its declaration, as text that ``encoding`` can carry."""
    body: str = etree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="{encoding}"?>{with_references(body, encoding)}'


def written_bytes(root: Element, encoding: Encoding) -> bytes:
    """A document with its declaration."""
    return (
        written(root, encoding).encode(CODECS[encoding])
        if encoding != "GB18030"
        else to_bytes(written(root, encoding), encoding)
    )


def local(node: Element) -> str:
    """The name of an element without its namespace."""
    return str(etree.QName(node).localname)


def children(node: Element) -> Iterator[Element]:
    """Elements only: a reference to an entity that nobody defined is no element, and no text."""
    return (child for child in node if isinstance(child.tag, str))


def tree(node: Element) -> JsonValue:
    """An element by local names: text, or an object of its children (a list where a name repeats); None where xsi:nil."""
    if node.get(f"{{{XSI}}}nil") in {"true", "1"}:
        return None
    inner = list(children(node))
    if not inner:
        return node.text or ""
    found: dict[str, JsonValue] = {}
    for child in inner:
        name, value = local(child), tree(child)
        if name not in found:
            found[name] = value
        elif isinstance(known := found[name], list):
            known.append(value)
        else:
            found[name] = [known, value]
    return found


def resolve_references(answer: Element) -> None:
    """Put copies of the independent elements beside ``answer`` in the places that refer to them (SOAP 1.1 section 5.4.1).

    Raises OutcomeUnknownError for a circle, and for references that grow the answer beyond all measure.
    """
    parent = answer.getparent()
    independent = {one.get("id"): one for one in children(parent) if one is not answer and one.get("id")}
    left = _MOST_ELEMENTS

    def place(node: Element, inside: frozenset[str]) -> None:
        nonlocal left
        for child in list(children(node)):
            name = child.get("href", "").removeprefix("#")
            if name not in independent:
                place(child, inside)
                continue
            left -= sum(1 for _ in independent[name].iter())
            if name in inside or left < 0:
                raise OutcomeUnknownError("unreadable_answer", "the answer refers to itself, or to too much")
            found = copy.deepcopy(independent[name])
            found.tag, found.tail = child.tag, None
            node.replace(child, found)
            place(found, inside | {name})

    if independent:
        place(answer, frozenset())


def grown(name: str, value: JsonValue, *, row: str = "ROW") -> Element:
    """The opposite of ``tree`` for a document of our own: objects become children, the entries of a list children called ``row``.

    Raises PermanentError as ``leaf`` does.
    """
    node = etree.Element(name)
    match value:
        case dict():
            for key, inner in value.items():
                node.append(grown(key, inner, row=row))
        case list():
            for inner in value:
                node.append(grown(row, inner, row=row))
        case _:
            node.text = leaf(value)
    return node


def leaf(value: JsonValue) -> str:
    """A plain value as XML Schema writes it. Raises PermanentError (``not_encodable``) for text that XML cannot hold."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if _NO_XML.search(text):
        raise PermanentError("not_encodable", "a field holds a character that XML cannot carry")
    return text


def first_texts(nodes: Sequence[Element]) -> dict[str, str]:
    """The text of every leaf below ``nodes`` by local name, the first of each name."""
    found: dict[str, str] = {}
    for top in nodes:
        for node in top.iter(etree.Element):
            if len(node) == 0:
                found.setdefault(local(node), (node.text or "").strip())
    return found
