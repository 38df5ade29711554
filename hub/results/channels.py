"""A delivery that changes its channel keeps its id (R3): to a fallback and back, or because the site is configured otherwise.

From ``unknown`` and ``waiting`` only a person or a declared rule moves it, and it then carries the mark of a possible duplicate.
What the former channel still brings counts like any reply.
"""

from hub import states
from hub.city import City
from hub.results.casework import FAR, Casework, Change
from hub.results.errors import NotAllowed, NotFoundHere
from hub.results.verdicts import find_delivery
from hub.states import DeliveryState
from hub.store.connection import Connection, Row

MAY_FALL_BACK = (
    DeliveryState.DUE,
    DeliveryState.HELD,
    DeliveryState.DEAD,
    DeliveryState.UNKNOWN,
    DeliveryState.WAITING,
)
_DOUBTFUL = (DeliveryState.UNKNOWN, DeliveryState.WAITING)
_CAUSE = {DeliveryState.UNKNOWN: "possible_duplicate", DeliveryState.DEAD: "replay"}


def switch(
    connection: Connection,
    city: City,
    delivery: str,
    situation: str | None,
    by: str,
    at: int,
    *,
    sheet_void: bool = False,
    by_rule: bool = False,
) -> Change:
    """Send a delivery by the fallback channel ``situation``; None: back to the sending channel.

    ``sheet_void``: every print of its task sheet has been collected and struck out. ``by_rule``: a declared rule does it, no person.
    Raises NotFoundHere, NotAllowed.
    """
    row = find_delivery(connection, city, delivery)
    if row is None:
        raise NotFoundHere(f"there is no delivery {delivery} here: check the id")
    work = Casework.load(connection, city, row["case_no"], at, by)
    if situation is None:
        hand_back(work, row, sheet_void=sheet_void)
    else:
        fall_back(work, row, situation, by_rule=by_rule)
    for task in work.open_tasks():
        if task["delivery"] == row["id"] and task["kind"] in ("unknown", "dead"):
            work.set_task(task, states.TaskState.OBSOLETE)
    return work.save()


def fall_back(work: Casework, row: Row, situation: str = "", *, by_rule: bool = False) -> None:
    """Have a delivery go by a fallback channel, by the first one where ``situation`` names none. Raises NotAllowed.

    A person may send what is past its date; a rule never does.
    """
    state = DeliveryState(row["state"])
    declared = work.city.facts(row["system"]).fallbacks
    target = situation or next(iter(declared), "")
    if target not in declared:
        named = ", ".join(declared) or "none"
        raise NotAllowed(f"{row['system']} has no fallback channel {target or 'at all'} (it has {named})")
    if state not in MAY_FALL_BACK:
        raise NotAllowed(f"a delivery that is {state} cannot change its channel: wait until it rests")
    if row["via"] == target:
        raise NotAllowed(f"this delivery goes by {target} already")
    if row["via"] == "paper" and state is DeliveryState.WAITING:
        raise NotAllowed("its task sheet is with the department: hand it back first")
    beyond = {} if by_rule or row["send_before"] > work.at else {"send_before": FAR}
    _move(work, row, state, target, bool(row["possible_duplicate"]) or state in _DOUBTFUL, beyond)


def hand_back(work: Casework, row: Row, *, sheet_void: bool = False) -> None:
    """Have a delivery go by its system's own channel again. Raises NotAllowed unless nothing of it is at the department, or its
    sheet is void and in nobody's hands."""
    state = DeliveryState(row["state"])
    if not row["via"]:
        raise NotAllowed("this delivery goes by its system's own channel already")
    doubtful = bool(row["possible_duplicate"])
    if state is DeliveryState.WAITING and row["via"] == "paper":
        doubtful = _void_sheet(work, row, sheet_void) or doubtful
    elif state not in (DeliveryState.DUE, DeliveryState.HELD, DeliveryState.DEAD):
        raise NotAllowed(f"a delivery that is {state} at its fallback is not handed back: it may have arrived there")
    _move(work, row, state, "", doubtful, {})


def _move(work: Casework, row: Row, state: DeliveryState, via: str, doubtful: bool, more: dict[str, int]) -> None:
    """Due at once by ``via``. A member leaves its batch: one that is sent again after all notes that its bytes travel along (R5)."""
    former = row["via"] or work.city.facts(row["system"]).sending.value
    work.log("channel", row["id"], former, via or work.city.facts(row["system"]).sending.value, state=state.value)
    columns = {"via": via, "next_at": work.at, "lapsed_at": None, "unfinished": 0, "batch": None, **more}
    columns["possible_duplicate"] = doubtful
    if state is DeliveryState.DUE:
        row.update(columns)
        work.connection.update("delivery", {"region": work.city.region, "id": row["id"]}, columns)
        work.wake(row["system"], work.at)
        return
    work.set_delivery(row, DeliveryState.DUE, _CAUSE.get(state, "channel_change"), error_code=None, **columns)


def _void_sheet(work: Casework, row: Row, sheet_void: bool) -> bool:
    """Void the sheet and end its task; returns whether it was ever printed, so that the department may have seen it."""
    key = {"region": work.city.region, "delivery": row["id"]}
    sheet = work.connection.row(
        "SELECT number, version, prints FROM sheet WHERE region = :region AND delivery = :delivery", key
    )
    task = next((one for one in work.open_tasks() if one["delivery"] == row["id"] and one["kind"] == "sheet"), None)
    if sheet is None or task is None:
        raise NotAllowed("there is no open task sheet of this delivery to take back")
    if task["state"] != states.TaskState.READY:
        raise NotAllowed(f"the sheet is in the hands of {task['assigned_to']}: have the task given back first")
    if sheet["prints"] and not sheet_void:
        raise NotAllowed(
            f"the sheet was printed {sheet['prints']} times: collect and strike out every print, then say that it is void"
        )
    work.connection.update("sheet", key, {"voided_at": work.at})
    work.log("sheet", sheet["number"], str(sheet["version"]), "void", delivery=row["id"])
    work.set_task(task, states.TaskState.OBSOLETE)
    return bool(sheet["prints"])


def follow_configuration(connection: Connection, city: City, at: int) -> int:
    """At a start: what was to go by a channel that is not a fallback any more goes by the sending one; what was frozen into a file that
    never got through, of a channel that sends no more, is freed. Returns how many deliveries were moved."""
    moved = 0
    not_sent = "SELECT * FROM delivery WHERE region = :region AND (via != '' OR batch IS NOT NULL)"
    rows = connection.rows(
        # Two parts, so that each finds the small index that has its very words.
        f"SELECT d.*, b.situation AS batch_situation FROM ({not_sent} AND state IN ('due', 'held')"  # noqa: S608 - constant parts
        f" UNION ALL {not_sent} AND state IN ('unknown', 'dead')) d LEFT JOIN batch b ON b.region = d.region AND b.id = d.batch",
        {"region": city.region},
    )
    for row in rows:
        facts = city.facts(row["system"])
        via = row["via"] if row["via"] in facts.fallbacks else ""
        frozen = row["batch_situation"] in (None, via or facts.sending.value)
        if via == row["via"] and frozen:
            continue
        work = Casework.load(connection, city, row["case_no"], at, "hub")
        codes = {"cause": "configuration", "batch": row["batch"]}
        work.log("channel", row["id"], row["via"] or row["batch_situation"], via or facts.sending.value, **codes)
        changes = {"via": via, "batch": row["batch"] if frozen else None}
        connection.update("delivery", {"region": city.region, "id": row["id"]}, changes)
        work.save()
        moved += 1
    return moved
