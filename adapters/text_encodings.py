"""Strict declared encodings of record files: what cannot be written or read exactly is refused, never replaced.

Python's ``gb18030`` codec is the edition of 2000. Later editions gave real code points to characters that it still puts into
the private use area, where no font shows them and no comparison finds them. The tables below were checked, byte pair by byte
pair, against glibc's converter; GB 18030-2022 swaps the first 18 (and GB 18030-2005 swapped A8BC), so that the two bytes are
the character in every edition, while its six extension B characters are written with four bytes and only read from two.
"""

import codecs
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

Encoding: TypeAlias = Literal["GB18030", "GBK", "UTF-8"]

CODECS: Mapping[Encoding, str] = {"GB18030": "gb18030", "GBK": "gbk", "UTF-8": "utf-8"}

SWAPPED: Mapping[int, int] = {
    0xE78D: 0xFE10,
    0xE78E: 0xFE12,
    0xE78F: 0xFE11,
    0xE790: 0xFE13,
    0xE791: 0xFE14,
    0xE792: 0xFE15,
    0xE793: 0xFE16,
    0xE794: 0xFE17,
    0xE795: 0xFE18,
    0xE796: 0xFE19,
    0xE7C7: 0x1E3F,
    0xE81E: 0x9FB4,
    0xE826: 0x9FB5,
    0xE82B: 0x9FB6,
    0xE82C: 0x9FB7,
    0xE832: 0x9FB8,
    0xE843: 0x9FB9,
    0xE854: 0x9FBA,
    0xE864: 0x9FBB,
}
"""Private code point as Python decodes it -> the character; written with the same two bytes."""

READ_ONLY: Mapping[int, int] = {
    0xE816: 0x20087,
    0xE817: 0x20089,
    0xE818: 0x200CC,
    0xE831: 0x215D7,
    0xE83B: 0x2298F,
    0xE855: 0x241FE,
}
"""Private code point as Python decodes it -> the character; written with its own four bytes."""

_READING = {**SWAPPED, **READ_ONLY}
_WRITING = {real: private for private, real in SWAPPED.items()}


class EncodingRefused(ValueError):
    """Text or bytes that the declared encoding cannot carry exactly. The message never holds them: they may be a name."""


def to_bytes(text: str, encoding: Encoding) -> bytes:
    """Encode exactly. Raises EncodingRefused for a character that the encoding lacks or would give back as another one."""
    try:
        content = (text.translate(_WRITING) if encoding == "GB18030" else text).encode(CODECS[encoding])
    except UnicodeEncodeError as error:
        # Not chained: the codec's own message repeats the character.
        raise EncodingRefused(f"character {error.start + 1} does not exist in {encoding}") from None
    if to_text(content, encoding) != text:
        raise EncodingRefused(f"a private use character has no single meaning in {encoding}")
    return content


def to_text(content: bytes, encoding: Encoding) -> str:
    """Decode exactly. Raises EncodingRefused for bytes that are not of the encoding, half a character included."""
    try:
        text = content.decode(CODECS[encoding])
    except UnicodeDecodeError as error:
        raise EncodingRefused(f"byte {error.start + 1} is not {encoding}") from None
    return text.translate(_READING) if encoding == "GB18030" else text


def is_encodable(text: str, encoding: Encoding) -> bool:
    """Whether ``to_bytes`` takes it."""
    try:
        to_bytes(text, encoding)
    except EncodingRefused:
        return False
    return True


_CJK = re.compile("[\u3400-\u9fff]")


def is_utf8_instead(content: bytes, encoding: Encoding) -> bool:
    """Whether a whole file that is declared GB 18030 or GBK was written in UTF-8: nearly every two characters of UTF-8 decode as three
    others of GBK without an error, so that nothing else would tell. Two ideographs of UTF-8 and not one byte that is none are
    no accident; a single one may be.
    """
    if encoding == "UTF-8" or content.isascii():
        return False
    try:
        return len(_CJK.findall(content.decode("utf-8"))) > 1
    except UnicodeDecodeError:
        return False


def without_mark(content: bytes, encoding: Encoding) -> bytes:
    """The content without the UTF-8 byte order mark that some editors put in front; no other encoding has one here."""
    return content.removeprefix(codecs.BOM_UTF8) if encoding == "UTF-8" else content
