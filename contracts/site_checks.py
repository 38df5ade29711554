"""What must agree within a site: centres, calendars, code lists, field groups, systems with their channels and operations.

Items have a module of their own (``item_checks``). Nothing here needs an adapter.
"""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from jmespath.exceptions import JMESPathError

from contracts.catalogue import (
    RULES,
    Column,
    FormField,
    Operation,
    Purpose,
    ReplyField,
    RequestField,
    ResultKind,
    Validator,
)
from contracts.expressions import ROOTS, roots_of
from contracts.near_names import meant
from contracts.records import record
from contracts.site_files import PROTOCOLS, ChannelFile, SiteParts, SystemFile, protocol_of
from contracts.situation import ChannelStatus, Situation
from contracts.toml_lines import Location

TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
"""A time of day, ``HH:MM``; 24:00 is the end of the day."""

CODED = frozenset({"code", "codes"})
"""Types whose values come from a code list."""

MEANINGS: Mapping[Purpose, frozenset[ResultKind]] = {
    Purpose.DECIDE: frozenset(ResultKind) - {ResultKind.DONE},
    Purpose.CHECK: frozenset(ResultKind) - {ResultKind.GRANTED, ResultKind.REFUSED},
}
"""What the codes of an operation may mean: a decision is granted or refused, a check is done."""


@record
class Finding:
    """A mistake, and where it stands."""

    file: str
    at: Location
    message: str


def check_site(parts: SiteParts) -> Iterator[Finding]:
    """Everything but the items."""
    yield from _calendars(parts)
    yield from _centres(parts)
    for name, codes in parts.codes.lists.items():
        yield from twice("codes.toml", ("lists", name, "codes"), [code.code for code in codes.codes])
    yield from twice("materials.toml", ("materials",), [kind.code for kind in parts.materials.materials])
    for name, group in parts.fields.groups.items():
        yield from check_form(parts, "fields.toml", ("groups", name, "fields"), group.fields)
    yield from _departments(parts)


def twice(file: str, at: Location, keys: Sequence[Hashable]) -> Iterator[Finding]:
    """Keys that come again in an array."""
    seen = set[Hashable]()
    for index, key in enumerate(keys):
        if key in seen:
            yield Finding(file=file, at=(*at, index), message=f"{key} is there twice")
        seen.add(key)


def check_expression(file: str, at: Location, expression: str | None, *, of_row: bool = False) -> Iterator[Finding]:
    """A JMESPath expression that does not compile, or asks the case for what it does not have. ``of_row``: it is asked of a row."""
    try:
        strange = roots_of(expression) - ROOTS if expression is not None else frozenset[str]()
    except JMESPathError as error:
        yield Finding(file=file, at=at, message=f"not a JMESPath expression: {str(error).splitlines()[0]}")
        return
    for name in () if of_row else sorted(strange):
        yield Finding(file=file, at=at, message=f"a case has no {name}{meant(name, ROOTS)}")


def check_form(parts: SiteParts, file: str, at: Location, fields: Sequence[FormField]) -> Iterator[Finding]:
    """Fields of a form or of a field group."""
    yield from twice(file, at, [form_field.name for form_field in fields])
    for index, form_field in enumerate(fields):
        here = (*at, index)
        yield from check_expression(file, (*here, "when"), form_field.when)
        yield from check_expression(file, (*here, "derive"), form_field.derive.only_if if form_field.derive else None)
        yield from check_rules(parts, file, (*here, "validators"), form_field.validators)
        yield from twice(file, (*here, "columns"), [column.name for column in form_field.columns])
        for number, column in enumerate(form_field.columns):
            yield from check_rules(parts, file, (*here, "columns", number, "validators"), column.validators)


