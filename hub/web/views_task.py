"""One task on one page: what to do, the paper it came on, the form that ends it, and what has happened so far."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from contracts.envelope import EVENT_TYPE, CaseEvent, Envelope
from contracts.errors import OnedoorError
from contracts.records import adapter
from contracts.task_sheet import parse_sheet_code, sheet_number
from hub import desk, intake, labels, metrics, results, scans, worklist
from hub.city import moment
from hub.cloud_events import BadMessage, WrongMediaType, message_of
from hub.people import Account, Role
from hub.readings import Reading, Way, What
from hub.results.errors import NotAllowed, NotFoundHere, Overtaken
from hub.states import TaskState
from hub.store import reading
from hub.store.connection import Connection, Row
from hub.views import journal_lines
from hub.web import completion_form
from hub.web.asking import HUB
from hub.web.completion_form import EVENTS, FormIncomplete, Told
from hub.web.journal_words import journal_words
from hub.web.page_errors import sentence
from hub.web.pages import person, show, text
from hub.web.task_words import KINDS, REASONS, STATES, TOLD
from hub.web.texts import N_
from hub.web.views_scans import VERDICTS, files_of
from hub.web.views_worklist import told_about

if TYPE_CHECKING:
    from hub.app import Hub

SOURCE = "urn:onedoor:pages"
"""The source of events that people cause on pages."""

NO_SCAN = N_("{name} is no PDF, PNG, JPEG or TIFF file, so nothing was completed: choose the files again without it.")

OPEN = frozenset({TaskState.READY, TaskState.RESERVED, TaskState.TO_CONFIRM})


async def show_task(request: web.Request) -> web.Response:
    """GET /tasks/{id}."""
    return await page(request, request.match_info["id"])


async def open_scanned(request: web.Request, code: str) -> web.Response:
    """The task of a scanned sheet; its code is kept in the form. A forged or outdated one says so at once (D07, D08, D16)."""
    hub, me = request.app[HUB], person(request)
    try:
        number = parse_sheet_code(code).number
    except ValueError:
        number = sheet_number(code)
        code = ""
    row = await hub.read(lambda connection: worklist.of_sheet(connection, hub, me.sender.scope, number))
    problem = ""
    if code:
        try:
            await hub.read(lambda connection: results.check_code(connection, hub.city, number, code))
        except NotAllowed as error:
            problem, code = sentence(request, error), ""
    return await page(request, row["id"], given={"sheet": code}, problem=problem, status=409 if problem else 200)


async def page(
    request: web.Request,
    task: str,
    *,
    given: Mapping[str, Any] | None = None,
    problem: str = "",
    where: str = "",
    status: int = 200,
) -> web.Response:
    """The page of a task; ``given``: what was typed before."""
    hub, me = request.app[HUB], person(request)

    def read(connection: Connection) -> dict[str, Any]:
        row = worklist.find(connection, hub, me.sender.scope, task)
        line = worklist.line(hub, row)
        entries = reading.journal(connection, hub.city.region, row["case_no"])
        journal = (one for entry in entries for one in journal_lines(entry))
        timeline = [one for one in journal if one.subject in (row["id"], row["sheet_no"], row["delivery"], row["step"])]
        form = completion_form.form_of(connection, hub, row) if row["state"] in OPEN else None
        by = {one.by for one in timeline} | {row["assigned_to"]}
        return {
            "task": line,
            "row": row,
            "entry": form,
            "timeline": timeline,
            "names": worklist.names(connection, hub, by),
            "colleagues": [],
            "sections": labels.sections(hub, line.item, worklist.data_of(hub, row)) if line.item else (),
            "materials": worklist.data_of(hub, row).get("materials") or [],
        }

    known = await hub.read(read)
    row, number = known["row"], known["row"]["sheet_no"]
    read_now = Reading(of=row["case_no"], what=What.TASK, part=row["id"], by=me.login, way=Way.PAGE)
    await hub.readings.shown(read_now, hub.now_ms())
    pages = await scans.attached(hub, number) if number else ()
    typed = {"form_id": completion_form.new_id(), **(given or {})}
    return show(
        request,
        "task.html",
        status,
        kinds=KINDS,
        states=STATES,
        reasons=REASONS,
        typed=typed,
        problem=problem,
        where=where,
        told=text(request, TOLD[request.query["told"]]) if request.query.get("told") in TOLD else "",
        mine=known["task"].assigned_to == me.login,
        supervisor=me.is_any(Role.SUPERVISOR),
        material_names=hub.city.materials,
        code_lists=hub.site.code_lists,
        says=journal_words(request, known["task"].item),
        pages=pages,
        verdicts=VERDICTS,
        **known,
    )


async def complete(request: web.Request) -> web.StreamResponse:
    """POST /tasks/{id}/complete."""
    hub, me = request.app[HUB], person(request)
    task = request.match_info["id"]
    posted = await request.post()
    given: dict[str, Any] = {name: value for name, value in posted.items() if isinstance(value, str)}
    lists = {"wanted": [str(value) for value in posted.getall("wanted", [])]}
    given["wanted"] = lists["wanted"]
    try:
        row, form = await hub.read(lambda c: _open(c, hub, me, task))
        if form is None:
            return await _over(request, hub, row, given)
        told = completion_form.read(form, row, given, lists, me.login, hub)
        await _attach(request, row)
        verdict = await _carry_out(hub, me, row, told)
    except FormIncomplete as error:
        return await page(request, task, given=given, problem=sentence(request, error), where=error.where, status=422)
    except BadMessage as error:
        told_errors = "；".join(
            f"{one.pointer.rpartition('/')[2]}: {text(request, one.message)}" for one in error.errors
        )
        problem = told_errors or sentence(request, error)
        return await page(request, task, given=given, problem=problem, where="fields", status=422)
    except (NotAllowed, Overtaken) as error:
        return await page(request, task, given=given, problem=await told_about(request, error), status=409)
    metrics.taken("completion", verdict).inc()
    told_key = {"to_confirm": "to_confirm", "contradiction": "contradiction"}.get(verdict, "completed")
    raise web.HTTPSeeOther(f"/tasks?tab=mine&told={told_key}")


async def _attach(request: web.Request, row: Row) -> None:
    """Keep the scans that came with the form; the same file again is the same scan. Raises FormIncomplete, NotAllowed, StoreUnavailable."""
    hub, me = request.app[HUB], person(request)
    for name, content in await files_of(request):
        try:
            await scans.attach(hub, me.sender, row, content, "", me.login)
        except WrongMediaType as error:
            refused = FormIncomplete("files", NO_SCAN)
            refused.values = {"name": name}
            raise refused from error


def _open(connection: Connection, hub: "Hub", me: Account, task: str) -> tuple[Row, completion_form.Form | None]:
    row = worklist.find(connection, hub, me.sender.scope, task)
    return row, completion_form.form_of(connection, hub, row) if row["state"] in OPEN else None


async def _over(request: web.Request, hub: "Hub", row: Row, given: Mapping[str, Any]) -> web.StreamResponse:
    """The task is over. The same form again is a success; another one hears who was faster (D01, D03-D06)."""
    if row["completion"] and row["completion"] == given.get("form_id"):
        raise web.HTTPSeeOther("/tasks?tab=mine&told=completed")
    at = await hub.read(lambda connection: results.since(connection, hub.city, row))
    error = Overtaken(row["assigned_to"] or "hub", moment(at))
    await hub.writer.run(
        lambda c: results.note_refusal(c, hub.city, row, person(request).login, hub.now_ms(), "overtaken")
    )
    return await page(request, row["id"], given=given, problem=await told_about(request, error), status=409)


async def _carry_out(hub: "Hub", me: Account, row: Row, told: Told) -> str:
    """Raises what the desk and intake raise."""
    if told.choice == "skip":
        change = await hub.writer.run(lambda c: results.skip(c, hub.city, row["id"], me.login, hub.now_ms()))
        return change.verdict
    event = EVENTS.get(told.choice)
    if event is not None and row["kind"] != "sheet":
        completion = told.completion
        data = CaseEvent(event=event, by=me.login, reason_code=completion.reason_code, wanted=completion.wanted)
        envelope = Envelope(
            id=completion.id,
            source=SOURCE,
            type=EVENT_TYPE,
            data=adapter(CaseEvent).dump_python(data, mode="json", exclude_none=True),
        )
        return (await intake.event(hub, me.sender, row["case_no"], message_of(envelope))).verdict
    return (await desk.complete(hub, me.sender, row["id"], told.completion)).verdict


async def confirm(request: web.Request) -> web.StreamResponse:
    """POST /tasks/{id}/confirm: the second person says the same as the first; what was keyed is taken over, not typed again."""
    hub, me = request.app[HUB], person(request)
    task, posted = request.match_info["id"], await request.post()
    try:
        row, form = await hub.read(lambda c: _open(c, hub, me, task))
        if form is None:
            return await _over(request, hub, row, {"form_id": posted.get("form_id")})
        if form.decided is None:
            raise NotAllowed("nothing waits for a second person here")
        again = completion_form.repeated(form.decided, str(posted.get("form_id", "")), me.login)
        await desk.complete(hub, me.sender, task, again)
    except (NotAllowed, Overtaken) as error:
        return await page(request, task, problem=await told_about(request, error), status=409)
    except OnedoorError as error:
        if isinstance(error, NotFoundHere):
            raise
        return await page(request, task, problem=sentence(request, error), status=422)
    raise web.HTTPSeeOther("/tasks?tab=confirm&told=completed")


async def decline(request: web.Request) -> web.StreamResponse:
    """POST /tasks/{id}/decline: the second person does not agree; the task is free again."""
    hub, me, task = request.app[HUB], person(request), request.match_info["id"]

    def unit(connection: Connection) -> object:
        worklist.find(connection, hub, me.sender.scope, task)
        return results.release(connection, hub.city, task, me.login, hub.now_ms(), own=True)

    try:
        await hub.writer.run(unit)
    except (NotAllowed, Overtaken) as error:
        return await page(request, task, problem=await told_about(request, error), status=409)
    raise web.HTTPSeeOther("/tasks?tab=confirm&told=declined")


_ID = "{id:[0-9A-Za-z-]{12,36}}"
ROUTES = [
    web.get(f"/tasks/{_ID}", show_task),
    web.post(f"/tasks/{_ID}/complete", complete),
    web.post(f"/tasks/{_ID}/confirm", confirm),
    web.post(f"/tasks/{_ID}/decline", decline),
]
