"""Receiving 收件 and the events of a case: what a sender, a centre or an applicant causes."""

from dataclasses import asdict
from typing import Any

import orjson

from contracts.catalogue import Item, StepKind
from contracts.envelope import CaseApplication, CaseEvent, CaseEventKind, MaterialRef
from contracts.records import record
from hub import case_index, routing
from hub.case_states import CaseState, Event
from hub.city import City, moment
from hub.clock import deemed_accepted
from hub.numbers import case_number
from hub.results import cases, steps
from hub.results.casework import Casework, Change
from hub.results.errors import IdConflict, NotAllowed
from hub.states import StepState, TaskState
from hub.store.connection import Connection, Row


@record
class NewCase:
    """A validated application and where it came from. ``digest`` is the keyed digest of the message (R1)."""

    application: CaseApplication
    item: Item
    source: str
    message_id: str
    digest: str
    client: str
    trace: str | None = None


def known(connection: Connection, city: City, source: str, message_id: str, digest: str) -> Row | None:
    """The answer to a message that came before. Raises IdConflict when it had another content."""
    row = connection.row(
        "SELECT digest, case_no, status FROM inbox WHERE region = :region AND source = :source AND id = :id",
        {"region": city.region, "source": source, "id": message_id},
    )
    if row is not None and row["digest"] != digest:
        raise IdConflict("this message id came before with another content: give a new message a new id")
    return row


def receive(connection: Connection, city: City, new: NewCase, at: int) -> Change:
    """Store a new case; ``accepted`` in it completes the acceptance step too. The same message again changes nothing."""
    before = known(connection, city, new.source, new.message_id, new.digest)
    if before is not None:
        return Change(case_no=before["case_no"], status=before["status"], verdict="duplicate")
    work = _new_case(connection, city, new, at)
    work.add_steps(work.early, {})
    if new.application.accepted:
        accept(work)
    else:
        steps.advance(work)
    _remember(work, new.source, new.message_id, new.digest)
    return work.save()


def _new_case(connection: Connection, city: City, new: NewCase, at: int) -> Casework:
    application = new.application
    key = city.keys.new_case_key()
    accepting = application.accepting_centre or application.receiving_centre
    content = {
        "applicant": application.applicant,
        "agent": application.agent,
        "form": application.form,
        "materials": [asdict(material) for material in application.materials],
    }
    row: Row = {
        "region": city.region,
        "case_no": _next_case_number(connection, city, application.receiving_centre, at),
        "item": new.item.code,
        "item_version": new.item.version,
        "status": CaseState.RECEIVED.value,
        "suspended_from": None,
        "corrections": 0,
        "flags": "",
        "decision": None,
        "source": new.source,
        "client": new.client,
        "trace_id": new.trace,
        "channel": application.channel,
        "applicant_type": new.item.applicant_type,
        "receiving_centre": application.receiving_centre,
        "accepting_centre": accepting,
        "paper_holder": application.paper_holder or application.receiving_centre,
        "received_at": at,
        "accepted_at": None,
        "due_at": None,
        "due_open": False,
        "paused_at": None,
        "pauses": "[]",
        "changed_at": at,
        "sealed_key": key.wrapped,
        "sealed_data": b"",
    }
    work = Casework(connection, city, row, at, new.client, new=True)
    work.key = key
    body = orjson.dumps(content)
    row["sealed_data"] = key.seal(body, "data")
    case_index.change(connection, city, row["case_no"], frozenset(), case_index.pairs(content))
    work.data = content
    work.log("case", work.case_no, None, CaseState.RECEIVED.value, event="submit", commitment=key.commit(body))
    return work


def _next_case_number(connection: Connection, city: City, centre: str, at: int) -> str:
    day = city.calendar.local_day(moment(at))
    row = connection.row(
        "INSERT INTO sequence (region, name, value) VALUES (:region, :name, 1)"
        " ON CONFLICT (region, name) DO UPDATE SET value = sequence.value + 1 RETURNING value",
        {"region": city.region, "name": f"case {centre} {day.isoformat().replace('-', '')}"},
    )
    assert row is not None
    return case_number(centre, day, row["value"])


def _remember(work: Casework, source: str, message_id: str, digest: str) -> None:
    work.connection.insert(
        "inbox",
        {
            "region": work.city.region,
            "source": source,
            "id": message_id,
            "digest": digest,
            "case_no": work.case_no,
            "status": work.row["status"],
            "received_at": work.at,
        },
    )


