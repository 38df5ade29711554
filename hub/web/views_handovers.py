"""Pages for handover lists: what waits for the courier, the list itself, scanning out and in, what should be back."""

import csv
from collections.abc import Sequence
from io import StringIO

from aiohttp import web

from contracts.errors import OnedoorError
from contracts.paper_api import Difference, HandingOver, HandoverRequest, HandoverView, TakingIn
from hub import handovers
from hub.cloud_events import BadData, read_data
from hub.people import Role
from hub.readings import Reading, Way, What
from hub.results import NotAllowed
from hub.spreadsheet import plain_cell
from hub.web.asking import HUB
from hub.web.journal_words import LINE
from hub.web.page_errors import sentence
from hub.web.pages import MENU, Link, person, show, text
from hub.web.problems import SAFE_HEADERS
from hub.web.texts import N_

CLERKS = frozenset({Role.COUNTER, Role.BACK_OFFICE, Role.SUPERVISOR})

STATES = {"open": N_("being made"), "out": N_("with the courier"), "closed": N_("closed"), "cancelled": N_("cancelled")}
DIFFERENCES = {
    Difference.UNREADABLE: N_("This is not the code of a task sheet: scan it again."),
    Difference.UNKNOWN: N_("No sheet with this number belongs to this centre."),
    Difference.ALTERED: N_("This code was not made here: do not accept the sheet, tell the supervisor."),
    Difference.OUTDATED: N_("This is an older print: print the sheet again."),
    Difference.NOT_LISTED: N_("This sheet is not on the list."),
    Difference.NOT_SCANNED: N_("Listed, but not scanned: it stays here for the next list."),
    Difference.NOT_OUT: N_("No list has this sheet out; perhaps it was scanned in before."),
    Difference.SETTLED: N_("Nobody needs this sheet any more: it stays here."),
}
NOTHING_SCANNED = N_("Scan at least one sheet.")
TABS = (
    ("", N_("All lists")),
    ("open", N_("Being made")),
    ("out", N_("With the courier")),
    ("overdue", N_("Should be back")),
    ("closed", N_("Closed")),
)


async def overview(request: web.Request) -> web.Response:
    """GET /handovers: what waits, and the lists of a tab."""
    return await _overview(request, "")


async def _overview(request: web.Request, problem: str, status: int = 200) -> web.Response:
    hub, me = request.app[HUB], person(request).sender
    tab = request.query.get("tab", "")
    tab = tab if tab in dict(TABS) else ""
    state = tab if tab in STATES else None
    found = await handovers.lists(hub, me, state=state, department=None, overdue=tab == "overdue", limit=200)
    waiting = await handovers.waiting(hub, me)
    return show(
        request,
        "handovers/overview.html",
        status,
        problem=problem,
        tab=tab,
        tabs=TABS,
        states=STATES,
        lists=found.lists,
        more=found.more,
        waiting=waiting,
        centres=hub.city.centres,
    )


async def make(request: web.Request) -> web.StreamResponse:
    """POST /handovers."""
    hub, me = request.app[HUB], person(request)
    form = await request.post()
    try:
        asked = read_data(
            HandoverRequest, {"centre": form.get("centre"), "department": form.get("department"), "by": me.login}
        )
        made = await handovers.make(hub, me.sender, asked)
    except (NotAllowed, BadData) as error:
        return await _overview(request, sentence(request, error), 409)
    raise web.HTTPSeeOther(f"/handovers/{made.summary.number}")


async def one(request: web.Request) -> web.Response:
    """GET /handovers/{number}."""
    hub, me = request.app[HUB], person(request).sender
    return _list_page(request, await handovers.show(hub, me, request.match_info["number"]))


async def print_list(request: web.Request) -> web.Response:
    """POST /handovers/{number}/print."""
    hub, me, number = request.app[HUB], person(request).sender, request.match_info["number"]
    pdf, _ = await handovers.print_list(hub, me, number)
    head = {"Content-Type": "application/pdf", "Content-Disposition": f'attachment; filename="{number}.pdf"'}
    return web.Response(body=pdf, headers={**head, **SAFE_HEADERS})


async def hand_out(request: web.Request) -> web.Response:
    """POST /handovers/{number}/out."""
    hub, me, number = request.app[HUB], person(request), request.match_info["number"]
    form = await request.post()
    scanned = None if form.get("all") else tuple(_scanned(str(form.get("scanned", ""))))
    try:
        told = read_data(HandingOver, {"by": me.login, "taken_by": form.get("taken_by", ""), "scanned": scanned})
        view = await handovers.hand_out(hub, me.sender, number, told)
    except (NotAllowed, BadData) as error:
        return await _again(request, error, str(form.get("scanned", "")), str(form.get("taken_by", "")))
    return _list_page(request, view, done=text(request, N_("Handed out.")))


