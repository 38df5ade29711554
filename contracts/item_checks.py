"""What must agree between an item and the rest of its site: its steps with systems and operations, its form with what is sent."""

import re
from collections.abc import Iterator, Mapping, Sequence

from contracts.catalogue import CENTRE_TASKS, Answers, Item, Operation, Purpose, RequestField, Step, StepKind
from contracts.near_names import meant
from contracts.records import record
from contracts.site_checks import Finding, check_expression, check_form, check_rules
from contracts.site_files import SiteParts, SystemFile
from contracts.toml_lines import Location

_FIELD = re.compile(r"(?<![\w.])(applicant|agent|form)\.(\w+)")
_REPLY = re.compile(r"(?<![\w.])steps\.(\w+)\.reply\.(\w+)")


@record
class _Known:
    """What an item may refer to. ``complete``: no other plugin may bring systems, so one that is not here is nowhere."""

    parts: SiteParts
    systems: Mapping[str, tuple[str, SystemFile]]
    complete: bool


def check_items(parts: SiteParts) -> Iterator[Finding]:
    """Every item against the systems, operations, groups, lists and materials of the site, and within itself."""
    systems = {
        system.key: (department.code, system) for _, department in parts.departments for system in department.systems
    }
    known = _Known(parts=parts, systems=systems, complete=parts.complete and not parts.head.plugins)
    departments = {department.code for _, department in parts.departments}
    seen = set[tuple[str, int]]()
    for file, item in parts.items:
        if (item.code, item.version) in seen:
            yield Finding(file=file, at=("code",), message=f"another file has version {item.version} of {item.code}")
        seen.add((item.code, item.version))
        if item.owner not in departments and parts.complete:
            no_such = f"no department {item.owner}{meant(item.owner, departments)}"
            yield Finding(file=file, at=("owner",), message=no_such)
        yield from _head(known, file, item)
        yield from _steps(known, file, item)


def _head(known: _Known, file: str, item: Item) -> Iterator[Finding]:
    parts = known.parts
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", item.valid_from):
        yield Finding(file=file, at=("valid_from",), message=f"{item.valid_from} is no date YYYY-MM-DD")
    if item.promised_days > item.legal_days:
        yield Finding(file=file, at=("promised_days",), message="more than the law allows")
    for index, name in enumerate(item.field_groups):
        if name not in parts.fields.groups:
            no_such = f"no field group {name}{meant(name, parts.fields.groups)}"
            yield Finding(file=file, at=("field_groups", index), message=no_such)
    yield from check_form(parts, file, ("form_fields",), item.form_fields)
    yield from check_rules(parts, file, ("checks",), item.checks)
    materials = {kind.code for kind in parts.materials.materials}
    for index, wanted in enumerate(item.materials):
        if wanted.material not in materials:
            yield Finding(file=file, at=("materials", index), message=f"no material {wanted.material}")
        yield from check_expression(file, ("materials", index), wanted.when)
    ids = [step.id for step in item.steps]
    for name, step_id in (("accepts", item.accepts), ("decides", item.decides)):
        if step_id not in ids:
            yield Finding(file=file, at=(name,), message=f"no step {step_id}{meant(step_id, ids)}")


def _steps(known: _Known, file: str, item: Item) -> Iterator[Finding]:
    before: dict[str, frozenset[str]] = {}
    ids = {step.id for step in item.steps}
    for index, step in enumerate(item.steps):
        at: Location = ("steps", index)
        if step.id in before:
            yield Finding(file=file, at=(*at, "id"), message=f"{step.id} is there twice")
        for name in step.after:
            if name not in ids:
                yield Finding(file=file, at=(*at, "after"), message=f"no step {name}{meant(name, ids)}")
            elif name not in before:
                yield Finding(file=file, at=(*at, "after"), message=f"{name} must stand before {step.id}")
        before[step.id] = frozenset(step.after).union(*(before.get(name, frozenset()) for name in step.after))
        yield from check_expression(file, (*at, "when"), step.when)
        yield from _join(file, at, step)
        if step.kind is StepKind.CENTRE:
            yield from _centre_step(file, at, step)
        else:
            yield from _department_step(known, file, at, item, step, before[step.id])


