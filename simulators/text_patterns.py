"""A text that matches a regular expression, for the simple kind that forms use: literals, classes, counts, groups and choices."""

import random
import re
import string
from collections.abc import Sequence
from typing import Final

_CLASSES: Final = {"d": string.digits, "w": string.ascii_uppercase + string.digits, "s": " "}
_COUNTS: Final = {"*": (0, 3), "+": (1, 3), "?": (0, 1)}
_COUNTED: Final = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")


class PatternError(ValueError):
    """The expression is beyond this generator."""


def matching(pattern: str, dice: random.Random) -> str:
    """A text that ``pattern`` matches as a whole. Raises PatternError."""
    text, rest = _choices(pattern, dice)
    if rest or not re.fullmatch(pattern, text):
        raise PatternError("no text could be made for this pattern")
    return text


def _choices(pattern: str, dice: random.Random) -> tuple[str, str]:
    """Up to a closing bracket or the end; one of the alternatives."""
    found: list[str] = []
    while True:
        text, pattern = _sequence(pattern, dice)
        found.append(text)
        if not pattern.startswith("|"):
            return dice.choice(found), pattern
        pattern = pattern[1:]


def _sequence(pattern: str, dice: random.Random) -> tuple[str, str]:
    made: list[str] = []
    while pattern and pattern[0] not in "|)":
        if pattern[0] in "^$":
            pattern = pattern[1:]
            continue
        # An atom is made anew for each repetition: [0-9]{4} is not four times the same digit.
        once, behind = _atom(pattern, dice)
        least, most, rest = _count(behind)
        repeated = [_atom(pattern, dice)[0] for _ in range(dice.randint(least, most))]
        made += repeated if rest != behind else [once]
        pattern = rest
    return "".join(made), pattern


def _atom(pattern: str, dice: random.Random) -> tuple[str, str]:
    sign = pattern[0]
    if sign == "[":
        end = pattern.index("]", 2)
        return dice.choice(_members(pattern[1:end])), pattern[end + 1 :]
    if sign == "(":
        inside = pattern[1:].removeprefix("?:")
        text, rest = _choices(inside, dice)
        return text, rest[1:]
    if sign == "\\":
        return dice.choice(_CLASSES.get(pattern[1], pattern[1])), pattern[2:]
    if sign == ".":
        return dice.choice(string.digits), pattern[1:]
    return sign, pattern[1:]


def _members(inside: str) -> Sequence[str]:
    if inside.startswith("^"):
        left = [sign for sign in string.digits + string.ascii_uppercase if sign not in _members(inside[1:])]
        return left or [" "]
    found: list[str] = []
    while inside:
        if inside[0] == "\\":
            found += _CLASSES.get(inside[1], inside[1])
            inside = inside[2:]
        elif len(inside) > 2 and inside[1] == "-":
            found += [chr(code) for code in range(ord(inside[0]), ord(inside[2]) + 1)]
            inside = inside[3:]
        else:
            found.append(inside[0])
            inside = inside[1:]
    return found


def _count(pattern: str) -> tuple[int, int, str]:
    """How often the atom before may stand there, and the rest."""
    if pattern and pattern[0] in _COUNTS:
        return *_COUNTS[pattern[0]], pattern[1:]
    counted = _COUNTED.match(pattern)
    if counted is None:
        return 1, 1, pattern
    least = int(counted[1])
    most = int(counted[3]) if counted[3] else least + 3 if counted[2] else least
    return least, most, pattern[counted.end() :]
