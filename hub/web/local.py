"""The hub's local socket: what the command line may ask of a running hub. Who may open the file (0600) may ask anything."""

from aiohttp import web

from contracts.paper_api import ScanList, ScanView
from contracts.records import adapter, record
from hub import clients, scans
from hub.city import milliseconds
from hub.clients import Client, NewClient, Scope
from hub.cloud_events import parse_json, read_data
from hub.lanes import Lane
from hub.orders import Person
from hub.results import NotFoundHere
from hub.web import local_cases, local_files, local_lookup, local_users, operating
from hub.web.asking import BOOK, HUB, UPLOAD_SECONDS, body_of
from hub.web.cases import JSON_HEADERS
from hub.web.problems import SAFE_HEADERS, problems

LIMIT = 65_536

OPERATOR = "operator"
"""Who the journal names for what comes over the local socket: the file's owner, nobody else can open it."""

EVERY_DESK = Client(id=OPERATOR, name=OPERATOR, scope=Scope(), created_at=0)
"""Whoever may open the socket, as the one who drops scans in."""


@record
class ClientRequest:
    """A sender to be made."""

    name: str
    scope: Scope


def make_local_app(api: web.Application) -> web.Application:
    """The local API of the hub behind ``api``; they share the senders in memory, so that a revocation holds at once."""
    app = web.Application(middlewares=[problems], client_max_size=LIMIT)
    app[HUB] = api[HUB]
    app[BOOK] = api[BOOK]
    app.add_routes(
        [
            web.get("/admin/clients", list_clients),
            web.post("/admin/clients", create_client),
            web.post("/admin/clients/{id:[0-9a-f]{1,64}}/revoke", revoke_client),
            *local_cases.ROUTES,
            *local_users.ROUTES,
            *local_files.ROUTES,
            *local_lookup.ROUTES,
            web.get("/admin/scans", list_scans),
            web.post("/admin/scans", drop_scan),
            web.post("/admin/lanes/{system:[A-Za-z0-9-]{1,64}}/hold", hold_lane),
            web.post("/admin/lanes/{system:[A-Za-z0-9-]{1,64}}/release", release_lane),
        ]
    )
    operating.add_routes(app)
    return app


async def list_clients(request: web.Request) -> web.Response:
    """GET /admin/clients."""
    hub = request.app[HUB]
    found = await hub.read(lambda connection: clients.listed(connection, hub.city.region))
    return web.Response(body=adapter(tuple[Client, ...]).dump_json(found), headers=JSON_HEADERS)


async def create_client(request: web.Request) -> web.Response:
    """POST /admin/clients."""
    hub = request.app[HUB]
    wanted = read_data(ClientRequest, parse_json(await body_of(request, LIMIT)))
    at = milliseconds(hub.runtime.now())
    made = await hub.writer.run(
        lambda connection: clients.create(connection, hub.city.region, hub.keys, wanted.name, wanted.scope, at)
    )
    request.app[BOOK].forget()
    return web.Response(status=201, body=adapter(NewClient).dump_json(made), headers=JSON_HEADERS)


async def revoke_client(request: web.Request) -> web.Response:
    """POST /admin/clients/{id}/revoke."""
    hub = request.app[HUB]
    client = request.match_info["id"]
    at = milliseconds(hub.runtime.now())
    try:
        await hub.writer.run(lambda connection: clients.revoke(connection, hub.city.region, hub.keys, client, at))
    except clients.NoSuchClient as error:
        raise NotFoundHere(str(error)) from error
    request.app[BOOK].forget()
    return web.Response(status=204)


async def list_scans(request: web.Request) -> web.Response:
    """GET /admin/scans."""
    hub = request.app[HUB]
    found = await scans.listed(hub, EVERY_DESK, odd=request.query.get("odd") == "true", limit=scans.MOST_LISTED)
    return web.Response(body=adapter(ScanList).dump_json(found), headers=JSON_HEADERS)


async def drop_scan(request: web.Request) -> web.Response:
    """POST /admin/scans: a file of scanned pages, for one desk or for all."""
    hub = request.app[HUB]
    content = await body_of(request, hub.settings.max_scan_bytes, UPLOAD_SECONDS)
    found = await scans.drop(hub, EVERY_DESK, content, "", request.query.get("centre"), OPERATOR)
    return web.Response(status=202, body=adapter(ScanView).dump_json(found), headers=JSON_HEADERS)


async def hold_lane(request: web.Request) -> web.Response:
    """POST /admin/lanes/{system}/hold: stop sending to a system until it is released."""
    lane = _lane(request)
    return _moved(await lane.hold(await _who(request)))


async def release_lane(request: web.Request) -> web.Response:
    """POST /admin/lanes/{system}/release: send again, after a pause or once its login has been put right."""
    lane = _lane(request)
    return _moved(await lane.release(await _who(request)))


async def _who(request: web.Request) -> str:
    """Who the journal names: whoever the command line names, else the owner of the socket."""
    body = await body_of(request, LIMIT)
    return read_data(Person, parse_json(body)).by if body else OPERATOR


def _lane(request: web.Request) -> Lane:
    system = request.match_info["system"]
    lane = request.app[HUB].lanes.get(system)
    if lane is None:
        raise NotFoundHere(f"no lane sends to {system}: see `onedoor check` for the systems of this site")
    return lane


def _moved(deliveries: int) -> web.Response:
    return web.json_response({"deliveries": deliveries}, headers=SAFE_HEADERS)
