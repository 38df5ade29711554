"""Manual tasks: what a person completes, confirms or decides, each with one effect however often it is sent."""

from typing import Any

import orjson

from contracts.delivery import AwaitingReply, Completed, Decision, Outcome, Returned
from contracts.envelope import TaskCompletion
from contracts.errors import DeliveryError
from contracts.records import adapter
from contracts.task_sheet import parse_sheet_code
from hub import routing
from hub.case_states import CASE_STATES, CaseState, Clock, Event
from hub.city import City, milliseconds, moment
from hub.results import cases, steps
from hub.results.casework import Casework, Change
from hub.results.errors import NotAllowed, NotFoundHere, Overtaken
from hub.results.handovers import came_back
from hub.results.operations import act_on
from hub.results.reception import accept
from hub.results.sheets import find_sheet, prove
from hub.results.verdicts import apply_reply, find_delivery
from hub.states import StepState, TaskState
from hub.store.connection import Connection, Row

OPEN = (TaskState.READY, TaskState.RESERVED, TaskState.TO_CONFIRM)
WORDS = frozenset(decision.value for decision in Decision)


def find_task(connection: Connection, city: City, name: str) -> Row:
    """A task by its id, or the newest one of a sheet number. Raises NotFoundHere."""
    key = {"region": city.region, "name": name}
    row = connection.row("SELECT * FROM task WHERE region = :region AND id = :name", key)
    if row is None:  # through the sheet's delivery: the number alone would read the whole table
        row = connection.row(
            "SELECT task.* FROM sheet JOIN task ON task.region = sheet.region AND task.delivery = sheet.delivery"
            " AND task.sheet_no = sheet.number WHERE sheet.region = :region AND sheet.number = :name"
            " ORDER BY task.created_at DESC, task.id DESC LIMIT 1",
            key,
        )
    if row is None:
        raise NotFoundHere(f"there is no task {name} here: check the number")
    return row


def complete(
    connection: Connection,
    city: City,
    task: str,
    told: TaskCompletion,
    at: int,
    outcome: Outcome | DeliveryError | None,
) -> Change:
    """End a task. ``outcome`` is what the sheet's gateway made of the ticked box. Verdicts: applied, duplicate, to_confirm, contradiction (a late
    sheet that says something else than what came another way).

    Raises NotFoundHere, NotAllowed (guards, forged or outdated sheet), Overtaken (somebody else did it).
    """
    row = find_task(connection, city, task)
    work = Casework.load(connection, city, row["case_no"], at, told.by)
    if row["completion"] == told.id:
        return work.save("duplicate")
    if row["kind"] == "sheet":
        prove(city, find_sheet(connection, city, row["sheet_no"]), told.sheet_code, told.sheet_no, told.sheet_version)
    if row["state"] == TaskState.OBSOLETE and row["kind"] == "sheet" and _contradicts(work, row, outcome):
        _sheet(work, row, told, outcome)
        return work.save("contradiction")
    if row["state"] not in OPEN:
        by = row["assigned_to"] if row["state"] == TaskState.COMPLETED else None
        raise Overtaken(by or "the hub", moment(row["completed_at"]))
    if row["state"] == TaskState.RESERVED and row["assigned_to"] != told.by:
        raise Overtaken(row["assigned_to"], moment(since(connection, city, row)))
    if told.happened_at is not None and milliseconds(told.happened_at) > at:
        raise NotAllowed("`happened_at` lies in the future: key the time it really happened")
    if row["state"] == TaskState.TO_CONFIRM and row["assigned_to"] == told.by:
        raise NotAllowed("a refusal needs a second person: somebody else must confirm what you keyed")
    if row["state"] == TaskState.TO_CONFIRM and not _confirms(work, row, told, outcome):
        raise NotAllowed("what you keyed differs from what is to be confirmed: give the task back or key the same")
    if row["state"] == TaskState.READY:
        work.set_task(row, TaskState.RESERVED, assigned_to=told.by)
    body = work.key.seal(orjson.dumps(adapter(TaskCompletion).dump_python(told, mode="json")), "completion")
    if _needs_second(work, row, told, outcome):
        keyed = {"completion": told.id, "assigned_to": told.by, "sealed_completion": body}
        work.set_task(row, TaskState.TO_CONFIRM, **keyed)
        return work.save("to_confirm")
    work.set_task(row, TaskState.COMPLETED, completion=told.id, assigned_to=told.by, sealed_completion=body)
    _ENDINGS.get(row["kind"], _centre_step)(work, row, told, outcome)
    change = work.save()
    if row["kind"] == "sheet" and not isinstance(outcome, DeliveryError):
        came_back(connection, city, row["sheet_no"], at, told.by)  # whoever confirms a sheet has it in his hand
    return change


