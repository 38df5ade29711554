"""Pages for scan-back: drop files in, see how far they are read, settle what is strange."""

from aiohttp import web

from contracts.paper_api import ScanNote, ScanVerdict, ScanView
from hub import scans
from hub.cloud_events import BadData, WrongMediaType, read_data
from hub.people import Role
from hub.readings import Reading, Way, What
from hub.results import NotAllowed, NotFoundHere
from hub.web.asking import HUB
from hub.web.page_errors import sentence
from hub.web.pages import MENU, Link, person, show, text
from hub.web.scans import attachment, ending_of
from hub.web.texts import N_

CLERKS = frozenset({Role.COUNTER, Role.BACK_OFFICE, Role.SUPERVISOR})

STATES = {"received": N_("being read"), "read": N_("read"), "refused": N_("cannot be read")}
VERDICTS = {
    ScanVerdict.MATCHED: N_("Attached to its sheet."),
    ScanVerdict.BAR_ONLY: N_(
        "Attached, but only the plain bar code proves whose it is: compare page and form with care."
    ),
    ScanVerdict.FILED: N_("Attached: the sheet was confirmed before."),
    ScanVerdict.ALTERED: N_("The code was not made here: do not accept this page, tell the supervisor."),
    ScanVerdict.OUTDATED: N_("This is an older print of the sheet: print it again."),
    ScanVerdict.WRONG_DESK: N_("This sheet belongs to another centre: take it there."),
    ScanVerdict.DONE_ELSEWHERE: N_("The department has answered by another way already."),
    ScanVerdict.WITHDRAWN: N_("The case was withdrawn, or is asked for in another way now."),
    ScanVerdict.DUPLICATE: N_(
        "A page of this sheet came with another file: dismiss it, or attach it if it is a further page."
    ),
    ScanVerdict.SEVERAL: N_("Codes of more than one sheet are on this page: scan them one by one, or say whose it is."),
    ScanVerdict.HANDOVER_LIST: N_("This is a handover list, not a sheet."),
    ScanVerdict.UNKNOWN: N_("The code on this page was not given out here."),
    ScanVerdict.UNREADABLE: N_("No code can be read: key the sheet's number, or dismiss a blank back."),
}
REFUSALS = {
    "no_pdf": N_("This is no PDF, or not a whole one."),
    "no_picture": N_("This is no picture, or not a whole one."),
    "no_page": N_("There is no page in it."),
    "broken_page": N_("A page of it is broken."),
    "too_large": N_("A page of it is larger than any paper."),
    "too_many_pages": N_("It has too many pages: scan smaller stacks."),
    "reader_failed": N_("Reading it took too much time or memory."),
}
CHOOSE_FILE = N_("Choose at least one file.")
REASONS = (
    ("blank", N_("blank back")),
    ("scanned_before", N_("scanned before")),
    ("not_ours", N_("not ours")),
    ("other", N_("something else")),
)
FINAL = frozenset({ScanVerdict.ALTERED, ScanVerdict.OUTDATED, ScanVerdict.HANDOVER_LIST})
"""With these verdicts a page can only be dismissed."""


async def overview(request: web.Request) -> web.Response:
    """GET /scans."""
    return await _overview(request, "")


async def _overview(request: web.Request, problem: str, status: int = 200) -> web.Response:
    hub, me = request.app[HUB], person(request)
    odd = request.query.get("odd") == "true"
    found = await scans.listed(hub, me.sender, odd=odd, limit=200)
    centres = [hub.city.centres[code] for code in sorted(me.centres) if code in hub.city.centres]
    return show(
        request,
        "scans/overview.html",
        status,
        problem=problem,
        odd=odd,
        scans=found.scans,
        more=found.more,
        states=STATES,
        desks=centres if len(centres) > 1 else (),
        centres=hub.city.centres,
        refusals=REFUSALS,
    )


