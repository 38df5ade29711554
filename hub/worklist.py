"""The worklist 工作台: tasks as a person reads them, with names, lamp and days left. Reads only."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from contracts.catalogue import DayType, Item, Step
from contracts.records import record
from contracts.site import Centre
from hub import clock, people, reach
from hub.city import City, moment
from hub.clients import Scope
from hub.results.errors import NotFoundHere
from hub.states import TaskState
from hub.store import accounts, registry, worklist
from hub.store.connection import Connection, Row

if TYPE_CHECKING:
    from hub.app import Hub

PAGE = 50
COUNTED = 1_000
"""No tab counts further; the page then says 1000+."""


class Tab(StrEnum):
    """The tabs 待领取, 我的, 待复核, 已办, 退回."""

    READY = "ready"
    MINE = "mine"
    CONFIRM = "confirm"
    DONE = "done"
    RETURNED = "returned"


@record
class DueDate:
    """A statutory date. ``days``: working days left (as the item counts), negative when overdue, None where nobody can know."""

    at: int | None
    lamp: str
    days: int | None


@record
class TaskLine:
    """A task of a list. ``step`` is None for a step that the item version does not have."""

    id: str
    case_no: str
    kind: str
    state: str
    item: Item | None
    step: Step | None
    applicant: str
    due: DueDate
    centre: Centre | None
    department: str | None
    system: str | None
    sheet_no: str | None
    sheet_version: int | None
    prints: int | None
    assigned_to: str | None
    created_at: int
    completed_at: int | None
    case_status: str


@record
class Returned:
    """A step that a department gave back, with its case."""

    case_no: str
    item: Item | None
    step: Step | None
    department: str
    applicant: str
    due: DueDate
    case_status: str
    changed_at: int


@record
class Filters:
    """What narrows the list; all of it stands in the address."""

    kind: str | None = None
    system: str | None = None
    centre: str | None = None
    due_until: int | None = None
    after: tuple[int | None, str] | None = None

    def take(self, row: Mapping[str, Any]) -> bool:
        """Whether a row passes."""
        given = ((self.kind, row["kind"]), (self.system, row["system"]), (self.centre, row["centre"]))
        late = self.due_until is None or (row["due_at"] is not None and row["due_at"] <= self.due_until)
        return late and all(wanted is None or wanted == value for wanted, value in given)


def line(hub: "Hub", row: Row) -> TaskLine:
    """A row of ``hub.store.worklist``."""
    city = hub.city
    item = city.items.get((row["item"], row["item_version"]))
    return TaskLine(
        id=row["id"],
        case_no=row["case_no"],
        kind=row["kind"],
        state=row["state"],
        item=item,
        step=step_of(item, row["step"]),
        applicant=applicant_name(hub, row),
        due=due_date(city, row["case_due_at"], item, hub.now_ms()),
        centre=city.centres.get(row["centre"]),
        department=city.facts(row["system"]).department_name if row["system"] else None,
        system=row["system"],
        sheet_no=row["sheet_no"],
        sheet_version=row["sheet_version"],
        prints=row["sheet_prints"],
        assigned_to=row["assigned_to"],
        created_at=row["created_at"],
        completed_at=row["completed_at"],
        case_status=row["case_status"],
    )


def step_of(item: Item | None, name: str) -> Step | None:
    """The step of an item version."""
    return next((step for step in item.steps if step.id == name), None) if item is not None else None


def applicant_name(hub: "Hub", row: Mapping[str, Any]) -> str:
    """The applicant's name, out of the sealed data."""
    applicant = data_of(hub, row)["applicant"]
    return str(applicant.get("name") or applicant.get("org_name") or "")


def data_of(hub: "Hub", row: Mapping[str, Any]) -> dict[str, Any]:
    """Applicant, agent, form and materials of a case row."""
    found: dict[str, Any] = orjson.loads(hub.keys.case_key(row["sealed_key"]).unseal(row["sealed_data"], "data"))
    return found


def due_date(city: City, due_at: int | None, item: Item | None, now: int) -> DueDate:
    """With its lamp; without a published calendar there is none, and nothing is guessed."""
    if due_at is None or item is None:
        return DueDate(at=due_at, lamp=clock.Lamp.NONE.value, days=None)
    day_type = DayType(item.day_type)
    try:
        lamp = clock.lamp(moment(now), moment(due_at), day_type, city.calendar)
        days = clock.remaining_days(moment(now), moment(due_at), day_type, city.calendar)
    except clock.MissingYear:
        return DueDate(at=due_at, lamp=clock.Lamp.NONE.value, days=None)
    return DueDate(at=due_at, lamp=lamp.value, days=days)


