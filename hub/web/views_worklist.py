"""The worklist: tabs, filters, search, the scan box, and what can be done with many tasks at once."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from contracts.task_sheet import parse_sheet_code, sheet_number
from hub import case_index, desk, metrics, people, reach, results, worklist
from hub.clients import Scope
from hub.people import CASEWORK, Account, Role
from hub.results.errors import NotAllowed, NotFoundHere, Overtaken
from hub.store.connection import Connection
from hub.web.asking import HUB
from hub.web.page_errors import sentence
from hub.web.pages import MENU, Link, person, show, text
from hub.web.task_words import KINDS, STATES, TOLD
from hub.web.texts import N_
from hub.worklist import PAGE, Filters, Tab, TaskLine

if TYPE_CHECKING:
    from hub.app import Hub

MENU.append(Link(path="/tasks", text=N_("Worklist"), roles=CASEWORK))

DAY = 86_400_000
MOST_FOUND = 50

TABS = {
    Tab.READY: N_("Ready to claim"),
    Tab.MINE: N_("Mine"),
    Tab.CONFIRM: N_("To confirm"),
    Tab.DONE: N_("My completed"),
    Tab.RETURNED: N_("Returned"),
}
DUE = {
    "": N_("any date"),
    "overdue": N_("overdue"),
    "today": N_("due today or overdue"),
    "week": N_("due within 7 days"),
}


async def show_list(request: web.Request) -> web.Response:
    """GET /tasks."""
    hub, me = request.app[HUB], person(request)
    asked = request.query
    wanted = asked.get("q", "").strip()
    if wanted:
        return await _found(request, wanted)
    tab = Tab(asked.get("tab", "ready")) if asked.get("tab", "ready") in set(Tab) else Tab.READY
    return await _list(request, hub, me, tab, asked.get("told", ""))


async def _list(request: web.Request, hub: "Hub", me: Account, tab: Tab, told: str) -> web.Response:
    filters, scope = _filters(request, hub), me.sender.scope

    def read(connection: Connection) -> dict[str, object]:
        found = worklist.lines(connection, hub, scope, me.login, tab, filters) if tab is not Tab.RETURNED else []
        return {
            "counts": worklist.counts(connection, hub, scope, me.login),
            "lines": found,
            "returned": worklist.returned(connection, hub, scope) if tab is Tab.RETURNED else [],
            "names": worklist.names(connection, hub, (one.assigned_to for one in found)),
            "colleagues": _colleagues(connection, hub, me),
        }

    known = await hub.read(read)
    lines: list[TaskLine] = known.pop("lines")  # type: ignore[assignment]  # as read above
    more = len(lines) > PAGE
    return show(
        request,
        "worklist.html",
        tab=tab.value,
        tabs=TABS,
        lines=lines[:PAGE],
        next_page=_address(request, after=f"{lines[PAGE - 1].due.at or ''}.{lines[PAGE - 1].id}") if more else None,
        filters=dict(request.query),
        kinds=KINDS,
        states=STATES,
        due_choices=DUE,
        systems=_systems(hub, me),
        centres=[hub.city.centres[code] for code in reach.limits(hub.city, scope).centres if code in me.centres],
        told=text(request, TOLD[told]) if told in TOLD else "",
        problem="",
        query="",
        counted=worklist.COUNTED,
        **known,
    )


def _filters(request: web.Request, hub: "Hub") -> Filters:
    asked = request.query
    now = hub.now_ms()
    today = int(hub.city.calendar.last_moment(hub.city.calendar.local_day(hub.runtime.now())).timestamp() * 1000)
    until = {"overdue": now, "today": today, "week": today + 7 * DAY}.get(asked.get("due", ""))
    due, dot, last = asked.get("after", "").partition(".")
    after = (int(due) if due.isdigit() else None, last) if dot and re.fullmatch(r"[0-9]{0,15}", due) else None
    return Filters(
        kind=asked.get("kind") or None,
        system=asked.get("system") or None,
        centre=asked.get("centre") or None,
        due_until=until,
        after=after,
    )


def _address(request: web.Request, **changes: str) -> str:
    kept = {name: value for name, value in request.query.items() if name not in ("told", "after")}
    return f"/tasks?{urlencode({**kept, **changes})}"


def _systems(hub: "Hub", me: Account) -> list[tuple[str, str]]:
    """Systems that have sheets, in the person's departments."""
    within = reach.limits(hub.city, me.sender.scope).systems
    return sorted(
        (name, f"{facts.department_name} {name}")
        for name, facts in hub.city.systems.items()
        if (within is None or name in within) and hub.systems.printing(name) is not None
    )


