"""Names of files: a pattern with a date and a sequence, and which names are its own. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from string import Formatter
from zoneinfo import ZoneInfo

_DATE_PARTS = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{2}",
    "%d": r"\d{2}",
    "%H": r"\d{2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%j": r"\d{3}",
}


def plain_pattern(text: str) -> str:
    """A file name with ``{date:...}`` and ``{seq:...}``; it may not leave its folder."""
    _name_expression(text)
    if "/" in text or "\\" in text or text.startswith((".", "-")):
        raise ValueError("a pattern is a plain file name")
    if "{seq" not in text and "{day_seq" not in text:
        raise ValueError("a pattern needs {seq:03d} or {day_seq:03d}, or two files of a day would share a name")
    return text


def file_name(pattern: str, at: datetime, sequence: int, zone: str, day_sequence: int = 0) -> str:
    """The name of a file that was sealed ``at``, in the local time of ``zone``."""
    return pattern.format(date=at.astimezone(ZoneInfo(zone)), seq=sequence, day_seq=day_sequence)


def numbered(pattern: str, name: str) -> tuple[str, int] | None:
    """The day in a name (``20261124``; empty where the pattern has none) and its number; None for a name of another pattern."""
    places: list[str] = []
    found = re.fullmatch(_name_expression(pattern, places), name, re.ASCII)
    if found is None:
        return None
    told = dict(zip(places, found.groups(), strict=True))
    day = "".join(told[part] for part in ("%Y", "%y", "%m", "%d", "%j") if part in told)
    return day, int(told["seq"])


def name_matcher(pattern: str) -> re.Pattern[str]:
    """What tells the names of a pattern from all others. Digits only where it has fields, so no name can leave its folder."""
    return re.compile(_name_expression(pattern), re.ASCII)


def _name_expression(pattern: str, places: list[str] | None = None) -> str:
    """``places``: where given, every field of the pattern becomes a group, and its name is added there."""
    parts: list[str] = []
    for literal, field, spec, conversion in Formatter().parse(pattern):
        parts.append(re.escape(literal))
        if field is None:
            continue
        if conversion or field not in {"date", "seq", "day_seq"}:
            raise ValueError("a pattern knows {date:%Y%m%d}, {seq:03d} and {day_seq:03d}, nothing else")
        if field == "date":
            parts.append(_date_expression(spec or "", places))
        else:
            parts.append(_group(_sequence_expression(spec or ""), "seq", places))
    return "".join(parts)


def _group(expression: str, name: str, places: list[str] | None) -> str:
    if places is None:
        return expression
    places.append(name)
    return f"({expression})"


def _date_expression(spec: str, places: list[str] | None) -> str:
    pieces: Sequence[str] = re.findall(r"%.|[^%]", spec)
    if not spec or any(piece.startswith("%") and piece not in _DATE_PARTS for piece in pieces):
        raise ValueError(f"a date in a pattern is made of {' '.join(_DATE_PARTS)}")
    return "".join(
        _group(_DATE_PARTS[piece], piece, places) if piece in _DATE_PARTS else re.escape(piece) for piece in pieces
    )


def _sequence_expression(spec: str) -> str:
    width = re.fullmatch(r"0?(\d?)d", spec)
    if width is None:
        raise ValueError("a sequence in a pattern is written {seq:03d}")
    return rf"\d{{{width[1] or 1},}}"