def check_rules(parts: SiteParts, file: str, at: Location, rules: Sequence[Validator]) -> Iterator[Finding]:
    """Validators: their code lists, patterns and conditions."""
    for index, rule in enumerate(rules):
        here = (*at, index)
        if rule.rule not in RULES:
            yield Finding(file=file, at=here, message=f"no rule {rule.rule}{meant(rule.rule, RULES)}")
        for name in sorted(RULES.get(rule.rule, ())):
            if getattr(rule, name) is None:
                yield Finding(file=file, at=here, message=f"{rule.rule} needs {name.rstrip('_')}")
        if rule.rule == "code_list" and rule.list is not None and rule.list not in parts.codes.lists:
            yield Finding(file=file, at=here, message=f"no code list {rule.list}{meant(rule.list, parts.codes.lists)}")
        if rule.rule == "pattern" and rule.value is not None:
            yield from _pattern(file, here, str(rule.value))
        yield from check_expression(file, here, rule.when)
        yield from check_expression(file, here, rule.only_if)


def _pattern(file: str, at: Location, pattern: str) -> Iterator[Finding]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield Finding(file=file, at=at, message=f"not a regular expression: {error}")


def _calendars(parts: SiteParts) -> Iterator[Finding]:
    for file, year in parts.calendars:
        if not file.endswith(f"/{year.year}.toml"):
            yield Finding(file=file, at=("year",), message=f"the file of {year.year} must be named {year.year}.toml")
        for name, days in (("holidays", year.holidays), ("makeup_workdays", year.makeup_workdays)):
            for day in sorted(days):
                if day.year != year.year:
                    yield Finding(file=file, at=(name,), message=f"{day} is not in {year.year}")
        for day in sorted(year.holidays & year.makeup_workdays):
            yield Finding(file=file, at=("makeup_workdays",), message=f"{day} is a holiday too")


def _centres(parts: SiteParts) -> Iterator[Finding]:
    centres = parts.centres.centres
    yield from twice("centres.toml", ("centres",), [centre.code for centre in centres])
    known = {centre.code for centre in centres if centre.kind == "centre"}
    for index, centre in enumerate(centres):
        if (centre.kind == "sub_centre") != (centre.parent is not None) or (
            centre.parent and centre.parent not in known
        ):
            yield Finding(
                file="centres.toml",
                at=("centres", index),
                message="a sub_centre, and only that, has a parent among the centres",
            )


def _departments(parts: SiteParts) -> Iterator[Finding]:
    departments, systems = set[str](), set[str]()
    known = {system.key for _, department in parts.departments for system in department.systems}
    for file, department in parts.departments:
        if department.code in departments:
            yield Finding(file=file, at=("code",), message=f"another department has the code {department.code}")
        departments.add(department.code)
        for index, system in enumerate(department.systems):
            at: Location = ("systems", index)
            if system.key in systems:
                yield Finding(file=file, at=(*at, "key"), message=f"another system has the key {system.key}")
            systems.add(system.key)
            if parts.complete and system.successor is not None and system.successor not in known:
                yield Finding(
                    file=file,
                    at=(*at, "successor"),
                    message=f"no system {system.successor}{meant(system.successor, known)}",
                )
            yield from _channels(file, at, system)
            yield from twice(file, (*at, "operations"), [operation.key for operation in system.operations])
            for number, operation in enumerate(system.operations):
                yield from _operation(parts, file, (*at, "operations", number), system, operation)


def _channels(file: str, at: Location, system: SystemFile) -> Iterator[Finding]:
    yield from twice(file, (*at, "channels"), [channel.situation.value for channel in system.channels])
    sending = sum(channel.status is ChannelStatus.SENDING for channel in system.channels)
    if sending != (system.successor is None):
        yield Finding(
            file=file,
            at=(*at, "channels"),
            message="a system has exactly one sending channel; a retired one, with a successor, has none",
        )
    for index, channel in enumerate(system.channels):
        yield from _channel(file, (*at, "channels", index), channel)