async def drop(request: web.Request) -> web.StreamResponse:
    """POST /scans: one file or many."""
    hub, me = request.app[HUB], person(request)
    form = await request.post()
    files = await files_of(request)
    if not files:
        return await _overview(request, text(request, CHOOSE_FILE), 422)
    centre = str(form.get("centre") or "") or None
    dropped: list[ScanView] = []
    for _, content in files:
        try:
            dropped.append(await scans.drop(hub, me.sender, content, "", centre, me.login))
        except (WrongMediaType, BadData) as error:
            return await _overview(request, sentence(request, error), 422)
    raise web.HTTPSeeOther(f"/scans/{dropped[0].id}" if len(dropped) == 1 else "/scans")


async def files_of(request: web.Request) -> list[tuple[str, bytes]]:
    """The files that were chosen in a form, each with the name that it has on the sender's machine."""
    chosen = [one for one in (await request.post()).getall("files", ()) if isinstance(one, web.FileField)]
    in_thread = request.app[HUB].runtime.in_thread
    return [(one.filename, await in_thread(one.file.read)) for one in chosen]


async def one(request: web.Request) -> web.Response:
    """GET /scans/{id}."""
    return _scan_page(request, await scans.show(request.app[HUB], person(request).sender, request.match_info["id"]))


async def settle(request: web.Request) -> web.Response:
    """POST /scans/{id}/pages/{page}: whose page it is, or that it needs nothing more."""
    hub, me = request.app[HUB], person(request)
    scan, page = request.match_info["id"], int(request.match_info["page"])
    form = await request.post()
    told = {"by": me.login, "reason_code": str(form.get("reason") or "other")}
    if form.get("action") == "assign":
        told = {"by": me.login, "sheet_no": str(form.get("sheet_no", "")).strip()}
    try:
        view = await scans.settle(hub, me.sender, scan, page, read_data(ScanNote, told))
    except (NotAllowed, NotFoundHere, BadData) as error:
        before = await scans.show(hub, me.sender, scan)
        return _scan_page(request, before, 409, problem=sentence(request, error), at=page)
    return _scan_page(request, view)


async def picture(request: web.Request) -> web.Response:
    """GET /scans/{id}/pages/{page}: for an ``img``, which does not mind that it is an attachment."""
    hub, me = request.app[HUB], person(request).sender
    scan, page = request.match_info["id"], int(request.match_info["page"])
    content = await scans.picture(hub, me, scan, page)
    seen = Reading(of=f"scan:{scan}", what=What.PICTURE, part=str(page), by=me.id, way=Way.PAGE)
    await hub.readings.shown(seen, hub.now_ms())
    return attachment(content, "image/jpeg", f"scan-{scan}-{page}.jpg")


async def original(request: web.Request) -> web.Response:
    """GET /scans/{id}/file."""
    hub, me, scan = request.app[HUB], person(request).sender, request.match_info["id"]
    content, media_type = await scans.original(hub, me, scan)
    await hub.readings.leaves(Reading(of=f"scan:{scan}", what=What.FILE, by=me.id, way=Way.PAGE), hub.now_ms())
    return attachment(content, media_type, f"scan-{scan}.{ending_of(media_type)}")


def _scan_page(
    request: web.Request, view: ScanView, status: int = 200, *, problem: str = "", at: int = 0
) -> web.Response:
    return show(
        request,
        "scans/scan.html",
        status,
        view=view,
        odd=[page for page in view.found if page.state == "odd"],
        matched=[page for page in view.found if page.state == "matched"],
        dismissed=[page for page in view.found if page.state == "dismissed"],
        states=STATES,
        verdicts=VERDICTS,
        refusals=REFUSALS,
        reasons=REASONS,
        final=FINAL,
        centre=request.app[HUB].city.centres.get(view.centre),
        problem=problem,
        at=at,
    )


ROUTES = [
    web.get("/scans", overview),
    web.post("/scans", drop),
    web.get("/scans/{id:[0-9a-f-]{36}}", one),
    web.get("/scans/{id:[0-9a-f-]{36}}/file", original),
    web.get("/scans/{id:[0-9a-f-]{36}}/pages/{page:[0-9]{1,4}}", picture),
    web.post("/scans/{id:[0-9a-f-]{36}}/pages/{page:[0-9]{1,4}}", settle),
]

MENU.append(Link(path="/scans", text=N_("Scan-back"), roles=CLERKS, place=30))
