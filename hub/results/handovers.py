"""Handover lists 交接清单: made of printed sheets, scanned out with the courier, scanned in again.

A list is journaled on a chain of its own, ``handover:<number>``, and each sheet's move on the chain of its case. Every call may be
repeated: what has moved already does not move again.
"""

import hmac
from collections.abc import Iterable, Sequence

import orjson
from stdnum.iso7064 import mod_11_10

from contracts.catalogue import DayType
from contracts.handover import Courier
from contracts.paper_api import Difference, DifferenceView, HandingOver
from contracts.records import adapter, record
from contracts.task_sheet import SheetCode, TaskSheet, parse_sheet_code, sheet_number
from hub import clock, states
from hub.city import City, milliseconds, moment
from hub.journal import Chain
from hub.results.casework import Casework
from hub.results.errors import NotAllowed, NotFoundHere
from hub.states import HandoverLineState, HandoverState, Machine, TaskState
from hub.store import handovers
from hub.store.connection import Connection, Row

OPEN_TASK = frozenset({TaskState.READY, TaskState.RESERVED})


@record
class NewHandover:
    """A list to be made, of these rows of ``sheet`` with their ``system``. ``run_at``: ms UTC."""

    centre: str
    department: str
    run_at: int | None
    by: str
    sheets: Sequence[Row]


def make(connection: Connection, city: City, new: NewHandover, at: int) -> str:
    """Make a list; returns its number. The units that read ``new.sheets`` and this one must be the same."""
    number = _next_number(connection, city, new.centre, at)
    chain = Chain(city.journal, _chain(number), at, new=True)
    courier = _courier(city, {row["system"] for row in new.sheets})
    connection.insert(
        "handover",
        {
            "region": city.region,
            "number": number,
            "centre": new.centre,
            "department": new.department,
            "carrier": courier.carrier,
            "state": HandoverState.OPEN.value,
            "run_at": new.run_at,
            "made_at": at,
            "made_by": new.by,
            "prints": 0,
        },
    )
    chain.add("handover", number, None, HandoverState.OPEN, {"department": new.department, "sheets": len(new.sheets)})
    for seq, row in enumerate(new.sheets, 1):
        work = Casework.load(connection, city, row["case_no"], at, new.by)
        content = adapter(TaskSheet).validate_python(orjson.loads(work.key.unseal(row["sealed_content"], "sheet")))
        connection.insert(
            "handover_line",
            {
                "region": city.region,
                "list": number,
                "seq": seq,
                "sheet_no": row["number"],
                "sheet_version": row["version"],
                "case_no": row["case_no"],
                "state": HandoverLineState.LISTED.value,
                "originals": sum(paper.originals for paper in content.materials),
                "copies": sum(paper.copies for paper in content.materials),
                "pages": sum(paper.pages for paper in content.materials),
            },
        )
        work.log("handover", row["number"], None, HandoverLineState.LISTED, list=number)
        work.save()
    chain.write(connection, new.by)
    return number


def count_print(connection: Connection, city: City, number: str, at: int, by: str) -> int:
    """Count a print of a list before it leaves the house; returns which it is."""
    row = find(connection, city, number)
    prints = int(row["prints"]) + 1
    connection.update("handover", _key(city, number), {"prints": prints})
    _log(connection, city, number, at, by, ("print", None, str(prints)))
    return prints


def hand_out(connection: Connection, city: City, number: str, told: HandingOver, at: int) -> tuple[DifferenceView, ...]:
    """The courier takes the list's sheets: those that were scanned, or all. Said again it has no effect.

    Raises NotFoundHere; NotAllowed when the list was cancelled or none of its sheets was scanned.
    """
    row = find(connection, city, number)
    if row["state"] in (HandoverState.OUT, HandoverState.CLOSED):
        return ()
    if row["state"] == HandoverState.CANCELLED:
        raise NotAllowed("this list was cancelled: make a new one")
    lines = {line["sheet_no"]: line for line in handovers.lines(connection, city.region, number)}
    seen, differences = _scanned(connection, city, lines, told.scanned)
    going = [line for line in lines.values() if line["sheet_no"] in seen and _wanted(connection, city, line)]
    if not going:
        raise NotAllowed("none of the sheets on this list was scanned: scan those that go, or cancel the list")
    for line in lines.values():
        goes = line in going
        if not goes:
            why = Difference.SETTLED if line["sheet_no"] in seen else Difference.NOT_SCANNED
            differences.append(DifferenceView(why=why, sheet_no=line["sheet_no"]))
        state = HandoverLineState.OUT if goes else HandoverLineState.LEFT_BEHIND
        move_line(connection, city, line, state, at, told.by, **({"out_at": at} if goes else {}))
    systems = {
        str(sheet["system"]) for sheet in (sheet_row(connection, city, line["sheet_no"]) for line in going) if sheet
    }
    changes = {
        "out_at": at,
        "handed_by": told.by,
        "taken_by": told.taken_by,
        "remind_at": _remind_at(city, systems, at),
    }
    _move(connection, city, row, HandoverState.OUT, at, told.by, changes, out=len(going), left=len(lines) - len(going))
    return tuple(differences)


