"""Pinyin initials of a Chinese name 拼音首字母: how staff find a case when they have heard a name and cannot spell it.

A character with several readings counts with each of them (单 is Shan as a surname, Dan elsewhere). The table ``initials.txt`` holds
a line a letter; it is generated from the readings of pinyin-data (MIT licence, ``initials.LICENSE.txt``).
"""

from functools import cache
from itertools import product
from pathlib import Path

LONGEST = 6
"""Characters; longer ones are names of organisations, which nobody abbreviates letter by letter."""

MOST = 16
"""Combinations of readings that are kept of one name."""


def initials(name: str) -> frozenset[str]:
    """Every way to abbreviate the name, in capitals; none for a name with a character that has no reading here."""
    table = _table()
    letters = [table.get(character) for character in name if character not in "·•・ "]
    if not 2 <= len(letters) <= LONGEST:
        return frozenset()
    known = [one for one in letters if one is not None]
    if len(known) < len(letters):
        return frozenset()
    ways = ("".join(way) for way in product(*known))
    return frozenset(way for way, _ in zip(ways, range(MOST), strict=False))


@cache
def _table() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in Path(__file__).with_name("initials.txt").read_text(encoding="utf-8").splitlines():
        letter, _, characters = line.partition(" ")
        for character in characters:
            found[character] = found.get(character, "") + letter
    return found