def accept(work: Casework, *, event: Event = Event.ACCEPT, since: int | None = None) -> None:
    """受理: starts the clock (or resumes it), freezes the steps and their systems (R2), and starts what may start.

    ``since``: ms UTC from which the clock counts, for a case deemed accepted.
    """
    first = work.row["accepted_at"] is None
    if not work.new and event is Event.ACCEPT:
        _check_again(work)
    cases.move(work, event)
    if first:
        work.set(accepted_at=since or work.at)
        cases.start_clock(work)
        systems = {step.id: work.city.system(step.system).name for step in work.item.steps if step.system is not None}
        work.add_steps(frozenset(work.definitions), systems)
    early = work.early
    for task in work.open_tasks() if not work.new else []:
        if task["step"] in early:
            work.set_task(task, TaskState.OBSOLETE)
    for name in work.steps:
        if name in early and work.steps[name]["state"] == StepState.BLOCKED:
            work.set_step(name, StepState.OPEN, opened_at=work.at, round=1)
        if name in early and work.steps[name]["state"] == StepState.OPEN:
            steps.close_step(work, name, "done")
    for name, row in work.steps.items():
        if row["state"] == StepState.RETURNED:
            steps.open_step(work, work.definitions[name])
    steps.advance(work)


def _check_again(work: Casework) -> None:
    """Received data is validated again at acceptance: a correction, or a code list that moved on, may have spoilt it (R2)."""
    data, row = work.data, work.row
    application = CaseApplication(
        item=row["item"],
        item_version=row["item_version"],
        receiving_centre=row["receiving_centre"],
        accepting_centre=row["accepting_centre"],
        paper_holder=row["paper_holder"],
        channel=row["channel"],
        applicant=data["applicant"],
        agent=data["agent"],
        form=data["form"],
        materials=tuple(MaterialRef(**material) for material in data["materials"]),
        accepted=True,
    )
    errors = work.city.form_errors(work.item, application, work.city.calendar.local_day(moment(work.at)))
    if errors:
        wrong = "; ".join(f"{error.pointer}: {error.message}" for error in errors)
        raise NotAllowed(f"the case cannot be accepted as it is: {wrong}")


def event(
    connection: Connection, city: City, case_no: str, key: tuple[str, str], digest: str, told: CaseEvent, at: int
) -> Change:
    """An event of a centre or an applicant, idempotent by its (source, id). Raises NotAllowed, NotFoundHere, IdConflict."""
    before = known(connection, city, key[0], key[1], digest)
    if before is not None:
        return Change(case_no=before["case_no"], status=before["status"], verdict="duplicate")
    work = Casework.load(connection, city, case_no, at, told.by)
    _GUARDS.get(told.event, _no_guard)(work, told)
    _ACTIONS.get(told.event, _plain)(work, told)
    _remember(work, key[0], key[1], digest)
    return work.save()


def _no_guard(work: Casework, told: CaseEvent) -> None:
    """Nothing beyond the state table."""


def _first_reception(work: Casework, told: CaseEvent) -> None:
    if work.row["accepted_at"] is not None:
        raise NotAllowed("this case was accepted before: acceptance can be refused at the first reception only")


def _asked_once(work: Casework, told: CaseEvent) -> None:
    if work.row["status"] == CaseState.RECEIVED and work.row["corrections"] > 0:
        raise NotAllowed(
            "the applicant was told once what is missing: at the first reception that is all the law allows"
        )
    if not told.wanted:
        raise NotAllowed("say in `wanted` what is missing: the notice names everything at once")


def _second_person(work: Casework, told: CaseEvent) -> None:
    if not told.confirmed_by or told.confirmed_by == told.by:
        raise NotAllowed("a second person must confirm this: name somebody else in `confirmed_by`")


def _before_decision(work: Casework, told: CaseEvent) -> None:
    if work.row["decision"] is not None:
        raise NotAllowed("a decision has been made: the case can no longer be withdrawn")


def _reason(work: Casework, told: CaseEvent) -> None:
    if not told.reason_code:
        raise NotAllowed("give a `reason_code`: the applicant gets it in writing")


_GUARDS = {
    CaseEventKind.ASK_CORRECTION: _asked_once,
    CaseEventKind.REFUSE_ACCEPTANCE: _first_reception,
    CaseEventKind.VOID: _second_person,
    CaseEventKind.WITHDRAW: _before_decision,
    CaseEventKind.RETURN: _reason,
    CaseEventKind.SUSPEND: _reason,
}


def _codes(told: CaseEvent) -> dict[str, Any]:
    codes = {"reason": told.reason_code, "confirmed_by": told.confirmed_by, "wanted": ",".join(told.wanted) or None}
    return {name: value for name, value in codes.items() if value is not None}


