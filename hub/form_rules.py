"""The closed list of validators, compiled: each becomes a function from a value to what is wrong with it.

A rule is only asked about a value that is there and of its type; what is missing is the matter of ``required`` and ``required_if``,
which ``hub.forms`` handles with visibility. A reference to a field that is missing or wrong itself asks for nothing.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Set
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from pydantic import JsonValue
from stdnum import luhn

from contracts.catalogue import CodeList, Validator
from hub.conditions import condition
from hub.identity import holder, resident_id_problem, uscc_problem

_MOBILE = re.compile("1[3-9][0-9]{9}")
_BOUND = re.compile(r"today(?:([+-][0-9]+)d)?")


class Look:
    """One look at an application: its values as far as they could be read, and what the rules share while they run.

    ``root``: ``applicant``, ``agent`` (None without one) and ``form``, each by field name. ``broken``: paths of fields that have a wrong value.
    """

    __slots__ = ("_ids", "broken", "regions", "root", "today")

    def __init__(self, root: dict[str, Any], today: date, regions: Set[str]) -> None:
        self.root = root
        self.today = today
        self.regions = regions
        self.broken: set[str] = set()
        self._ids: dict[str, str | None] = {}

    def value(self, path: str) -> Any:
        """The value at ``scope.name``; None when it is missing or wrong."""
        if path in self.broken:
            return None
        scope, _, name = path.partition(".")
        return (self.root.get(scope) or {}).get(name)

    def id_problem(self, number: str) -> str | None:
        """What is wrong with an identity number; asked twice or more where something is derived from it."""
        if number not in self._ids:
            self._ids[number] = resident_id_problem(number, self.regions, self.today)
        return self._ids[number]


Rule: TypeAlias = Callable[[Any, Look], str | None]
"""From a value to the message for the sender; None when it is right."""


class CodeSets:
    """The codes of the site's lists as sets, those with a term apart: a list of thousands is asked in one step."""

    def __init__(self, lists: Mapping[str, CodeList]) -> None:
        self._lists = lists
        self._sets: dict[str, tuple[frozenset[str], Mapping[str, tuple[str, str]]]] = {}
        self.regions = frozenset(
            code.code for name in ("region6", "region6_historic") if name in lists for code in lists[name].codes
        )

    def get(self, name: str) -> tuple[frozenset[str], Mapping[str, tuple[str, str]]]:
        """Codes without a term, and the first and last day (or month, or year) of those with one. Raises KeyError."""
        if name not in self._sets:
            codes = self._lists[name].codes
            dated = {
                code.code: (code.valid_from or "", code.valid_to or "9999")
                for code in codes
                if code.valid_from or code.valid_to
            }
            self._sets[name] = (frozenset(code.code for code in codes) - dated.keys(), dated)
        return self._sets[name]


def compile_rule(rule: Validator, sets: CodeSets, kind: str) -> Rule:
    """The function of a validator on a value of type ``kind``. Raises ValueError, KeyError, re.error or JMESPathError for one that is wrong."""
    if rule.rule not in RULES:
        raise ValueError(f"no validator {rule.rule}: the closed list is {', '.join(sorted(RULES))}")
    check = RULES[rule.rule](rule, sets, kind)
    if rule.only_if is None:
        return check
    applies = condition(rule.only_if)
    return lambda value, look: check(value, look) if applies(look.root) else None


def _needed(value: Any, name: str) -> Any:
    if value is None:
        raise ValueError(f"the parameter {name} is missing")
    return value


