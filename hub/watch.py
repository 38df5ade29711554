"""What happens without a message: answers are collected, deliveries that wait are looked at, the clock moves cases."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import cast

import structlog

from contracts.delivery import Reply
from contracts.errors import DeliveryError, OutcomeUnknownError, PermanentError
from contracts.exchange import Collected
from contracts.plugin import Collecting, Enquiring
from hub import attempts, metrics, outbox, results
from hub import files as book
from hub.core import Core
from hub.lanes import Lane
from hub.results import Change
from hub.store import reading
from hub.store.connection import Connection, Row, StoreUnavailable
from hub.systems import OpenChannel

log = structlog.get_logger("onedoor.watch")

CHUNK = 200
"""Replies of one file that share a unit of work: a whole file of 20,000 would keep everybody else waiting."""

PATIENCE_SECONDS = 300.0
"""A collecting gateway that brings nothing for so long, not even the end, hangs."""

AT_ONCE = 8
"""Polls and enquiries of one system that run at once."""

CROWD = 64
"""Waiting deliveries of one system that are in hand: the rest of its queue stays in the database, and others come first."""

PAGE = 500
"""Waiting deliveries, and cases that time may move, read at once."""

REST_SECONDS = 60.0
"""How long a delivery is left alone that could not be looked at: it would be the oldest of every turn."""

NOT_NOW_SECONDS = 1.0
"""The same while its system is held or its breaker is open."""

AGAIN_MS = 3_600_000
"""A case that time may move is looked at once an hour of the civil clock: most are only waiting for a person."""


async def collect(
    core: Core, opened: OpenChannel, gateway: Collecting, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Fetch answers of one channel again and again; a file is archived only after its replies are committed (R6).

    ``patience_seconds``: how long a gateway may take for one file, if its attempts may not take longer anyway.
    """
    limits = opened.channel.limits
    patience = max(patience_seconds, limits.attempt_seconds)
    while True:
        try:
            await _collect_once(core, opened, gateway, patience)
        except StoreUnavailable as error:
            log.warning("store_unavailable", why=str(error))
        except DeliveryError as error:
            log.warning("collect_failed", system=opened.system, why=error.code)
        except Exception as error:  # noqa: BLE001 - a plugin's mistake must not end the collecting
            metrics.BUGS.labels("collect").inc()
            log.error("plugin_bug", system=opened.system, error=type(error).__name__)
        await asyncio.sleep(max(limits.collect_seconds / core.settings.clock.speed, 0.05))


async def _collect_once(core: Core, opened: OpenChannel, gateway: Collecting, patience: float) -> None:
    """Every file that lies there. Going on to the next one tells the gateway that the last one is committed."""
    system, refused = opened.system, None
    collecting = cast(AsyncGenerator[Sequence[Reply], None], gateway.collect())  # every collect() is one
    async with aclosing(collecting) as files:
        while (found := await _next_file(files, system, patience, refused)) is not None:
            refused = await _take_file(core, opened, found)


async def _take_file(core: Core, opened: OpenChannel, found: Sequence[Reply]) -> PermanentError | None:
    """Commit what a file brought, then enter the file itself; or say why none of it counts."""
    queue = (opened.system, opened.channel.situation.value)
    if not isinstance(found, Collected):
        await _take_all(core, opened.system, found)
        return None
    receipt, file = found.receipt, found.file
    if receipt is not None:
        told = await core.commit("receipt", lambda c: book.take_receipt(c, core.city, queue, receipt, core.now_ms()))
        await _take_all(core, opened.system, told)
    if file is None:
        return None
    known = await core.read(lambda c: book.standing(c, core.city, opened.system, file))
    if known.counts:
        await _take_all(core, opened.system, found.replies)
    await core.commit("file_taken", lambda c: book.note(c, core.city, queue, known.file, core.now_ms()))
    return known.refused