def _channel(file: str, at: Location, channel: ChannelFile) -> Iterator[Finding]:
    try:
        protocol, _ = protocol_of(channel)
    except ValueError as error:
        yield Finding(file=file, at=at, message=str(error))
        return
    if PROTOCOLS[protocol] is not channel.situation:
        yield Finding(
            file=file,
            at=(*at, "situation"),
            message=f"{protocol} is {PROTOCOLS[protocol].value}, not {channel.situation.value}",
        )
    if channel.auto_fallback is not None and channel.status is not ChannelStatus.FALLBACK:
        yield Finding(file=file, at=(*at, "auto_fallback"), message='only a channel with status = "fallback" has this')
    hours = channel.limits.opening_hours
    calendars: dict[Location, str] = {("limits", "opening_hours", "days"): hours.days}
    if channel.batching:
        calendars["batching", "calendar"] = channel.batching.calendar
    for key, days in calendars.items():
        if days not in {"daily", "working"}:
            yield Finding(file=file, at=at + key, message=f"{days} is neither daily nor working")
    for name, time in (("start", hours.start), ("end", hours.end)):
        if not TIME.fullmatch(time):
            yield Finding(
                file=file, at=(*at, "limits", "opening_hours", name), message=f"{time} is no time of day HH:MM"
            )
    for index, time in enumerate(channel.batching.cut_offs if channel.batching else ()):
        if not TIME.fullmatch(time):
            yield Finding(file=file, at=(*at, "batching", "cut_offs", index), message=f"{time} is no time of day HH:MM")


def _operation(
    parts: SiteParts, file: str, at: Location, system: SystemFile, operation: Operation
) -> Iterator[Finding]:
    yield from check_expression(file, (*at, "repeat"), operation.repeat)
    yield from check_expression(file, (*at, "needs"), operation.needs)
    keys = [other.key for other in system.operations]
    if operation.withdraw_with is not None and operation.withdraw_with not in keys:
        no_such = f"{system.key} has no operation {operation.withdraw_with}{meant(operation.withdraw_with, keys)}"
        yield Finding(file=file, at=(*at, "withdraw_with"), message=no_such)
    for name, fields in (("request", operation.request), ("reply", operation.reply)):
        yield from _operation_fields(parts, file, (*at, name), fields)
    for channel in system.channels:
        if channel.situation not in operation.wire:
            yield Finding(
                file=file,
                at=(*at, "wire"),
                message=f"nothing for {channel.situation.value}, which {system.key} has a channel for",
            )
        yield from _codes(file, at, operation, channel.situation)


def _operation_fields(
    parts: SiteParts, file: str, at: Location, fields: Sequence[RequestField | ReplyField]
) -> Iterator[Finding]:
    yield from twice(file, at, [wanted.name for wanted in fields])
    for index, wanted in enumerate(fields):
        here = (*at, index)
        yield from _coded(parts, file, here, wanted)
        if isinstance(wanted, RequestField):
            yield from check_expression(file, (*here, "source"), wanted.source)
        yield from twice(file, (*here, "columns"), [column.name for column in wanted.columns])
        for number, column in enumerate(wanted.columns):
            yield from _coded(parts, file, (*here, "columns", number), column)
            yield from check_expression(file, (*here, "columns", number, "source"), column.source, of_row=True)


def _coded(parts: SiteParts, file: str, at: Location, value: RequestField | ReplyField | Column) -> Iterator[Finding]:
    if value.code_list is not None and value.code_list not in parts.codes.lists:
        no_such = f"no code list {value.code_list}{meant(value.code_list, parts.codes.lists)}"
        yield Finding(file=file, at=(*at, "code_list"), message=no_such)
    if (value.type in CODED) != (value.code_list is not None):
        yield Finding(
            file=file,
            at=at,
            message=f"{value.name}: a code_list goes with the types code and codes, and only with them",
        )


def _codes(file: str, at: Location, operation: Operation, situation: Situation) -> Iterator[Finding]:
    codes = operation.result_codes.get(situation, {})
    meanings = {code.outcome for code in codes.values()}
    wanted: Iterable[ResultKind] = (
        (ResultKind.GRANTED, ResultKind.REFUSED) if operation.purpose is Purpose.DECIDE else (ResultKind.DONE,)
    )
    for kind in wanted:
        if kind not in meanings:
            yield Finding(
                file=file, at=at, message=f"{operation.key}: no result code of {situation.value} means {kind.value}"
            )
    for kind in sorted(meanings - MEANINGS[operation.purpose]):
        yield Finding(
            file=file,
            at=at,
            message=f"{operation.key}: an operation that is to {operation.purpose.value} cannot answer {kind.value}",
        )
    for name, code in codes.items():
        if code.none_found and code.outcome is not ResultKind.DONE:
            yield Finding(
                file=file, at=at, message=f"{operation.key}: none_found goes with completed.done, not with {name}"
            )
