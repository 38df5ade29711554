"""Handlers for handover lists: made, printed, scanned out and in."""

from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from contracts.api import BadField
from contracts.paper_api import (
    HandingOver,
    HandoverLists,
    HandoverNote,
    HandoverRequest,
    HandoverView,
    TakenIn,
    TakingIn,
)
from contracts.records import adapter
from hub import handovers, intake
from hub.clients import Client, Right
from hub.cloud_events import JSON, BadData, BadMessage, WrongMediaType, media_type_of, parse_json, read_data
from hub.states import HandoverState
from hub.web.asking import HUB, body_of, sender
from hub.web.cases import JSON_HEADERS
from hub.web.problems import SAFE_HEADERS
from hub.web.tasks import limit_of

if TYPE_CHECKING:
    from hub.app import Hub

T = TypeVar("T")

QUESTIONS = frozenset({"state", "department", "overdue", "limit"})


async def list_handovers(request: web.Request) -> web.Response:
    """GET /v1/handovers."""
    hub, client = await _asked(request)
    asked = request.query
    wrong = [BadField(pointer=f"/{name[:64]}", message="no such question") for name in asked if name not in QUESTIONS]
    if asked.get("state") not in (None, *HandoverState):
        wrong.append(BadField(pointer="/state", message=f"one of {', '.join(HandoverState)}"))
    if asked.get("overdue", "false") not in ("true", "false"):
        wrong.append(BadField(pointer="/overdue", message="true or false"))
    if wrong:
        raise BadMessage("the query asks for something that is not there", tuple(wrong))
    found = await handovers.lists(
        hub,
        client,
        state=asked.get("state"),
        department=asked.get("department"),
        overdue=asked.get("overdue") == "true",
        limit=limit_of(asked.get("limit", "100")),
    )
    return web.Response(body=adapter(HandoverLists).dump_json(found), headers=JSON_HEADERS)


async def make_handover(request: web.Request) -> web.Response:
    """POST /v1/handovers."""
    hub, client = await _asked(request)
    return _view(await handovers.make(hub, client, await _told(request, HandoverRequest)), 201)


async def show_handover(request: web.Request) -> web.Response:
    """GET /v1/handovers/{number}."""
    hub, client = await _asked(request)
    return _view(await handovers.show(hub, client, request.match_info["number"]))


async def print_handover(request: web.Request) -> web.Response:
    """POST /v1/handovers/{number}/print. ``X-Print-Number`` says which print it is."""
    hub, client = await _asked(request)
    number = request.match_info["number"]
    pdf, print_no = await handovers.print_list(hub, client, number)
    headers = {
        "Content-Type": "application/pdf",
        "Content-Disposition": f'attachment; filename="{number}.pdf"',
        "X-Print-Number": str(print_no),
        **SAFE_HEADERS,
    }
    return web.Response(body=pdf, headers=headers)


async def hand_out(request: web.Request) -> web.Response:
    """POST /v1/handovers/{number}/out."""
    hub, client = await _asked(request)
    told = await _told(request, HandingOver)
    return _view(await handovers.hand_out(hub, client, request.match_info["number"], told))


async def cancel_handover(request: web.Request) -> web.Response:
    """POST /v1/handovers/{number}/cancel."""
    hub, client = await _asked(request)
    told = await _told(request, HandoverNote)
    return _view(await handovers.cancel(hub, client, request.match_info["number"], told.by))


async def lose_sheet(request: web.Request) -> web.Response:
    """POST /v1/handovers/{number}/lost."""
    hub, client = await _asked(request)
    told = await _told(request, HandoverNote)
    if told.sheet_no is None:
        raise BadData("say which sheet is lost", (BadField(pointer="/sheet_no", message="is needed here"),))
    return _view(await handovers.lose(hub, client, request.match_info["number"], told.sheet_no, told.by))


async def take_in(request: web.Request) -> web.Response:
    """POST /v1/handovers/in."""
    hub, client = await _asked(request)
    found = await handovers.take_in(hub, client, await _told(request, TakingIn))
    return web.Response(body=adapter(TakenIn).dump_json(found), headers=JSON_HEADERS)


async def _asked(request: web.Request) -> "tuple[Hub, Client]":
    client = await sender(request)
    intake.require(client, Right.TASK)
    return request.app[HUB], client


async def _told(request: web.Request, of: type[T]) -> T:
    if media_type_of(request.headers.get("Content-Type", "")) != JSON:
        raise WrongMediaType(f"send {JSON}")
    return read_data(of, parse_json(await body_of(request, request.app[HUB].settings.max_body_bytes)))


def _view(found: HandoverView, status: int = 200) -> web.Response:
    return web.Response(status=status, body=adapter(HandoverView).dump_json(found), headers=JSON_HEADERS)
