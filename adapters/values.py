"""Typed values, one by one: what the hub holds, and how a channel writes it.

Values inside the hub, by declared type, are what JSON can say without loss:

    string, code          text                          bool      true or false
    codes                 a list of texts               int       a whole number
    decimal, money        text, ``12.5`` and ``12.50``  date      text, ``2026-11-23``
    table                 a list of objects             month     text, ``2026-11``
    object                an object

A channel that speaks JSON uses these forms as they are (``JSON_FORM``); record files and XML say in a ``ValueForm`` how they
write them. Nothing is rounded, cut or guessed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal

import orjson
from pydantic import JsonValue

from contracts.catalogue import Column
from contracts.records import record


class BadValueError(ValueError):
    """A value that its declared type cannot hold. The text never repeats the value: it may be personal."""


_ISO = "%Y-%m-%d"


@record
class ValueForm:
    """How one channel writes typed values.

    ``text``: every value is text, as in record files; absent is blank. ``date`` and ``month`` are strftime patterns.
    ``money``: ``decimal`` (``12.50``) or whole ``cents`` (``1250``). ``separator`` joins the entries of type codes.
    """

    text: bool = False
    date: str = _ISO
    month: str = "%Y-%m"
    money: Literal["decimal", "cents"] = "decimal"
    true: str = "true"
    false: str = "false"
    separator: str = ";"


JSON_FORM = ValueForm()
RECORD_FORM = ValueForm(text=True, date="%Y%m%d", month="%Y%m", money="cents", true="1", false="0")

_Coercion = Callable[[JsonValue, ValueForm], JsonValue]


def wire_value(value: JsonValue, kind: str, form: ValueForm = JSON_FORM, columns: Sequence[Column] = ()) -> JsonValue:
    """A value of the hub as the channel writes it; text where ``form.text``. Raises BadValueError."""
    if value is None:
        return "" if form.text else None
    if kind in {"table", "object"}:
        nested = _nested(value, kind, columns, form, wire_value)
        return orjson.dumps(nested).decode() if form.text else nested
    return _coercion(_TO_WIRE, kind)(value, form)


def read_value(value: JsonValue, kind: str, form: ValueForm = JSON_FORM, columns: Sequence[Column] = ()) -> JsonValue:
    """A value of the channel as the hub holds it; None for blank text that is no string. Raises BadValueError."""
    if value is None or (form.text and value == ""):
        return None
    if kind in {"table", "object"}:
        return _nested(_parsed_cell(value, form), kind, columns, form, read_value)
    return _coercion(_FROM_WIRE, kind)(value, form)


def _parsed_cell(value: JsonValue, form: ValueForm) -> JsonValue:
    """A table that had to travel as one text, opened again."""
    if not form.text or not isinstance(value, str):
        return value
    try:
        parsed: JsonValue = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise BadValueError("a table in JSON is expected") from error
    return parsed


def _nested(
    value: JsonValue,
    kind: str,
    columns: Sequence[Column],
    form: ValueForm,
    one: Callable[[JsonValue, str, ValueForm], JsonValue],
) -> JsonValue:
    """Tables and objects cell by cell; without declared columns an object passes as it is, a table's undeclared cells do not."""
    if kind == "object" and not columns:
        if not isinstance(value, dict):
            raise BadValueError("an object is expected")
        return value
    if kind == "table" and not isinstance(value, list):
        raise BadValueError("a table is expected")
    rows = value if isinstance(value, list) else [value]
    # Cells keep their JSON form even where the table itself has to travel as one text.
    cells = JSON_FORM if form.text else form
    mapped: list[JsonValue] = []
    for row in rows:
        if not isinstance(row, dict):
            raise BadValueError("a row of a table must be an object")
        if not columns:
            mapped.append(row)
            continue
        present = ((column, row.get(column.name)) for column in columns)
        mapped.append({column.name: one(cell, column.type, cells) for column, cell in present if cell is not None})
    return mapped if kind == "table" else mapped[0]


def _string(value: JsonValue, _form: ValueForm) -> str:
    if isinstance(value, str):
        return value
    # Departments often send a code or a number of a certificate as a bare JSON integer.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadValueError("text is expected")


def _codes_out(value: JsonValue, form: ValueForm) -> JsonValue:
    if not isinstance(value, list):
        raise BadValueError("a list of codes is expected")
    codes = [_string(code, form) for code in value]
    if not form.text:
        return [*codes]
    if any(form.separator in code for code in codes):
        raise BadValueError("a code contains the separator")
    return form.separator.join(codes)


