"""The command line's way to the deliveries and queues of a running hub. Who may open the socket may see every centre and item."""

from typing import TypeVar

from aiohttp import web

from contracts.records import adapter
from hub import operating, orders, results
from hub.clients import Scope
from hub.cloud_events import parse_json, read_data
from hub.operating import Cause, Deliveries, DeliveryLife, Question, Queue
from hub.orders import Person, Replayed, ReplayOrder, Word
from hub.readings import Reading, Way, What
from hub.web.asking import HUB, body_of
from hub.web.cases import JSON_HEADERS

T = TypeVar("T")

LIMIT = 1_048_576
"""Bytes of a request: ten thousand ids fit."""

EVERYTHING = Scope()
ID = "{id:[0-9a-f-]{36}}"


def add_routes(app: web.Application) -> None:
    """The paths about deliveries and queues."""
    app.add_routes(
        [
            web.post("/admin/deliveries/find", find),
            web.post("/admin/deliveries/causes", causes),
            web.post("/admin/deliveries/replay", replay),
            web.post(f"/admin/deliveries/{ID}/show", show),
            web.post(f"/admin/deliveries/{ID}/decide", decide),
            web.post(f"/admin/deliveries/{ID}/enquire", enquire),
            web.get("/admin/lanes", lanes),
        ]
    )


async def find(request: web.Request) -> web.Response:
    """POST /admin/deliveries/find."""
    hub, question = request.app[HUB], await _read(request, Question)
    found = await hub.read(lambda c: operating.deliveries(c, hub.city.region, EVERYTHING, question))
    return _json(adapter(Deliveries).dump_json(found))


async def causes(request: web.Request) -> web.Response:
    """POST /admin/deliveries/causes."""
    hub, question = request.app[HUB], await _read(request, Question)
    found = await hub.read(lambda c: operating.causes(c, hub.city.region, EVERYTHING, question))
    return _json(adapter(tuple[Cause, ...]).dump_json(found))


async def show(request: web.Request) -> web.Response:
    """POST /admin/deliveries/{id}/show."""
    hub, person, delivery = request.app[HUB], await _read(request, Person), request.match_info["id"]
    found = await hub.read(lambda c: operating.life(c, hub.city.region, hub.keys, EVERYTHING, delivery))
    seen = Reading(of=found.line.case_no, what=What.DELIVERY, part=delivery, by=person.by, way=Way.COMMAND)
    await hub.readings.shown(seen, hub.now_ms())
    return _json(adapter(DeliveryLife).dump_json(found))


async def replay(request: web.Request) -> web.Response:
    """POST /admin/deliveries/replay."""
    done = await orders.replay_all(request.app[HUB], EVERYTHING, await _read(request, ReplayOrder))
    return _json(adapter(Replayed).dump_json(done))


async def decide(request: web.Request) -> web.Response:
    """POST /admin/deliveries/{id}/decide."""
    hub, word, delivery = request.app[HUB], await _read(request, Word), request.match_info["id"]
    await hub.commit("decide", lambda c: orders.decide(c, hub.city, delivery, word, hub.now_ms()))
    return _json(b"null")


async def enquire(request: web.Request) -> web.Response:
    """POST /admin/deliveries/{id}/enquire: the watch takes it up within a second."""
    hub, person, delivery = request.app[HUB], await _read(request, Person), request.match_info["id"]
    await hub.commit("enquire_now", lambda c: results.enquire_now(c, hub.city, delivery, person.by, hub.now_ms()))
    return _json(b"null")


async def lanes(request: web.Request) -> web.Response:
    """GET /admin/lanes."""
    hub = request.app[HUB]
    breakers = {name: lane.breaker.state.value for name, lane in hub.lanes.items()}
    found = await hub.read(lambda c: operating.queues(c, hub.city, breakers))
    return _json(adapter(tuple[Queue, ...]).dump_json(found))


async def _read(request: web.Request, kind: type[T]) -> T:
    return read_data(kind, parse_json(await body_of(request, LIMIT)))


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, headers=JSON_HEADERS)
