"""What came of an attempt (``beginning`` has how it began), of an enquiry, and of waiting too long (R4)."""

from datetime import datetime
from typing import Any, Protocol

from contracts.delivery import AwaitingReply, Completed, Lookup, NotFound, Outcome, Returned
from contracts.errors import NEEDS_PAPER, DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.situation import Situation
from hub import batches, states
from hub.city import City, milliseconds, moment
from hub.results import cases
from hub.results.beginning import Begun
from hub.results.casework import Casework, Change
from hub.results.operations import bury
from hub.results.verdicts import apply_reply, find_delivery, follow, waiting_columns
from hub.retry import History, Next, Why
from hub.states import AttemptState, DeliveryState, Machine
from hub.store.connection import Connection, Row

Result = Outcome | BaseException
"""What a try gave: an outcome, a DeliveryError, any other exception (a bug), or LostProcess."""


class LostProcess(Exception):
    """The process died during the attempt: it has no outcome."""


class Planner(Protocol):
    """Bound by the attempts module: the retry rules with its clock, randomness and policy."""

    def attempt(self, error: BaseException | None, history: History, system: str) -> Next:
        """What follows a failed or lost attempt."""
        ...

    def enquiry(self, found: Lookup | BaseException, history: History, system: str) -> Next:
        """What follows an enquiry without an outcome."""
        ...


_STATE_OF: tuple[tuple[type[Any], AttemptState], ...] = (
    (Completed, AttemptState.COMPLETED),
    (Returned, AttemptState.RETURNED),
    (AwaitingReply, AttemptState.AWAITING),
)


def attempt_ended(
    connection: Connection, city: City, begun: Begun, result: Result, planner: Planner, at: int
) -> Change:
    """Record how an attempt ended and move its delivery. An outcome that was overtaken is treated as a reply."""
    row = find_delivery(connection, city, begun.delivery)
    assert row is not None
    work = Casework.load(connection, city, row["case_no"], at, "hub")
    state = _attempt_state(result)
    _end_attempt(work, begun, state, result)
    overtaken = row["state"] != DeliveryState.SENDING or row["fence"] != begun.fence
    if overtaken:
        verdict = "overtaken"
        if isinstance(result, Completed | Returned):
            verdict = apply_reply(work, row, result, "outcome", at)
        return work.save(verdict)
    if isinstance(result, Completed | Returned):
        row["unfinished"] = 0
        apply_reply(work, row, result, "outcome", at)
    elif isinstance(result, AwaitingReply):
        work.set_delivery(row, DeliveryState.WAITING, "outcome", **waiting_columns(work, row, result))
        follow(work, row, result)
    else:
        _failed(work, row, result, state, planner)
    return work.save()


def _attempt_state(result: Result) -> AttemptState:
    for of, state in _STATE_OF:
        if isinstance(result, of):
            return state
    if isinstance(result, LostProcess):
        return AttemptState.UNKNOWN
    names = {"TemporaryError": "temporary", "OutcomeUnknownError": "unknown", "CredentialsError": "credentials"}
    names |= {"PermanentError": "permanent", "DuplicateError": "permanent"}
    return AttemptState(names.get(type(result).__name__, "bug"))


def _end_attempt(work: Casework, begun: Begun, state: AttemptState, result: Result) -> None:
    code = error_code(result)
    changed = work.connection.run(
        "UPDATE attempt SET state = :state, ended_at = :at, error_code = :code WHERE region = :region"
        " AND delivery = :delivery AND number = :number AND state = 'started'",
        {
            "state": state.value,
            "at": work.at,
            "code": code,
            "region": work.city.region,
            "delivery": begun.delivery,
            "number": begun.number,
        },
    )
    if changed:
        states.check(Machine.ATTEMPT, AttemptState.STARTED, state)
        codes = {"error": code} if code else {}
        work.log("attempt", f"{begun.delivery}/{begun.number}", "started", state, **codes)


def error_code(result: object) -> str | None:
    """A short countable code; of a bug only its class, since its text may hold anything."""
    if isinstance(result, DeliveryError):
        return result.code[:64]
    if isinstance(result, LostProcess):
        return "process_lost"
    return type(result).__name__[:64] if isinstance(result, BaseException) else None


