"""Fields, columns and checks of a form, compiled: what ``hub.forms`` runs over. Mistakes are collected, not raised one by one."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jmespath.exceptions import JMESPathError
from pydantic import JsonValue

from contracts.catalogue import Column, Derive, FormField, Validator
from contracts.errors import OnedoorError
from contracts.records import record
from hub.conditions import Condition, condition
from hub.form_rules import CodeSets, Look, Rule, compile_rule
from hub.form_values import READERS
from hub.identity import compact

_FOLDED = frozenset({"resident_id", "uscc", "mobile", "luhn"})
"""Rules on numbers: their full-width characters and small letters are made plain before they are read."""

_PRESENCE = frozenset({"required", "required_if"})


class FormRefused(OnedoorError):
    """An item whose form cannot be compiled; ``mistakes`` holds every one."""

    def __init__(self, item: str, version: int, mistakes: Sequence[str]) -> None:
        """``mistakes`` is never empty."""
        super().__init__(f"the form of item {item} version {version} cannot be used: " + "; ".join(mistakes))
        self.mistakes = tuple(mistakes)


class Mistakes:
    """Mistakes found while a form is compiled. ``types``: every field of the form by ``scope.name``."""

    def __init__(self, types: Mapping[str, str]) -> None:
        """Empty at first."""
        self.types = types
        self.texts: list[str] = []

    def add(self, where: str, error: Exception) -> None:
        """Note what is wrong there; of an error in several lines the first says it."""
        self.texts.append(f"{where}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")

    def refer(self, where: str, path: str | None) -> None:
        """Note a reference to a field that the form does not have."""
        if path is not None and path not in self.types:
            self.texts.append(f"{where}: no field {path}")


@record
class CompiledField:
    """A field or column ready to run. ``pointer`` of a column is relative to its row.

    ``old_ids``: the condition under which the value is a resident identity number. ``derive`` gives the value that follows from another.
    """

    scope: str
    name: str
    path: str
    pointer: str
    read: Callable[[JsonValue], Any]
    rules: tuple[Rule, ...]
    warnings: tuple[Rule, ...]
    required: bool
    shown: Condition | None
    shown_text: str
    columns: tuple["CompiledField", ...]
    column_names: frozenset[str]
    old_ids: Condition | None
    derive: Callable[[Look], str | None] | None
    derived_from: str


@record
class CompiledCheck:
    """A validator over the whole case, on the value at ``path``. A warning stops nothing."""

    path: str
    pointer: str
    rule: Rule
    warning: bool


def compile_field(scope: str, field: FormField, sets: CodeSets, mistakes: Mistakes) -> CompiledField:
    """A field of a form with its columns."""
    path = f"{scope}.{field.name}"
    columns = tuple(_compile(path, "", column, sets, mistakes) for column in field.columns)
    if (field.type == "table") != bool(columns):
        mistakes.texts.append(f"{path}: a table has columns, and nothing else has")
    return _compile(path, f"/{scope}/", field, sets, mistakes, columns, field.when, field.derive)


def compile_check(rule: Validator, sets: CodeSets, mistakes: Mistakes) -> CompiledCheck | None:
    """A check of the item; None when it is wrong."""
    where = f"check {rule.rule}"
    if rule.on is None or rule.on not in mistakes.types:
        mistakes.texts.append(f"{where}: no field {rule.on}")
        return None
    compiled = _rule(where, rule, mistakes.types[rule.on], sets, mistakes)
    return compiled and CompiledCheck(
        path=rule.on, pointer="/" + rule.on.replace(".", "/"), rule=compiled, warning=rule.severity != "error"
    )


def _compile(
    path: str,
    above: str,
    field: FormField | Column,
    sets: CodeSets,
    mistakes: Mistakes,
    columns: tuple[CompiledField, ...] = (),
    when: str | None = None,
    derive: Derive | None = None,
) -> CompiledField:
    where = path if above else f"{path} column {field.name}"
    rules = {rule.rule: rule for rule in field.validators}
    shown_text = when or (rules["required_if"].when if "required_if" in rules else None)
    compiled = [
        (rule, _rule(where, rule, field.type, sets, mistakes))
        for rule in field.validators
        if rule.rule not in _PRESENCE
    ]
    for rule in field.validators:
        if rule.rule == "required_if":
            _condition(where, rule.when or "", mistakes)
    identity = rules.get("resident_id")
    return CompiledField(
        scope=path.partition(".")[0],
        name=field.name,
        path=path,
        pointer=above + field.name.replace("~", "~0").replace("/", "~1"),
        read=_reader(field.type, bool(_FOLDED & rules.keys())),
        rules=tuple(made for rule, made in compiled if made and rule.severity == "error"),
        warnings=tuple(made for rule, made in compiled if made and rule.severity != "error"),
        required=bool(_PRESENCE & rules.keys()),
        shown=_condition(where, shown_text, mistakes) if shown_text else None,
        shown_text=shown_text or "",
        columns=columns,
        column_names=frozenset(column.name for column in columns),
        old_ids=_old_ids(where, identity, mistakes) if identity else None,
        derive=_derive(where, derive, mistakes) if derive else None,
        derived_from=derive.from_ if derive else "",
    )


def _rule(where: str, rule: Validator, kind: str, sets: CodeSets, mistakes: Mistakes) -> Rule | None:
    mistakes.refer(where, rule.field)
    mistakes.refer(where, rule.from_)
    mistakes.refer(where, rule.table and (rule.table if "." in rule.table else f"form.{rule.table}"))
    try:
        return compile_rule(rule, sets, kind)
    except KeyError as error:
        mistakes.texts.append(f"{where}: no code list {error.args[0]}")
    except (ValueError, ArithmeticError, TypeError, re.error, JMESPathError) as error:
        mistakes.add(f"{where}: {rule.rule}", error)
    return None


def _condition(where: str, expression: str, mistakes: Mistakes) -> Condition | None:
    try:
        return condition(expression)
    except JMESPathError as error:
        mistakes.add(where, error)
        return None


def _reader(kind: str, folded: bool) -> Callable[[JsonValue], Any]:
    # A table is read row by row and never asked as a whole.
    read = READERS["object" if kind == "table" else kind]
    if not folded:
        return read
    return lambda value: read(compact(value) if isinstance(value, str) else value)


def _old_ids(where: str, rule: Validator, mistakes: Mistakes) -> Condition | None:
    return _condition(where, rule.only_if, mistakes) if rule.only_if else lambda _: True


def _derive(where: str, derive: Derive, mistakes: Mistakes) -> Callable[[Look], str | None] | None:
    mistakes.refer(where, derive.from_)
    if derive.rule not in _DERIVED:
        mistakes.texts.append(f"{where}: no rule {derive.rule}: there are {', '.join(_DERIVED)}")
        return None
    make, (start, end), source = _DERIVED[derive.rule], derive.slice, derive.from_
    applies = _condition(where, derive.only_if, mistakes) if derive.only_if else None

    def value(look: Look) -> str | None:
        number = look.value(source)
        if number is None or (applies is not None and not applies(look.root)) or look.id_problem(number) is not None:
            return None
        return make(number[start:end])

    return value


_DERIVED: Mapping[str, Callable[[str], str]] = {
    "odd_is_1_even_is_2": lambda digit: "1" if int(digit) % 2 else "2",
    "yyyymmdd": lambda digits: f"{digits[:4]}-{digits[4:6]}-{digits[6:]}",
}
"""How a value follows from a part of an identity number."""