async def _take_all(core: Core, system: str, replies: Sequence[Reply]) -> None:
    for start in range(0, len(replies), CHUNK):
        await _take_in(core, system, replies[start : start + CHUNK])


async def _next_file(
    files: AsyncGenerator[Sequence[Reply], None], system: str, patience: float, refused: PermanentError | None
) -> Sequence[Reply] | None:
    """The next file's replies, None after the last. In this very task: what a generator holds open may belong to its task.

    ``refused``: why nothing of the file before counts. Raises what the gateway raises, OutcomeUnknownError where it hangs or tries to end the process.
    """
    watchdog = asyncio.timeout(patience)
    try:
        async with watchdog:
            return await anext(files, None) if refused is None else await files.athrow(refused)
    except StopAsyncIteration:
        return None
    except (SystemExit, KeyboardInterrupt) as error:
        raise OutcomeUnknownError("collect_exited", type(error).__name__) from error
    except TimeoutError as error:
        if not watchdog.expired():
            raise
        metrics.WATCHDOG.labels(system).inc()
        raise OutcomeUnknownError("watchdog", f"nothing within {patience:g} s") from error


async def _take_in(core: Core, system: str, replies: Sequence[Reply]) -> None:
    """Commit replies together; if that fails one by one, so that a bad one costs itself alone and its file is archived."""
    try:
        await core.commit("collect_replies", replies_unit(core, system, replies))
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - one of them is to blame; which one shows now
        if len(replies) > 1:
            for reply in replies:
                await _take_in(core, system, [reply])
            return
        metrics.BUGS.labels("collect").inc()
        delivery = str(getattr(replies[0], "delivery_id", ""))
        log.error("reply_not_taken", system=system, delivery=delivery, error=type(error).__name__)


def replies_unit(core: Core, system: str, replies: Sequence[Reply]) -> Callable[[Connection], list[Change]]:
    """A unit that applies replies together; each has its own verdict."""

    def unit(connection: Connection) -> list[Change]:
        return [results.reply(connection, core.city, system, reply, core.now_ms()) for reply in replies]

    return unit