def lines(connection: Connection, hub: "Hub", scope: Scope, person: str, tab: Tab, filters: Filters) -> list[TaskLine]:
    """At most a page and one more row, so that the page knows whether there are others."""
    region = hub.city.region
    if tab is Tab.DONE:
        rows = worklist.of_person(connection, region, person, TaskState.COMPLETED, PAGE)
        return [line(hub, row) for row in rows if reach.covers_task(hub.city, scope, row)]
    if tab is Tab.MINE:
        mine = worklist.of_person(connection, region, person, TaskState.RESERVED, COUNTED)
        found = [line(hub, row) for row in mine if reach.covers_task(hub.city, scope, row) and filters.take(row)]
        return sorted(found, key=lambda one: (one.due.at is None, one.due.at or 0, one.id))[:PAGE]
    rows = worklist.tasks(connection, region, _question(hub, scope, tab, filters), PAGE + 1)
    return [line(hub, row) for row in rows]


def counts(connection: Connection, hub: "Hub", scope: Scope, person: str) -> dict[Tab, int]:
    """How many tasks each tab holds, whatever the filters."""
    region = hub.city.region
    found = {
        tab: worklist.count(connection, region, _question(hub, scope, tab, Filters()), COUNTED)
        for tab in (Tab.READY, Tab.CONFIRM)
    }
    found[Tab.MINE] = worklist.count_of_person(connection, region, person, TaskState.RESERVED)
    found[Tab.DONE] = worklist.count_of_person(connection, region, person, TaskState.COMPLETED)
    found[Tab.RETURNED] = len(returned(connection, hub, scope))
    return found


_STATES = {Tab.READY: TaskState.READY, Tab.CONFIRM: TaskState.TO_CONFIRM}


def _question(hub: "Hub", scope: Scope, tab: Tab, filters: Filters) -> worklist.Question:
    limits = reach.limits(hub.city, scope)
    centres = limits.centres
    if filters.centre is not None:
        centres = tuple(code for code in centres if code == filters.centre)
    return worklist.Question(
        state=_STATES[tab].value,
        centres=centres,
        systems=limits.systems,
        items=limits.items,
        kind=filters.kind,
        system=filters.system,
        due_until=filters.due_until,
        after=filters.after,
    )


def returned(connection: Connection, hub: "Hub", scope: Scope) -> list[Returned]:
    """Steps that departments gave back, in reach."""
    city, found = hub.city, []
    for row in worklist.returned_steps(connection, city.region, COUNTED):
        if not reach.covers_case(city, scope, row):
            continue
        item = city.items.get((row["item"], row["item_version"]))
        found.append(
            Returned(
                case_no=row["case_no"],
                item=item,
                step=step_of(item, row["step"]),
                department=city.facts(row["system"]).department_name if row["system"] else "",
                applicant=applicant_name(hub, row),
                due=due_date(city, row["due_at"], item, hub.now_ms()),
                case_status=row["status"],
                changed_at=row["changed_at"],
            )
        )
    return found


def find(connection: Connection, hub: "Hub", scope: Scope, task: str) -> Row:
    """The row of a task in reach. Raises NotFoundHere, also for a foreign one."""
    row = worklist.one(connection, hub.city.region, task)
    if row is None or not reach.covers_task(hub.city, scope, row):
        raise NotFoundHere("there is no such task here: check the number")
    return row


def of_sheet(connection: Connection, hub: "Hub", scope: Scope, number: str) -> Row:
    """The row of the newest task of a sheet, in reach. Raises NotFoundHere."""
    row = worklist.of_sheet(connection, hub.city.region, number)
    if row is None or not reach.covers_task(hub.city, scope, row):
        raise NotFoundHere("there is no such sheet here, or it belongs to another desk")
    return row


def of_cases(connection: Connection, hub: "Hub", scope: Scope, case_numbers: Iterable[str]) -> list[TaskLine]:
    """The tasks of some cases, in reach, the open ones first."""
    rows = [row for number in case_numbers for row in worklist.of_case(connection, hub.city.region, number)]
    found = [line(hub, row) for row in rows if reach.covers_task(hub.city, scope, row)]
    return sorted(found, key=lambda one: (one.completed_at is not None, one.due.at or 0))


def names(connection: Connection, hub: "Hub", logins: Iterable[str | None]) -> dict[str, str]:
    """Names of people by login, and of senders by their id; whoever has neither here (a sender's clerk) keeps the reference."""
    found = {}
    senders: dict[str, str] | None = None
    for login in {one for one in logins if one and one != "hub"}:
        row = accounts.find(connection, hub.city.region, login)
        if row is not None:
            found[login] = people.account_of(hub.keys, row).name
            continue
        if senders is None:
            senders = {one["id"]: one["name"] for one in registry.clients(connection, hub.city.region)}
        found[login] = senders.get(login, login)
    return found