async def lose(request: web.Request) -> web.Response:
    """POST /handovers/{number}/lost."""
    hub, me, number = request.app[HUB], person(request), request.match_info["number"]
    form = await request.post()
    try:
        view = await handovers.lose(hub, me.sender, number, str(form.get("sheet_no", "")), me.login)
    except NotAllowed as error:
        return await _again(request, error)
    return _list_page(
        request, view, done=text(request, N_("Noted as lost. Print the sheet again if it is still needed."))
    )


async def cancel(request: web.Request) -> web.Response:
    """POST /handovers/{number}/cancel."""
    hub, me, number = request.app[HUB], person(request), request.match_info["number"]
    try:
        view = await handovers.cancel(hub, me.sender, number, me.login)
    except NotAllowed as error:
        return await _again(request, error)
    return _list_page(request, view, done=text(request, N_("Cancelled. Its sheets wait for another list.")))


async def ask_in(request: web.Request) -> web.Response:
    """GET /handovers/in."""
    return show(request, "handovers/in.html", problem="", back=(), differences=(), texts=DIFFERENCES)


async def take_in(request: web.Request) -> web.Response:
    """POST /handovers/in: what was scanned is back, whatever list it went with."""
    hub, me = request.app[HUB], person(request)
    scanned = tuple(_scanned(str((await request.post()).get("scanned", ""))))
    if not scanned:
        told = text(request, NOTHING_SCANNED)
        return show(request, "handovers/in.html", 422, problem=told, back=(), differences=(), texts=DIFFERENCES)
    found = await handovers.take_in(hub, me.sender, read_data(TakingIn, {"by": me.login, "scanned": scanned}))
    return show(
        request, "handovers/in.html", problem="", back=found.back, differences=found.differences, texts=DIFFERENCES
    )


async def export(request: web.Request) -> web.Response:
    """GET /handovers/{number}/csv: for a spreadsheet, and safe in one."""
    hub, me, number = request.app[HUB], person(request).sender, request.match_info["number"]
    view = await handovers.show(hub, me, number)
    taken = Reading(of=f"handover:{number}", what=What.LIST, by=me.id, way=Way.PAGE)
    await hub.readings.leaves(taken, hub.now_ms())
    heads = (
        N_("No."),
        N_("Sheet"),
        N_("Version"),
        N_("Case number"),
        N_("Item"),
        N_("Applicant"),
        N_("Originals"),
        N_("Copies"),
        N_("Pages"),
        N_("State"),
    )
    content = StringIO()
    # A byte order mark: without it Excel takes the file for another encoding.
    content.write("\ufeff")
    writer = csv.writer(content, lineterminator="\r\n")
    writer.writerow([text(request, head) for head in heads])
    for line in view.lines:
        state = text(request, LINE[line.state])
        cells = (line.seq, line.sheet_no, line.sheet_version, line.case_no, line.item_name, line.applicant)
        writer.writerow([plain_cell(cell) for cell in (*cells, line.originals, line.copies, line.pages, state)])
    head = {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": f'attachment; filename="{number}.csv"'}
    return web.Response(body=content.getvalue().encode(), headers={**head, **SAFE_HEADERS})


async def _again(request: web.Request, error: OnedoorError, scanned: str = "", taken_by: str = "") -> web.Response:
    """The list once more with what went wrong; nothing that was typed is lost."""
    view = await handovers.show(request.app[HUB], person(request).sender, request.match_info["number"])
    problem = sentence(request, error)
    return _list_page(request, view, status=409, problem=problem, scanned=scanned, taken_by=taken_by)


def _list_page(
    request: web.Request,
    view: HandoverView,
    *,
    status: int = 200,
    problem: str = "",
    done: str = "",
    scanned: str = "",
    taken_by: str = "",
) -> web.Response:
    return show(
        request,
        "handovers/list.html",
        status,
        view=view,
        list=view.summary,
        states=STATES,
        line_states=LINE,
        texts=DIFFERENCES,
        centre=request.app[HUB].city.centres[view.summary.centre],
        problem=problem,
        done=done,
        scanned=scanned,
        taken_by=taken_by,
        totals=[sum(getattr(line, name) for line in view.lines) for name in ("originals", "copies", "pages")],
    )


def _scanned(typed: str) -> Sequence[str]:
    """What a scanner typed, a code a line."""
    return [line.strip()[:128] for line in typed.splitlines() if line.strip()][:1000]


ROUTES = [
    web.get("/handovers", overview),
    web.post("/handovers", make),
    web.get("/handovers/in", ask_in),
    web.post("/handovers/in", take_in),
    web.get("/handovers/{number:JJ[0-9]{21}}", one),
    web.get("/handovers/{number:JJ[0-9]{21}}/csv", export),
    web.post("/handovers/{number:JJ[0-9]{21}}/print", print_list),
    web.post("/handovers/{number:JJ[0-9]{21}}/out", hand_out),
    web.post("/handovers/{number:JJ[0-9]{21}}/lost", lose),
    web.post("/handovers/{number:JJ[0-9]{21}}/cancel", cancel),
]

MENU.append(Link(path="/handovers", text=N_("Handover lists"), roles=CLERKS, place=20))
