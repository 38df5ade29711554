"""The confirmation form: made from the step and the operation, read back into a ``TaskCompletion`` or an event of the case.

What was typed is never lost: whatever is refused comes back with its values and the sentence that says why.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import orjson
from pydantic import JsonValue

from contracts.catalogue import Item, Operation, ReplyField, ResultKind
from contracts.envelope import CaseEventKind, TaskCompletion
from contracts.errors import OnedoorError
from contracts.records import adapter, record
from contracts.situation import Situation
from contracts.task_sheet import TaskSheet, parse_sheet_code
from hub import routing
from hub.case_states import CaseState
from hub.results import operations
from hub.states import DeliveryState, TaskState
from hub.store import reading
from hub.store.connection import Connection, Row
from hub.web.task_words import CHOICES, NEEDS_REASON, RISKY
from hub.web.texts import N_
from hub.worklist import step_of

if TYPE_CHECKING:
    from hub.app import Hub

EVENTS = {"ask_correction": CaseEventKind.ASK_CORRECTION, "refuse_acceptance": CaseEventKind.REFUSE_ACCEPTANCE}
"""Choices of the accepting step that are events of the case."""

ACTIONS = frozenset({"replay", "resend", "cancel", "dead"})


class FormIncomplete(OnedoorError):
    """Something that the form needs is not there; ``where`` is the field."""

    def __init__(self, where: str, text: str) -> None:
        super().__init__(text)
        self.where, self.text = where, text
        self.values: dict[str, str] = {}


@record
class Choice:
    """One way to end the task. ``letter`` is the box of the sheet."""

    value: str
    text: str
    letter: str = ""
    label_zh: str = ""
    label_en: str = ""
    risky: bool = False
    reason: bool = False


@record
class Form:
    """What the page asks for. ``sheet``: the sheet must be shown: scanned, or its version keyed."""

    choices: tuple[Choice, ...]
    fields: tuple[ReplyField, ...] = ()
    wanted: Mapping[str, str] = field(default_factory=dict)
    sheet: TaskSheet | None = None
    decided: TaskCompletion | None = None


def form_of(connection: Connection, hub: "Hub", row: Row) -> Form:
    """The form of a task that is still open. ``row``: of ``hub.store.worklist``."""
    city = hub.city
    item = city.items.get((row["item"], row["item_version"]))
    wanted = (
        {paper.material: city.materials.get(paper.material, paper.material) for paper in item.materials} if item else {}
    )
    if row["kind"] == "sheet":
        return _of_sheet(connection, hub, row, wanted)
    if row["kind"] in ("notify", "contradiction"):
        return Form(choices=_choices("done", "skip"))
    if row["delivery"] is not None:
        delivery = reading.delivery_row(connection, city.region, row["delivery"])
        state = DeliveryState(delivery["state"]) if delivery else DeliveryState.DEAD
        actions = [action for action, from_ in operations.ACTIONS if from_ is state]
        operation = city.facts(row["system"]).operations.get(delivery["operation"]) if delivery else None
        return Form(
            choices=_choices("granted", "done", "refused", "returned", *actions),
            fields=operation.reply if operation else (),
            wanted=wanted,
            decided=_decided(hub, row),
        )
    decided = _decided(hub, row)  # over the API any step may be refused
    ways = dict.fromkeys((*_of_centre(item, row), *([decided.decision] if decided and decided.decision else [])))
    return Form(choices=_choices(*ways), wanted=wanted, decided=decided)


def _decided(hub: "Hub", row: Row) -> TaskCompletion | None:
    """What the first person keyed, while a second one is waited for."""
    if row["state"] != TaskState.TO_CONFIRM or not row["sealed_completion"]:
        return None
    sealed = hub.keys.case_key(row["sealed_key"]).unseal(row["sealed_completion"], "completion")
    return adapter(TaskCompletion).validate_json(sealed)


def _of_centre(item: Item | None, row: Row) -> tuple[str, ...]:
    """How a step at the centre may end."""
    if item is None:
        return ("done",)
    if row["step"] == item.accepts:
        return ("accept", *(EVENTS if row["case_status"] == CaseState.RECEIVED else ()))
    if row["step"] == item.decides:
        return ("granted", "refused", "returned")
    step = step_of(item, row["step"])
    return ("done",) if step is not None and routing.serving(step) else ("done", "returned")


def _choices(*values: str) -> tuple[Choice, ...]:
    return tuple(
        Choice(value=value, text=CHOICES[value], risky=value in RISKY, reason=value in NEEDS_REASON) for value in values
    )


def _of_sheet(connection: Connection, hub: "Hub", row: Row, wanted: Mapping[str, str]) -> Form:
    stored = connection.row(
        "SELECT * FROM sheet WHERE region = :region AND number = :number",
        {"region": hub.city.region, "number": row["sheet_no"]},
    )
    assert stored is not None, "a task of a sheet names one"
    key = hub.keys.case_key(row["sealed_key"])
    sheet = adapter(TaskSheet).validate_python(orjson.loads(key.unseal(stored["sealed_content"], "sheet")))
    delivery = reading.delivery_row(connection, hub.city.region, row["delivery"])
    assert delivery is not None, "a sheet belongs to a delivery"
    operation = hub.city.facts(row["system"]).operations.get(delivery["operation"])
    return Form(
        choices=_boxes(sheet, operation),
        fields=operation.reply if operation else (),
        wanted=wanted,
        sheet=sheet,
        decided=_decided(hub, row),
    )


_MEANS_REASON = frozenset({ResultKind.REFUSED, ResultKind.RETURNED})


def _boxes(sheet: TaskSheet, operation: Operation | None) -> tuple[Choice, ...]:
    codes = operation.result_codes.get(Situation.PAPER, {}) if operation else {}
    kinds = {box.code: codes[box.code].outcome if box.code in codes else None for box in sheet.boxes}
    return tuple(
        Choice(
            value=box.code,
            text="",
            letter=box.code,
            label_zh=box.label_zh,
            label_en=box.label_en,
            risky=kinds[box.code] is ResultKind.REFUSED,
            reason=kinds[box.code] in _MEANS_REASON,
        )
        for box in sheet.boxes
    )


@record
class Told:
    """What was sent: what ends the task, and which of the task's choices it was."""

    choice: str
    completion: TaskCompletion


