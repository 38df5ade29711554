"""Handlers for scanned files: dropped in, looked at, settled. What is stored goes out as an attachment and never as a page of ours."""

from typing import TYPE_CHECKING

from aiohttp import web

from contracts.api import BadField
from contracts.envelope import PersonRef
from contracts.paper_api import ScanList, ScanNote, ScanView
from contracts.records import adapter
from hub import intake, metrics, scans
from hub.clients import Client, Right
from hub.cloud_events import JSON, BadMessage, WrongMediaType, media_type_of, parse_json, read_data
from hub.readings import Reading, Way, What
from hub.web.asking import HUB, UPLOAD_SECONDS, body_of, sender
from hub.web.cases import JSON_HEADERS
from hub.web.problems import SAFE_HEADERS
from hub.web.tasks import limit_of

if TYPE_CHECKING:
    from hub.app import Hub

STORED_HEADERS = {**SAFE_HEADERS, "Content-Security-Policy": "default-src 'none'; sandbox"}
"""On what people dropped in: a browser saves it, guesses nothing and runs nothing."""


def ending_of(media_type: str) -> str:
    """The ending of a file's name."""
    return _ENDINGS[media_type]


_ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png", "image/tiff": "tiff"}


async def drop_scan(request: web.Request) -> web.Response:
    """POST /v1/scans."""
    hub, client = await _asked(request)
    by = read_data(PersonRef, request.query.get("by", client.id), "/by")
    content = await body_of(request, hub.settings.max_scan_bytes, UPLOAD_SECONDS)
    declared = request.headers.get("Content-Type", "")
    found = await scans.drop(hub, client, content, declared, request.query.get("centre"), by)
    metrics.UPLOADS.inc(len(content))
    return _view(found, 202)


async def list_scans(request: web.Request) -> web.Response:
    """GET /v1/scans."""
    hub, client = await _asked(request)
    wrong = [
        BadField(pointer=f"/{name[:64]}", message="no such question")
        for name in request.query
        if name not in ("odd", "limit")
    ]
    if request.query.get("odd", "false") not in ("true", "false"):
        wrong.append(BadField(pointer="/odd", message="true or false"))
    if wrong:
        raise BadMessage("the query asks for something that is not there", tuple(wrong))
    limit = limit_of(request.query.get("limit", "100"))
    found = await scans.listed(hub, client, odd=request.query.get("odd") == "true", limit=limit)
    return web.Response(body=adapter(ScanList).dump_json(found), headers=JSON_HEADERS)


async def show_scan(request: web.Request) -> web.Response:
    """GET /v1/scans/{id}."""
    hub, client = await _asked(request)
    return _view(await scans.show(hub, client, request.match_info["id"]))


async def show_original(request: web.Request) -> web.Response:
    """GET /v1/scans/{id}/file."""
    hub, client = await _asked(request)
    scan = request.match_info["id"]
    content, media_type = await scans.original(hub, client, scan)
    await hub.readings.leaves(Reading(of=f"scan:{scan}", what=What.FILE, by=client.id, way=Way.API), hub.now_ms())
    return attachment(content, media_type, f"scan-{scan}.{ending_of(media_type)}")


async def show_picture(request: web.Request) -> web.Response:
    """GET /v1/scans/{id}/pages/{page}."""
    hub, client = await _asked(request)
    scan, page = request.match_info["id"], int(request.match_info["page"])
    content = await scans.picture(hub, client, scan, page)
    seen = Reading(of=f"scan:{scan}", what=What.PICTURE, part=str(page), by=client.id, way=Way.API)
    await hub.readings.shown(seen, hub.now_ms())
    return attachment(content, "image/jpeg", f"scan-{scan}-{page}.jpg")


async def settle_page(request: web.Request) -> web.Response:
    """POST /v1/scans/{id}/pages/{page}."""
    hub, client = await _asked(request)
    if media_type_of(request.headers.get("Content-Type", "")) != JSON:
        raise WrongMediaType(f"send {JSON}")
    told = read_data(ScanNote, parse_json(await body_of(request, hub.settings.max_body_bytes)))
    return _view(await scans.settle(hub, client, request.match_info["id"], int(request.match_info["page"]), told))


def attachment(content: bytes, media_type: str, name: str) -> web.Response:
    """Something that was dropped in, on its way to be saved. ``name`` is ours, never the sender's."""
    headers = {"Content-Type": media_type, "Content-Disposition": f'attachment; filename="{name}"', **STORED_HEADERS}
    return web.Response(body=content, headers=headers)


async def _asked(request: web.Request) -> "tuple[Hub, Client]":
    client = await sender(request)
    intake.require(client, Right.TASK)
    return request.app[HUB], client


def _view(found: ScanView, status: int = 200) -> web.Response:
    return web.Response(status=status, body=adapter(ScanView).dump_json(found), headers=JSON_HEADERS)