def _codes_in(value: JsonValue, form: ValueForm) -> JsonValue:
    if form.text and isinstance(value, str):
        return [*value.split(form.separator)]
    if not isinstance(value, list):
        raise BadValueError("a list of codes is expected")
    return [_string(code, form) for code in value]


def _bool_out(value: JsonValue, form: ValueForm) -> JsonValue:
    if not isinstance(value, bool):
        raise BadValueError("true or false is expected")
    return value if not form.text else form.true if value else form.false


def _bool_in(value: JsonValue, form: ValueForm) -> JsonValue:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in {form.true, form.false}:
        return value == form.true
    raise BadValueError("true or false is expected")


def _int(value: JsonValue, _form: ValueForm) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value, re.ASCII):
        return int(value)
    raise BadValueError("a whole number is expected")


def _int_out(value: JsonValue, form: ValueForm) -> JsonValue:
    number = _int(value, form)
    return str(number) if form.text else number


def _number(value: JsonValue) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadValueError("a number is expected")
    try:
        # A float's shortest text is what its sender wrote: 0.1 stays 0.1.
        number = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise BadValueError("a number is expected") from error
    if not number.is_finite() or abs(number.adjusted()) > 18:
        raise BadValueError("a finite number of at most 18 digits is expected")
    return number


def _decimal(value: JsonValue, _form: ValueForm) -> str:
    return f"{_number(value):f}"


def _cents(value: JsonValue) -> Decimal:
    number = _number(value)
    if number != number.quantize(Decimal("0.01")):
        raise BadValueError("money has at most two decimals")
    return number


def _money_out(value: JsonValue, form: ValueForm) -> JsonValue:
    amount = _cents(value)
    return f"{amount * 100:.0f}" if form.money == "cents" else f"{amount:.2f}"


def _money_in(value: JsonValue, form: ValueForm) -> JsonValue:
    if form.money == "cents":
        return f"{Decimal(_int(value, form)) / 100:.2f}"
    return f"{_cents(value):.2f}"


def _day_out(value: JsonValue, form: ValueForm) -> JsonValue:
    day = _iso_day(value)
    return day.isoformat() if form.date == _ISO else day.strftime(form.date)


def _iso_day(value: JsonValue) -> date:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        raise BadValueError("a date such as 2026-11-23 is expected")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise BadValueError("a day of the calendar is expected") from error


def _day_in(value: JsonValue, form: ValueForm) -> JsonValue:
    # The common form is worth a shorter way: strptime costs thirty times as much.
    return _iso_day(value).isoformat() if form.date == _ISO else _parsed(value, form.date).date().isoformat()


def _month_out(value: JsonValue, form: ValueForm) -> JsonValue:
    if not isinstance(value, str):
        raise BadValueError("a month such as 2026-11 is expected")
    return _iso_day(f"{value}-01").strftime(form.month)


def _month_in(value: JsonValue, form: ValueForm) -> JsonValue:
    return f"{_parsed(value, form.month):%Y-%m}"


def _parsed(value: JsonValue, pattern: str) -> datetime:
    try:
        found = datetime.strptime(str(value), pattern)  # noqa: DTZ007 - a day of the civil calendar has no zone
    except ValueError as error:
        raise BadValueError(f"a date of the form {pattern} is expected") from error
    # strptime takes 2026-1-5 for %Y-%m-%d; a partner who writes that has changed the format without a word.
    if found.strftime(pattern) != value:
        raise BadValueError(f"a date of the form {pattern} is expected")
    return found


_TO_WIRE: Mapping[str, _Coercion] = {
    "string": _string,
    "text": _string,
    "code": _string,
    "codes": _codes_out,
    "bool": _bool_out,
    "int": _int_out,
    "decimal": _decimal,
    "money": _money_out,
    "date": _day_out,
    "month": _month_out,
}
_FROM_WIRE: Mapping[str, _Coercion] = {
    "string": _string,
    "text": _string,
    "code": _string,
    "codes": _codes_in,
    "bool": _bool_in,
    "int": _int,
    "decimal": _decimal,
    "money": _money_in,
    "date": _day_in,
    "month": _month_in,
}


def _coercion(table: Mapping[str, _Coercion], kind: str) -> _Coercion:
    if kind not in table:
        raise BadValueError(f"the type {kind} is not one of {', '.join([*table, 'table', 'object'])}")
    return table[kind]
