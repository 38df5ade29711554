"""The HTTP API. ``contracts/schemas/openapi.yaml`` describes it; here each of its paths meets its handler."""

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import aiohttp.web_response
from aiohttp import web

from hub import metrics, oidc
from hub.city import milliseconds
from hub.clients import ClientBook
from hub.store import handovers, integrity, reading, registry, scans
from hub.store.connection import Connection, StoreUnavailable
from hub.web import (
    static_files,
    views_case,
    views_handovers,
    views_people,
    views_scans,
    views_sign_in,
    views_task,
    views_worklist,
)
from hub.web.asking import BOOK, HUB
from hub.web.callbacks import receive_callback
from hub.web.cases import receive_case, receive_event, receive_lines, show_case, upload_material
from hub.web.guard import add_headers, check_cookies, guard
from hub.web.handovers import (
    cancel_handover,
    hand_out,
    list_handovers,
    lose_sheet,
    make_handover,
    print_handover,
    show_handover,
    take_in,
)
from hub.web.problems import SAFE_HEADERS, problems
from hub.web.scans import drop_scan, list_scans, settle_page, show_original, show_picture, show_scan
from hub.web.tasks import complete_task, list_tasks, print_many, print_sheet

if TYPE_CHECKING:
    from hub.app import Hub

NAME = "onedoor"

PAGE_GROUPS = (
    static_files.ROUTES,
    views_sign_in.ROUTES,
    views_worklist.ROUTES,
    views_task.ROUTES,
    views_case.ROUTES,
    views_handovers.ROUTES,
    views_scans.ROUTES,
    views_people.ROUTES,
)
"""The pages, a group a file, in the order of the menu."""

READY_SECONDS = 2.0
GAUGES_SHARE = 0.05
"""Counting tables costs with their size: it may take this share of the time, however often somebody scrapes."""

_NEXT_COUNT: web.AppKey[list[float]] = web.AppKey("next_count")


def make_app(hub: "Hub") -> web.Application:
    """The API of one hub. The caller runs it; nothing is opened here."""
    # aiohttp names itself and Python with their versions on every answer and has no setting for it.
    aiohttp.web_response.SERVER_SOFTWARE = NAME  # type: ignore[attr-defined]
    check_cookies(hub)
    oidc.check_installed(hub)
    app = web.Application(middlewares=[problems, guard], client_max_size=hub.settings.max_body_bytes)
    app.on_response_prepare.append(add_headers)
    app[HUB] = hub
    app[BOOK] = client_book(hub)
    app[_NEXT_COUNT] = [0.0]
    add_routes(app)
    for group in PAGE_GROUPS:
        app.add_routes(group)
    return app


def add_routes(app: web.Application) -> None:
    """Each path of the document and its handler."""
    app.add_routes(
        [
            web.post("/v1/cases", receive_case),
            web.post("/v1/cases/batch", receive_lines),
            web.post("/v1/materials", upload_material),
            web.post("/v1/cases/{case_no:[0-9]{24}}/events", receive_event),
            web.get("/v1/cases/{case_no:[0-9]{24}}", show_case),
            web.get("/v1/tasks", list_tasks),
            web.post("/v1/tasks/print", print_many),
            web.post("/v1/tasks/{id:[0-9A-Za-z-]{12,36}}/complete", complete_task),
            web.post("/v1/tasks/{id:[0-9A-Za-z-]{12,36}}/print", print_sheet),
            web.get("/v1/handovers", list_handovers),
            web.post("/v1/handovers", make_handover),
            web.post("/v1/handovers/in", take_in),
            web.get("/v1/handovers/{number:JJ[0-9]{21}}", show_handover),
            web.post("/v1/handovers/{number:JJ[0-9]{21}}/print", print_handover),
            web.post("/v1/handovers/{number:JJ[0-9]{21}}/out", hand_out),
            web.post("/v1/handovers/{number:JJ[0-9]{21}}/lost", lose_sheet),
            web.post("/v1/handovers/{number:JJ[0-9]{21}}/cancel", cancel_handover),
            web.get("/v1/scans", list_scans),
            web.post("/v1/scans", drop_scan),
            web.get("/v1/scans/{id:[0-9a-f-]{36}}", show_scan),
            web.get("/v1/scans/{id:[0-9a-f-]{36}}/file", show_original),
            web.get("/v1/scans/{id:[0-9a-f-]{36}}/pages/{page:[0-9]{1,4}}", show_picture),
            web.post("/v1/scans/{id:[0-9a-f-]{36}}/pages/{page:[0-9]{1,4}}", settle_page),
            web.post("/v1/callbacks/{system:[A-Za-z0-9-]{1,64}}", receive_callback),
            web.get("/healthz", health),
            web.get("/readyz", ready),
            web.get("/metrics", show_metrics),
        ]
    )


def client_book(hub: "Hub") -> ClientBook:
    """The working keys of a hub's senders."""
    return ClientBook(
        hub.keys,
        lambda: hub.read(lambda connection: registry.clients(connection, hub.city.region)),
        hub.runtime.monotonic,
    )


async def health(_: web.Request) -> web.Response:
    """GET /healthz: the process answers."""
    return web.Response(text="ok\n", headers=SAFE_HEADERS)


async def ready(request: web.Request) -> web.Response:
    """GET /readyz: a transaction can be committed."""
    hub = request.app[HUB]
    try:
        async with asyncio.timeout(READY_SECONDS):
            await hub.writer.run(integrity.touch)
    except TimeoutError as error:
        raise StoreUnavailable("no commit within the time that readiness allows") from error
    return web.Response(text="ready\n", headers=SAFE_HEADERS)


async def show_metrics(request: web.Request) -> web.Response:
    """GET /metrics. Answers while the database does not: then the counted gauges stand where they stood."""
    hub = request.app[HUB]
    metrics.STORE_FAILED.set(hub.writer.failed)
    metrics.WAITING_WRITES.set(hub.writer.waiting())
    next_count = request.app[_NEXT_COUNT]
    began = hub.runtime.monotonic()
    if began >= next_count[0]:
        now = milliseconds(hub.runtime.now())
        try:
            counts = await hub.read(lambda connection: _counts(connection, hub.city.region, now))
        except sqlite3.Error:
            metrics.STORE_FAILED.set(1)
        else:
            metrics.set_gauges(counts, now)
        metrics.CALENDAR_END.set(hub.city.calendar.ends_at().timestamp())
        ended = hub.runtime.monotonic()
        next_count[0] = ended + (ended - began) / GAUGES_SHARE
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE, **SAFE_HEADERS})


def _counts(connection: Connection, region: str, now: int) -> metrics.Counts:
    return metrics.Counts(
        cases=reading.case_counts(connection, region),
        deliveries=reading.delivery_counts(connection, region),
        tasks=reading.task_counts(connection, region),
        lanes=reading.held_lanes(connection, region),
        open_dates=reading.open_dates(connection, region),
        overdue_sheets=reading.overdue_sheets(connection, region, now),
        unreturned=handovers.unreturned(connection, region, now),
        odd_pages=scans.odd_pages(connection, region),
    )
