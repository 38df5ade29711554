"""The hub's local socket: what the command line may ask of a running hub. Who may open the file (0600) may ask anything."""

from aiohttp import web

from contracts.records import adapter, record
from hub import clients
from hub.city import milliseconds
from hub.clients import Client, NewClient, Scope
from hub.cloud_events import parse_json, read_data
from hub.results import NotFoundHere
from hub.web.asking import BOOK, HUB, body_of
from hub.web.cases import JSON_HEADERS
from hub.web.problems import problems

LIMIT = 65_536


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
        ]
    )
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
        await hub.writer.run(lambda connection: clients.revoke(connection, hub.city.region, client, at))
    except clients.NoSuchClient as error:
        raise NotFoundHere(str(error)) from error
    request.app[BOOK].forget()
    return web.Response(status=204)
