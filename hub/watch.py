"""What happens without a message: answers are collected, deliveries that wait are looked at, the clock moves cases."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import structlog

from contracts.delivery import Reply
from contracts.errors import DeliveryError
from contracts.plugin import Collecting
from hub import attempts, metrics, outbox, results
from hub.core import Core
from hub.results import Change
from hub.store.connection import Connection, Row, StoreUnavailable
from hub.systems import OpenChannel

log = structlog.get_logger("onedoor.watch")

CHUNK = 200
"""Replies of one file that share a unit of work: a whole file of 20,000 would keep everybody else waiting."""

AT_ONCE = 8
"""Polls and enquiries of one system that run at once."""

LAPSED = 500
"""Waiting deliveries looked at in one turn."""


async def collect(core: Core, opened: OpenChannel, gateway: Collecting) -> None:
    """Fetch answers of one channel again and again; a file is archived only after its replies are committed (R6)."""
    while True:
        try:
            async with aclosing(gateway.collect()) as files:  # type: ignore[type-var] # every collect() is an async generator
                async for replies in files:
                    for start in range(0, len(replies), CHUNK):
                        await core.commit(
                            "collect_replies", replies_unit(core, opened.system, replies[start : start + CHUNK])
                        )
        except (DeliveryError, StoreUnavailable) as error:
            log.warning("collect_failed", system=opened.system, why=str(error))
        except Exception as error:  # noqa: BLE001 - a plugin's mistake must not end the collecting
            log.error("plugin_bug", system=opened.system, error=type(error).__name__)
        await asyncio.sleep(max(opened.channel.limits.collect_seconds / core.settings.clock.speed, 0.05))


def replies_unit(core: Core, system: str, replies: Sequence[Reply]) -> Callable[[Connection], list[Change]]:
    """A unit that applies replies together; each has its own verdict."""

    def unit(connection: Connection) -> list[Change]:
        return [results.reply(connection, core.city, system, reply, core.now_ms()) for reply in replies]

    return unit


class Watch:
    """Looks at deliveries that wait (polls, enquiries, overdue answers) and at cases that time alone moves."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._busy: set[str] = set()
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def deliveries(self) -> None:
        """Until cancelled."""
        while True:
            await _turn("leases", self._end_lost_leases)
            await _turn("deliveries", self._look_at_lapsed)
            await asyncio.sleep(min(max(5.0 / self.core.settings.clock.speed, 0.1), 1.0))

    async def _end_lost_leases(self) -> None:
        core = self.core
        lost = await core.read(lambda c: outbox.lost_leases(c, core.city, core.now_ms()))
        for row in lost:
            try:
                await core.commit("lease_lost", _giving_back(core, row))
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - the other claims are given back all the same
                metrics.BUGS.labels("watch").inc()
                log.error("claim_not_given_back", system=row["system"], error=type(error).__name__)
            else:
                core.wake(row["system"], core.now_ms())

    async def _look_at_lapsed(self) -> None:
        rows = await self.core.read(lambda c: outbox.lapsed_rows(c, self.core.city, self.core.now_ms(), LAPSED))
        for row in rows:
            if row["id"] not in self._busy:
                self._look(row)

    def _look(self, row: Row) -> None:
        self._busy.add(row["id"])
        task = asyncio.create_task(self._one(row))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, row: Row) -> None:
        gate = self._gates.setdefault(row["system"], asyncio.Semaphore(AT_ONCE))
        try:
            async with gate:
                opened = self.core.systems.sending(row["system"])
                if opened is None:
                    return
                await attempts.look_again(
                    self.core, row, opened.gateway, opened.channel.situation, opened.channel.limits.attempt_seconds
                )
        except Exception as error:  # noqa: BLE001 - it is looked at again in the next turn
            log.warning("look_failed", system=row["system"], error=type(error).__name__)
        finally:
            self._busy.discard(row["id"])

    async def _move_cases(self) -> None:
        core = self.core
        now = core.now_ms()
        archive_before = now - core.city.archive_after_days * 86_400_000
        for case_no in await core.read(lambda c: outbox.due_for_time(c, core.city, now, 500, archive_before)):
            try:
                await core.commit("time_passed", _time_passed(core, case_no, now))
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one case that cannot be moved must not stop the others
                metrics.BUGS.labels("watch").inc()
                log.error("case_not_moved", case=case_no, error=type(error).__name__)

    async def cases(self) -> None:
        """Until cancelled: deemed acceptance, overdue corrections, silent sources, open dates, archiving."""
        while True:
            await _turn("cases", self._move_cases)
            await asyncio.sleep(min(max(600.0 / self.core.settings.clock.speed, 0.2), 60.0))


async def _turn(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """One turn of a loop that must never end: whatever went wrong, the next turn comes. Only the class is logged, since the
    text of an error nobody declared may quote what a resident wrote."""
    try:
        await work()
    except StoreUnavailable as error:
        log.warning("store_unavailable", why=str(error))
    except Exception as error:  # noqa: BLE001 - an error of one turn must not stop the clock for the whole hub
        metrics.BUGS.labels("watch").inc()
        log.error("turn_failed", turn=name, error=type(error).__name__)


def _giving_back(core: Core, row: Row) -> Callable[[Connection], int]:
    return lambda connection: outbox.give_back(connection, core.city, [row], core.now_ms())


def _time_passed(core: Core, case_no: str, now: int) -> Callable[[Connection], Change]:
    return lambda connection: results.time_passed(connection, core.city, case_no, now)
