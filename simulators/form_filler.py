"""Fills in the form of any item as a careful applicant would: every rule kept, everything visibly invented.

The filler works from the catalogue alone. It takes the fields in the order in which they depend on each other, keeps to their types,
bounds, code lists and conditions, and leaves out what does not apply.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from contracts.catalogue import Item, Validator
from contracts.records import record
from contracts.site import Site
from simulators import identities
from simulators.form_rules import Asked, asked, codes_on, day_range, holds, number_range, table_of, value_at
from simulators.text_patterns import matching

_PERSON: Final = "姓名"
_NOT_A_PERSON: Final = ("单位", "组织", "学校", "机构", "企业")
_MOST_ROWS: Final = 4
_RESIDENT_CARDS: Final = 0.9
"""Share of applicants who show a resident identity card where other documents would do."""


@record
class Form:
    """What an item asks for. ``needs``: the fields that must have their values before a field, by its path."""

    fields: Sequence[Asked]
    needs: Mapping[str, frozenset[str]]
    has_ages: bool


class Forms:
    """The forms of a site, each read once however many cases are made."""

    def __init__(self, site: Site) -> None:
        self.regions = _regions(site)
        self._site = site
        self._read: dict[tuple[str, int], Form] = {}
        self._codes: dict[tuple[str, date], Sequence[str]] = {}

    def of(self, item: Item) -> Form:
        """The form of one version of an item."""
        found = self._read.get((item.code, item.version))
        if found is None:
            fields = _fields(self._site, item)
            found = self._read[item.code, item.version] = Form(
                fields=fields,
                needs={field.path: field.depends_on() for field in fields},
                has_ages=any(field.ages for field in fields),
            )
        return found

    def codes(self, name: str, day: date) -> Sequence[str]:
        """The codes of a list that are in force on a day."""
        found = self._codes.get((name, day))
        if found is None:
            found = self._codes[name, day] = codes_on(day, self._site.code_lists[name])
        return found


class Filler:
    """One form. ``root``: what is filled in so far, by scope, as conditions see it."""

    def __init__(self, site: Site, item: Item, dice: random.Random, today: date, forms: Forms | None = None) -> None:
        self._site = site
        self._dice = dice
        self._today = today
        self._forms = forms or Forms(site)
        form = self._forms.of(item)
        self._regions = self._forms.regions
        self._fields, self._needs, self._has_ages = form.fields, form.needs, form.has_ages
        self.root: dict[str, Any] = {"applicant": {}, "agent": None, "form": {}}

    def fill(self, *, agent: bool) -> Mapping[str, Any]:
        """All scopes; ``agent`` None unless somebody acts for the applicant and the item allows it."""
        if agent and any(field.path.startswith("agent.") for field in self._fields):
            self.root["agent"] = {}
        open_fields = [field for field in self._fields if self.root[_scope(field)] is not None]
        while open_fields:
            waiting = {field.path for field in open_fields}
            # Two fields may refer to each other: the first is then filled in freely, and the second keeps to it.
            field = next((one for one in open_fields if self._needs[one.path].isdisjoint(waiting)), open_fields[0])
            open_fields.remove(field)
            self._fill(field)
        return self.root

    def _fill(self, field: Asked) -> None:
        if not holds(field.shown_if, self.root):
            return
        derived = self._derived(field)
        if (derived is None and not field.required and self.root["agent"] is not None and _scope(field) == "agent") or (
            derived is None and (field.required or self._dice.random() < 0.7)
        ):
            derived = self._value(field)
        if derived is not None:
            self.root[_scope(field)][field.name] = derived

    def _derived(self, field: Asked) -> str | None:
        """What follows from an identity number."""
        if field.derived_from is None or not holds(field.derive_if, self.root):
            return None
        number = value_at(field.derived_from, self.root)
        if not isinstance(number, str) or len(number) != 18:
            return None
        born = f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
        return born if field.derive_rule == "yyyymmdd" else "1" if int(number[16]) % 2 else "2"

    def _value(self, field: Asked) -> Any:
        if "equals" in field.rules:
            return field.rules["equals"].value
        if "equals_field" in field.rules:
            other = value_at(field.rules["equals_field"].field or "", self.root)
            if other is not None:
                return other
        return _MAKERS[field.type](self, field)

    def text(self, field: Asked) -> str:
        """One line."""
        number = self._number_text(field)
        if number is not None:
            return number
        made = self._words(field)
        longest = field.rules["max_length"].value if "max_length" in field.rules else None
        return made[: int(longest)] if isinstance(longest, int) else made

    def _number_text(self, field: Asked) -> str | None:
        """What looks like a number of some register; None for plain words."""
        rules = field.rules
        if "resident_id" in rules:
            is_card = holds(rules["resident_id"].only_if, self.root)
            return self._resident_id(field) if is_card else identities.foreign_document(self._dice)
        if "uscc" in rules:
            return identities.credit_code(self._dice, self._dice.choice(self._regions))
        if "mobile" in rules:
            return identities.mobile(self._dice)
        if any(rule.rule == "luhn" for rule in field.all_rules):
            return identities.account(self._dice)
        return matching(str(rules["pattern"].value), self._dice) if "pattern" in rules else None

    def _words(self, field: Asked) -> str:
        if field.path == "applicant.name" and any(one.path == "applicant.uscc" for one in self._fields):
            return identities.organisation_name(self._dice)
        is_person = _PERSON in field.label and not any(word in field.label for word in _NOT_A_PERSON)
        if is_person or field.path in {"applicant.name", "agent.name"}:
            return identities.person_name(self._dice)
        if "地址" in field.label:
            return f"示例街道样例路{self._dice.randint(1, 999)}号"
        return f"样例{field.label[:8]}{self._dice.randint(1, 99)}"

    def _resident_id(self, field: Asked) -> str:
        limits = [rule for rule in field.ages if holds(rule.only_if, self.root)]
        sex = self._dice.choice("12")
        youngest = max([18 if not limits else 0, *(_least_age(rule, sex) for rule in limits)])
        oldest = min([max(youngest, 80), *(rule.max for rule in limits if rule.max is not None)])
        at = next((rule.at for rule in limits if rule.at), None)
        on = (int(at[:2]), int(at[3:])) if at else None
        born = identities.birthday(self._dice, self._today, youngest, oldest, on)
        return identities.resident_id(self._dice, self._dice.choice(self._regions), born, sex)

    def code(self, field: Asked) -> str:
        """A code in force. Where an identity card is one of several documents, mostly the card."""
        codes = self._codes(field)
        wanted = [rule.only_if for one in self._fields for rule in one.all_rules if rule.rule == "resident_id"]
        hinges = [condition for condition in wanted if condition and field.path in condition]
        if hinges and (self._has_ages or self._dice.random() < _RESIDENT_CARDS):
            with_card = [code for code in codes if all(holds(one, self._if(field, code)) for one in hinges)]
            codes = with_card or codes
        return self._dice.choice(codes)

    def _if(self, field: Asked, value: str) -> Mapping[str, Any]:
        scope = _scope(field)
        return {**self.root, scope: {**(self.root[scope] or {}), field.name: value}}

    def codes(self, field: Asked) -> list[str]:
        """One code or two."""
        known = list(self._codes(field))
        return self._dice.sample(known, k=min(len(known), self._dice.randint(1, 2)))

    def _codes(self, field: Asked) -> Sequence[str]:
        rule = field.rules.get("code_list")
        found = self._forms.codes(rule.list or "", self._today) if rule else ()
        return found or ["1"]

    def whole(self, field: Asked) -> int:
        """A whole number."""
        if "row_count_of" in field.rules:
            rows = table_of(field.rules["row_count_of"], self.root)
            if rows is not None:
                return len(rows)
        low, high = number_range(field, self.root)
        return self._dice.randint(int(low.to_integral_value()), int(min(high, low + 60)))

    def number(self, field: Asked) -> str:
        """A decimal number, or an amount in yuan, with two decimals at most."""
        if "sum_of" in field.rules:
            rule = field.rules["sum_of"]
            rows = table_of(rule, self.root)
            if rows is not None:
                return f"{sum((Decimal(row.get(rule.column or '', '0')) for row in rows), Decimal(0)):.2f}"
        low, high = number_range(field, self.root)
        scale = field.rules["scale"].value if "scale" in field.rules else 2
        places = min(2, scale) if isinstance(scale, int) else 2
        unit = 10**places
        return f"{Decimal(self._dice.randint(_up(low * unit), int(min(high, low + 3000) * unit))) / unit:.{places}f}"

    def day(self, field: Asked) -> str:
        """A date."""
        limits = [rule for rule in field.ages if holds(rule.only_if, self.root)]
        if limits:
            youngest = max(_least_age(rule, "") for rule in limits)
            oldest = min([max(youngest, 80), *(rule.max for rule in limits if rule.max is not None)])
            at = next((rule.at for rule in limits if rule.at), None)
            on = (int(at[:2]), int(at[3:])) if at else None
            return identities.birthday(self._dice, self._today, youngest, oldest, on).isoformat()
        first, last = day_range(field, self.root, self._today)
        return (first + timedelta(days=self._dice.randint(0, (last - first).days))).isoformat()

    def month(self, field: Asked) -> str:
        """A month."""
        return self.day(field)[:7]

    def rows(self, field: Asked) -> list[dict[str, Any]]:
        """The rows of a table; where it lists people, the first is the applicant."""
        least = _count(field.rules.get("min_rows"), 1)
        most = max(least, min(_count(field.rules.get("max_rows"), _MOST_ROWS), _MOST_ROWS))
        unique = {str(rule.column) for rule in field.all_rules if rule.rule == "unique_column"}
        taken: dict[str, set[Any]] = {name: set() for name in unique}
        found: list[dict[str, Any]] = []
        for number in range(self._dice.randint(least, most)):
            row = self._row(field, first=number == 0)
            while any(row.get(name) in values for name, values in taken.items()):
                row = self._row(field, first=False)
            for name, values in taken.items():
                values.add(row.get(name))
            found.append(row)
        return found

    def _row(self, field: Asked, *, first: bool) -> dict[str, Any]:
        row: dict[str, Any] = {}
        lists_people = any("resident_id" in column.rules for column in field.columns)
        for column in field.columns:
            if first and lists_people and (known := self._of_applicant(column)) is not None:
                row[column.name] = known
            elif column.required or self._dice.random() < 0.7:
                row[column.name] = self._value(column)
        return row

    def _of_applicant(self, column: Asked) -> str | None:
        """What the applicant's own row says: the same name and number as above, and that it is the applicant."""
        if column.name in {"name", "id_no"}:
            known = self.root["applicant"].get(column.name)
            is_number = isinstance(known, str) and (column.name == "name" or len(known) == 18)
            return known if is_number else None
        rule = column.rules.get("code_list")
        if column.name == "relation" and rule:
            codes = self._site.code_lists[rule.list or ""].codes
            return next((code.code for code in codes if "本人" in code.name_zh), None)
        return None


