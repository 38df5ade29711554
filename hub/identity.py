"""Resident identity numbers (GB 11643) and unified social credit codes (GB 32100): normalised on entry, checked, read.

The region of an identity number is checked against the site's own lists, former regions included: a number keeps the region of its time.
Texts name what to do and never repeat the number.
"""

from collections.abc import Set
from datetime import date

from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

from contracts.records import record

_FULL_WIDTH = str.maketrans(
    {**{chr(0xFF10 + n): str(n) for n in range(10)}, **{chr(0xFF21 + n): chr(0x41 + n) for n in range(26)}}
)
_FULL_WIDTH_SMALL = {0xFF41 + n: chr(0x61 + n) for n in range(26)}
_BODY_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_OLDEST = date(1900, 1, 1)
_CENTENARIANS = frozenset({"996", "997", "998", "999"})
"""Sequence parts that 15-digit numbers kept for people born before 1900: their century cannot be known."""


@record
class Holder:
    """What an identity number says of its holder. ``sex``: 1 male, 2 female (GB/T 2261.1)."""

    born: date
    sex: str


def compact(text: str) -> str:
    """Without surrounding space, full-width characters made plain, letters upper case."""
    text = text.strip()
    if not text.isascii():
        text = text.translate(_FULL_WIDTH).translate(_FULL_WIDTH_SMALL)
    return text.upper()


def eighteen_digits(number: str) -> str:
    """An old number of 15 digits in its present form (century 19, check digit); any other text as it is."""
    if len(number) != 15 or not (number.isascii() and number.isdigit()) or number[12:] in _CENTENARIANS:
        return number
    body = f"{number[:6]}19{number[6:]}"
    return body + ric.calc_check_digit(f"{body}0")


def holder(number: str) -> Holder | None:
    """Birth date and sex from a number of 18; None when it has another shape or names no day."""
    if len(number) != 18 or not (number.isascii() and number[:17].isdigit()):
        return None
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    return Holder(born=born, sex="1" if int(number[16]) % 2 else "2")


def resident_id_problem(number: str, regions: Set[str], today: date) -> str | None:
    """What is wrong with an 18-character identity number; None when it is right."""
    if len(number) != 18:
        return "an identity number has 18 characters: read it again from the card"
    if not (number.isascii() and number[:17].isdigit() and number[17] in "0123456789X"):
        return "an identity number has digits and at most an X at the end: read it again from the card"
    if number[:6] not in regions:
        return "the first six digits are no region known here: read them again, or have the region list completed"
    found = holder(number)
    if found is None or not _OLDEST <= found.born <= today:
        return "digits 7 to 14 are no possible date of birth: read them again from the card"
    if ric.calc_check_digit(number) != number[17]:
        return "the check character does not fit: read the number again from the card"
    return None


def uscc_problem(code: str) -> str | None:
    """What is wrong with a unified social credit code; None when it is right."""
    if len(code) != 18:
        return "a unified social credit code has 18 characters: read it again from the licence"
    try:
        uscc.validate(code)
    except ValidationError:
        return "no valid unified social credit code: read it again from the licence, there is no I, O, S, V or Z in it"
    if _body_check(code[8:16]) != code[16]:
        return "the organisation code within it does not fit its check character: read it again from the licence"
    return None


def _body_check(body: str) -> str:
    """The check character of the organisation code that a USCC carries (GB 11714)."""
    rest = 11 - sum(int(char, 36) * weight for char, weight in zip(body, _BODY_WEIGHTS, strict=True)) % 11
    return {10: "X", 11: "0"}.get(rest, str(rest))