def _plain(work: Casework, told: CaseEvent) -> None:
    cases.move(work, Event(told.event.value), **_codes(told))


def _accept(work: Casework, told: CaseEvent) -> None:
    if work.row["status"] != CaseState.RECEIVED:
        cases.move(work, Event.ACCEPT)
    accept(work)


def _ask_correction(work: Casework, told: CaseEvent) -> None:
    if work.row["status"] == CaseState.RECEIVED:
        work.set(corrections=work.row["corrections"] + 1)
    _plain(work, told)


def _corrected(work: Casework, told: CaseEvent) -> None:
    _plain(work, told)
    replace_data(work, told)


def _resubmit(work: Casework, told: CaseEvent) -> None:
    _plain(work, told)
    replace_data(work, told)
    for name, row in work.steps.items():
        if row["state"] == StepState.RETURNED:
            steps.open_step(work, work.definitions[name])
    steps.advance(work)


def _end(work: Casework, told: CaseEvent) -> None:
    _plain(work, told)
    cases.drop_open_parts(work, serving_too=True)


def _suspend(work: Casework, told: CaseEvent) -> None:
    work.set(suspended_from=work.row["status"])
    _plain(work, told)
    work.flag("special", up=True)


def _resume(work: Casework, told: CaseEvent) -> None:
    work.flag("special", up=False)
    came_from = work.row["suspended_from"]
    if came_from is None:
        cases.move(work, Event.RESUME)
    cases.move(work, Event.RESUME, to=CaseState(came_from), **_codes(told))
    work.set(suspended_from=None)
    steps.advance(work)


def _serve(work: Casework, told: CaseEvent) -> None:
    _plain(work, told)
    for name, row in work.steps.items():
        step = work.definitions[name]
        if row["state"] == StepState.OPEN and step.kind is StepKind.CENTRE and routing.serving(step):
            steps.close_step(work, name, "done")
    cases.drop_open_parts(work, serving_too=True)


_ACTIONS = {
    CaseEventKind.ACCEPT: _accept,
    CaseEventKind.ASK_CORRECTION: _ask_correction,
    CaseEventKind.CORRECTED: _corrected,
    CaseEventKind.RESUBMIT: _resubmit,
    CaseEventKind.WITHDRAW: _end,
    CaseEventKind.VOID: _end,
    CaseEventKind.RETURN: _end,
    CaseEventKind.REFUSE_ACCEPTANCE: _end,
    CaseEventKind.SUSPEND: _suspend,
    CaseEventKind.RESUME: _resume,
    CaseEventKind.SERVE: _serve,
}


def replace_data(work: Casework, told: CaseEvent) -> None:
    """Put corrected fields and papers in place of the old ones; what is not named stays."""
    before = case_index.pairs(work.data)
    data = dict(work.data)
    for root, given in (("applicant", told.applicant), ("form", told.form)):
        if given is not None:
            data[root] = {**(data.get(root) or {}), **given}
    if told.materials is not None:
        data["materials"] = [asdict(material) for material in told.materials]
    work.data = data
    case_index.change(work.connection, work.city, work.case_no, before, case_index.pairs(data))
    body = orjson.dumps(data)
    work.set(sealed_data=work.key.seal(body, "data"))
    work.log("data", work.case_no, None, None, commitment=work.key.commit(body))


def time_passed(connection: Connection, city: City, case_no: str, at: int) -> Change:
    """What the clock alone brings about: deemed acceptance, correction overdue, silent sources, archiving, open dates."""
    work = Casework.load(connection, city, case_no, at, "hub")
    status = CaseState(work.row["status"])
    if status is CaseState.RECEIVED and work.row["corrections"] == 0 and work.row["accepted_at"] is None:
        limit = deemed_accepted(moment(work.row["received_at"]), city.calendar).at
        if limit is not None and moment(at) > limit:
            accept(work, event=Event.DEEMED_ACCEPTED, since=work.row["received_at"])
    elif status is CaseState.CORRECTION_REQUESTED and at > work.row["changed_at"] + city.correction_days * 86_400_000:
        cases.move(work, Event.CORRECTION_OVERDUE)
        cases.drop_open_parts(work, serving_too=True)
    elif cases.finished(work) and at > work.row["changed_at"] + city.archive_after_days * 86_400_000:
        cases.move(work, Event.ARCHIVE)
    elif work.row["due_open"]:
        cases.set_due(work)
    silent = [name for name, row in work.steps.items() if row["silent_at"] is not None and row["silent_at"] < at]
    for name in silent:
        if work.steps[name]["state"] == StepState.OPEN:
            steps.mark_silent(work, name)
    if silent:
        steps.advance(work)
    return work.save()