def _contradicts(work: Casework, row: Row, outcome: Outcome | DeliveryError | None) -> bool:
    """Whether a sheet that came too late says something else than what counts: a person must hear of both."""
    key = {"region": work.city.region, "delivery": row["delivery"]}
    counted = work.connection.row(
        "SELECT kind FROM reply WHERE region = :region AND delivery = :delivery AND verdict = 'applied'"
        " AND kind IN ('done', 'granted', 'refused', 'returned') ORDER BY recorded_at DESC LIMIT 1",
        key,
    )
    if counted is None or not isinstance(outcome, Completed | Returned):
        return False
    return bool(counted["kind"] != (outcome.decision.value if isinstance(outcome, Completed) else "returned"))


def _needs_second(work: Casework, row: Row, told: TaskCompletion, outcome: Outcome | DeliveryError | None) -> bool:
    """Whether somebody else must agree first. Raises NotAllowed for a refusal that could not be carried out then."""
    confirmed = told.confirmed_by is not None and told.confirmed_by != told.by
    if confirmed or row["state"] == TaskState.TO_CONFIRM or not _refuses(work, row, told, outcome):
        return False
    if row["kind"] != "sheet" and row["delivery"] is None:
        _needs_reason(told)
    return True


def _refuses(work: Casework, row: Row, told: TaskCompletion, outcome: Outcome | DeliveryError | None) -> bool:
    """Whether it decides against the applicant: the box of a sheet, or what is said of a step that is not the accepting one."""
    if row["kind"] == "sheet":
        return isinstance(outcome, Completed) and outcome.decision is Decision.REFUSED
    deciding = row["kind"] not in ("notify", "contradiction") and row["step"] != work.item.accepts
    return deciding and told.decision == Decision.REFUSED


def _confirms(work: Casework, row: Row, told: TaskCompletion, outcome: Outcome | DeliveryError | None) -> bool:
    """Whether the second person says what the first one said: the same box, and a refusal again, since only refusals wait here."""
    if not _refuses(work, row, told, outcome):
        return False
    first = orjson.loads(work.key.unseal(row["sealed_completion"], "completion"))
    return (first["result_code"], first["decision"]) == (told.result_code, told.decision)


def _sheet(work: Casework, row: Row, told: TaskCompletion, outcome: Outcome | DeliveryError | None) -> None:
    """A confirmed sheet is a reply like any other."""
    if outcome is None or isinstance(outcome, AwaitingReply):
        raise NotAllowed("tick one of the boxes of the sheet: `result_code` is missing")
    delivery = find_delivery(work.connection, work.city, row["delivery"])
    assert delivery is not None
    happened = milliseconds(told.happened_at) if told.happened_at else work.at
    apply_reply(work, delivery, outcome, "reply", happened)


def _centre_step(work: Casework, row: Row, told: TaskCompletion, outcome: Outcome | DeliveryError | None) -> None:
    """A step that a person at the centre works on."""
    name = row["step"]
    step = work.definitions[name]
    if name == work.item.accepts:
        if told.decision not in (None, "done", "granted"):
            raise NotAllowed(
                "papers that are not accepted are asked for (`ask_correction`) or refused (`refuse_acceptance`)"
            )
        accept(work)
        return
    if work.steps[name]["state"] != StepState.OPEN:
        raise NotAllowed("the step of this task is not open any more")
    if routing.serving(step):
        _require_decided(work, name)
    if told.decision == "returned":
        _needs_reason(told)
        steps.return_step(work, name)
    elif told.decision in WORDS:
        if told.decision == "refused":
            _needs_reason(told)
        steps.close_step(work, name, str(told.decision), told.fields)
        if routing.serving(step):
            _served(work)
    else:
        raise NotAllowed("say in `decision` how it ended: done, granted, refused or returned")
    steps.advance(work)


def _require_decided(work: Casework, name: str) -> None:
    """What follows the decision is not served before it, as while the case is suspended: nobody would be left to move the case after it."""
    status = CaseState(work.row["status"])
    if CASE_STATES[status].clock is not Clock.STOPPED and work.item.decides in routing.before(work.item, name):
        why = f"a case in state {status} ({CASE_STATES[status].name_en}) has no result to hand over yet"
        raise NotAllowed(f"{why}: wait for its decision")


def _served(work: Casework) -> None:
    """The result reached the applicant 送达."""
    if work.row["status"] in (CaseState.GRANTED, CaseState.REFUSED, CaseState.READY_FOR_COLLECTION):
        cases.move(work, Event.DELIVER)


def _needs_reason(told: TaskCompletion) -> None:
    if not told.reason_code:
        raise NotAllowed("give a `reason_code`: the applicant gets it in writing")


