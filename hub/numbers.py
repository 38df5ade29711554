"""Numbers that the hub gives out: of cases, of task sheets, of deliveries.

case 办件编号        24 digits: centre 9, date 8 (local), sequence 6, check digit over the 23 before it (ISO 7064 mod 11,10)
task sheet 交办单    12 characters of ``SHEET_ALPHABET``: 9 random, 3 of a keyed MAC; nothing of the case is in it
delivery            UUID version 7 (RFC 9562): ordered by time, so that new rows land at the end of an index
"""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from random import Random, SystemRandom
from uuid import UUID

from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_11_10

from contracts.errors import OnedoorError
from contracts.records import record
from contracts.task_sheet import SHEET_ALPHABET

LAST_SEQUENCE = 999_999
"""A centre numbers at most so many cases a day."""

_RANDOM_PART = 9
_LOW_62 = (1 << 62) - 1
_UNGUESSABLE = SystemRandom()
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None})


class BadNumber(OnedoorError):
    """A number with a wrong length, character or check digit. The text never repeats the number."""


@record
class CaseNumber:
    """The parts of a case number. ``centre``: 9 digits; ``sequence``: 1 to 999,999 within centre and day."""

    centre: str
    day: date
    sequence: int


def case_number(centre: str, day: date, sequence: int) -> str:
    """The number of a case; ``day`` is the site's date of receipt. Raises BadNumber."""
    if not 1 <= sequence <= LAST_SEQUENCE:
        raise BadNumber(f"a centre numbers 1 to {LAST_SEQUENCE:,} cases a day: split the centre")
    first, checked = _first_digits(centre, day)
    last = f"{sequence:06d}"
    for digit in last:
        checked = _checked(checked, digit)
    return f"{first}{last}{(1 - (checked or 10) * 2 % 11) % 10}"


@lru_cache(maxsize=1024)
def _first_digits(centre: str, day: date) -> tuple[str, int]:
    """What all cases of a centre and day have in common, and the check so far: it goes from digit to digit."""
    if not re.fullmatch("[0-9]{9}", centre):
        raise BadNumber("a centre code has 9 digits: correct it in centres.toml")
    first, checked = f"{centre}{day:%Y%m%d}", 5
    for digit in first:
        checked = _checked(checked, digit)
    return first, checked


def _checked(before: int, digit: str) -> int:
    """A step of ISO 7064 mod 11,10."""
    return ((before or 10) * 2 % 11 + int(digit)) % 10


def read_case_number(text: str) -> CaseNumber:
    """The parts of a case number, after checking it. Raises BadNumber."""
    if not re.fullmatch("[0-9]{24}", text):
        raise BadNumber("a case number has 24 digits: read it again")
    try:
        mod_11_10.validate(text)
    except ValidationError as error:
        raise BadNumber("the check digit of the case number is wrong: read it again") from error
    try:
        day = date(int(text[9:13]), int(text[13:15]), int(text[15:17]))
    except ValueError as error:
        raise BadNumber("the date in the case number does not exist: read it again") from error
    return CaseNumber(centre=text[:9], day=day, sequence=int(text[17:23]))


def sheet_number(mac: Callable[[str], str], source: Random = _UNGUESSABLE) -> str:
    """A fresh number of a task sheet. ``mac`` gives the 3 characters for the 9 random ones."""
    part = "".join(source.choices(SHEET_ALPHABET, k=_RANDOM_PART))
    return part + mac(part)


def read_sheet_number(text: str, mac: Callable[[str], str]) -> str:
    """The number as it was given out, from one that was scanned or keyed: any case, with spaces or hyphens, O for 0, I or L for 1.

    Raises BadNumber for one that this hub never gave out.
    """
    number = text.strip().upper().translate(_MISREAD)
    if len(number) != 12 or not set(number) <= set(SHEET_ALPHABET):
        raise BadNumber("a sheet number has 12 letters and digits: read it again from the sheet")
    if mac(number[:_RANDOM_PART]) != number[_RANDOM_PART:]:
        raise BadNumber("no sheet with this number was given out: read it again, or look the task up by its case")
    return number


def time_ordered_uuid(at: int, source: Random = _UNGUESSABLE) -> UUID:
    """A UUID of version 7 for a time in Unix milliseconds; those of one millisecond come in random order."""
    drawn = source.getrandbits(74)
    return UUID(int=(at << 80) | (7 << 76) | ((drawn >> 62) << 64) | (0b10 << 62) | (drawn & _LOW_62))
