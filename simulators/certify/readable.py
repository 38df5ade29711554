"""What a message says, whatever it is made of: every text in it, as its reader would find it."""

import json
import re
from collections.abc import Iterator

from lxml import etree

_FILLED_IN = re.compile(rb"&onedoor-[a-z]+;")
"""Where a gateway of ours fills in a secret when it sends: a stored message holds none."""

_CODECS = ("utf-8", "gb18030", "utf-16")


def texts(message: bytes) -> list[str]:
    """Every text of a JSON or XML message, those inside of XML strings too; a message that is neither is one text. Raises ValueError
    where it begins as one of them and cannot be read."""
    head = message.lstrip()[:1]
    if head in (b"{", b"["):
        return list(_json(json.loads(_decoded(message))))
    if head == b"<":
        return list(_xml(message))
    return [_decoded(message)]


def names(message: bytes) -> list[str]:
    """The names of a JSON or XML message in their order; none where it is neither. Raises ValueError."""
    head = message.lstrip()[:1]
    if head in (b"{", b"["):
        return list(_keys(json.loads(_decoded(message))))
    if head == b"<":
        return [str(one.tag) for one in _tree(message).iter(etree.Element)]
    return []


def _decoded(message: bytes) -> str:
    for codec in _CODECS:
        try:
            return message.decode(codec)
        except UnicodeDecodeError:
            continue
    raise ValueError("no encoding reads this message")


def _json(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _json(one)
    elif isinstance(value, list):
        for one in value:
            yield from _json(one)


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield str(name)
            yield from _keys(one)
    elif isinstance(value, list):
        for one in value:
            yield from _keys(one)


def _tree(message: bytes) -> etree._Element:
    try:
        return etree.fromstring(_FILLED_IN.sub(b"-", message), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise ValueError("the message is no well-formed XML") from error


def _xml(message: bytes) -> Iterator[str]:
    for element in _tree(message).iter(etree.Element):
        text = element.text or ""
        yield text
        if text.lstrip().startswith("<") and ">" in text:
            try:
                inner = text.lstrip()
                # A string that declares an encoding is read as that encoding's bytes were.
                yield from _xml(inner.partition("?>")[2].encode() if inner.startswith("<?xml") else inner.encode())
            except ValueError:
                # It only looks like a document: a value with markup in it.
                continue
