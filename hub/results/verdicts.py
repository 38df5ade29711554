"""What an outcome, or a reply, makes of its delivery (R4, R6); the step and the case follow."""

import hashlib
from typing import Any

from contracts.delivery import AwaitingReply, Completed, Outcome, Reply, Returned
from contracts.errors import DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.records import record
from hub import batches, states
from hub.city import City, milliseconds
from hub.results import cases, shadows, steps
from hub.results.casework import Casework, Change
from hub.results.shadows import canonical
from hub.results.sheets import issue_sheet
from hub.states import DeliveryState, Machine
from hub.store.connection import Connection, Row
from hub.store.tables import DeliveryRow

_COLUMNS = ", ".join(str(name) for name in DeliveryRow.model_fields if name != "sealed_fields")


DAY_MS = 86_400_000


def reply(connection: Connection, city: City, system: str, answer: Reply, at: int, cause: str = "reply") -> Change:
    """Apply a reply that came later. Verdicts: applied, duplicate, late, contradiction, ignored, unknown_delivery."""
    row = find_delivery(connection, city, str(answer.delivery_id))
    if row is None or row["system"] != system:
        return _stray(connection, city, system, answer, at)
    work = Casework.load(connection, city, row["case_no"], at, system)
    if not work.row["sealed_key"]:  # erased: what still comes is counted and not kept
        return _stray(connection, city, system, answer, at)
    outcome = answer.outcome
    if answer.operation and answer.operation != row["operation"]:
        # The answers of two deliveries have changed places: whatever it says, it says of something else.
        outcome = OutcomeUnknownError("other_operation")
    verdict = apply_reply(work, row, outcome, cause, milliseconds(answer.happened_at))
    return work.save(verdict)


def find_delivery(connection: Connection, city: City, delivery: str) -> Row | None:
    """The row of a delivery id."""
    return connection.row(
        f"SELECT {_COLUMNS} FROM delivery WHERE region = :region AND id = :id",  # noqa: S608 - names of our own columns
        {"region": city.region, "id": delivery},
    )


def apply_reply(work: Casework, row: Row, outcome: Outcome | DeliveryError, cause: str, happened_at: int) -> str:
    """Move the delivery if the table allows it in this state; record the reply in any case. Returns the verdict."""
    body = canonical(outcome)
    if isinstance(outcome, AwaitingReply):
        return _acknowledged(work, row, outcome, cause)
    # "Busy" twice is two answers, where there were two tries: an error counts once a try, an outcome once for good.
    commitment = work.key.commit(body)
    counted = body + f"/{row['attempts']}".encode() if isinstance(outcome, DeliveryError) else body
    told = commitment if counted is body else work.key.commit(counted)
    digest = hashlib.sha256(told.encode()).hexdigest()
    state = DeliveryState(row["state"])
    target, columns = _target(outcome, state, work)
    legal = target is not None and states.is_legal(Machine.DELIVERY, state, target)
    verdict = "applied" if legal else _verdict_out_of_turn(state, outcome)
    said = Said(body=body, commitment=commitment, digest=digest)
    if not _record_reply(work, row, outcome, said, verdict, happened_at):
        return "duplicate"
    if verdict == "contradiction":
        _ask_about(work, row)
    if target is not None and legal:
        real_cause = "late_reply" if state is DeliveryState.DEAD else cause
        if state is DeliveryState.CLAIMED:
            columns["fence"] = row["fence"] + 1
        work.set_delivery(row, target, real_cause, **columns)
        follow(work, row, outcome, by_person=cause == "person")
    return verdict


def _target(
    outcome: Outcome | DeliveryError, state: DeliveryState, work: Casework
) -> tuple[DeliveryState | None, dict[str, Any]]:
    if isinstance(outcome, Completed):
        return DeliveryState.DONE, {"lapsed_at": None, "error_code": None}
    if isinstance(outcome, Returned):
        return DeliveryState.RETURNED, {"lapsed_at": None, "error_code": outcome.reason_code}
    if isinstance(outcome, PermanentError):
        return DeliveryState.DEAD, {"lapsed_at": None, "error_code": outcome.code}
    if isinstance(outcome, TemporaryError) and state is DeliveryState.WAITING:
        return DeliveryState.DUE, {
            "lapsed_at": None,
            "error_code": outcome.code,
            "next_at": work.at + 60_000,
            "batch": None,
        }
    if isinstance(outcome, OutcomeUnknownError) and state is DeliveryState.WAITING:
        # They have said something that nobody can read: a person looks, nothing is sent again by itself.
        return DeliveryState.UNKNOWN, {"lapsed_at": None, "error_code": outcome.code, "possible_duplicate": True}
    return None, {}


def _verdict_out_of_turn(state: DeliveryState, outcome: Outcome | DeliveryError) -> str:
    """Of a reply that moves nothing: late for a cancelled delivery, a contradiction to a settled one."""
    if not isinstance(outcome, Completed | Returned):
        return "ignored"
    return "late" if state is DeliveryState.CANCELLED else "contradiction"


def _ask_about(work: Casework, row: Row) -> None:
    work.add_task("contradiction", row["step"], work.row["accepting_centre"], system=row["system"], delivery=row["id"])
    work.flag("contradiction", up=True)


@record
class Said:
    """A reply as it is kept: canonical JSON, what the journal holds of it, and what it is known by."""

    body: bytes
    commitment: str
    digest: str


