"""Received data are checked again when they change and when the case is accepted (R2): under the case's own item version."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import orjson

from contracts.api import BadField
from contracts.envelope import CaseApplication, CaseEvent, CaseEventKind, MaterialRef, TaskCompletion
from contracts.records import adapter
from hub.cloud_events import BadData
from hub.forms import Stage
from hub.store import reading
from hub.store.connection import Connection

if TYPE_CHECKING:
    from hub.app import Hub

BRINGS_DATA = frozenset({CaseEventKind.CORRECTED, CaseEventKind.RESUBMIT})
"""Only these replace what was handed in."""

_AGREES = frozenset({None, "done", "granted"})


def of_event(hub: "Hub", case: Mapping[str, Any], told: CaseEvent, today: date, pointer: str) -> CaseEvent:
    """The event with its data in the form that the hub keeps. Raises BadData. ``case``: the row of ``case_file``."""
    given = {name: getattr(told, name) for name in ("applicant", "form", "materials")}
    brought = {name: value for name, value in given.items() if value is not None}
    if brought and told.event not in BRINGS_DATA:
        errors = tuple(BadField(pointer=f"{pointer}/{name}", message="leave it out") for name in brought)
        raise BadData("only a correction or a resubmission brings data", errors)
    if told.event is CaseEventKind.ACCEPT:
        _checked(hub, case, {}, today, Stage.ACCEPTANCE, "")
    if not brought:
        return told
    normal = _checked(hub, case, brought, today, Stage.RECEIPT, pointer)
    return replace(
        told,
        applicant=normal.applicant if told.applicant is not None else None,
        form=normal.form if told.form is not None else None,
    )


def of_acceptance(
    hub: "Hub", connection: Connection, task: Mapping[str, Any], completion: TaskCompletion, today: date
) -> None:
    """Raises BadData when a task accepts a case whose papers or data are not complete; other tasks pass."""
    if task["sheet_no"] is not None or completion.decision not in _AGREES:
        return
    case = reading.case_row(connection, hub.city.region, task["case_no"])
    if case is not None and hub.city.item(case["item"], case["item_version"]).accepts == task["step"]:
        _checked(hub, case, {}, today, Stage.ACCEPTANCE, "")


def _checked(
    hub: "Hub", case: Mapping[str, Any], brought: Mapping[str, Any], today: date, stage: Stage, pointer: str
) -> CaseApplication:
    """What is stored with what is brought in its place, checked."""
    stored = orjson.loads(hub.keys.case_key(case["sealed_key"]).unseal(case["sealed_data"], "data"))
    item = hub.city.item(case["item"], case["item_version"])
    application = CaseApplication(
        item=item.code,
        item_version=item.version,
        receiving_centre=case["receiving_centre"],
        channel=case["channel"],
        applicant={**stored["applicant"], **(brought.get("applicant") or {})},
        agent=stored["agent"],
        form={**stored["form"], **(brought.get("form") or {})},
        materials=brought.get("materials") or adapter(tuple[MaterialRef, ...]).validate_python(stored["materials"]),
    )
    normal, errors = hub.catalogue.form(item).check(application, today, stage)
    if errors:
        below = tuple(BadField(pointer=pointer + one.pointer, message=one.message) for one in errors)
        raise BadData(f"what was handed in for item {item.code} is not complete or not correct", below)
    return normal