def _colleagues(connection: Connection, hub: "Hub", me: Account) -> list[Account]:
    """Whom a supervisor may give work to: those who do casework in a centre of hers."""
    if not me.is_any(Role.SUPERVISOR):
        return []
    everybody = people.listed(connection, hub.city.region, hub.keys)
    return [one for one in everybody if one.disabled_at is None and one.is_any(*CASEWORK) and shares_centre(me, one)]


def shares_centre(one: Account, other: Account) -> bool:
    """Whether two people have a centre in common; no centre: all of them."""
    return not one.centres or not other.centres or not one.centres.isdisjoint(other.centres)


# --- searching and scanning ----------------------------------------------------------------------------------------


async def _found(request: web.Request, wanted: str) -> web.Response:
    """Tasks by what was typed: a case number, a sheet number, a name or its initials."""
    hub, me = request.app[HUB], person(request)
    scope = me.sender.scope
    if (number := as_sheet_number(wanted)) is not None:
        row = await hub.read(lambda connection: worklist.of_sheet(connection, hub, scope, number))
        raise web.HTTPSeeOther(f"/tasks/{row['id']}")

    def read(connection: Connection) -> tuple[list[TaskLine], dict[str, str], dict[Tab, int]]:
        cases = (wanted,) if re.fullmatch("[0-9]{24}", wanted) else hub_cases(connection, hub, scope, wanted)
        found = worklist.of_cases(connection, hub, scope, cases)
        named = worklist.names(connection, hub, (one.assigned_to for one in found))
        return found, named, worklist.counts(connection, hub, scope, me.login)

    lines, names, counts = await hub.read(read)
    return show(
        request,
        "worklist.html",
        tab="",
        tabs=TABS,
        lines=lines,
        returned=[],
        names=names,
        counts=counts,
        next_page=None,
        filters={},
        kinds=KINDS,
        states=STATES,
        due_choices=DUE,
        systems=[],
        centres=[],
        colleagues=[],
        told="",
        problem=""
        if lines
        else text(
            request, N_("Nothing was found. Type the whole case number, a sheet number, a name or its initials.")
        ),
        query=wanted,
        counted=worklist.COUNTED,
    )


def hub_cases(connection: Connection, hub: "Hub", scope: Scope, wanted: str) -> tuple[str, ...]:
    """Case numbers by a name, its initials or an identity number, over the blind index: the name itself stands in no column."""
    letters = re.fullmatch("[A-Za-z]{2,8}", wanted) is not None
    kinds = (case_index.INITIALS,) if letters else (case_index.NAME, case_index.IDENTITY)
    region, keys = hub.city.region, hub.keys
    return tuple(
        number
        for kind in kinds
        for number in case_index.find(connection, region, keys, scope, kind, wanted, MOST_FOUND)
    )


def as_sheet_number(typed: str) -> str | None:
    """The number of a sheet, from whatever a scanner or a person types of it."""
    try:
        return parse_sheet_code(typed).number
    except ValueError:
        pass
    try:
        return sheet_number(typed)
    except ValueError:
        return None


async def scan(request: web.Request) -> web.Response:
    """POST /scan: open the sheet whose code was scanned or keyed; anything else is searched for."""
    from hub.web.views_task import open_scanned  # noqa: PLC0415

    code = str((await request.post()).get("code", "")).strip()[:200]
    if not code:
        raise web.HTTPSeeOther("/tasks")
    if as_sheet_number(code) is None:
        raise web.HTTPSeeOther(f"/tasks?{urlencode({'q': code})}")
    return await open_scanned(request, code)


# --- many at once --------------------------------------------------------------------------------------------------


async def claim(request: web.Request) -> web.StreamResponse:
    """POST /tasks/claim."""
    return await _each(
        request, "claimed", Tab.MINE, lambda c, hub, task, me: results.reserve(c, hub.city, task, me, hub.now_ms())
    )


async def release(request: web.Request) -> web.StreamResponse:
    """POST /tasks/release: what oneself has claimed; a supervisor also what others have."""
    own = not person(request).is_any(Role.SUPERVISOR)
    return await _each(
        request,
        "released",
        Tab.READY,
        lambda c, hub, task, me: results.release(c, hub.city, task, me, hub.now_ms(), own=own),
    )