def _join(file: str, at: Location, step: Step) -> Iterator[Finding]:
    if step.join is None:
        if len(step.after) > 1:
            yield Finding(file=file, at=(*at, "after"), message="a step with several predecessors needs a join")
        return
    here = (*at, "join")
    for name in step.join.mandatory:
        if name not in step.after:
            yield Finding(file=file, at=here, message=f"mandatory: {name} is not among the steps in after")
    if (step.join.wait_for == "mandatory") != (step.join.not_answered_after_working_days is not None):
        yield Finding(
            file=file, at=here, message="not_answered_after_working_days goes with wait_for mandatory, and only with it"
        )


def _centre_step(file: str, at: Location, step: Step) -> Iterator[Finding]:
    if step.task is None or step.at is None:
        yield Finding(file=file, at=at, message=f"{step.id}: a centre step names its task and at which centre")
    elif step.task not in CENTRE_TASKS and (near := meant(step.task, CENTRE_TASKS)):
        yield Finding(file=file, at=(*at, "task"), message=f"no usual task {step.task}{near}")
    if step.system is not None or step.operation is not None or step.department is not None:
        yield Finding(file=file, at=at, message=f"{step.id}: a centre step has no department, system or operation")


def _department_step(
    known: _Known, file: str, at: Location, item: Item, step: Step, before: frozenset[str]
) -> Iterator[Finding]:
    if step.system is None or step.operation is None:
        yield Finding(file=file, at=at, message=f"{step.id}: a department step names its system and operation")
        return
    if step.system not in known.systems:
        if known.complete:
            no_such = f"no system {step.system}{meant(step.system, known.systems)}"
            yield Finding(file=file, at=(*at, "system"), message=no_such)
        return
    department, system = known.systems[step.system]
    if step.department not in {None, department}:
        yield Finding(file=file, at=(*at, "department"), message=f"{step.system} belongs to {department}")
    operation = _operation(system, step.operation)
    if operation is None:
        keys = [one.key for one in system.operations]
        no_such = f"{step.system} has no operation {step.operation}{meant(step.operation, keys)}"
        yield Finding(file=file, at=(*at, "operation"), message=no_such)
        return
    if step.id == item.decides and operation.purpose is not Purpose.DECIDE:
        yield Finding(
            file=file, at=(*at, "operation"), message=f"{step.operation} decides nothing, so it cannot decide the case"
        )
    if item.case_type == "instant" and operation.answers is not Answers.AT_ONCE:
        yield Finding(
            file=file, at=(*at, "operation"), message=f"{step.operation} answers later, so no instant item can use it"
        )
    for wanted in operation.request:
        if wanted.required and not _can_be_filled(known, item, before, wanted):
            yield Finding(
                file=file,
                at=(*at, "operation"),
                message=f"{step.operation} needs {wanted.name}, and nothing here gives {wanted.source}"
                + _near_field(known, item, wanted),
            )


def _operation(system: SystemFile, key: str) -> Operation | None:
    return next((operation for operation in system.operations if operation.key == key), None)


def _can_be_filled(known: _Known, item: Item, before: frozenset[str], wanted: RequestField) -> bool:
    """Whether the form or an earlier step can give a required field a value; an expression beyond plain paths is trusted."""
    fields, replies = _FIELD.findall(wanted.source), _REPLY.findall(wanted.source)
    if not fields and not replies:
        return True
    return any(_in_form(known, item, scope, name) for scope, name in fields) or any(
        _in_reply(known, item.steps, before, step_id, name) for step_id, name in replies
    )


def _in_form(known: _Known, item: Item, scope: str, name: str) -> bool:
    return name in _form_names(known, item, scope)


def _form_names(known: _Known, item: Item, scope: str) -> frozenset[str]:
    groups = [known.parts.fields.groups[group] for group in item.field_groups if group in known.parts.fields.groups]
    own = item.form_fields if scope == "form" else ()
    return frozenset(
        form_field.name
        for fields in (own, *(group.fields for group in groups if group.scope == scope))
        for form_field in fields
    )


def _near_field(known: _Known, item: Item, wanted: RequestField) -> str:
    near = (meant(name, _form_names(known, item, scope)) for scope, name in _FIELD.findall(wanted.source))
    return next(filter(None, near), "")


def _in_reply(known: _Known, steps: Sequence[Step], before: frozenset[str], step_id: str, name: str) -> bool:
    step = next((step for step in steps if step.id == step_id), None)
    if step is None or step.id not in before:
        return False
    if step.kind is StepKind.CENTRE or step.system is None or step.system not in known.systems:
        return True
    operation = _operation(known.systems[step.system][1], step.operation or "")
    return operation is None or any(field.name == name for field in operation.reply)
