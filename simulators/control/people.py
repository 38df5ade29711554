"""The clerk and the recordings on the control server: their API and their sections of the first page."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from contracts.errors import OnedoorError
from simulators.clerk_habits import ClerkHabits, Slip, habits_of
from simulators.control.board import Board
from simulators.control.keys import BOARD
from simulators.recording.running import Recordings, RunningRecording

ROUTES = web.RouteTableDef()
PAGES = web.RouteTableDef()


@ROUTES.get("/v1/clerk")
async def clerk(request: web.Request) -> web.StreamResponse:
    """The clerk: his habits, whether he is at his desk, what he did; ``running`` false where nobody works."""
    return web.json_response(clerk_view(request.app[BOARD]))


@ROUTES.put("/v1/clerk")
async def set_clerk(request: web.Request) -> web.StreamResponse:
    """His habits, as in the ``[clerk]`` table of a scenario; they count from the next sheet on."""
    try:
        told = await request.json()
    except ValueError as error:
        raise web.HTTPUnprocessableEntity(text="send the habits as a JSON object") from error
    if not isinstance(told, dict):
        raise web.HTTPUnprocessableEntity(text="send the habits as a JSON object")
    request.app[BOARD].work_like(habits_of(told))
    return await clerk(request)


@ROUTES.get("/v1/recordings")
async def recordings(request: web.Request) -> web.Response:
    """Those that run: where the hub finds each, where calls go on to, how many were written."""
    return web.json_response({"recordings": recording_views(request.app[BOARD])})


@ROUTES.post("/v1/recordings")
async def begin_recording(request: web.Request) -> web.Response:
    """Begin one: ``{"to": "https://department.test", "system": "DA-archive"}``; without ``system`` the whole site says whose a field is."""
    try:
        told = await request.json()
    except ValueError as error:
        raise web.HTTPUnprocessableEntity(text="send a JSON object with the address `to`") from error
    if not isinstance(told, dict) or not isinstance(told.get("to"), str):
        raise web.HTTPUnprocessableEntity(text="send a JSON object with the address `to`")
    system = told.get("system")
    found = await _recordings(request).begin(told["to"], None if system is None else str(system))
    return web.json_response(_view(found), status=201)


@ROUTES.delete("/v1/recordings/{name}")
async def end_recording(request: web.Request) -> web.Response:
    """End one; its file stays."""
    return web.json_response(_view(await _recordings(request).end(request.match_info["name"])))


@PAGES.post("/clerk")
async def clerk_form(request: web.Request) -> web.StreamResponse:
    """New habits from the page."""
    board, form = request.app[BOARD], await request.post()
    try:
        board.work_like(_habits_of_form(board, form))
    except OnedoorError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from error
    raise web.HTTPSeeOther("/#clerk")


@PAGES.post("/recordings")
async def recording_form(request: web.Request) -> web.StreamResponse:
    """Begin or end a recording."""
    form = await request.post()
    try:
        if form.get("do") == "end":
            await _recordings(request).end(str(form.get("name", "")))
        else:
            await _recordings(request).begin(str(form.get("to", "")).strip(), str(form.get("system", "")) or None)
    except OnedoorError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from error
    raise web.HTTPSeeOther("/#recordings")


def _habits_of_form(board: Board, form: Mapping[str, Any]) -> ClerkHabits:
    """Percent to shares; what the form does not have stays as it is."""
    told = board.habits.model_dump(exclude_unset=True)
    for name in ("late", *Slip):
        if str(form.get(name, "")).strip():
            told[str(name)] = _number(form[name]) / 100
    for name in ("late_hours", "pace_minutes"):
        if str(form.get(name, "")).strip():
            told[name] = _number(form[name])
    if "hours" in form:
        told["hours"] = [one.strip() for one in str(form["hours"]).split(",") if one.strip()]
    if "days" in form:
        told["days"] = str(form["days"])
    return habits_of(told)


def _number(text: Any) -> float:
    try:
        return float(str(text).strip())
    except ValueError:
        return -1.0


def clerk_view(board: Board) -> dict[str, Any]:
    """What the page and the API show of him."""
    at_work = board.clerk
    tally = at_work.tally if at_work else None
    return {
        "running": at_work is not None,
        "at_desk": at_work is not None and at_work.is_open,
        "habits": board.habits.model_dump(mode="json"),
        "taken": tally.taken if tally else 0,
        "done": tally.done if tally else 0,
        "lying": tally.lying if tally else 0,
        "slips": dict(tally.slips) if tally else {},
        "answers": {str(status): count for status, count in tally.statuses.items() if count} if tally else {},
    }


def recording_views(board: Board) -> list[dict[str, Any]]:
    """Those that run."""
    found = board.recordings
    return [_view(one) for one in found.running.values()] if found else []


def _view(one: RunningRecording) -> dict[str, Any]:
    return {
        "name": one.name,
        "to": one.to,
        "system": one.system,
        "url": one.proxy.url,
        "file": str(one.file),
        "calls": sum(one.proxy.counts.values()),
    }


def _recordings(request: web.Request) -> Recordings:
    board = request.app[BOARD]
    if board.recordings is None:
        board.recordings = Recordings(board.city.folder / "recordings", board.city.site)
    return board.recordings