async def assign(request: web.Request) -> web.StreamResponse:
    """POST /tasks/assign: a supervisor gives tasks to somebody of the same centre who may do them."""
    hub, me = request.app[HUB], person(request)
    to = str((await request.post()).get("to", ""))
    colleagues = {one.login: one for one in await hub.read(lambda c: _colleagues(c, hub, me))}
    if to not in colleagues:
        raise NotFoundHere("choose somebody to assign to")
    scope = colleagues[to].sender.scope

    def give(connection: Connection, hub: "Hub", task: str, by: str) -> object:
        row = worklist.find(connection, hub, me.sender.scope, task)
        if not reach.covers_task(hub.city, scope, row):
            raise NotAllowed("this person does not work for the task's centre or department")
        return results.assign(connection, hub.city, task, to, by, hub.now_ms())

    return await _each(request, "assigned", Tab.READY, give)


Act = Callable[[Connection, "Hub", str, str], object]
"""What is done with one task: connection, hub, task id, login."""


async def _each(request: web.Request, told: str, tab: Tab, act: Act) -> web.StreamResponse:
    """One unit of work a task, so that one that is gone holds up none of the others; what failed is listed."""
    hub, me = request.app[HUB], person(request)
    ids = await ticked(request)
    if not ids:
        raise web.HTTPSeeOther(f"/tasks?tab={tab.value}&told=none")
    failed: list[str] = []
    for task in ids:

        def unit(connection: Connection, task: str = task) -> object:
            worklist.find(connection, hub, me.sender.scope, task)
            return act(connection, hub, task, me.login)

        try:
            await hub.writer.run(unit)
        except (Overtaken, NotAllowed, NotFoundHere) as error:
            failed.append(await told_about(request, error))
    if failed:
        return show(request, "not_all.html", 409, failed=failed, done=len(ids) - len(failed))
    one = len(ids) == 1 and told == "claimed"
    raise web.HTTPSeeOther(f"/tasks/{ids[0]}" if one else f"/tasks?tab={tab.value}&told={told}")


async def ticked(request: web.Request) -> list[str]:
    """The ids of the ticked tasks; the button of a single row sends that one alone."""
    form = await request.post()
    one = form.get("one")
    values = [one] if isinstance(one, str) and one else form.getall("task", [])
    return [str(value) for value in values if re.fullmatch("[0-9A-Za-z-]{12,36}", str(value))][:200]


async def told_about(request: web.Request, error: Exception) -> str:
    """What an error says, with names for people: 已由 X 于 14:03 处理."""
    hub = request.app[HUB]
    if isinstance(error, Overtaken):
        names = await hub.read(lambda connection: worklist.names(connection, hub, [error.by]))
        at = error.at.astimezone(hub.city.calendar.zone)
        same = at.date() == hub.city.calendar.local_day(hub.runtime.now())
        when = f"{at:%H:%M}" if same else f"{at:%Y-%m-%d %H:%M}"
        return text(
            request, N_("Already handled by {who} at {when}. Nothing was changed."), who=names[error.by], when=when
        )
    assert isinstance(error, NotAllowed | NotFoundHere)
    return sentence(request, error)


async def print_sheets(request: web.Request) -> web.StreamResponse:
    """POST /tasks/print: the sheets of the ticked tasks as one PDF, each print counted."""
    hub, me = request.app[HUB], person(request)
    ids = await ticked(request)
    if not ids:
        raise web.HTTPSeeOther("/tasks?told=none")
    scope = me.sender.scope
    await hub.read(lambda connection: [worklist.find(connection, hub, scope, task) for task in ids])
    printed = await desk.print_sheets(hub, me.sender, ids)
    for sheet in printed.sheets:
        metrics.PRINTS.labels(sheet.system).inc()
    return web.Response(
        body=printed.pdf,
        content_type="application/pdf",
        headers={"Content-Disposition": 'inline; filename="sheets.pdf"'},
    )


ROUTES = [
    web.get("/tasks", show_list),
    web.post("/scan", scan),
    web.post("/tasks/claim", claim),
    web.post("/tasks/release", release),
    web.post("/tasks/assign", assign),
    web.post("/tasks/print", print_sheets),
]
