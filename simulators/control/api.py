"""The API of the control server: JSON, but for scenarios, which are TOML too. The manual's table of routes is held to ``ROUTES``."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import ValidationError

from contracts.errors import OnedoorError
from contracts.records import adapter, record
from simulators.control import views
from simulators.control.board import Board, NoSuchSystem
from simulators.control.guard import is_api
from simulators.control.keys import BOARD
from simulators.faults import KINDS
from simulators.scenario import Latency, Rule, Scenario
from simulators.scenario_files import load_scenario, read_scenario, saved, shipped

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")
MOST_ENTRIES = 1000
TOML = "application/toml"

ROUTES = web.RouteTableDef()


@record
class Dial:
    """The dial of one operation, of a system or of all; ``system`` and ``operation`` of a rule are given by the path."""

    rules: tuple[Rule, ...] = ()
    latencies: tuple[Latency, ...] = ()


@record
class Choice:
    """A scenario that comes along, by name; ``seed`` None: its own."""

    shipped: str
    seed: int | None = None


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What is wrong with a request, in one form: ``{"error": ..}``."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if not is_api(request) or error.status < 400:
            raise
        return _json({"error": error.text or error.reason}, error.status)
    except NoSuchSystem as error:
        return _json({"error": str(error)}, 404)
    except OnedoorError as error:
        if not is_api(request):
            raise
        return _json({"error": str(error)}, 422)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


async def _body(request: web.Request, of: type[T]) -> T:
    """Raises HTTPUnprocessableEntity with every mistake."""
    try:
        return adapter(of).validate_json(await request.read())
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise web.HTTPUnprocessableEntity(text=said) from error


def _number(request: web.Request, name: str, usual: int, most: int) -> int:
    text = request.query.get(name, str(usual))
    if not text.isdecimal() or int(text) > most:
        raise web.HTTPBadRequest(text=f"{name} is a number from 0 to {most}")
    return int(text)


@ROUTES.get("/v1/systems")
async def systems(request: web.Request) -> web.Response:
    """Every system that runs: address, operations, counts, faults, dial."""
    board = request.app[BOARD]
    return _json({"systems": [views.system_view(board, one) for one in board.departments.values()]})


@ROUTES.get("/v1/systems/{system}")
async def system(request: web.Request) -> web.Response:
    """One of them."""
    board = request.app[BOARD]
    return _json(views.system_view(board, board.running(request.match_info["system"])))


@ROUTES.post("/v1/systems/{system}/stop")
async def stop(request: web.Request) -> web.Response:
    """Switch it off: connections are refused until it is started."""
    return await _switched(request, on=False)


@ROUTES.post("/v1/systems/{system}/start")
async def start(request: web.Request) -> web.Response:
    """Switch it on again, on the same port."""
    return await _switched(request, on=True)


async def _switched(request: web.Request, *, on: bool) -> web.Response:
    board, key = request.app[BOARD], request.match_info["system"]
    await board.switch(key, on=on)
    return _json(views.system_view(board, board.running(key)))


@ROUTES.post("/v1/systems/{system}/reset")
async def reset(request: web.Request) -> web.Response:
    """Let it forget what it holds; its ledger begins anew, the old one is kept."""
    board, key = request.app[BOARD], request.match_info["system"]
    await board.reset(key)
    return _json(views.system_view(board, board.running(key)))


def _where(request: web.Request) -> tuple[Board, str | None, str | None]:
    board = request.app[BOARD]
    key, operation = request.match_info.get("system"), request.match_info.get("operation")
    if key is not None:
        running = board.running(key)
        if operation is not None and operation not in views.carried(running):
            raise web.HTTPNotFound(text=f"{key} has {', '.join(views.carried(running))}")
    return board, key, operation


@ROUTES.get("/v1/dial")
@ROUTES.get("/v1/systems/{system}/dial")
@ROUTES.get("/v1/systems/{system}/operations/{operation}/dial")
async def dial(request: web.Request) -> web.StreamResponse:
    """What is set for all systems, for one, or for one operation."""
    board, key, operation = _where(request)
    rules, latencies = board.dialled(key, operation)
    return _json(
        {"rules": [views.rule_view(one) for one in rules], "latencies": [views.latency_view(one) for one in latencies]}
    )


@ROUTES.put("/v1/dial")
@ROUTES.put("/v1/systems/{system}/dial")
@ROUTES.put("/v1/systems/{system}/operations/{operation}/dial")
async def set_dial(request: web.Request) -> web.StreamResponse:
    """Set it: ``rules`` and ``latencies`` as in a scenario, none of them: nothing goes wrong."""
    board, key, operation = _where(request)
    wanted = await _body(request, Dial)
    board.turn(key, operation, wanted.rules, wanted.latencies)
    return await dial(request)


@ROUTES.get("/v1/scenario")
async def scenario(request: web.Request) -> web.StreamResponse:
    """All dials together as a scenario; as TOML where ``Accept`` says ``application/toml``."""
    now = request.app[BOARD].scenario
    if TOML in request.headers.get("Accept", ""):
        return web.Response(text=saved(now), content_type=TOML, charset="utf-8")
    return _json(adapter(Scenario).dump_python(now, mode="json", exclude_defaults=True))


@ROUTES.put("/v1/scenario")
async def load(request: web.Request) -> web.StreamResponse:
    """Begin a scenario: TOML, or JSON with the name of one that comes along (``shipped``) and perhaps another ``seed``."""
    board = request.app[BOARD]
    if request.content_type == TOML:
        found = read_scenario(await request.text(), board.city.site)
    else:
        found = await chosen(board, await _body(request, Choice))
    board.begin(found)
    return await scenario(request)


async def chosen(board: Board, choice: Choice) -> Scenario:
    """Raises HTTPNotFound."""
    path = shipped().get(choice.shipped)
    if path is None:
        raise web.HTTPNotFound(text=f"there are the scenarios {', '.join(shipped())}")
    found = await asyncio.to_thread(load_scenario, path, board.city.site)
    if choice.seed is None:
        return found
    return replace(found, seed=choice.seed)


@ROUTES.get("/v1/scenarios")
async def scenarios(request: web.Request) -> web.Response:
    """Those that come along."""
    return _json({"scenarios": list(shipped())})


@ROUTES.get("/v1/ledger")
async def ledger(request: web.Request) -> web.Response:
    """Entries by ``system``, ``kind``, ``operation`` and ``delivery_id``, at most ``limit``, from ``after``."""
    board = request.app[BOARD]
    key = request.query.get("system")
    found = [board.running(key)] if key else list(board.departments.values())
    wanted = {name: request.query[name] for name in ("kind", "operation", "delivery_id") if name in request.query}
    limit, after = _number(request, "limit", 100, MOST_ENTRIES), _number(request, "after", 0, 10**12)
    return _json(await asyncio.to_thread(views.ledger_page, found, wanted=wanted, after=after, limit=limit))


@ROUTES.get("/v1/faults")
async def faults(request: web.Request) -> web.Response:
    """How often each kind came, by system, and the latest ones, newest first."""
    board = request.app[BOARD]
    key = request.query.get("system")
    found = [board.running(key)] if key else list(board.departments.values())
    return _json(
        {
            "counts": {one.system.key: views.faults_of(one.dial.counts) for one in found},
            "latest": views.injected(board, key, _number(request, "limit", 100, MOST_ENTRIES)),
        }
    )


@ROUTES.get("/v1/kinds")
async def kinds(request: web.Request) -> web.Response:
    """The table of what can go wrong."""
    return _json({"kinds": [views.kind_view(fault) for fault in KINDS]})
