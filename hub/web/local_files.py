"""The local socket's part about channels and files: what `onedoor channels` and `onedoor files` ask of a running hub."""

from datetime import date
from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from pydantic import Field

from contracts.records import adapter, record
from contracts.situation import AutoFallback, ChannelStatus
from hub import file_watch, reconciliation, results
from hub.cloud_events import parse_json, read_data
from hub.reconciliation import Difference, FileSystem, SystemDay
from hub.results import NotFoundHere, shadows
from hub.results.shadows import ShadowReport
from hub.store.connection import Connection
from hub.web.asking import HUB, body_of
from hub.web.cases import JSON_HEADERS
from hub.web.problems import SAFE_HEADERS

if TYPE_CHECKING:
    from hub.app import Hub

LIMIT = 65_536
OPERATOR = "operator"
By = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""Who does it, as the journal will name them."""


@record
class ChannelView:
    """A channel of a system: how it stands, and what goes by it now."""

    system: str
    situation: str
    status: str
    open: bool
    why: str = ""
    held: str = ""
    breaker: str = ""
    waiting: int = 0
    auto_fallback: str = ""


@record
class SwitchRequest:
    """A delivery to be sent another way. ``to``: the situation of a fallback; None: back."""

    to: str | None = None
    sheet_void: bool = False
    by: By = OPERATOR


@record
class ExplainRequest:
    """Why a difference is none: a code, no sentence, since it stays in the journal."""

    system: str
    day: date
    difference: str
    reason: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    by: By = OPERATOR


@record
class DayRequest:
    """A day of one system, or of all that exchange files."""

    day: date
    system: str | None = None
    by: By = OPERATOR


async def show_channels(request: web.Request) -> web.Response:
    """GET /admin/channels: every channel of every system."""
    hub = request.app[HUB]
    waiting = await hub.read(
        lambda c: c.rows(
            "SELECT system, via, count(*) AS number FROM delivery WHERE region = :region AND state IN ('due', 'held')"
            " GROUP BY system, via",
            {"region": hub.city.region},
        )
    )
    number = {(row["system"], row["via"]): row["number"] for row in waiting}
    lanes = {(lane.system, lane.opened.channel.situation): lane for lane in hub.all_lanes()}
    found = []
    for (system, situation), opened in hub.systems.channels.items():
        lane = lanes.get((system, situation))
        found.append(
            ChannelView(
                system=system,
                situation=situation.value,
                status=opened.channel.status.value,
                open=opened.gateway is not None,
                why=opened.why,
                held=(lane.held or "") if lane else "",
                breaker=lane.breaker.state.value if lane else "",
                waiting=number.get((system, lane.via), 0) if lane else 0,
                auto_fallback=_rule(opened.channel.auto_fallback),
            )
        )
    return _json(adapter(tuple[ChannelView, ...]).dump_json(tuple(found)))


def _rule(rule: AutoFallback | None) -> str:
    parts = []
    if rule is not None and rule.breaker_open_minutes is not None:
        parts.append(f"breaker open for {rule.breaker_open_minutes:g} minutes")
    if rule is not None and rule.due_within_working_days is not None:
        parts.append(f"fewer than {rule.due_within_working_days} working days left")
    return " or ".join(parts)


async def show_shadow(request: web.Request) -> web.Response:
    """GET /admin/channels/{system}/shadow: how copies on a shadow channel stand beside what counts."""
    hub, system = request.app[HUB], request.match_info["system"]
    opened = next(iter(hub.systems.of(system, ChannelStatus.SHADOW)), None)
    if opened is None:
        raise NotFoundHere(f"{system} has no shadow channel: see `onedoor channels show`")
    situation = opened.channel.situation.value
    found = await hub.read(lambda c: shadows.report(c, hub.city, system, situation))
    return _json(adapter(ShadowReport).dump_json(found))


async def switch(request: web.Request) -> web.Response:
    """POST /admin/deliveries/{id}/channel: to a fallback, or back."""
    hub = request.app[HUB]
    told = read_data(SwitchRequest, parse_json(await body_of(request, LIMIT)))
    delivery = request.match_info["id"]
    change = await hub.commit(
        "switch_channel",
        lambda c: results.switch(c, hub.city, delivery, told.to, told.by, hub.now_ms(), sheet_void=told.sheet_void),
    )
    return web.json_response({"case_no": change.case_no}, headers=SAFE_HEADERS)


async def alarms(request: web.Request) -> web.Response:
    """GET /admin/files/alarms: what should have come, and what was left out."""
    hub = request.app[HUB]
    found: dict[str, tuple[Difference, ...]] = {}
    for system in file_watch.file_systems(hub):
        found[system.name] = await hub.read(
            lambda c: reconciliation.alarms(c, hub.city, system, hub.now_ms())  # noqa: B023 - read at once
        )
    return _json(adapter(dict[str, tuple[Difference, ...]]).dump_json(found))


async def reconcile(request: web.Request) -> web.Response:
    """POST /admin/files/reconcile: how a day stands."""
    hub = request.app[HUB]
    told = await _day(request)
    systems = _systems(hub, told.system)

    def days(connection: Connection) -> list[SystemDay]:
        now = hub.now_ms()
        return [reconciliation.system_day(connection, hub.city, system, told.day, now) for system in systems]

    return _days(await hub.read(days))


async def explain(request: web.Request) -> web.Response:
    """POST /admin/files/explain: say why a difference is none."""
    hub = request.app[HUB]
    told = read_data(ExplainRequest, parse_json(await body_of(request, LIMIT)))
    (system,) = _systems(hub, told.system)
    day = await hub.read(lambda c: reconciliation.system_day(c, hub.city, system, told.day, hub.now_ms()))
    if told.difference not in {one.key for one in day.differences}:
        raise NotFoundHere(
            f"{told.system} has no difference {told.difference} on {told.day}: see `onedoor files reconcile`"
        )
    await hub.commit(
        "explain",
        lambda c: reconciliation.explain(
            c, hub.city, told.system, told.day, told.difference, told.reason, told.by, hub.now_ms()
        ),
    )
    return web.Response(status=204)


async def close(request: web.Request) -> web.Response:
    """POST /admin/files/close: close a day; 409 while a difference has no explanation."""
    hub = request.app[HUB]
    told = await _day(request)
    found = []
    for system in _systems(hub, told.system):
        closed = await hub.commit(
            "close_day",
            lambda c: reconciliation.close(c, hub.city, system, told.day, told.by, hub.now_ms()),  # noqa: B023 - at once
        )
        await hub.runtime.in_thread(file_watch.keep_report, hub.settings.data / "reports", closed)
        found.append(closed)
    return _days(found)


async def _day(request: web.Request) -> DayRequest:
    return read_data(DayRequest, parse_json(await body_of(request, LIMIT)))


def _systems(hub: "Hub", name: str | None) -> list[FileSystem]:
    found = [system for system in file_watch.file_systems(hub) if name in (None, system.name)]
    if not found and name is not None:
        raise NotFoundHere(f"{name} exchanges no files: see `onedoor channels show`")
    return found


def _days(found: list[SystemDay]) -> web.Response:
    return _json(adapter(tuple[SystemDay, ...]).dump_json(tuple(found)))


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, headers=JSON_HEADERS)


ROUTES = (
    web.get("/admin/channels", show_channels),
    web.get("/admin/channels/{system:[A-Za-z0-9-]{1,64}}/shadow", show_shadow),
    web.post("/admin/deliveries/{id:[0-9a-f-]{36}}/channel", switch),
    web.get("/admin/files/alarms", alarms),
    web.post("/admin/files/reconcile", reconcile),
    web.post("/admin/files/explain", explain),
    web.post("/admin/files/close", close),
)