class Watch:
    """Looks at deliveries that wait (polls, enquiries, overdue answers) and at cases that time alone moves."""

    def __init__(self, core: Core, lanes: Mapping[str, Lane], page: int = PAGE) -> None:
        """``page``: how many deliveries or cases are read at once."""
        self.core = core
        self.lanes = lanes
        self.page = page
        self._busy: dict[str, set[str]] = {}
        self._resting: dict[str, float] = {}
        self._looked: dict[str, int] = {}
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def deliveries(self) -> None:
        """Until cancelled."""
        while True:
            await _turn("leases", self._end_lost_leases)
            await _turn("deliveries", self._look_at_lapsed)
            look = self.core.settings.look_seconds
            await asyncio.sleep(min(max(look / self.core.settings.clock.speed, 0.1), look / 5))

    async def _end_lost_leases(self) -> None:
        core = self.core
        lost = await core.read(lambda c: outbox.lost_leases(c, core.city, core.now_ms()))
        for row in lost:
            try:
                await core.commit("give_back", _giving_back(core, row))
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - the other claims are given back all the same
                metrics.BUGS.labels("watch").inc()
                log.error("claim_not_given_back", system=row["system"], error=type(error).__name__)
            else:
                core.wake(row["system"], core.now_ms())

    async def _look_at_lapsed(self) -> None:
        """Take up what has lapsed, oldest first, but never more than a crowd of one system."""
        core = self.core
        now = asyncio.get_running_loop().time()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        left_out = {system for system, names in self._busy.items() if len(names) >= CROWD}
        while True:
            limit = self.page + len(self._resting) + sum(map(len, self._busy.values()))
            found = await core.read(lambda c: _lapsed(c, core.city.region, core.now_ms(), left_out, limit))  # noqa: B023 - read at once
            for row in found:
                if row["system"] not in left_out and not self._take(row["system"], row["id"]):
                    left_out.add(row["system"])
            if len(found) < limit:
                return

    def _take(self, system: str, delivery: str) -> bool:
        """Begin to look at a delivery unless that goes on already. Returns False when its system can take no more now."""
        opened = self.core.systems.sending(system)
        if opened is None:
            return False
        busy = self._busy.setdefault(system, set())
        if delivery not in busy and delivery not in self._resting:
            busy.add(delivery)
            task = asyncio.create_task(self._one(opened, delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(busy) < CROWD

    async def _one(self, opened: OpenChannel, delivery: str) -> None:
        core, system = self.core, opened.system
        gate = self._gates.setdefault(system, asyncio.Semaphore(AT_ONCE))
        try:
            async with gate:
                row = await core.read(lambda c: reading.delivery_row(c, core.city.region, delivery))
                if row is not None and row["lapsed_at"] is not None and row["lapsed_at"] <= core.now_ms():
                    await self._look(core.systems.reached(system, row["reached"]) or opened, row)
        except StoreUnavailable as error:
            log.warning("store_unavailable", why=str(error))
        except Exception as error:  # noqa: BLE001 - it is looked at again after a rest
            log.warning("look_failed", system=system, error=type(error).__name__)
            self._resting[delivery] = asyncio.get_running_loop().time() + REST_SECONDS
        finally:
            self._busy[system].discard(delivery)

    async def _look(self, opened: OpenChannel, row: Row) -> None:
        """An enquiry keeps the limits of the system's lane; a delivery that cannot be asked about needs none."""
        lane, gateway = self.lanes.get(opened.system), opened.gateway
        if lane is not None and lane.opened is not opened:
            lane = None  # it is asked about where it went, and that is not where others are sent now
        asked: object = gateway  # as an object: a Gateway may have the capability too
        seconds = opened.channel.limits.attempt_seconds

        async def look() -> BaseException | None:
            return await attempts.look_again(self.core, row, gateway, opened.channel.situation, seconds)

        if lane is None or not isinstance(asked, Enquiring):
            await look()
        elif not await lane.ask(look):
            self._resting[row["id"]] = asyncio.get_running_loop().time() + NOT_NOW_SECONDS

    async def _move_cases(self) -> None:
        core = self.core
        now = core.now_ms()
        self._looked = {case_no: at for case_no, at in self._looked.items() if now - at < AGAIN_MS}
        archive_before = now - core.city.archive_after_days * 86_400_000
        while True:
            limit = self.page + len(self._looked)
            found = await core.read(lambda c: outbox.due_for_time(c, core.city, now, limit, archive_before))  # noqa: B023 - read at once
            for case_no in found:
                if case_no not in self._looked:
                    await self._move(case_no, now)
                    self._looked[case_no] = now
            if len(found) < limit:
                return

    async def _move(self, case_no: str, now: int) -> None:
        try:
            await self.core.commit("time_passed", _time_passed(self.core, case_no, now))
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


def _lapsed(connection: Connection, region: str, at: int, left_out: Collection[str], limit: int) -> list[Row]:
    """Id and system of deliveries whose time to look again has come, oldest first, without those of some systems."""
    names = {f"system_{number}": system for number, system in enumerate(left_out)}
    others = f" AND system NOT IN ({', '.join(f':{name}' for name in names)})" if names else ""
    return connection.rows(
        "SELECT id, system FROM delivery WHERE region = :region AND lapsed_at IS NOT NULL AND lapsed_at <= :at"  # noqa: S608 - constant parts
        f"{others} ORDER BY lapsed_at LIMIT :limit",
        {"region": region, "at": at, "limit": limit, **names},
    )


def _giving_back(core: Core, row: Row) -> Callable[[Connection], int]:
    return lambda connection: outbox.give_back(connection, core.city, [row], core.now_ms())


def _time_passed(core: Core, case_no: str, now: int) -> Callable[[Connection], Change]:
    return lambda connection: results.time_passed(connection, core.city, case_no, now)
