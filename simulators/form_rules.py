"""What the rules of a form ask of a value, gathered for the filler: bounds, references and conditions, for one field at a time."""

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError

from contracts.catalogue import CodeList, Column, FieldType, FormField, Validator
from contracts.records import record

_PATH: Final = re.compile(r"(?<![\w.])(applicant|agent|form)\.(\w+)")
_BOUND: Final = re.compile(r"today(?:([+-][0-9]+)d)?")
_MARGIN_DAYS: Final = 20
"""Bounds that move with the day are kept at a distance: a case may be judged again some days later."""


@record
class Asked:
    """A field or column with everything that is asked of it. ``path``: ``scope.name``, for a column that of its table.

    ``ages``: the age limits on its value or on what is derived from it.
    """

    path: str
    name: str
    label: str
    type: FieldType
    rules: Mapping[str, Validator]
    all_rules: tuple[Validator, ...]
    columns: tuple["Asked", ...] = ()
    when: str | None = None
    derived_from: str | None = None
    derive_rule: str = ""
    derive_if: str | None = None
    ages: tuple[Validator, ...] = ()

    @property
    def shown_if(self) -> str | None:
        """The condition under which the field applies at all."""
        needed = self.rules.get("required_if")
        return self.when or (needed.when if needed else None)

    @property
    def required(self) -> bool:
        """Whether it must be given where it applies."""
        return "required" in self.rules or "required_if" in self.rules

    def depends_on(self) -> frozenset[str]:
        """The fields that must have their values first."""
        found: set[str] = set()
        for rule in self.all_rules:
            found.update(path for path in (rule.field, rule.from_) if path)
            found.update(_table_path(rule.table) for _ in (rule.table,) if rule.table)
        conditions = [self.shown_if, self.derive_if, *(rule.only_if for rule in self.all_rules)]
        for condition in filter(None, conditions):
            found.update(".".join(pair) for pair in _PATH.findall(condition))
        if self.derived_from:
            found.add(self.derived_from)
        return frozenset(found - {self.path})


def asked(
    scope: str, field: FormField, checks: Sequence[Validator], ages: Mapping[str, tuple[Validator, ...]]
) -> Asked:
    """A field with its own rules and those that the item adds. ``ages``: limits by the path they bear on."""
    path = f"{scope}.{field.name}"
    rules = (*field.validators, *(rule for rule in checks if rule.on == path))
    return Asked(
        path=path,
        name=field.name,
        label=field.label_zh,
        type=field.type,
        rules={rule.rule: rule for rule in rules if rule.severity == "error"},
        all_rules=rules,
        columns=tuple(_column(path, column) for column in field.columns),
        when=field.when,
        derived_from=field.derive.from_ if field.derive else None,
        derive_rule=field.derive.rule if field.derive else "",
        derive_if=field.derive.only_if if field.derive else None,
        ages=ages.get(path, ()),
    )


def _column(path: str, column: Column) -> Asked:
    rules = column.validators
    return Asked(
        path=path,
        name=column.name,
        label=column.label_zh,
        type=column.type,
        rules={rule.rule: rule for rule in rules if rule.severity == "error"},
        all_rules=rules,
        ages=tuple(rule for rule in rules if rule.rule == "age_range"),
    )


def _table_path(name: str) -> str:
    return name if "." in name else f"form.{name}"


def table_of(rule: Validator, root: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rows that the rule refers to, as far as they are filled in."""
    return value_at(_table_path(rule.table or ""), root) or None


def value_at(path: str, root: Mapping[str, Any]) -> Any:
    """The value at ``scope.name``; None when it is not there."""
    scope, _, name = path.partition(".")
    return (root.get(scope) or {}).get(name)


@cache
def _compiled(condition: str) -> Any:
    """Kept without a bound: a catalogue has a few hundred conditions, more than the library keeps by itself."""
    return jmespath.compile(condition)


def holds(condition: str | None, root: Mapping[str, Any]) -> bool:
    """Whether the condition is true; none at all always is, and one that cannot be evaluated never."""
    if condition is None:
        return True
    try:
        return bool(_compiled(condition).search(root))
    except JMESPathError:
        return False


def codes_on(day: date, codes: CodeList) -> Sequence[str]:
    """The codes that are in force."""
    text = day.isoformat()
    return [
        code.code
        for code in codes.codes
        if (code.valid_from or "") <= text[: len(code.valid_from or "")]
        and text[: len(code.valid_to or "9999")] <= (code.valid_to or "9999")
    ]


def number_range(field: Asked, root: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    """Least and most; a range without an end gets a modest one."""
    least = [Decimal(str(field.rules["min"].value))] if "min" in field.rules else []
    most = [Decimal(str(field.rules["max"].value))] if "max" in field.rules else []
    for rule, bounds in (("not_less_than", least), ("not_more_than", most)):
        if rule in field.rules and (other := value_at(field.rules[rule].field or "", root)) is not None:
            bounds.append(Decimal(str(other)))
    low = max(least) if least else min([Decimal(0), *most])
    high = min(most) if most else low + (20 if field.type == "int" else 2000)
    return low, max(low, high)


def day_range(field: Asked, root: Mapping[str, Any], today: date) -> tuple[date, date]:
    """First and last day of a date or month."""
    low: list[date] = []
    high: list[date] = []
    if "date_range" in field.rules:
        earliest, latest = field.rules["date_range"].earliest, field.rules["date_range"].latest
        low += [_bound(earliest, today, _MARGIN_DAYS)] if earliest else []
        high += [_bound(latest, today, 0)] if latest else []
    if "date_not_future" in field.rules:
        high.append(today)
    for rule, bounds in (("not_less_than", low), ("not_more_than", high)):
        if rule in field.rules and (other := value_at(field.rules[rule].field or "", root)):
            bounds.append(_day(str(other)))
    if "max_span" in field.rules and (start := value_at(field.rules["max_span"].from_ or "", root)):
        low.append(_day(str(start)))
        high.append(_months_after(_day(str(start)), field.rules["max_span"].months or 0))
    last = min(high, default=today)
    first = max(low, default=last - timedelta(days=400))
    return first, max(first, last)


def _bound(text: str, today: date, margin: int) -> date:
    relative = _BOUND.fullmatch(text)
    if relative is None:
        return date.fromisoformat(text)
    return today + timedelta(days=int(relative[1] or 0) + margin)


def _day(text: str) -> date:
    return date.fromisoformat(text if len(text) == 10 else f"{text}-01")


def _months_after(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