def _min(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    least = Decimal(str(_needed(rule.value, "value")))
    return lambda value, _: None if Decimal(value) >= least else f"give {least} or more"


def _max(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    most = Decimal(str(_needed(rule.value, "value")))
    return lambda value, _: None if Decimal(value) <= most else f"give {most} or less"


def _scale(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    places = int(_needed(rule.value, "value"))
    return lambda value, _: (
        None if len(str(value).partition(".")[2]) <= places else f"give at most {places} decimal places"
    )


def _max_length(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    most = int(_needed(rule.value, "value"))
    return lambda value, _: None if len(value) <= most else f"give at most {most} characters"


def _pattern(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    whole = re.compile(_needed(rule.value, "value")).fullmatch
    return lambda value, _: None if whole(value) else f"must match {rule.value}"


def _code_list(rule: Validator, sets: CodeSets, _kind: str) -> Rule:
    name = _needed(rule.list, "list")
    lasting, dated = sets.get(name)

    def known(code: str, look: Look) -> bool:
        if code in lasting:
            return True
        if code not in dated:
            return False
        first, last = dated[code]
        today = look.today.isoformat()
        # A term may be given as a year, a month or a day: compared as far as it is given.
        return first <= today[: len(first)] and today[: len(last)] <= last

    def check(value: Any, look: Look) -> str | None:
        codes = value if isinstance(value, list) else (value,)
        return None if all(known(code, look) for code in codes) else f"give a code of the list {name}"

    return check


def _resident_id(_rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    return lambda value, look: look.id_problem(value)


def _uscc(_rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    return lambda value, _: uscc_problem(value)


def _mobile(_rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    return lambda value, _: None if _MOBILE.fullmatch(value) else "give a mainland mobile number of 11 digits"


def _luhn(_rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    return lambda value, _: (
        None if luhn.is_valid(value) else "the check digit does not fit: compare the number with the card"
    )


def _date_not_future(_rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    return lambda value, look: None if value <= look.today.isoformat() else "give a date that is not in the future"


def _date_range(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    earliest, latest = _bound(rule.earliest), _bound(rule.latest)

    def check(value: Any, look: Look) -> str | None:
        if earliest and value < (first := earliest(look.today)):
            return f"give {first} or later"
        if latest and value > (last := latest(look.today)):
            return f"give {last} or earlier"
        return None

    return check


def _bound(text: str | None) -> Callable[[date], str] | None:
    if text is None:
        return None
    relative = _BOUND.fullmatch(text)
    if relative is None:
        fixed = date.fromisoformat(text).isoformat()
        return lambda _: fixed
    days = timedelta(days=int(relative[1] or 0))
    return lambda today: (today + days).isoformat()


def _age_range(rule: Validator, _sets: CodeSets, kind: str) -> Rule:
    at = rule.at and (int(rule.at[:2]), int(rule.at[3:]))
    scope = (rule.on or "").partition(".")[0]

    def check(value: Any, look: Look) -> str | None:
        born, sex = _person(value, kind, scope, look)
        if born is None:
            return "an age limit applies: give an identity number, or the date of birth too"
        day = date(look.today.year, *at) if at else look.today
        age = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
        least = max(
            filter(None, (rule.min, rule.min_male if sex == "1" else rule.min_female if sex == "2" else None)),
            default=None,
        )
        if least is not None and age < least:
            return f"the person must be {least} or older{f' on {day}' if at else ''}"
        if rule.max is not None and age > rule.max:
            return f"the person must be {rule.max} or younger{f' on {day}' if at else ''}"
        return None

    return check


def _person(value: str, kind: str, scope: str, look: Look) -> tuple[date | None, str | None]:
    """Birth date and sex behind a value: a date, an identity number, or another document with the fields beside it."""
    if kind == "date":
        return date.fromisoformat(value), None
    found = holder(value)
    if found is not None:
        return found.born, found.sex
    born = look.value(f"{scope}.birth_date")
    return (date.fromisoformat(born) if born else None), look.value(f"{scope}.sex")


def _table_path(name: str) -> str:
    return name if "." in name else f"form.{name}"


def _sum_of(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    path, column = _table_path(_needed(rule.table, "table")), _needed(rule.column, "column")

    def check(value: Any, look: Look) -> str | None:
        table = look.value(path)
        if table is None or sum(Decimal(row.get(column, 0)) for row in table) == Decimal(value):
            return None
        return f"must be the sum of column {column} of {path}"

    return check


def _row_count_of(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    path = _table_path(_needed(rule.table, "table"))

    def check(value: Any, look: Look) -> str | None:
        table = (look.root.get("form") or {}).get(path.partition(".")[2])
        return None if table is None or len(table) == value else f"must be the number of rows of {path}"

    return check


def _min_rows(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    least = int(_needed(rule.value, "value"))
    return lambda value, _: None if len(value) >= least else f"give at least {least} rows"


def _max_rows(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    most = int(_needed(rule.value, "value"))
    return lambda value, _: None if len(value) <= most else f"give at most {most} rows"


def _unique_column(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    column = _needed(rule.column, "column")

    def check(value: Any, _look: Look) -> str | None:
        given = [row[column] for row in value if column in row]
        return None if len(set(given)) == len(given) else f"give each {column} in one row only"

    return check


def _equals(rule: Validator, _sets: CodeSets, kind: str) -> Rule:
    wanted: JsonValue = _needed(rule.value, "value")
    says = {True: "true", False: "false"}.get(wanted, wanted) if isinstance(wanted, bool) else wanted
    if kind in {"decimal", "money"}:
        number = Decimal(str(wanted))
        return lambda value, _: None if Decimal(value) == number else f"must be {says}"
    return lambda value, _: None if value == wanted and type(value) is type(wanted) else f"must be {says}"


def _equals_field(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    path = _needed(rule.field, "field")

    def check(value: Any, look: Look) -> str | None:
        other = look.value(path)
        return None if other is None or other == value else f"must be the same as {path}"

    return check


def _ordered(value: Any, kind: str) -> Any:
    return Decimal(value) if kind in {"int", "decimal", "money"} else value


def _not_less_than(rule: Validator, _sets: CodeSets, kind: str) -> Rule:
    path = _needed(rule.field, "field")

    def check(value: Any, look: Look) -> str | None:
        other = look.value(path)
        return (
            None if other is None or _ordered(value, kind) >= _ordered(other, kind) else f"must not be less than {path}"
        )

    return check


def _not_more_than(rule: Validator, _sets: CodeSets, kind: str) -> Rule:
    path = _needed(rule.field, "field")

    def check(value: Any, look: Look) -> str | None:
        other = look.value(path)
        return (
            None if other is None or _ordered(value, kind) <= _ordered(other, kind) else f"must not be more than {path}"
        )

    return check


def _max_span(rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    path, months = _needed(rule.from_, "from"), int(_needed(rule.months, "months"))

    def check(value: Any, look: Look) -> str | None:
        start = look.value(path)
        if start is None or value <= _months_after(start, months):
            return None
        return f"must be at most {months} months after {path}"

    return check


def _months_after(start: str, months: int) -> str:
    """A date or month so many months later; the 31st becomes the last day of a shorter month."""
    year, month = divmod(int(start[:4]) * 12 + int(start[5:7]) - 1 + months, 12)
    if len(start) == 7:
        return f"{year:04d}-{month + 1:02d}"
    day = min(int(start[8:]), monthrange(year, month + 1)[1])
    return f"{year:04d}-{month + 1:02d}-{day:02d}"


def _presence(_rule: Validator, _sets: CodeSets, _kind: str) -> Rule:
    return lambda _value, _look: None


RULES: Mapping[str, Callable[[Validator, CodeSets, str], Rule]] = {
    "required": _presence,
    "required_if": _presence,
    "min": _min,
    "max": _max,
    "scale": _scale,
    "max_length": _max_length,
    "pattern": _pattern,
    "code_list": _code_list,
    "resident_id": _resident_id,
    "uscc": _uscc,
    "mobile": _mobile,
    "date_not_future": _date_not_future,
    "date_range": _date_range,
    "age_range": _age_range,
    "sum_of": _sum_of,
    "row_count_of": _row_count_of,
    "min_rows": _min_rows,
    "max_rows": _max_rows,
    "unique_column": _unique_column,
    "equals": _equals,
    "equals_field": _equals_field,
    "not_less_than": _not_less_than,
    "not_more_than": _not_more_than,
    "max_span": _max_span,
    "luhn": _luhn,
}
"""The closed list. ``required`` and ``required_if`` are about values that are not there; see ``hub.forms``."""
