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
    if "{seq" not in text:
        raise ValueError("a pattern needs {seq:03d}, or two files of a day would share a name")
    return text


def file_name(pattern: str, at: datetime, sequence: int, zone: str) -> str:
    """The name of a file that was sealed ``at``, in the local time of ``zone``."""
    return pattern.format(date=at.astimezone(ZoneInfo(zone)), seq=sequence)


def name_matcher(pattern: str) -> re.Pattern[str]:
    """What tells the names of a pattern from all others. Digits only where it has fields, so no name can leave its folder."""
    return re.compile(_name_expression(pattern), re.ASCII)


def _name_expression(pattern: str) -> str:
    parts: list[str] = []
    for literal, field, spec, conversion in Formatter().parse(pattern):
        parts.append(re.escape(literal))
        if field is None:
            continue
        if conversion or field not in {"date", "seq"}:
            raise ValueError("a pattern knows {date:%Y%m%d} and {seq:03d}, nothing else")
        parts.append(_date_expression(spec or "") if field == "date" else _sequence_expression(spec or ""))
    return "".join(parts)


def _date_expression(spec: str) -> str:
    pieces: Sequence[str] = re.findall(r"%.|[^%]", spec)
    if not spec or any(piece.startswith("%") and piece not in _DATE_PARTS for piece in pieces):
        raise ValueError(f"a date in a pattern is made of {' '.join(_DATE_PARTS)}")
    return "".join(_DATE_PARTS.get(piece, re.escape(piece)) for piece in pieces)


def _sequence_expression(spec: str) -> str:
    width = re.fullmatch(r"0?(\d?)d", spec)
    if width is None:
        raise ValueError("a sequence in a pattern is written {seq:03d}")
    return rf"\d{{{width[1] or 1},}}"
