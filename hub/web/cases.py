"""Handlers for cases: one, many, their events, their papers, and the page of one."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from contracts.api import CaseView, LineVerdict, MaterialReceipt, Receipt
from contracts.records import adapter
from hub import intake, materials, metrics, readings
from hub.clients import Client, Right
from hub.cloud_events import BadMessage, WrongMediaType, media_type_of, read_message, read_structured
from hub.results import Change
from hub.web.asking import HUB, UPLOAD_SECONDS, admit, body_of, require_size, sender
from hub.web.problems import SAFE_HEADERS, TooLarge, problem_of

if TYPE_CHECKING:
    from hub.app import Hub

LINES = "application/x-ndjson"
BATCH_BYTES = 33_554_432
BATCH_LINES = 10_000
GROUP = 200
"""Lines that are worked on at the same time, so that they share commits; fewer than the writer lets wait."""

JSON_HEADERS = {"Content-Type": "application/json", **SAFE_HEADERS}


async def receive_case(request: web.Request) -> web.Response:
    """POST /v1/cases."""
    hub = request.app[HUB]
    client = await sender(request)
    admit(hub)
    body = await body_of(request, hub.settings.max_body_bytes)
    message = read_message(request.headers.get("Content-Type", ""), request.headers.items(), body)
    change = await intake.submit(hub, client, message)
    metrics.taken("case", change.verdict).inc()
    return receipt(change, 202)


async def receive_event(request: web.Request) -> web.Response:
    """POST /v1/cases/{case_no}/events."""
    hub = request.app[HUB]
    client = await sender(request)
    body = await body_of(request, hub.settings.max_body_bytes)
    message = read_message(request.headers.get("Content-Type", ""), request.headers.items(), body)
    change = await intake.event(hub, client, request.match_info["case_no"], message)
    metrics.taken("event", change.verdict).inc()
    return receipt(change, 202)


async def receive_lines(request: web.Request) -> web.Response:
    """POST /v1/cases/batch: each line on its own, the verdicts in the order of the lines."""
    hub = request.app[HUB]
    client = await sender(request)
    intake.require(client, Right.SUBMIT)
    admit(hub)
    if media_type_of(request.headers.get("Content-Type", "")) != LINES:
        raise WrongMediaType(f"send {LINES}: one CloudEvent in structured mode a line")
    body = await body_of(request, BATCH_BYTES, UPLOAD_SECONDS)
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    if not lines:
        raise BadMessage("the body holds no line")
    if len(lines) > BATCH_LINES:
        raise TooLarge(f"more than {BATCH_LINES} lines: send them in several requests")
    verdicts: list[LineVerdict] = []
    for start in range(0, len(lines), GROUP):
        verdicts += await _group(hub, client, lines[start : start + GROUP])
    dump = adapter(LineVerdict).dump_json
    answer = b"".join(dump(verdict, exclude_defaults=True) + b"\n" for verdict in verdicts)
    return web.Response(body=answer, headers={"Content-Type": LINES, **SAFE_HEADERS})


async def _group(hub: "Hub", client: Client, lines: Sequence[tuple[int, bytes]]) -> list[LineVerdict]:
    return await asyncio.gather(*(_line(hub, client, number, line) for number, line in lines))


async def _line(hub: "Hub", client: Client, number: int, line: bytes) -> LineVerdict:
    try:
        admit(hub)
        require_size(len(line), hub.settings.max_body_bytes)
        change = await intake.submit(hub, client, read_structured(line))
    except Exception as error:  # noqa: BLE001 - each line on its own: whatever befalls one, the others get their verdicts
        problem = problem_of(error)
        return LineVerdict(line=number, status=problem.status, problem=problem)
    metrics.taken("case", change.verdict).inc()
    return LineVerdict(line=number, status=202, case_no=change.case_no)


async def upload_material(request: web.Request) -> web.Response:
    """POST /v1/materials."""
    hub = request.app[HUB]
    client = await sender(request)
    intake.require(client, Right.SUBMIT)
    admit(hub)
    body = await body_of(request, hub.settings.max_material_bytes, UPLOAD_SECONDS)
    stored = await materials.upload(hub, client, body, request.headers.get("Content-Type", ""))
    metrics.UPLOADS.inc(stored.size)
    return web.Response(body=adapter(MaterialReceipt).dump_json(stored), headers=JSON_HEADERS)


async def show_case(request: web.Request) -> web.Response:
    """GET /v1/cases/{case_no}."""
    hub = request.app[HUB]
    client = await sender(request)
    intake.require(client, Right.READ)
    view = await readings.case_for_program(hub, client, request.match_info["case_no"])
    return web.Response(body=adapter(CaseView).dump_json(view), headers=JSON_HEADERS)


def receipt(change: Change, status: int) -> web.Response:
    """The answer to a message that is on disk."""
    answer = Receipt(case_no=change.case_no, status=change.status, duplicate=change.verdict == "duplicate")
    return web.Response(status=status, body=orjson.dumps(answer), headers=JSON_HEADERS)