def take_in(
    connection: Connection, city: City, texts: Sequence[str], at: int, by: str, reach: Iterable[str] = ()
) -> tuple[tuple[str, ...], tuple[DifferenceView, ...]]:
    """Sheets came back, of whatever list. Returns their numbers and what was strange. ``reach``: centres, all if empty."""
    centres = frozenset(reach)
    back: list[str] = []
    differences: list[DifferenceView] = []
    for place, text in enumerate(texts, 1):
        read = _read(text)
        if read is None:
            differences.append(DifferenceView(why=Difference.UNREADABLE, place=place))
            continue
        sheet = sheet_row(connection, city, read.number)
        if sheet is None or (centres and sheet["centre"] not in centres):
            differences.append(DifferenceView(why=Difference.UNKNOWN, place=place))
            continue
        wrong = code_fault(city, sheet, read)
        if wrong:
            differences.append(DifferenceView(why=wrong, sheet_no=read.number, place=place))
        if came_back(connection, city, read.number, at, by):
            back.append(read.number)
        elif read.number not in back:
            differences.append(DifferenceView(why=Difference.NOT_OUT, sheet_no=read.number, place=place))
    return tuple(back), tuple(differences)


def came_back(connection: Connection, city: City, sheet_no: str, at: int, by: str) -> bool:
    """The paper of a sheet is in the house again, however that was noticed. False when no list has it out."""
    gone = (HandoverLineState.OUT, HandoverLineState.LOST)
    found = next(
        (line for line in handovers.lines_of_sheet(connection, city.region, sheet_no) if line["state"] in gone), None
    )
    if found is None:
        return False
    move_line(connection, city, found, HandoverLineState.BACK, at, by, back_at=at, back_by=by)
    _close_when_empty(connection, city, found["list"], at, by)
    return True


def lose(connection: Connection, city: City, number: str, sheet_no: str, at: int, by: str) -> None:
    """A person gives a sheet up for lost; it can be printed and listed again. Raises NotFoundHere, NotAllowed."""
    find(connection, city, number)
    line = next((one for one in handovers.lines(connection, city.region, number) if one["sheet_no"] == sheet_no), None)
    if line is None:
        raise NotFoundHere(f"sheet {sheet_no} is not on list {number}: check the number")
    if line["state"] == HandoverLineState.LOST:
        return
    if line["state"] != HandoverLineState.OUT:
        raise NotAllowed("only a sheet that is out can be lost: see the state of its line")
    move_line(connection, city, line, HandoverLineState.LOST, at, by)
    _close_when_empty(connection, city, number, at, by)


def cancel(connection: Connection, city: City, number: str, at: int, by: str) -> None:
    """A list that has not left is given up; its sheets wait for another one. Raises NotFoundHere, NotAllowed."""
    row = find(connection, city, number)
    if row["state"] == HandoverState.CANCELLED:
        return
    if row["state"] != HandoverState.OPEN:
        raise NotAllowed("this list has left: scan its sheets in, or say which are lost")
    for line in handovers.lines(connection, city.region, number):
        move_line(connection, city, line, HandoverLineState.LEFT_BEHIND, at, by)
    _move(connection, city, row, HandoverState.CANCELLED, at, by, {"closed_at": at})


def find(connection: Connection, city: City, number: str) -> Row:
    """The row of a list. Raises NotFoundHere."""
    row = handovers.find(connection, city.region, number)
    if row is None:
        raise NotFoundHere(f"there is no handover list {number} here: check the number")
    return row


def move_line(
    connection: Connection, city: City, line: Row, state: HandoverLineState, at: int, by: str, **columns: object
) -> None:
    """Move a sheet on its list, journaled on the chain of its case. Raises IllegalTransition."""
    states.check(Machine.HANDOVER_LINE, line["state"], state)
    work = Casework.load(connection, city, line["case_no"], at, by)
    work.log("handover", line["sheet_no"], line["state"], state, list=line["list"])
    work.save()
    key = {"region": city.region, "list": line["list"], "seq": line["seq"]}
    connection.update("handover_line", key, {"state": state.value, **columns})


def code_fault(city: City, sheet: Row, read: SheetCode) -> Difference | None:
    """What is wrong with a code that was read from a sheet: another version, or a MAC that was not made here."""
    if read.version and read.version < sheet["version"]:
        return Difference.OUTDATED
    wanted = city.keys.sheet_mac(sheet["number"], sheet["version"], sheet["content_hash"])
    if read.version > sheet["version"] or (read.mac is not None and not hmac.compare_digest(read.mac, wanted)):
        return Difference.ALTERED
    return None