_MAKERS: Mapping[str, Callable[[Filler, Asked], Any]] = {
    "string": Filler.text,
    "text": Filler.text,
    "code": Filler.code,
    "codes": Filler.codes,
    "bool": lambda filler, _field: filler._dice.random() < 0.5,  # noqa: SLF001 - the filler's own table
    "int": Filler.whole,
    "decimal": Filler.number,
    "money": Filler.number,
    "date": Filler.day,
    "month": Filler.month,
    "table": Filler.rows,
    "object": lambda _filler, field: {"note": f"样例{field.label}"},
}


def _fields(site: Site, item: Item) -> Sequence[Asked]:
    """Every field of the item's form. An age limit on a derived field bears on the number that it is derived from."""
    declared = [
        (site.field_groups[name].scope, one) for name in item.field_groups for one in site.field_groups[name].fields
    ]
    forms = [*declared, *(("form", one) for one in item.form_fields)]
    ages: dict[str, tuple[Validator, ...]] = {}
    for scope, field in forms:
        path = f"{scope}.{field.name}"
        limits = [
            rule
            for rule in (*field.validators, *(one for one in item.checks if one.on == path))
            if rule.rule == "age_range"
        ]
        for bears_on in {path, field.derive.from_ if field.derive else path}:
            ages[bears_on] = (*ages.get(bears_on, ()), *limits)
    return [asked(scope, field, item.checks, ages) for scope, field in forms]


def _regions(site: Site) -> Sequence[str]:
    """Six digits that identity numbers of this site may begin with."""
    known = site.code_lists.get("region6")
    codes = [code.code for code in known.codes if len(code.code) == 6] if known else []
    return codes or sorted({centre.district for centre in site.centres.values()}) or ["000000"]


def _scope(field: Asked) -> str:
    return field.path.partition(".")[0]


def _least_age(rule: Validator, sex: str) -> int:
    """Without a sex the stricter of both limits."""
    by_sex = {"1": (rule.min_male,), "2": (rule.min_female,)}.get(sex, (rule.min_male, rule.min_female))
    ages: list[int] = [age for age in (rule.min, *by_sex) if age is not None]
    return max(ages, default=0)


def _count(rule: Validator | None, fallback: int) -> int:
    return rule.value if rule is not None and isinstance(rule.value, int) else fallback


def _up(value: Decimal) -> int:
    return int(-(-value // 1))