def history(work: Casework, row: Row, *, enquiries: int = 0) -> History:
    """What the retry rules look at. Only the channel of the last attempt can be asked, and only that one knows what it has."""
    facts = work.city.facts(row["system"])
    counted = work.connection.row(
        "SELECT sum(a.state = 'bug' AND a.number > :forgiven) AS bugs, sum(a.number > :forgiven) AS tries,"
        " min(a.situation) AS situation FROM attempt a"
        " WHERE a.region = :region AND a.delivery = :delivery AND a.situation = (SELECT situation FROM attempt l"
        " WHERE l.region = a.region AND l.delivery = a.delivery AND l.number = :last)",
        {"region": work.city.region, "delivery": row["id"], "last": row["attempts"], "forgiven": row["forgiven"]},
    )
    assert counted is not None
    reached = facts.over(counted["situation"])
    following = facts.over(row["via"])
    return History(
        attempts=int(counted["tries"] or 0) if row["via"] else row["attempts"] - row["forgiven"],
        bugs=int(counted["bugs"] or 0),
        without_outcome=row["unfinished"],
        enquiries=enquiries,
        possible_duplicate=bool(row["possible_duplicate"]),
        resend_is_safe=reached.resend_is_safe and reached.sending == following.sending,
        can_enquire=reached.can_enquire,
        send_before=_send_before(row),
        hand_over_at=moment(following.hand_over_at(row)),
        via=row["via"],
    )


def _send_before(row: Row) -> datetime:
    return moment(row["send_before"])


def _failed(work: Casework, row: Row, result: Result, state: AttemptState, planner: Planner) -> None:
    if _dropped(work, row):
        _cancel_dropped(work, row, result)
        return
    lost = isinstance(result, LostProcess)
    error = None if lost else result if isinstance(result, BaseException) else OutcomeUnknownError("wrong_type")
    if isinstance(result, PermanentError) and result.code == NEEDS_PAPER and _goes_to_paper(work, row):
        return
    known = history(work, row)
    columns: dict[str, Any] = {"error_code": error_code(result)}
    if not lost:
        columns["unfinished"] = 0
    following = planner.attempt(error, known, row["system"])
    _rest(work, row, following, columns)


def _goes_to_paper(work: Casework, row: Row) -> bool:
    """What the channel can never carry goes on a task sheet, where the system has paper to fall back to. Nothing has left."""
    paper = Situation.PAPER.value
    if row["via"] == paper or paper not in work.city.facts(row["system"]).fallbacks:
        return False
    work.log("channel", row["id"], row["via"] or None, paper, cause=NEEDS_PAPER)
    columns: dict[str, Any] = {"via": paper, "next_at": work.at, "unfinished": 0, "batch": None}
    work.set_delivery(row, DeliveryState.DUE, "temporary", error_code=NEEDS_PAPER, **columns)
    cases.no_longer_instant_if_decider(work, row["step"])
    return True


def _dropped(work: Casework, row: Row) -> bool:
    """Whether the case was withdrawn or its step cancelled while this was being sent."""
    step = work.steps[row["step"]]
    return bool(step["state"] == states.StepState.CANCELLED and row["operation"] == step["operation"])


def _cancel_dropped(work: Casework, row: Row, result: Result) -> None:
    """It must not go again; whether it arrived is told by the notice or the withdrawal that has been made."""
    code = {"error_code": error_code(result), "unfinished": 0}
    if isinstance(result, TemporaryError):
        work.set_delivery(row, DeliveryState.DUE, "temporary", **code)
    else:
        work.set_delivery(row, DeliveryState.UNKNOWN, "outcome", **code, possible_duplicate=True)
    work.set_delivery(row, DeliveryState.CANCELLED, "person")


def _rest(work: Casework, row: Row, following: Next, columns: dict[str, Any]) -> None:
    """Put a delivery where the retry rules want it; a resend after unknown passes through unknown (R4)."""
    at = milliseconds(following.at) if following.at else None
    columns["possible_duplicate"] = following.possible_duplicate or bool(row["possible_duplicate"])
    if following.state is DeliveryState.DUE:
        if following.why is Why.RESEND and row["state"] != DeliveryState.UNKNOWN:
            work.set_delivery(row, DeliveryState.UNKNOWN, "outcome", **columns)
        if row["batch"] is not None and not batches.is_sealed(work.connection, work.city, row["batch"]):
            columns["batch"] = None  # its file has arrived: this one delivery travels with the next
        cause = "possible_duplicate" if row["state"] == DeliveryState.UNKNOWN else "temporary"
        work.set_delivery(row, DeliveryState.DUE, cause, **columns, next_at=at, lapsed_at=None)
    elif following.state is DeliveryState.UNKNOWN:
        if row["state"] != DeliveryState.UNKNOWN:
            work.set_delivery(row, DeliveryState.UNKNOWN, "outcome", **columns, lapsed_at=at)
        else:
            changes = {"lapsed_at": at, "possible_duplicate": True}
            work.connection.update("delivery", {"region": work.city.region, "id": row["id"]}, changes)
        if at is None:
            _ask_person(work, row)
        else:
            work.wake(row["system"], at)
    elif following.state is DeliveryState.DEAD:
        work.connection.update("delivery", {"region": work.city.region, "id": row["id"]}, columns)
        row.update(columns)
        if following.why is Why.POISON and row["state"] == DeliveryState.SENDING:
            work.set_delivery(row, DeliveryState.UNKNOWN, "outcome")
        bury(work, row, "outcome", str(columns.get("error_code") or following.why.value))
    else:
        held = following.state is DeliveryState.HELD
        more = {} if held else waiting_columns(work, row, AwaitingReply())
        work.set_delivery(row, following.state, "credentials" if held else "outcome", **{**more, **columns})
    cases.no_longer_instant_if_decider(work, row["step"])


