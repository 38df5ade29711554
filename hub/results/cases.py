"""Case transitions: which event the standing of the steps brings about, and what an event of a person may do."""

from collections.abc import Sequence
from typing import Any

import orjson

from hub import routing, states
from hub.case_states import CASE_STATES, CaseState, CaseTransition, Clock, Event, case_transitions
from hub.city import milliseconds, moment
from hub.clock import NotYet, Pause, due
from hub.results.casework import Casework
from hub.results.errors import NotAllowed
from hub.states import DeliveryState, SourceMark, StepState, TaskState

AT_WORK = frozenset({CaseState.IN_PROCESS, CaseState.AWAITING_DECISION})
OPEN_STEP = frozenset({StepState.OPEN, StepState.RETURNED, StepState.BLOCKED})


def move(work: Casework, event: Event, *, to: CaseState | None = None, **codes: Any) -> CaseState:
    """Move the case by an event of the table, with its clock. Raises NotAllowed when the state has no such event."""
    status = CaseState(work.row["status"])
    found = [row for row in case_transitions(status, event) if to is None or row.to is to]
    if not found:
        raise NotAllowed(f"a case in state {status} ({CASE_STATES[status].name_en}) cannot {event.replace('_', ' ')}")
    _to(work, found[0], codes)
    return found[0].to


def _to(work: Casework, row: CaseTransition, codes: dict[str, Any]) -> None:
    before, after = CASE_STATES[CaseState(work.row["status"])], CASE_STATES[row.to]
    states.check(states.Machine.CASE, before.state, after.state, row.event)
    work.log("case", work.case_no, before.state, after.state, event=row.event.value, **codes)
    work.set(status=after.state.value)
    if after.clock is Clock.STOPPED:
        work.flag("receipt_due", up=False)
    started = work.row["accepted_at"] is not None
    if started and before.clock is Clock.RUNNING and after.clock is Clock.PAUSED:
        work.set(paused_at=work.at)
    if started and work.row["paused_at"] is not None and after.clock is not Clock.PAUSED:
        pauses = [*orjson.loads(work.row["pauses"]), [work.row["paused_at"], work.at]]
        work.set(paused_at=None, pauses=orjson.dumps(pauses).decode())
        if after.clock is Clock.RUNNING:
            set_due(work)


def set_due(work: Casework) -> None:
    """Compute the statutory date again; without a published calendar it stays open, never guessed."""
    if work.item.case_type != "instant":
        _set_due(work, work.item.promised_days or work.item.legal_days)
    elif work.row["due_at"] is not None or work.row["due_open"]:
        _set_due(work, work.item.legal_days)


def _set_due(work: Casework, days: int) -> None:
    if work.row["accepted_at"] is None:
        return
    before, known = work.row["due_at"], work.row["due_open"]
    pauses = [Pause(start=moment(start), end=moment(end)) for start, end in orjson.loads(work.row["pauses"])]
    found = due(moment(work.row["accepted_at"]), days, work.item.day_type, pauses, work.city.calendar)
    work.set(due_at=milliseconds(found.at) if found.at else None, due_open=found.why is NotYet.MISSING_YEAR)
    if found.why is NotYet.MISSING_YEAR and not known:
        work.log("alarm", work.case_no, None, "missing_calendar", year=found.year)
    if before is not None and work.row["due_at"] is not None:
        work.move_deadlines(before)


def start_clock(work: Casework) -> None:
    """Set the date of a case that has just been accepted; an instant one has none as long as it is answered at once."""
    if work.item.case_type != "instant":
        _set_due(work, work.item.promised_days or work.item.legal_days)


def finished(work: Casework) -> bool:
    """Whether only archiving is left: no event but that, no open part."""
    archive = bool(case_transitions(CaseState(work.row["status"]), Event.ARCHIVE))
    return archive and not any(row["state"] in OPEN_STEP for row in work.steps.values())


def reconsider(work: Casework) -> None:
    """Bring the case where the standing of its steps puts it. Call it after any step has moved."""
    if work.row["status"] == CaseState.ACCEPTED and _any_started(work):
        move(work, Event.DISPATCH)
    silent = _silent(work)
    given_up = [name for name in silent if not routing.needed(work.item, name)]
    work.flag("blocked", up=len(silent) > len(given_up))
    _suspend_or_resume(work, given_up)
    if work.row["status"] not in AT_WORK:
        return
    open_parts = [
        name
        for name, row in work.steps.items()
        if row["state"] == StepState.OPEN and name not in given_up and not _serves(work, name)
    ]
    returned = [name for name, row in work.steps.items() if row["state"] == StepState.RETURNED]
    work.flag("returned", up=bool(returned))
    if returned and not open_parts:
        move(work, Event.DEPT_RETURN)
        return
    decision = work.row["decision"]
    if decision is None:
        if work.row["status"] == CaseState.IN_PROCESS and _deciding(work) and not _instant_at_once(work):
            move(work, Event.ALL_JOINED)
        return
    if work.row["status"] == CaseState.IN_PROCESS and not _instant_at_once(work):
        move(work, Event.ALL_JOINED)
    if decision == "refused":
        drop_open_parts(work)
        move(work, Event.REFUSE)
    elif not open_parts and not returned and not _blocked_parts(work):
        if given_up:
            drop_open_parts(work)
        move(work, Event.GRANT)


