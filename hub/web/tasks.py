"""Handlers for the work of people: the list, completing, printing a sheet."""

import re
from collections.abc import Mapping

from aiohttp import web

from contracts.api import BadField, TaskList
from contracts.envelope import TaskCompletion
from contracts.paper_api import PrintRequest
from contracts.records import adapter
from hub import desk, intake, metrics, views
from hub.clients import Right
from hub.cloud_events import JSON, BadMessage, WrongMediaType, media_type_of, parse_json, read_data
from hub.web.asking import HUB, body_of, sender
from hub.web.cases import JSON_HEADERS, receipt
from hub.web.problems import SAFE_HEADERS

QUESTIONS = frozenset({"kind", "state", "system", "limit"})
MOST = 1000


async def list_tasks(request: web.Request) -> web.Response:
    """GET /v1/tasks."""
    hub = request.app[HUB]
    client = await sender(request)
    intake.require(client, Right.TASK)
    asked = request.query
    unknown = tuple(
        BadField(pointer=f"/{name[:64]}", message="no such question") for name in asked if name not in QUESTIONS
    )
    if unknown:
        raise BadMessage("the query asks for something that is not there", unknown)
    limit = limit_of(asked.get("limit", "100"))
    found = await hub.read(
        lambda connection: views.task_list(
            connection,
            hub.city.region,
            client,
            kind=asked.get("kind"),
            state=asked.get("state"),
            system=asked.get("system"),
            limit=limit,
        )
    )
    return web.Response(body=adapter(TaskList).dump_json(found), headers=JSON_HEADERS)


async def complete_task(request: web.Request) -> web.Response:
    """POST /v1/tasks/{id}/complete."""
    hub = request.app[HUB]
    client = await sender(request)
    intake.require(client, Right.TASK)
    if media_type_of(request.headers.get("Content-Type", "")) != JSON:
        raise WrongMediaType(f"send {JSON}")
    body = await body_of(request, hub.settings.max_body_bytes)
    completion = read_data(TaskCompletion, parse_json(body))
    change = await desk.complete(hub, client, request.match_info["id"], completion)
    metrics.taken("completion", change.verdict).inc()
    return receipt(change, 200)


async def print_sheet(request: web.Request) -> web.Response:
    """POST /v1/tasks/{id}/print. ``X-Print-Number`` says which print it is."""
    hub = request.app[HUB]
    client = await sender(request)
    intake.require(client, Right.TASK)
    printed = await desk.print_sheets(hub, client, (request.match_info["id"],))
    (sheet,) = printed.sheets
    return _pdf(printed, f"{sheet.number}-{sheet.version:02d}", {"X-Print-Number": str(sheet.print_no)})


async def print_many(request: web.Request) -> web.Response:
    """POST /v1/tasks/print: all or none, one PDF."""
    hub = request.app[HUB]
    client = await sender(request)
    intake.require(client, Right.TASK)
    if media_type_of(request.headers.get("Content-Type", "")) != JSON:
        raise WrongMediaType(f"send {JSON}")
    asked = read_data(PrintRequest, parse_json(await body_of(request, hub.settings.max_body_bytes)))
    printed = await desk.print_sheets(hub, client, asked.tasks)
    return _pdf(printed, f"sheets-{len(printed.sheets)}", {})


def _pdf(printed: desk.Printed, name: str, headers: Mapping[str, str]) -> web.Response:
    for sheet in printed.sheets:
        metrics.PRINTS.labels(sheet.system).inc()
    head = {"Content-Type": "application/pdf", "Content-Disposition": f'attachment; filename="{name}.pdf"'}
    return web.Response(body=printed.pdf, headers={**head, **headers, **SAFE_HEADERS})


def limit_of(text: str) -> int:
    """The number of rows that are asked for. Raises BadMessage."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MOST:
        raise BadMessage("the query is wrong", (BadField(pointer="/limit", message=f"a number from 1 to {MOST}"),))
    return int(text)
