"""Which characters the sheet's font can print. typst says nothing about a missing glyph: it prints a box, or a blank.

Reads the font's own character map (OpenType ``cmap``, format 12), so that the answer cannot drift from the file.
"""

import bisect
import struct
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

FONTS = Path(__file__).parent / "fonts"
REGULAR = FONTS / "NotoSansCJKsc-Regular-Han.otf"

GETA = "〓"
"""U+3013, what Chinese and Japanese typesetters set for a sort they do not have."""


@lru_cache(maxsize=4)
def _ranges(font: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First and last code points of the runs of characters that the font maps, ascending."""
    data = font.read_bytes()
    tables = struct.unpack_from(">H", data, 4)[0]
    records = (struct.unpack_from(">4s3I", data, 12 + 16 * place) for place in range(tables))
    cmap = next(offset for tag, _sum, offset, _length in records if tag == b"cmap")
    maps = struct.unpack_from(">H", data, cmap + 2)[0]
    for place in range(maps):
        start = cmap + struct.unpack_from(">I", data, cmap + 8 + 8 * place)[0]
        if struct.unpack_from(">H", data, start)[0] == 12:
            count = struct.unpack_from(">I", data, start + 12)[0]
            groups = [struct.unpack_from(">3I", data, start + 16 + 12 * group) for group in range(count)]
            return tuple(first for first, _last, _glyph in groups), tuple(last for _first, last, _glyph in groups)
    raise ValueError(f"{font.name} has no full character map: make it again with make_fonts.sh")


def printable(character: str, font: Path = REGULAR) -> bool:
    """Whether the font has a glyph for this one character."""
    firsts, lasts = _ranges(font)
    place = bisect.bisect_right(firsts, ord(character)) - 1
    return place >= 0 and ord(character) <= lasts[place]


def missing(texts: Iterable[str]) -> list[str]:
    """Characters that no font of the sheet has, each once, in the order in which they are met."""
    return list(dict.fromkeys(character for text in texts for character in text if not printable(character)))


def with_getas(text: str) -> str:
    """The text as it can be printed: a geta mark for each character without a glyph."""
    return "".join(character if printable(character) else GETA for character in text)
