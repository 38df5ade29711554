"""Values of a form by their declared type: read strictly, given back in the one form that the hub keeps.

    string, text     text without surrounding space; string is one line
    code, codes      text; a list of different texts
    bool, int        true or false; a whole number
    decimal, money   text, from text or a JSON number: ``12.5`` and ``12.50``
    date, month      text, ``2026-11-23`` and ``2026-11``
    object           an object as it is

Blank and null mean: not given. A wrong value raises ``WrongValue``, whose text says what to give and never repeats the value.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

from pydantic import JsonValue

_LONGEST_STRING = 1000
_LONGEST_TEXT = 10_000
_LARGEST = 2**53
"""Beyond it JSON numbers are no longer exact everywhere."""

_NOT_IN_A_LINE = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_NOT_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?")
_MONTH = re.compile("[0-9]{4}-(0[1-9]|1[0-2])")


class WrongValue(ValueError):
    """The text is the message for the sender."""


def _line(value: JsonValue) -> str | None:
    if type(value) is not str:
        raise WrongValue("give text")
    value = value.strip()
    if len(value) > _LONGEST_STRING:
        raise WrongValue(f"give at most {_LONGEST_STRING} characters")
    # Printable text, which nearly all of it is, needs no search.
    if not value.isprintable() and _NOT_IN_A_LINE.search(value):
        raise WrongValue("leave out line breaks and control characters")
    return value or None


def _text(value: JsonValue) -> str | None:
    if type(value) is not str:
        raise WrongValue("give text")
    value = value.strip()
    if len(value) > _LONGEST_TEXT:
        raise WrongValue(f"give at most {_LONGEST_TEXT} characters")
    if not value.isprintable() and _NOT_IN_TEXT.search(value):
        raise WrongValue("leave out control characters")
    return value or None


def _codes(value: JsonValue) -> JsonValue:
    if not isinstance(value, list):
        raise WrongValue("give a list of codes")
    found = [code for code in map(_line, value) if code]
    if len(set(found)) != len(found):
        raise WrongValue("give each code once")
    return [*found] or None


def _bool(value: JsonValue) -> bool:
    if type(value) is not bool:
        raise WrongValue("give true or false")
    return value


def _int(value: JsonValue) -> int:
    if type(value) is not int or not -_LARGEST <= value <= _LARGEST:
        raise WrongValue("give a whole number")
    return value


def _number(value: JsonValue) -> Decimal | None:
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if _DECIMAL.fullmatch(value):
            return Decimal(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # repr is the shortest text that gives the same number: what the sender wrote.
        try:
            number = Decimal(repr(value))
        except InvalidOperation:  # pragma: no cover - repr of a number is always one
            raise WrongValue("give a number") from None
        if number.is_finite() and abs(number) <= _LARGEST:
            return number
    raise WrongValue("give a number such as 12.5, as a JSON number or as text")


def _decimal(value: JsonValue) -> str | None:
    number = _number(value)
    if number is None:
        return None
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _money(value: JsonValue) -> str | None:
    number = _number(value)
    if number is None:
        return None
    cents = number.scaleb(2)
    if cents != cents.to_integral_value():
        raise WrongValue("give an amount in yuan with at most two decimals")
    return f"{number:.2f}"


def _date(value: JsonValue) -> str | None:
    found = _line(value)
    if found is None:
        return None
    try:
        # fromisoformat alone would take 20260302 and 2026-W10-1 as well.
        if len(found) == 10 and found[4] == found[7] == "-":
            return date.fromisoformat(found).isoformat()
    except ValueError:
        pass
    raise WrongValue("give a date as YYYY-MM-DD")


def _month(value: JsonValue) -> str | None:
    found = _line(value)
    if found is not None and not _MONTH.fullmatch(found):
        raise WrongValue("give a month as YYYY-MM")
    return found


def _object(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        raise WrongValue("give an object")
    return value or None


READERS: Mapping[str, Callable[[JsonValue], JsonValue]] = {
    "string": _line,
    "text": _text,
    "code": _line,
    "codes": _codes,
    "bool": _bool,
    "int": _int,
    "decimal": _decimal,
    "money": _money,
    "date": _date,
    "month": _month,
    "object": _object,
}
"""By declared type; ``table`` is read row by row in ``hub.forms``."""