def _record_reply(
    work: Casework, row: Row, outcome: Outcome | DeliveryError, said: Said, verdict: str, happened_at: int
) -> bool:
    """Keep the reply, whatever becomes of it. False when the same one came before: then only its count grows."""
    kind = outcome.decision.value if isinstance(outcome, Completed) else type(outcome).__name__.lower()
    stored = work.connection.row(
        _KEEP_REPLY,
        {
            "region": work.city.region,
            "system": row["system"],
            "delivery": row["id"],
            "digest": said.digest,
            "case_no": work.case_no,
            "kind": kind,
            "verdict": verdict,
            "happened_at": happened_at,
            "recorded_at": work.at,
            "sealed_body": work.key.seal(said.body, "reply"),
        },
    )
    if stored is not None and stored["times"] > 1:
        return False
    work.log("reply", row["id"], None, verdict, reply=kind, commitment=said.commitment)
    return True


_KEEP_REPLY = (
    "INSERT INTO reply (region, system, delivery, digest, case_no, kind, verdict, times, happened_at, recorded_at, sealed_body)"
    " VALUES (:region, :system, :delivery, :digest, :case_no, :kind, :verdict, 1, :happened_at, :recorded_at, :sealed_body)"
    " ON CONFLICT (region, system, delivery, digest) DO UPDATE SET times = reply.times + 1 RETURNING times"
)


def _stray(connection: Connection, city: City, system: str, answer: Reply, at: int) -> Change:
    """A reply to a copy on a shadow channel settles nothing; one to a delivery that we never made is kept without its content."""
    if shadows.answered(connection, city, answer.delivery_id, answer.outcome, at):
        return Change(case_no="", status="", verdict="shadow")
    key = {"region": city.region, "system": system, "delivery": str(answer.delivery_id)}
    digest = city.keys.message_digest(canonical(answer.outcome))
    known = connection.run(
        "UPDATE reply SET times = times + 1 WHERE region = :region AND system = :system"
        " AND delivery = :delivery AND digest = :digest",
        {**key, "digest": digest},
    )
    if not known:
        times = {"happened_at": milliseconds(answer.happened_at), "recorded_at": at, "times": 1}
        connection.insert(
            "reply",
            {
                **key,
                **times,
                "digest": digest,
                "kind": type(answer.outcome).__name__.lower(),
                "verdict": "unknown_delivery",
            },
        )
    return Change(case_no="", status="", verdict="unknown_delivery")


def _acknowledged(work: Casework, row: Row, outcome: AwaitingReply, cause: str) -> str:
    """The department has it and will answer later."""
    state = DeliveryState(row["state"])
    columns = waiting_columns(work, row, outcome)
    if state is DeliveryState.WAITING:
        work.connection.update("delivery", {"region": work.city.region, "id": row["id"]}, columns)
        return "applied"
    if not states.is_legal(Machine.DELIVERY, state, DeliveryState.WAITING):
        return "ignored"
    if state is DeliveryState.CLAIMED:
        columns["fence"] = row["fence"] + 1
    work.set_delivery(row, DeliveryState.WAITING, cause, **columns)
    follow(work, row, outcome)
    return "applied"


def waiting_columns(work: Casework, row: Row, outcome: AwaitingReply) -> dict[str, Any]:
    """When to look again: at the next poll, or when the time to answer is over, whichever comes first."""
    facts = work.city.facts(row["system"]).over(row["via"])
    moments = [milliseconds(outcome.next_poll_at)] if outcome.next_poll_at else []
    if facts.reply_within_ms is not None:
        asked = row["created_at"] if row["state"] == DeliveryState.WAITING else work.at
        limit = asked + facts.reply_within_ms
        moments.append(limit if limit > work.at else work.at + DAY_MS)  # overdue, and they say that they work on it
    columns: dict[str, Any] = {"lapsed_at": min(moments, default=None), "error_code": None, "unfinished": 0}
    if outcome.department_ref is not None:
        columns["department_ref"] = outcome.department_ref
    return columns


def follow(work: Casework, row: Row, outcome: Outcome | DeliveryError, *, by_person: bool = False) -> None:
    """Let the step and the case follow a delivery that has just moved. ``by_person``: somebody here said so, no department."""
    if isinstance(outcome, AwaitingReply):
        if outcome.task_sheet is not None:
            issue_sheet(work, row, outcome.task_sheet)
        cases.no_longer_instant_if_decider(work, row["step"])
        return
    if isinstance(outcome, OutcomeUnknownError):
        work.add_task("unknown", row["step"], work.row["accepting_centre"], system=row["system"], delivery=row["id"])
    if isinstance(outcome, PermanentError):
        work.add_task("dead", row["step"], work.row["accepting_centre"], system=row["system"], delivery=row["id"])
    if not isinstance(outcome, Completed | Returned):
        cases.no_longer_instant_if_decider(work, row["step"])
        return
    _close_tasks(work, row)
    step = work.steps[row["step"]]
    if step["operation"] != row["operation"]:
        return  # the answer to a withdrawal: recorded, moves no step
    if isinstance(outcome, Completed):
        steps.delivery_settled(work, row, outcome.decision.value, outcome.fields)
    else:
        steps.delivery_settled(work, row, None, None)
    if row["batch"] is not None:
        batches.answered(work.connection, work.city, row, work.at, by_person=by_person)
    steps.advance(work)


def _close_tasks(work: Casework, row: Row) -> None:
    """A sheet or a question about a delivery that has settled otherwise is of no use any more."""
    if row["settled_at"] is None or (row["attempts"] == 1 and row["cause"] == "outcome"):
        return  # settled by its first try: nobody has been asked anything
    for task in work.open_tasks():
        if task["delivery"] == row["id"] and task["kind"] in ("sheet", "unknown", "dead"):
            work.set_task(task, states.TaskState.OBSOLETE)
