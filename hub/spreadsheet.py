"""Cells of an export that a spreadsheet shows as they are, whatever a resident or a department wrote into them.

A cell that begins with one of these signs is a formula to Excel and its relatives, also in full width; so it gets an apostrophe
in front, which they do not show. A long number would lose its last digits: it gets one too. ``original_cell`` takes it away again.
"""

import re
import unicodedata

_LONG_NUMBER = re.compile(r"[0-9]{11,}[0-9Xx]?")
_MARK = "'"


def plain_cell(value: object) -> str:
    """The value as text that no spreadsheet calculates."""
    text = str(value)
    return _MARK + text if _is_risky(text) else text


def original_cell(text: str) -> str:
    """What was exported, from a cell that came back."""
    return text[1:] if text.startswith(_MARK) and _is_risky(text[1:]) else text


def _is_risky(text: str) -> bool:
    first = unicodedata.normalize("NFKC", text[:1])
    return first in ("=", "+", "-", "@", "\t", "\r", "\n", _MARK) or _LONG_NUMBER.fullmatch(text) is not None