def _scanned(
    connection: Connection, city: City, lines: dict[str, Row], texts: Sequence[str] | None
) -> tuple[frozenset[str], list[DifferenceView]]:
    """Which of the listed sheets were scanned, and what else was."""
    if texts is None:
        return frozenset(lines), []
    seen: set[str] = set()
    differences: list[DifferenceView] = []
    for place, text in enumerate(texts, 1):
        read = _read(text)
        if read is None:
            differences.append(DifferenceView(why=Difference.UNREADABLE, place=place))
        elif read.number not in lines:
            differences.append(DifferenceView(why=Difference.NOT_LISTED, sheet_no=read.number, place=place))
        else:
            sheet = sheet_row(connection, city, read.number)
            wrong = code_fault(city, sheet, read) if sheet else Difference.UNKNOWN
            if wrong:
                differences.append(DifferenceView(why=wrong, sheet_no=read.number, place=place))
            else:
                seen.add(read.number)
    return frozenset(seen), differences


def _read(text: str) -> SheetCode | None:
    """A code, or a number keyed by hand (version 0: not said)."""
    try:
        return parse_sheet_code(text)
    except ValueError:
        pass
    try:
        return SheetCode(number=sheet_number(text), version=0, mac=None)
    except ValueError:
        return None


def sheet_row(connection: Connection, city: City, number: str) -> Row | None:
    """A sheet with centre, system and state of its newest task."""
    return connection.row(
        "SELECT sheet.*, task.centre, task.system, task.state AS task_state FROM sheet"
        " JOIN task ON task.region = sheet.region AND task.delivery = sheet.delivery AND task.sheet_no = sheet.number"
        " WHERE sheet.region = :region AND sheet.number = :number ORDER BY task.id DESC LIMIT 1",
        {"region": city.region, "number": number},
    )


def _wanted(connection: Connection, city: City, line: Row) -> bool:
    """Whether a listed sheet still has to go: not when it was settled, withdrawn or changed meanwhile."""
    sheet = sheet_row(connection, city, line["sheet_no"])
    return sheet is not None and sheet["task_state"] in OPEN_TASK and sheet["version"] == line["sheet_version"]


def _next_number(connection: Connection, city: City, centre: str, at: int) -> str:
    start = f"JJ{centre}{city.calendar.local_day(moment(at)):%Y%m%d}"
    last = handovers.last_number(connection, city.region, start)
    place = int(last[19:22]) + 1 if last else 1
    if place > 999:
        raise NotAllowed("a centre makes at most 999 handover lists a day: put more sheets on each")
    digits = f"{start[2:]}{place:03d}"
    return f"JJ{digits}{mod_11_10.calc_check_digit(digits)}"


def _courier(city: City, systems: Iterable[str]) -> Courier:
    found = [city.facts(system).courier for system in sorted(systems)]
    return next((courier for courier in found if courier is not None), Courier())


def _remind_at(city: City, systems: Iterable[str], at: int) -> int | None:
    """The end of the last working day on which nobody is reminded; None where no department asks for it, or no calendar says."""
    couriers = [city.facts(system).courier for system in systems]
    days = [one.remind_after_working_days for one in couriers if one and one.remind_after_working_days]
    if not days:
        return None
    due = clock.due(moment(at), min(days), DayType.WORKING, (), city.calendar).at
    return milliseconds(due) if due else None


def _close_when_empty(connection: Connection, city: City, number: str, at: int, by: str) -> None:
    row = find(connection, city, number)
    if row["state"] == HandoverState.OUT and not handovers.still_out(connection, city.region, number):
        _move(connection, city, row, HandoverState.CLOSED, at, by, {"closed_at": at})


def _move(
    connection: Connection,
    city: City,
    row: Row,
    state: HandoverState,
    at: int,
    by: str,
    changes: dict[str, object],
    **codes: int,
) -> None:
    states.check(Machine.HANDOVER, row["state"], state)
    connection.update("handover", _key(city, row["number"]), {"state": state.value, **changes})
    _log(connection, city, row["number"], at, by, ("handover", row["state"], state.value), **codes)


def _log(
    connection: Connection, city: City, number: str, at: int, by: str, change: tuple[str, str | None, str], **codes: int
) -> None:
    chain = Chain(city.journal, _chain(number), at)
    kind, before, after = change
    chain.add(kind, number, before, after, codes)
    chain.write(connection, by)


def _chain(number: str) -> str:
    return f"handover:{number}"


def _key(city: City, number: str) -> dict[str, object]:
    return {"region": city.region, "number": number}
