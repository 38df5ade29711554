"""The form of an item version, compiled once: what a sender may hand in, checked and normalised, every bad field named at once.

``compile_form`` turns item, field groups and code lists into a ``Form``. ``Form.check`` reads the values by type, derives what follows
from others, decides which fields apply, and runs the validators of ``hub.form_rules``. Messages say what to do; none repeats a value.

The same check runs at receipt and again at acceptance. One thing differs: papers may still be missing at receipt, because the law has
the centre take the case and tell the applicant once what is missing. ``accepted`` in an application claims that the papers are complete.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Any

from jmespath.exceptions import JMESPathError
from pydantic import JsonValue

from contracts.api import BadField
from contracts.catalogue import CodeList, FieldGroup, Item
from contracts.envelope import CaseApplication, MaterialRef
from contracts.records import Fields
from hub.conditions import Condition, condition
from hub.form_fields import CompiledCheck, CompiledField, FormRefused, Mistakes, compile_check, compile_field
from hub.form_rules import CodeSets, Look, Rule
from hub.form_values import WrongValue
from hub.identity import eighteen_digits
from hub.masking import is_field_name

_SCOPES = ("applicant", "agent", "form")


class Stage(StrEnum):
    """When a form is checked. At receipt papers may be missing, nothing else."""

    RECEIPT = "receipt"
    ACCEPTANCE = "acceptance"


def compile_form(item: Item, groups: Mapping[str, FieldGroup], code_lists: Mapping[str, CodeList]) -> "Form":
    """The form of an item version. Raises FormRefused with every mistake: unknown group, list, validator or field, bad expression."""
    sets = CodeSets(code_lists)
    declared = [
        (groups[name].scope, one) for name in item.field_groups if name in groups for one in groups[name].fields
    ]
    declared += [("form", one) for one in item.form_fields]
    types = {f"{scope}.{one.name}": one.type for scope, one in declared}
    mistakes = Mistakes(types)
    mistakes.texts += [f"no field group {name}" for name in item.field_groups if name not in groups]
    if len(types) != len(declared):
        mistakes.texts.append("a field name is there twice")
    fields: dict[str, list[CompiledField]] = {scope: [] for scope in _SCOPES}
    for scope, one in declared:
        fields.setdefault(scope, []).append(compile_field(scope, one, sets, mistakes))
    checks = [compile_check(rule, sets, mistakes) for rule in item.checks]
    papers: list[tuple[str, Condition | None]] = []
    for paper in item.materials:
        try:
            when = condition(paper.when) if paper.when else None
        except JMESPathError as error:
            mistakes.add(f"material {paper.material}", error)
            continue
        if paper.required:
            papers.append((paper.material, when))
    if mistakes.texts:
        raise FormRefused(item.code, item.version, mistakes.texts)
    channel = frozenset(code.code for code in code_lists["channel"].codes) if "channel" in code_lists else None
    return Form(
        fields={scope: tuple(found) for scope, found in fields.items()},
        checks=tuple(check for check in checks if check),
        papers=tuple(papers),
        known_papers=frozenset(paper.material for paper in item.materials),
        channels=channel,
        regions=sets.regions,
    )


class Form:
    """A compiled form. Immutable, shared by all cases of its item version."""

    def __init__(
        self,
        *,
        fields: Mapping[str, tuple[CompiledField, ...]],
        checks: tuple[CompiledCheck, ...],
        papers: tuple[tuple[str, Condition | None], ...],
        known_papers: frozenset[str],
        channels: frozenset[str] | None,
        regions: frozenset[str],
    ) -> None:
        """Made by ``compile_form``."""
        self._fields = fields
        self._names = {scope: frozenset(one.name for one in found) for scope, found in fields.items()}
        self._derived = tuple(one for found in fields.values() for one in found if one.derive)
        self._converted = tuple(one for found in fields.values() for one in found if one.old_ids)
        self._checks = checks
        self._papers = papers
        self._known_papers = known_papers
        self._channels = channels
        self._regions = regions

    def check(
        self, application: CaseApplication, today: date, stage: Stage | None = None
    ) -> tuple[CaseApplication, tuple[BadField, ...]]:
        """The application in the form the hub keeps, and every bad field; pointers are relative to the application.

        ``today`` is the site's date. ``stage`` is acceptance when the application says ``accepted``, else receipt, unless it is given.
        An application with bad fields must not be stored.
        """
        found = _Checked(self._regions, today)
        complete = application.accepted if stage is None else stage is Stage.ACCEPTANCE
        self._read(application, found)
        self._complete(found)
        self._judge(found)
        if self._channels is not None and application.channel not in self._channels:
            found.refuse("/channel", "give a code of the list channel")
        found.bad += self._bad_papers(application.materials, found, complete=complete)
        root = found.look.root
        return replace(application, applicant=root["applicant"], agent=root["agent"], form=root["form"]), tuple(
            found.bad
        )

    def warnings(self, application: CaseApplication, today: date) -> tuple[BadField, ...]:
        """What a person should look at although it stops nothing, such as a bank account with a doubtful check digit."""
        found = _Checked(self._regions, today)
        self._read(application, found)
        self._complete(found)
        doubtful = [(one.path, one.pointer, rule) for one in self._all(found.look) for rule in one.warnings]
        doubtful += [(check.path, check.pointer, check.rule) for check in self._checks if check.warning]
        return tuple(
            BadField(pointer=pointer, message=message)
            for path, pointer, rule in doubtful
            if (value := found.look.value(path)) is not None and (message := rule(value, found.look))
        )

    def _all(self, look: Look) -> Iterator[CompiledField]:
        for scope, fields in self._fields.items():
            if look.root[scope] is not None:
                yield from fields

    def _read(self, application: CaseApplication, found: "_Checked") -> None:
        root = found.look.root
        for scope, fields in self._fields.items():
            given: Fields | None = getattr(application, scope)
            if given is None:
                continue
            if not fields and scope == "agent":
                found.refuse("/agent", "this item takes no agent: leave it out")
                continue
            if not given.keys() <= self._names[scope]:
                found.bad += _unknown(given, self._names[scope], f"/{scope}")
            values: dict[str, Any] = {}
            for one in fields:
                raw = given.get(one.name)
                if raw is None:
                    continue
                try:
                    value = found.rows(one, raw) if one.columns else one.read(raw)
                except WrongValue as wrong:
                    found.refuse(one.pointer, str(wrong), one.path)
                    continue
                if value is not None:
                    values[one.name] = value
            if values or scope != "agent":
                root[scope] = values

    def _complete(self, found: "_Checked") -> None:
        """Old identity numbers in their present form, then what is derived from others."""
        look = found.look
        for one in self._converted:
            value = look.value(one.path)
            if value is not None and one.old_ids and one.old_ids(look.root):
                look.root[one.scope][one.name] = eighteen_digits(value)
        for one in self._derived:
            value = one.derive(look) if one.derive else None
            if value is None:
                continue
            values = look.root[one.scope]
            if values.setdefault(one.name, value) != value:
                found.refuse(
                    one.pointer,
                    f"must agree with {one.derived_from}: correct one of them, or leave this one out",
                    one.path,
                )

    def _judge(self, found: "_Checked") -> None:
        look = found.look
        for one in self._all(look):
            values = look.root[one.scope]
            value = values.get(one.name)
            if one.shown is not None and not one.shown(look.root):
                if value is not None:
                    del values[one.name]
                    found.refuse(one.pointer, f"leave it out: it applies only when {one.shown_text}", one.path)
                continue
            if value is None:
                if one.required and one.path not in look.broken:
                    found.refuse(one.pointer, "required: give a value", one.path)
                continue
            if one.path in look.broken and not one.columns:
                continue
            found.apply(one.rules, value, one.pointer, one.path)
            if one.columns:
                found.judge_rows(one, value)
        for check in self._checks:
            if check.warning:
                continue
            value = look.value(check.path)
            if value is not None:
                found.apply((check.rule,), value, check.pointer, check.path)

    def _bad_papers(self, papers: tuple[MaterialRef, ...], found: "_Checked", *, complete: bool) -> Iterator[BadField]:
        handed_in = set()
        for index, paper in enumerate(papers):
            handed_in.add(paper.material)
            if paper.material not in self._known_papers:
                yield BadField(
                    pointer=f"/materials/{index}/material",
                    message="this item does not ask for this material: leave it out",
                )
            elif min(paper.originals, paper.copies, paper.pages) < 0:
                yield BadField(pointer=f"/materials/{index}", message="give counts of 0 or more")
            elif paper.key is None and not (paper.originals or paper.copies):
                yield BadField(
                    pointer=f"/materials/{index}",
                    message="say what was handed in: the key of an upload, or originals or copies",
                )
        if not complete:
            return
        for material, when in self._papers:
            if material not in handed_in and (when is None or when(found.look.root)):
                yield BadField(
                    pointer="/materials", message=f"material {material} is missing: hand it in before acceptance"
                )


class _Checked:
    """What one check finds: the values read, and the bad fields."""

    __slots__ = ("bad", "look")

    def __init__(self, regions: frozenset[str], today: date) -> None:
        self.look = Look({"applicant": {}, "agent": None, "form": {}}, today, regions)
        self.bad: list[BadField] = []

    def refuse(self, pointer: str, message: str, path: str = "") -> None:
        self.bad.append(BadField(pointer=pointer, message=message))
        self.look.broken.add(path)

    def apply(self, rules: tuple[Rule, ...], value: Any, pointer: str, path: str) -> None:
        """The first rule that a value breaks is named: the next one is often only its consequence."""
        for rule in rules:
            message = rule(value, self.look)
            if message is not None:
                self.refuse(pointer, message, path)
                return

    def rows(self, table: CompiledField, raw: JsonValue) -> list[dict[str, Any]] | None:
        """A table read row by row; a wrong cell is named and left out."""
        if not isinstance(raw, list):
            raise WrongValue("give a list of rows")
        found = []
        for index, row in enumerate(raw):
            pointer = f"{table.pointer}/{index}"
            values: dict[str, Any] = {}
            found.append(values)
            if not isinstance(row, dict):
                self.refuse(pointer, "give an object with the columns of the table", table.path)
                continue
            self.bad += _unknown(row, table.column_names, pointer)
            for column in table.columns:
                try:
                    value = None if row.get(column.name) is None else column.read(row[column.name])
                except WrongValue as wrong:
                    self.refuse(f"{pointer}/{column.pointer}", str(wrong), table.path)
                    self.look.broken.add(f"{pointer}/{column.pointer}")
                    continue
                if value is not None:
                    values[column.name] = eighteen_digits(value) if column.old_ids else value
        return found or None

    def judge_rows(self, table: CompiledField, rows: list[dict[str, Any]]) -> None:
        for index, row in enumerate(rows):
            for column in table.columns:
                pointer = f"{table.pointer}/{index}/{column.pointer}"
                value = row.get(column.name)
                if value is not None:
                    self.apply(column.rules, value, pointer, table.path)
                elif column.required and pointer not in self.look.broken:
                    self.refuse(pointer, "required: give a value", table.path)


def _unknown(given: Mapping[str, Any], known: frozenset[str], pointer: str) -> Iterator[BadField]:
    for name in given:
        if name not in known:
            # The name is what the sender made up: it goes into an answer only where it can be nothing but a name.
            escaped = name.replace("~", "~0").replace("/", "~1")
            at = f"{pointer}/{escaped}" if is_field_name(name) else pointer
            yield BadField(pointer=at, message="no field of this item: leave it out")