def new_id() -> str:
    """The id of a form: the same form sent twice is one completion."""
    return str(uuid4())


def read(form: Form, row: Row, given: Mapping[str, Any], lists: Mapping[str, list[str]], by: str, hub: "Hub") -> Told:
    """The completion that a posted form means. ``lists``: the fields that may come several times. Raises FormIncomplete."""
    choice = next((one for one in form.choices if one.value == given.get("choice")), None)
    if choice is None:
        raise FormIncomplete("choice", N_("Say how it ended: tick one of the choices."))
    reason = given.get("reason_code", "").strip() or None
    if choice.reason and reason is None:
        raise FormIncomplete("reason_code", N_("Choose a reason: the applicant gets it in writing."))
    happened, why = _happened(given, hub)
    code, number, version = _sheet_proof(form, row, given)
    boxes = form.sheet is not None
    return Told(
        choice=choice.value,
        completion=TaskCompletion(
            id=_id(given.get("form_id", "")),
            by=by,
            decision=None if boxes else _DECISIONS.get(choice.value, choice.value),
            result_code=choice.value if boxes else None,
            reason_code=reason if choice.reason else None,
            wanted=tuple(code for code in lists.get("wanted", []) if code in form.wanted) if choice.reason else (),
            fields=_fields(form, given),
            sheet_code=code,
            sheet_no=number,
            sheet_version=version,
            happened_at=happened,
            backdate_reason=why,
        ),
    )


_DECISIONS = {"accept": "done"}


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise FormIncomplete("form_id", N_("This form is damaged: open the task again.")) from None


def _fields(form: Form, given: Mapping[str, Any]) -> dict[str, JsonValue]:
    found = {one.name: str(given.get(f"field.{one.name}", "")).strip() for one in form.fields}
    return {name: value for name, value in found.items() if value}


def _happened(given: Mapping[str, Any], hub: "Hub") -> tuple[datetime | None, str | None]:
    """When it happened, if that was not just now; a day before today needs a reason. Both times are kept."""
    text = given.get("happened_at", "").strip()
    if not text:
        return None, None
    try:
        at = datetime.fromisoformat(text).replace(tzinfo=hub.city.calendar.zone).astimezone(UTC)
    except ValueError:
        raise FormIncomplete("happened_at", N_("The time is not readable: write it as 2026-03-02 14:30.")) from None
    if at > hub.runtime.now():
        raise FormIncomplete("happened_at", N_("This time lies in the future: key when it really happened."))
    why = given.get("backdate_reason", "").strip()[:200] or None
    earlier = hub.city.calendar.local_day(at) < hub.city.calendar.local_day(hub.runtime.now())
    if earlier and why is None:
        raise FormIncomplete("backdate_reason", N_("Say why it is keyed after its day."))
    return at, why


def _sheet_proof(form: Form, row: Row, given: Mapping[str, Any]) -> tuple[str | None, str | None, int | None]:
    """The scanned code, or the number with the version that stands on the paper."""
    if form.sheet is None:
        return None, None, None
    shown = "".join(given.get("sheet", "").split())
    if not shown:
        raise FormIncomplete("sheet", N_("Scan the sheet, or key the two digits of its version."))
    if shown.isdigit() and len(shown) <= 2:
        return None, row["sheet_no"], int(shown)
    try:
        read = parse_sheet_code(shown)
    except ValueError:
        raise FormIncomplete(
            "sheet", N_("This is not the code of a task sheet. Scan it again, or key the version.")
        ) from None
    return (
        (shown, None, None)
        if read.mac is not None or read.number != row["sheet_no"]
        else (None, read.number, read.version)
    )


def repeated(first: TaskCompletion, form_id: str, by: str) -> TaskCompletion:
    """What the second person sends: the same, under a name and an id of its own."""
    return replace(first, id=_id(form_id), by=by, confirmed_by=None)
