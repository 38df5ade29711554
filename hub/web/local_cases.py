"""Cases over the local socket, for ``onedoor cases``: find by a person's number or name, erase."""

from aiohttp import web

from contracts.records import adapter
from hub import case_index, erasing
from hub.clients import Scope
from hub.cloud_events import parse_json, read_data
from hub.erasing import EraseOrder, Erasure, FindQuestion
from hub.web.asking import HUB, body_of

LIMIT = 65_536


async def find(request: web.Request) -> web.Response:
    """POST /admin/cases/find: the number or name stands in the body, never in an address."""
    hub = request.app[HUB]
    asked = read_data(FindQuestion, parse_json(await body_of(request, LIMIT)))
    numbers = await hub.read(lambda c: case_index.find(c, hub.city.region, hub.keys, Scope(), asked.kind, asked.plain))
    return _json(adapter(tuple[str, ...]).dump_json(numbers))


async def erase(request: web.Request) -> web.Response:
    """POST /admin/cases/{case_no}/erase."""
    hub = request.app[HUB]
    order = read_data(EraseOrder, parse_json(await body_of(request, LIMIT)))
    done = await erasing.erase_now(hub, request.match_info["case_no"], order)
    return _json(adapter(Erasure).dump_json(done))


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


ROUTES = [web.post("/admin/cases/find", find), web.post("/admin/cases/{case_no:[0-9]{1,40}}/erase", erase)]