def _silent(work: Casework) -> list[str]:
    """Sources that are asked and have not answered in their time."""
    return [
        name
        for name, row in work.steps.items()
        if row["mark"] == SourceMark.NOT_ANSWERED and row["state"] == StepState.OPEN
    ]


def _any_started(work: Casework) -> bool:
    return any(row["state"] != StepState.BLOCKED for name, row in work.steps.items() if name not in work.early)


def _serves(work: Casework, name: str) -> bool:
    return routing.serving(work.definitions[name])


def _blocked_parts(work: Casework) -> bool:
    return any(row["state"] == StepState.BLOCKED and not _serves(work, name) for name, row in work.steps.items())


def _deciding(work: Casework) -> bool:
    return work.steps[work.item.decides]["state"] in (StepState.OPEN, StepState.RETURNED, StepState.DONE)


def _instant_at_once(work: Casework) -> bool:
    """An instant case whose decider has not let it wait: it is decided straight from 30."""
    return work.item.case_type == "instant" and work.row["due_at"] is None and not work.row["due_open"]


def no_longer_instant(work: Casework) -> None:
    """The decider of an instant case did not answer at once: from now on its legal days count.

    The flag ``receipt_due`` tells the counter to hand the applicant a receipt with that date, until the case is decided.
    """
    if work.item.case_type == "instant" and work.row["due_at"] is None and not work.row["due_open"]:
        _set_due(work, work.item.legal_days)
        work.log("clock", work.case_no, "instant", "promised")
        work.flag("receipt_due", up=True)


def no_longer_instant_if_decider(work: Casework, step: str) -> None:
    """The same, when ``step`` is the deciding one; the case then waits for its decision in 40."""
    if step == work.item.decides:
        no_longer_instant(work)
        reconsider(work)


def _suspend_or_resume(work: Casework, given_up: Sequence[str]) -> None:
    """``given_up``: steps that are still open and that nothing waits for any more."""
    status = work.row["status"]
    if status not in AT_WORK and status != CaseState.SUSPENDED:
        return
    opened = [
        work.definitions[name]
        for name, row in work.steps.items()
        if row["state"] == StepState.OPEN and name not in given_up
    ]
    paused = [step for step in opened if step.clock == "paused"]
    running = [step for step in opened if step.clock != "paused" and not routing.serving(step)]
    if status in AT_WORK and paused and not running:
        work.set(suspended_from=status)
        move(work, Event.SUSPEND)
    elif status == CaseState.SUSPENDED and not paused and "special" not in work.row["flags"].split(","):
        move(work, Event.RESUME, to=CaseState(work.row["suspended_from"]))
        work.set(suspended_from=None)


def drop_open_parts(work: Casework, *, serving_too: bool = False) -> None:
    """Cancel what is not done: steps, their tasks, and deliveries that have not left; see to those that have."""
    work.flag("blocked", up=False)
    for name, row in list(work.steps.items()):
        if row["state"] in OPEN_STEP and (serving_too or not _serves(work, name)):
            work.set_step(name, StepState.CANCELLED)
    for task in work.open_tasks():
        if task["kind"] != "notify" and work.steps[task["step"]]["state"] == StepState.CANCELLED:
            work.set_task(task, TaskState.OBSOLETE)
    for delivery in work.all_deliveries():
        step = work.steps[delivery["step"]]
        if step["state"] == StepState.CANCELLED and delivery["operation"] == step["operation"]:
            _drop_delivery(work, delivery)


def _drop_delivery(work: Casework, row: dict[str, Any]) -> None:
    """What has not left is cancelled. What has left is withdrawn by the system's operation, else a person tells them."""
    state = DeliveryState(row["state"])
    if states.is_final(states.Machine.DELIVERY, state):
        return
    if state is DeliveryState.CLAIMED:
        work.set_delivery(row, DeliveryState.DUE, "lease_lost", fence=row["fence"] + 1)
        state = DeliveryState.DUE
    waits = state in (DeliveryState.DUE, DeliveryState.HELD, DeliveryState.DEAD)
    left = row["attempts"] > 0 and (not waits or row["possible_duplicate"] or row["batch"] is not None)
    if state is not DeliveryState.SENDING:
        work.set_delivery(row, DeliveryState.CANCELLED, "dropped")
    if not left:
        return
    operation = work.city.operation(row["system"], row["operation"]).withdraw_with
    if operation is None:
        work.add_task("notify", row["step"], work.row["accepting_centre"], system=row["system"], delivery=row["id"])
        return
    work.add_delivery(
        row["step"],
        row["system"],
        operation,
        {"delivery_id": row["id"]},
        subject=row["subject"],
        round=row["round"] + 1,
        supersedes=row["id"],
    )
