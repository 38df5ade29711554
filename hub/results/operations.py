"""What an operator does to a delivery: replay, resend, cancel, give up. And what a lane's hold does to its queue."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from contracts.delivery import Outcome
from hub import batches, states
from hub.city import City
from hub.journal import Chain
from hub.results import steps
from hub.results.casework import FAR, Casework, Change
from hub.results.channels import MAY_FALL_BACK, fall_back
from hub.results.errors import NotAllowed, NotFoundHere
from hub.results.verdicts import apply_reply, find_delivery
from hub.states import DeliveryState
from hub.store.connection import Connection, Row


def operate(connection: Connection, city: City, delivery: str, action: str, by: str, at: int) -> Change:
    """``replay`` a dead one, ``resend`` an unknown or held one, send by the ``fallback``, ``cancel``, or give up (``dead``). Same delivery
    id always.

    Raises NotFoundHere, NotAllowed.
    """
    row = _found(connection, city, delivery)
    work = Casework.load(connection, city, row["case_no"], at, by)
    act_on(work, row, action)
    return work.save()


def _found(connection: Connection, city: City, delivery: str) -> Row:
    row = find_delivery(connection, city, delivery)
    if row is None:
        raise NotFoundHere(f"there is no delivery {delivery} here: check the id")
    return row


def act_on(work: Casework, row: Row, action: str) -> None:
    """The same, inside a unit that has the case. Raises NotAllowed."""
    found = ACTIONS.get((action, DeliveryState(row["state"])))
    if found is None:
        raise NotAllowed(f"a delivery that is {row['state']} cannot be told to {action}")
    found(work, row)
    for task in work.open_tasks():
        if task["delivery"] == row["id"] and task["kind"] in ("unknown", "dead"):
            work.set_task(task, states.TaskState.OBSOLETE)


class Verdict(StrEnum):
    """What a person says of a delivery that no machine may settle."""

    DONE = "done"  # the department has done it: the answer is given with it
    NOT_DONE = "not-done"  # the department has nothing: it goes again, marked like everything that was unknown (R4)
    RESEND = "resend"  # nobody knows: it goes again all the same, marked as a possible duplicate
    GIVE_UP = "give-up"  # it rests as a dead letter
    CANCEL = "cancel"  # it will never go; a person decides the step


_ACTION_OF = {Verdict.NOT_DONE: "resend", Verdict.RESEND: "resend", Verdict.GIVE_UP: "dead", Verdict.CANCEL: "cancel"}


def decide(
    connection: Connection, city: City, delivery: str, verdict: Verdict, said: Outcome | None, by: str, at: int
) -> Change:
    """A person settles a delivery. ``said``: with ``done`` only, what the department answered them. The journal keeps who and what.

    Raises NotFoundHere, NotAllowed.
    """
    row = _found(connection, city, delivery)
    work = Casework.load(connection, city, row["case_no"], at, by)
    work.log("decided", delivery, None, verdict.value)
    if said is None:
        act_on(work, row, _ACTION_OF[verdict])
    elif row["state"] not in _UNSETTLED:
        raise NotAllowed(f"a delivery that is {row['state']} cannot be told to be done")
    else:
        apply_reply(work, row, said, "person", at)
    return work.save()


_UNSETTLED = (DeliveryState.UNKNOWN, DeliveryState.WAITING, DeliveryState.HELD, DeliveryState.DEAD)
"""Where a person may say how it ended. What is due or on its way has no need of one."""


def replay(
    connection: Connection, city: City, deliveries: Sequence[str], by: str, confirmed_by: str | None, at: int
) -> list[Change]:
    """Send dead letters again under their own ids; those that are dead no more are left alone, so that twice is once."""
    changes = []
    for delivery in deliveries:
        row = find_delivery(connection, city, delivery)
        if row is None or row["state"] != DeliveryState.DEAD:
            continue
        work = Casework.load(connection, city, row["case_no"], at, by)
        if confirmed_by is not None:
            work.log("confirmed", delivery, None, "replay", second=confirmed_by)
        act_on(work, row, "replay")
        changes.append(work.save())
    return changes


def enquire_now(connection: Connection, city: City, delivery: str, by: str, at: int) -> Change:
    """Have the department asked at once. Raises NotFoundHere, NotAllowed where there is nothing to ask, or nobody who answers."""
    row = _found(connection, city, delivery)
    if row["state"] not in (DeliveryState.UNKNOWN, DeliveryState.WAITING):
        raise NotAllowed(f"a delivery that is {row['state']} is not asked about: only unknown and waiting ones are")
    if not city.facts(row["system"]).over(row["via"]).can_enquire:
        raise NotAllowed(f"{row['system']} cannot be asked: ring them up and use `onedoor unknown decide`")
    work = Casework.load(connection, city, row["case_no"], at, by)
    work.log("enquiry", delivery, None, "asked")
    connection.update("delivery", {"region": city.region, "id": delivery}, {"lapsed_at": at})
    return work.save()


def _again(cause: str) -> Callable[[Casework, Row], None]:
    def act(work: Casework, row: Row) -> None:
        doubtful = bool(row["possible_duplicate"]) or row["state"] in (DeliveryState.UNKNOWN, DeliveryState.WAITING)
        changes = {"next_at": work.at, "lapsed_at": None, "unfinished": 0, "possible_duplicate": doubtful}
        changes["batch"] = row["batch"] if _still_sealed(work, row) else None
        changes["send_before"] = FAR  # a person has decided that it goes, whatever the date
        changes["forgiven"] = row["attempts"]  # and however often it was tried
        work.set_delivery(row, DeliveryState.DUE, cause, **changes)

    return act


def _still_sealed(work: Casework, row: Row) -> bool:
    """Whether the file of a batch never got through: only then the same file goes again, else a new one takes the delivery."""
    return row["batch"] is not None and batches.is_sealed(work.connection, work.city, row["batch"])


def _cancel(work: Casework, row: Row) -> None:
    work.set_delivery(row, DeliveryState.CANCELLED, "person")
    if work.steps[row["step"]]["state"] == states.StepState.OPEN:
        work.add_task("decide", row["step"], work.row["accepting_centre"], system=row["system"])
    steps.advance(work)


def _give_up(work: Casework, row: Row) -> None:
    bury(work, row, "person", row["error_code"] or "given_up")


def bury(work: Casework, row: Row, cause: str, code: str) -> None:
    """Dead letter: the step stays open and a person at the centre learns of it."""
    work.set_delivery(row, DeliveryState.DEAD, cause, error_code=code, lapsed_at=None)
    work.add_task("dead", row["step"], work.row["accepting_centre"], system=row["system"], delivery=row["id"])


ACTIONS: dict[tuple[str, DeliveryState], Callable[[Casework, Row], None]] = {
    ("replay", DeliveryState.DEAD): _again("replay"),
    ("resend", DeliveryState.UNKNOWN): _again("possible_duplicate"),
    ("resend", DeliveryState.WAITING): _again("channel_change"),
    ("resend", DeliveryState.HELD): _again("released"),
    # What a person took over before its date is held; to whoever has the task it is a dead letter like any other.
    ("replay", DeliveryState.HELD): _again("released"),
    ("cancel", DeliveryState.DUE): _cancel,
    ("cancel", DeliveryState.HELD): _cancel,
    ("cancel", DeliveryState.DEAD): _cancel,
    ("cancel", DeliveryState.UNKNOWN): _cancel,
    ("cancel", DeliveryState.WAITING): _cancel,
    ("dead", DeliveryState.UNKNOWN): _give_up,
    **{("fallback", state): fall_back for state in MAY_FALL_BACK},
}


def too_late(connection: Connection, city: City, row: Row, at: int) -> None:
    """A due delivery that a person must take over: it is held, and somebody at the centre decides."""
    work = Casework.load(connection, city, row["case_no"], at, "hub")
    _past_its_time(work, row)
    work.save()


def hand_over(connection: Connection, city: City, delivery: str, at: int) -> Change:
    """A person takes over what could not be sent in time, although nobody could even try it (a breaker, a hold)."""
    row = find_delivery(connection, city, delivery)
    if row is None:
        raise NotFoundHere(f"there is no delivery {delivery} here: check the id")
    work = Casework.load(connection, city, row["case_no"], at, "hub")
    if row["state"] == DeliveryState.DUE:
        _past_its_time(work, row)
    elif row["state"] == DeliveryState.HELD and row["cause"] != "deadline":
        work.log("delivery", row["id"], row["state"], row["state"], cause="deadline")
        connection.update(
            "delivery", {"region": city.region, "id": delivery}, {"cause": "deadline", "error_code": "deadline"}
        )
        work.add_task("dead", row["step"], work.row["accepting_centre"], system=row["system"], delivery=delivery)
    return work.save()


def _past_its_time(work: Casework, row: Row) -> None:
    work.set_delivery(row, DeliveryState.HELD, "deadline", error_code="deadline")
    work.add_task("dead", row["step"], work.row["accepting_centre"], system=row["system"], delivery=row["id"])


QUEUE_CHUNK = 200
"""Deliveries of a queue that one unit moves: ten thousand in one unit would keep everybody else waiting for seconds."""


def lane_name(system: str, via: str = "") -> str:
    """The name of a system's lane: its own for the sending channel, ``system/situation`` for a fallback."""
    return f"{system}/{via}" if via else system