def _ask_person(work: Casework, row: Row) -> None:
    if not any(task["delivery"] == row["id"] and task["kind"] == "unknown" for task in work.open_tasks()):
        centre = work.row["accepting_centre"]
        work.add_task("unknown", row["step"], centre, system=row["system"], delivery=row["id"])


def lapsed(connection: Connection, city: City, delivery: str, planner: Planner, at: int) -> Change:
    """The time to answer is over: a waiting delivery becomes unknown (overdue), and the rules for unknown follow."""
    row = find_delivery(connection, city, delivery)
    assert row is not None
    work = Casework.load(connection, city, row["case_no"], at, "hub")
    if row["state"] == DeliveryState.WAITING:
        work.set_delivery(
            row, DeliveryState.UNKNOWN, "overdue", error_code="overdue", lapsed_at=None, possible_duplicate=True
        )
        if _reached(work, row) == Situation.API:
            _rest(work, row, planner.attempt(OutcomeUnknownError("overdue"), history(work, row), row["system"]), {})
        else:
            _ask_person(work, row)
    elif row["state"] == DeliveryState.UNKNOWN:  # it was to be asked about, and its channel cannot be asked any more
        connection.update("delivery", {"region": city.region, "id": delivery}, {"lapsed_at": None})
        _ask_person(work, row)
    return work.save()


def _reached(work: Casework, row: Row) -> str:
    """The situation of the last attempt: nobody else can be asked why no answer came."""
    found = work.connection.row(
        "SELECT situation FROM attempt WHERE region = :region AND delivery = :delivery AND number = :number",
        {"region": work.city.region, "delivery": row["id"], "number": row["attempts"]},
    )
    return str(found["situation"]) if found else ""


def enquired(
    connection: Connection,
    city: City,
    delivery: str,
    found: Outcome | NotFound | BaseException,
    planner: Planner,
    at: int,
) -> Change:
    """What asking the department brought: an outcome is a reply; nothing found, or no answer, follows the retry rules."""
    row = find_delivery(connection, city, delivery)
    assert row is not None
    work = Casework.load(connection, city, row["case_no"], at, "hub")
    if isinstance(found, Completed | Returned | AwaitingReply):
        cause = "enquiry" if row["state"] == DeliveryState.UNKNOWN else "reply"
        return work.save(apply_reply(work, row, found, cause, at))
    state = DeliveryState(row["state"])
    if state not in (DeliveryState.WAITING, DeliveryState.UNKNOWN):
        return work.save("overtaken")
    what: Lookup | BaseException = found.what if isinstance(found, NotFound) else found
    if state is DeliveryState.WAITING and what is Lookup.NOT_RECEIVED:
        work.set_delivery(
            row, DeliveryState.UNKNOWN, "forgotten", error_code="forgotten", lapsed_at=None, possible_duplicate=True
        )
    elif state is DeliveryState.WAITING:
        following = planner.enquiry(OutcomeUnknownError("enquiry"), history(work, row, enquiries=1), row["system"])
        later = milliseconds(following.at) if following.at else at + 3_600_000
        connection.update("delivery", {"region": city.region, "id": row["id"]}, {"lapsed_at": later})
        work.wake(row["system"], later)
        return work.save("asked")
    enquiries = int(row["error_code"].split(":")[1]) + 1 if str(row["error_code"]).startswith("enquiry:") else 1
    following = planner.enquiry(what, history(work, row, enquiries=enquiries), row["system"])
    connection.update("delivery", {"region": city.region, "id": row["id"]}, {"error_code": f"enquiry:{enquiries}"})
    _rest(work, row, following, {})
    return work.save("asked")
