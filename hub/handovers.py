"""Handover lists for people: who may see which, the next courier run, the printed list, what is overdue."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from contracts.api import BadField
from contracts.handover import HANDOVER_NUMBER, Courier, Handover, HandoverLine, masked_name
from contracts.paper_api import (
    DifferenceView,
    HandingOver,
    HandoverLineView,
    HandoverLists,
    HandoverRequest,
    HandoverSummary,
    HandoverView,
    TakenIn,
    TakingIn,
)
from contracts.plugin import Printing
from contracts.records import record
from contracts.task_sheet import sheet_number
from hub import results
from hub.city import City, milliseconds, moment
from hub.clients import Client, Forbidden, Right
from hub.clock import Calendar, MissingYear
from hub.cloud_events import BadData
from hub.intake import require
from hub.keys import Keys
from hub.results import NotAllowed, NotFoundHere
from hub.store import handovers
from hub.store.connection import Connection, Row

if TYPE_CHECKING:
    from hub.app import Hub

FURTHEST_RUN = timedelta(days=60)


async def make(hub: "Hub", client: Client, asked: HandoverRequest) -> HandoverView:
    """Make a list. Raises Forbidden, BadData, NotAllowed (nothing to list), NotFoundHere (a named sheet), StoreUnavailable."""
    require(client, Right.TASK)
    if not (client.scope.covers_centre(asked.centre) and client.scope.covers_department((asked.department,))):
        raise Forbidden("this key does not reach the centre or the department of the list")
    systems = frozenset(
        name for name, facts in hub.city.systems.items() if facts.department == asked.department and facts.courier
    )
    if asked.centre not in hub.city.centres or not systems:
        wrong = "/department" if asked.centre in hub.city.centres else "/centre"
        raise BadData("a list goes from a centre to a department", (BadField(pointer=wrong, message="unknown here"),))
    wanted = tuple(_number(text, place) for place, text in enumerate(asked.sheets))
    now = hub.runtime.now()
    at = milliseconds(now)

    def unit(connection: Connection) -> str:
        waiting = handovers.waiting_sheets(connection, hub.city.region, asked.centre, systems)
        found = {row["number"]: row for row in waiting if client.scope.covers_item(row["item"])}
        missing = [number for number in wanted if number not in found]
        if missing:
            raise NotAllowed(
                f"sheet {missing[0]} cannot go on this list: it is not printed, not open, of another department, or listed already"
            )
        sheets = [found[number] for number in dict.fromkeys(wanted)] if wanted else list(found.values())
        if not sheets:
            raise NotAllowed("no printed sheet for this department waits here: print the sheets first")
        run_at = milliseconds(asked.run_at.astimezone(UTC)) if asked.run_at else _planned(hub.city, sheets, now)
        new = results.NewHandover(
            centre=asked.centre, department=asked.department, run_at=run_at, by=asked.by, sheets=sheets
        )
        return results.make_handover(connection, hub.city, new, at)

    return await show(hub, client, await hub.writer.run(unit))


async def show(hub: "Hub", client: Client, number: str, differences: tuple[DifferenceView, ...] = ()) -> HandoverView:
    """A list with its sheets. Raises NotFoundHere, also for one outside the scope."""
    require(client, Right.TASK)
    return await hub.read(lambda connection: _view(connection, hub, client, number, differences))


async def lists(
    hub: "Hub", client: Client, *, state: str | None, department: str | None, overdue: bool, limit: int
) -> HandoverLists:
    """Lists in the scope, the newest first."""
    require(client, Right.TASK)
    at = hub.now_ms()
    rows = await hub.read(
        lambda connection: handovers.summaries(
            connection,
            hub.city.region,
            centres=client.scope.centres,
            departments=_departments(client, department),
            state=state,
            overdue_at=at if overdue else None,
            limit=limit + 1,
        )
    )
    return HandoverLists(lists=tuple(_summary(hub.city, row, at) for row in rows[:limit]), more=len(rows) > limit)


@record
class Waiting:
    """Printed sheets of a department that no list has taken yet. ``run_at``: the next run of its courier."""

    centre: str
    department: str
    department_name: str
    sheets: int
    run_at: datetime | None


async def waiting(hub: "Hub", client: Client) -> tuple[Waiting, ...]:
    """What waits for a courier in the scope, by department and centre; departments whose papers go on no list are left out."""
    require(client, Right.TASK)
    city, now = hub.city, hub.runtime.now()
    rows = await hub.read(lambda c: handovers.waiting_counts(c, city.region, client.scope.centres))
    sheets: Counter[tuple[str, str]] = Counter()
    runs: dict[tuple[str, str], list[datetime]] = {}
    for row in rows:
        facts = city.facts(row["system"])
        if facts.courier is None or not client.scope.covers_department((facts.department,)):
            continue
        key = (facts.department, row["centre"])
        sheets[key] += row["number"]
        run = next_run(facts.courier, now, city.calendar)
        runs.setdefault(key, []).extend([run] if run else [])
    names = {facts.department: facts.department_name for facts in city.systems.values()}
    return tuple(
        Waiting(
            centre=centre,
            department=department,
            department_name=str(names[department]),
            sheets=number,
            run_at=min(runs[department, centre], default=None),
        )
        for (department, centre), number in sorted(sheets.items())
    )


async def hand_out(hub: "Hub", client: Client, number: str, told: HandingOver) -> HandoverView:
    """The courier takes the list. Raises NotFoundHere, NotAllowed, StoreUnavailable."""
    await show(hub, client, number)
    at = hub.now_ms()
    found = await hub.writer.run(lambda connection: results.hand_out(connection, hub.city, number, told, at))
    return await show(hub, client, number, found)


async def take_in(hub: "Hub", client: Client, told: TakingIn) -> TakenIn:
    """Sheets came back. Raises Forbidden, StoreUnavailable."""
    require(client, Right.TASK)
    at, reach = hub.now_ms(), client.scope.centres
    back, differences = await hub.writer.run(
        lambda connection: results.take_in(connection, hub.city, told.scanned, at, told.by, reach)
    )
    return TakenIn(back=back, differences=differences)


async def lose(hub: "Hub", client: Client, number: str, sheet_no: str, by: str) -> HandoverView:
    """A sheet is given up for lost. Raises NotFoundHere, NotAllowed, BadData, StoreUnavailable."""
    await show(hub, client, number)
    sheet, at = _number(sheet_no, None), hub.now_ms()
    await hub.writer.run(lambda connection: results.lose_sheet(connection, hub.city, number, sheet, at, by))
    return await show(hub, client, number)


async def cancel(hub: "Hub", client: Client, number: str, by: str) -> HandoverView:
    """A list that has not left is given up. Raises NotFoundHere, NotAllowed, StoreUnavailable."""
    await show(hub, client, number)
    at = hub.now_ms()
    await hub.writer.run(lambda connection: results.cancel_handover(connection, hub.city, number, at, by))
    return await show(hub, client, number)


async def print_list(hub: "Hub", client: Client, number: str) -> tuple[bytes, int]:
    """Count a print, then make the pages; the PDF and which print it is. Raises NotFoundHere, NotAllowed, StoreUnavailable."""
    view = await show(hub, client, number)
    gateway = _printing(hub, view.summary.department)
    at = hub.now_ms()
    print_no = await hub.writer.run(
        lambda connection: results.count_list_print(connection, hub.city, number, at, client.id)
    )
    handover = Handover(
        number=number,
        centre_name=hub.city.centres[view.summary.centre].name_zh,
        department_name=view.summary.department_name,
        carrier=view.carrier,
        run_at=view.summary.run_at,
        made_at=view.summary.made_at,
        made_by=view.made_by,
        print_no=print_no,
        printed_at=moment(at),
        lines=[
            HandoverLine(
                seq=line.seq,
                sheet_no=line.sheet_no,
                sheet_version=line.sheet_version,
                case_no=line.case_no,
                item_name=line.item_name,
                applicant=line.applicant,
                originals=line.originals,
                copies=line.copies,
                pages=line.pages,
            )
            for line in view.lines
        ],
    )
    return await gateway.print_handover(handover), print_no


def next_run(courier: Courier, after: datetime, table: Calendar) -> datetime | None:
    """The first run of a plan later than ``after`` (aware); None without a weekly plan or without a calendar."""
    if not courier.weekdays or not courier.time:
        return None
    hours, minutes = map(int, courier.time.split(":"))
    day = table.local_day(after)
    last = day + FURTHEST_RUN
    while day <= last:
        run = datetime(day.year, day.month, day.day, hours, minutes, tzinfo=table.zone)
        try:
            goes = day.isoweekday() in courier.weekdays and (not courier.skip_holidays or table.works(day))
        except MissingYear:
            return None
        if goes and run > after:
            return run.astimezone(UTC)
        day += timedelta(days=1)
    return None


def _departments(client: Client, asked: str | None) -> frozenset[str]:
    """The departments whose lists are shown; empty: all."""
    if asked is None:
        return client.scope.departments
    return frozenset((asked if client.scope.covers_department((asked,)) else "-",))


def _planned(city: City, sheets: list[Row], now: datetime) -> int | None:
    runs = [
        run
        for system in {row["system"] for row in sheets}
        if (courier := city.facts(system).courier) is not None
        and (run := next_run(courier, now, city.calendar)) is not None
    ]
    return milliseconds(min(runs)) if runs else None


def _view(
    connection: Connection, hub: "Hub", client: Client, number: str, differences: tuple[DifferenceView, ...]
) -> HandoverView:
    unknown = NotFoundHere(f"there is no handover list {number} here: check the number")
    row = handovers.summary(connection, hub.city.region, number) if HANDOVER_NUMBER.fullmatch(number) else None
    if row is None or not client.scope.covers_centre(row["centre"]):
        raise unknown
    if not client.scope.covers_department((row["department"],)):
        raise unknown
    lines = handovers.lines_shown(connection, hub.city.region, number)
    if not all(client.scope.covers_item(line["item"]) for line in lines):
        raise unknown
    return HandoverView(
        summary=_summary(hub.city, row, hub.now_ms()),
        carrier=row["carrier"],
        made_by=row["made_by"],
        handed_by=row["handed_by"],
        taken_by=row["taken_by"],
        closed_at=moment(row["closed_at"]),
        prints=row["prints"],
        lines=tuple(_line(hub.city, line) for line in lines),
        differences=differences,
    )


def _summary(city: City, row: Row, at: int) -> HandoverSummary:
    names = {facts.department: facts.department_name for facts in city.systems.values()}
    return HandoverSummary(
        number=row["number"],
        centre=row["centre"],
        department=row["department"],
        department_name=names.get(row["department"]) or str(row["department"]),
        state=row["state"],
        run_at=moment(row["run_at"]),
        made_at=moment(row["made_at"]),
        out_at=moment(row["out_at"]),
        remind_at=moment(row["remind_at"]),
        sheets=row["sheets"],
        out=row["still_out"],
        overdue=row["state"] == "out" and row["remind_at"] is not None and row["remind_at"] < at,
    )


def _line(city: City, row: Row) -> HandoverLineView:
    return HandoverLineView(
        seq=row["seq"],
        sheet_no=row["sheet_no"],
        sheet_version=row["sheet_version"],
        case_no=row["case_no"],
        item=row["item"],
        item_name=city.item(row["item"], row["item_version"]).name_zh,
        applicant=_applicant(city.keys, row),
        state=row["state"],
        task=row["task_state"] or "",
        originals=row["originals"],
        copies=row["copies"],
        pages=row["pages"],
        out_at=moment(row["out_at"]),
        back_at=moment(row["back_at"]),
        back_by=row["back_by"],
    )


def _applicant(keys: Keys, row: Row) -> str:
    if not row["sealed_key"]:
        return ""  # the case was erased
    data: dict[str, Any] = orjson.loads(keys.case_key(row["sealed_key"]).unseal(row["sealed_data"], "data"))
    return masked_name(str((data.get("applicant") or {}).get("name") or ""))


def _printing(hub: "Hub", department: str) -> Printing:
    for name, facts in hub.city.systems.items():
        gateway = hub.systems.printing(name) if facts.department == department else None
        if gateway is not None:
            return gateway
    raise NotAllowed("the paper channel of this department is not open: tell those who run the hub")


def _number(text: str, place: int | None) -> str:
    try:
        return sheet_number(text)
    except ValueError as error:
        pointer = "/sheet_no" if place is None else f"/sheets/{place}"
        raise BadData("a sheet number cannot be read", (BadField(pointer=pointer, message=str(error)),)) from error