def hold_lane(connection: Connection, city: City, system: str, reason: str, by: str, at: int, via: str = "") -> int:
    """Hold a system's queue (``paused``, ``credentials`` ..): a chunk of what is due is held. Returns how many; again until 0.

    ``via`` here and below: the queue of a fallback channel.
    """
    _set_hold(connection, city, lane_name(system, via), reason, by, at)
    return _move_queue(connection, city, (system, via), DeliveryState.DUE, DeliveryState.HELD, reason, by, at)


def release_lane(connection: Connection, city: City, system: str, by: str, at: int, via: str = "") -> int:
    """Let a held queue go on: a chunk of it is due again. Returns how many; again until 0."""
    _set_hold(connection, city, lane_name(system, via), None, by, at)
    return _move_queue(connection, city, (system, via), DeliveryState.HELD, DeliveryState.DUE, "released", by, at)


def hold_due(connection: Connection, city: City, system: str, reason: str, at: int, via: str = "") -> int:
    """Hold a chunk of what came due while the lane was held. Returns how many."""
    return _move_queue(connection, city, (system, via), DeliveryState.DUE, DeliveryState.HELD, reason, "hub", at)


def _set_hold(connection: Connection, city: City, system: str, reason: str | None, by: str, at: int) -> None:
    key = {"region": city.region, "system": system}
    row = connection.row("SELECT held FROM lane WHERE region = :region AND system = :system", key)
    before = row["held"] if row else None
    if before == reason:
        return
    connection.run(
        "INSERT INTO lane (region, system, held) VALUES (:region, :system, :held)"
        " ON CONFLICT (region, system) DO UPDATE SET held = :held",
        {**key, "held": reason},
    )
    chain = Chain(city.journal, f"system:{system}", at)
    chain.add("lane", system, before or "open", reason or "open", {})
    chain.write(connection, by)


def _move_queue(
    connection: Connection,
    city: City,
    queue: tuple[str, str],
    old: DeliveryState,
    new: DeliveryState,
    cause: str,
    by: str,
    at: int,
) -> int:
    rows = connection.rows(
        f"SELECT * FROM delivery WHERE region = :region AND system = :system AND via = :via AND state = '{old.value}'"  # noqa: S608 - a state of ours, as a literal for the index of that state
        " AND coalesce(cause, '') != 'deadline' ORDER BY next_at, id LIMIT :limit",
        {"region": city.region, "system": queue[0], "via": queue[1], "limit": QUEUE_CHUNK},
    )
    for row in rows:
        work = Casework.load(connection, city, row["case_no"], at, by)
        work.set_delivery(row, new, cause)
        work.save()
    return len(rows)