def _decide_for_department(
    work: Casework, row: Row, told: TaskCompletion, outcome: Outcome | DeliveryError | None
) -> None:
    """A delivery that no machine may settle: a person says what the department did."""
    delivery = find_delivery(work.connection, work.city, row["delivery"]) if row["delivery"] else None
    if delivery is None:
        _centre_step(work, row, told, outcome)
        return
    if told.decision in WORDS:
        said: Outcome = Completed(decision=Decision(told.decision), fields=told.fields)
    elif told.decision == "returned":
        _needs_reason(told)
        said = Returned(reason_code=str(told.reason_code), wanted=told.wanted)
    else:
        act_on(work, delivery, str(told.decision))
        return
    apply_reply(work, delivery, said, "person", work.at)


def _noted(work: Casework, row: Row, told: TaskCompletion, outcome: Outcome | DeliveryError | None) -> None:
    """Somebody has told the department, or looked into a contradiction: that it was done is all there is to record."""
    if row["kind"] == "contradiction":
        work.flag("contradiction", up=False)


_ENDINGS: dict[str, Any] = {
    "sheet": _sheet,
    "unknown": _decide_for_department,
    "dead": _decide_for_department,
    "decide": _decide_for_department,
    "notify": _noted,
    "contradiction": _noted,
}


def reserve(connection: Connection, city: City, task: str, by: str, at: int) -> Change:
    """Claim 领取; again by the same person changes nothing. Raises Overtaken when somebody has it, or it is over."""
    row = find_task(connection, city, task)
    work = Casework.load(connection, city, row["case_no"], at, by)
    if row["state"] == TaskState.RESERVED and row["assigned_to"] == by:
        return work.save("duplicate")
    if row["state"] != TaskState.READY:
        raise Overtaken(row["assigned_to"] or "the hub", moment(since(connection, city, row)))
    work.set_task(row, TaskState.RESERVED, assigned_to=by)
    return work.save()


def assign(connection: Connection, city: City, task: str, to: str, by: str, at: int) -> Change:
    """Give a task to somebody, also one that another person has. Raises Overtaken when it is over or waits for a second person."""
    row = find_task(connection, city, task)
    work = Casework.load(connection, city, row["case_no"], at, by)
    if row["state"] == TaskState.RESERVED and row["assigned_to"] != to:
        work.set_task(row, TaskState.READY, assigned_to=None)
    if row["state"] == TaskState.READY:
        work.set_task(row, TaskState.RESERVED, assigned_to=to)
    elif row["state"] != TaskState.RESERVED:
        raise Overtaken(row["assigned_to"] or "the hub", moment(since(connection, city, row)))
    return work.save()


def release(connection: Connection, city: City, task: str, by: str, at: int, *, own: bool = False) -> Change:
    """Give a claimed task back, or decline to confirm what another person keyed. ``own``: nobody else's claim. Raises Overtaken."""
    row = find_task(connection, city, task)
    work = Casework.load(connection, city, row["case_no"], at, by)
    if row["state"] == TaskState.READY:
        return work.save("duplicate")
    foreign = own and row["state"] == TaskState.RESERVED and row["assigned_to"] != by
    if foreign or row["state"] not in OPEN:
        raise Overtaken(row["assigned_to"] or "the hub", moment(since(connection, city, row)))
    work.set_task(row, TaskState.READY, assigned_to=None, sealed_completion=None)
    return work.save()


def since(connection: Connection, city: City, row: Row) -> int:
    """When a task came into its present state (ms UTC), by the journal of its case."""
    if row["completed_at"] is not None:
        return int(row["completed_at"])
    entries = connection.rows(
        "SELECT at, changes FROM journal WHERE region = :region AND chain = :chain ORDER BY seq DESC",
        {"region": city.region, "chain": row["case_no"]},
    )
    for entry in entries:
        if any(kind == "task" and subject == row["id"] for kind, subject, *_ in orjson.loads(entry["changes"])):
            return int(entry["at"])
    return int(row["created_at"])


def skip(connection: Connection, city: City, task: str, by: str, at: int) -> Change:
    """End a task that nobody needs to do: telling a department, looking into a contradiction. Raises NotAllowed for others."""
    row = find_task(connection, city, task)
    if row["kind"] not in ("notify", "contradiction"):
        raise NotAllowed("only a notice or a contradiction can be skipped: complete this task instead")
    work = Casework.load(connection, city, row["case_no"], at, by)
    work.set_task(row, TaskState.SKIPPED, assigned_to=by)
    return work.save()


def check_code(connection: Connection, city: City, number: str, code: str) -> None:
    """Whether a scanned code is the one of a sheet that counts. Raises NotFoundHere, NotAllowed (forged, outdated)."""
    row = find_sheet(connection, city, number)
    read = parse_sheet_code(code)
    if read.mac is None:
        prove(city, row, None, read.number, read.version)
    else:
        prove(city, row, code, None, None)


def note_refusal(connection: Connection, city: City, row: Row, by: str, at: int, why: str) -> None:
    """A unit of work: what somebody tried with a task and was refused stands in the journal too."""
    work = Casework.load(connection, city, row["case_no"], at, by)
    work.log("refused", row["id"], None, None, why=why)
    work.save()
