"""Rules by which the hub acts on a queue that does not move: a declared fallback is taken, a person gets what runs out of time.

breaker open for n minutes        what waits to be sent goes by the fallback channel
fewer than n working days left    the same, delivery by delivery
``hand_over_hours`` before        nobody tries any more, somebody at the centre decides
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from contracts.catalogue import DayType
from contracts.situation import AutoFallback, ChannelStatus
from hub import clock, metrics, results
from hub.city import milliseconds
from hub.clock import Calendar
from hub.core import Core
from hub.lanes import Lane
from hub.results import Change, NotAllowed
from hub.store import reading
from hub.store.connection import Connection, StoreUnavailable

log = structlog.get_logger("onedoor.fallback")

AT_ONCE = 200
"""Deliveries of a system that one look moves; the next look takes the following ones."""


SELDOM = 6
"""Dates come near slowly, and the whole queue is read for them: at every sixth look only."""


async def watch(core: Core, lanes: Mapping[str, Lane]) -> None:
    """Until cancelled."""
    for look in itertools.count():
        for system, lane in lanes.items():
            try:
                await _follow_rules(core, system, lane)
                if look % SELDOM == 0:
                    await _hand_over(core, system)
            except StoreUnavailable as error:
                log.warning("store_unavailable", why=str(error))
            except Exception as error:  # noqa: BLE001 - one system's trouble must not keep the rules from the others
                metrics.BUGS.labels("fallback").inc()
                log.error("rule_failed", system=system, error=type(error).__name__)
        most = core.settings.look_seconds
        await asyncio.sleep(min(max(max(60.0, most) / core.settings.clock.speed, 0.1), most))


async def _follow_rules(core: Core, system: str, lane: Lane) -> None:
    for opened in core.systems.of(system, ChannelStatus.FALLBACK):
        rule = opened.channel.auto_fallback
        if rule is None or opened.gateway is None:
            continue
        situation = opened.channel.situation.value
        for why, due_before in _reasons(core, lane, rule):
            states = ("due", "held", *rule.also_from)
            found = await core.read(
                lambda c: reading.by_sending_channel(c, core.city.region, system, states, due_before, AT_ONCE)  # noqa: B023 - read at once
            )
            for delivery in found:
                await _take(core, delivery, situation, why)


def _reasons(core: Core, lane: Lane, rule: AutoFallback) -> list[tuple[str, int | None]]:
    """The rules that hold now: the reason, and the date (ms) before which a delivery must be due for it."""
    found: list[tuple[str, int | None]] = []
    minutes, since = rule.breaker_open_minutes, lane.tripped_at
    if minutes is not None and since is not None and core.now_ms() - since >= minutes * 60_000:
        found.append(("breaker_open", None))
    if rule.due_within_working_days is not None:
        limit = nearer_than(core.runtime.now(), rule.due_within_working_days, core.city.calendar)
        if limit is not None:
            found.append(("deadline_near", milliseconds(limit)))
    return found


def nearer_than(now: datetime, working_days: int, table: Calendar) -> datetime | None:
    """A date before this moment is fewer than so many working days away; None where the calendar of the year is not published."""
    try:
        day = clock.add_days(table.local_day(now), working_days, DayType.WORKING, table)
    except clock.MissingYear:
        return None
    return table.first_moment(day)


async def _take(core: Core, delivery: str, situation: str, why: str) -> None:
    try:
        await core.commit("auto_fallback", _taking(core, delivery, situation, f"rule:{why}"))
    except NotAllowed:
        return  # it has moved since it was read


def _taking(core: Core, delivery: str, situation: str, by: str) -> Callable[[Connection], Change]:
    return lambda connection: results.switch(
        connection, core.city, delivery, situation, by, core.now_ms(), by_rule=True
    )


async def _hand_over(core: Core, system: str) -> None:
    facts = core.city.facts(system)
    widest = max([facts.hand_over_ms, *(other.hand_over_ms for other in facts.others.values())])
    now = core.now_ms()
    for row in await core.read(lambda c: reading.running_late(c, core.city.region, system, now + widest + 1, AT_ONCE)):
        if facts.over(row["via"]).hand_over_at(row) <= now:
            await core.commit("hand_over", _handing(core, row["id"]))


def _handing(core: Core, delivery: str) -> Callable[[Connection], Change]:
    return lambda connection: results.hand_over(connection, core.city, delivery, core.now_ms())
