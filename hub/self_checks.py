"""The hub's doubts about its own ground: is the database still whole, does the wall clock run as time does?

A damaged database ends intake (fail-stop, as after a failed sync); pages keep working as far as they can, and a person restores a
backup. A clock that was set back would leave what is due later waiting for as long: its times are set back with it.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from contracts.errors import OnedoorError
from hub import metrics
from hub.core import Core
from hub.store import integrity
from hub.store.connection import Connection
from hub.store.schema import DATABASE

log = structlog.get_logger("onedoor.self_checks")

JUMP = timedelta(seconds=10)
"""What NTP slews away stays far below; a clock that somebody sets goes beyond."""

FIRST_CHECK_SECONDS = 60.0
"""The first look at the whole file waits until the start is over."""


FIRST_YEAR = 2024
"""Before any case of any hub: a machine without a battery for its clock wakes up in 1970."""


class ClockRefused(OnedoorError):
    """The machine's clock cannot be right. Dates that a law gives would be computed from it."""


def require_clock(now: datetime) -> None:
    """Raises ClockRefused for a time before there was a hub."""
    if now.year < FIRST_YEAR:
        raise ClockRefused(f"the clock of this machine says {now:%Y-%m-%d %H:%M}: set it, then start the hub again")


async def watch_database(core: Core) -> None:
    """Read the whole file soon after the start and every ``integrity_hours`` from then on, until cancelled."""
    await asyncio.sleep(FIRST_CHECK_SECONDS)
    while True:
        await check_database(core)
        await asyncio.sleep(core.settings.integrity_hours * 3600)


async def check_database(core: Core) -> bool:
    """Whether the file is whole; ends all writing when it is not."""
    found = await asyncio.to_thread(integrity.damage, core.settings.data / DATABASE)
    if found:
        log.critical("database_damaged", findings=len(found), first=found[0][:200])
        core.writer.fail("the database is damaged: stop the hub and restore a backup with `onedoor restore`")
    return not found


async def watch_clock(core: Core) -> None:
    """Compare the civil clock with the monotonic one five times as often as lanes look, until cancelled."""
    speed = core.settings.clock.speed
    civil, steady = core.runtime.now(), core.runtime.monotonic()
    while True:
        await asyncio.sleep(core.settings.look_seconds / 5)
        now, mono = core.runtime.now(), core.runtime.monotonic()
        jump = (now - civil) - timedelta(seconds=(mono - steady) * speed)
        if abs(jump) > JUMP * speed:
            await clock_jumped(core, jump)
        civil, steady = now, mono


async def clock_jumped(core: Core, jump: timedelta) -> None:
    """Say so. A clock set back takes the times of what is due along; one set forward makes things due, which lanes bound anyway."""
    metrics.CLOCK_JUMPS.inc()
    log.warning("clock_jumped", seconds=round(jump.total_seconds()))
    now = core.now_ms()
    if jump < timedelta(0):
        back = -round(jump.total_seconds() * 1000)
        moved = await core.writer.run(lambda connection: set_back(connection, core.city.region, back, now))
        log.info("times_set_back", deliveries=moved)
    for system in core.city.systems:
        core.wake(system, now)


def set_back(connection: Connection, region: str, milliseconds: int, now: int) -> int:
    """What is due later comes due as much earlier as the clock was set back, never before ``now`` (ms UTC), and leases end as
    much earlier; how many deliveries.

    No state moves, so that nothing is journalled: the time of the next try is a promise to nobody but ourselves.
    """
    values = {"region": region, "back": milliseconds, "now": now}
    return connection.run(
        "UPDATE delivery SET next_at = CASE WHEN next_at - :back > :now THEN next_at - :back ELSE :now END"
        " WHERE region = :region AND state = 'due' AND next_at > :now",
        values,
    ) + connection.run(
        "UPDATE delivery SET lease_until = lease_until - :back WHERE region = :region AND state = 'claimed'", values
    )
