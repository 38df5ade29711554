"""The one writer: units of work that wait while a commit runs share the next transaction and its sync.

A unit is a plain function of a connection; its future resolves only after the commit reached the disk. Most units that fail have
written nothing yet. One that fails half-way undoes its group: the others run again, each in a savepoint (a savepoint for every
unit costs a fortieth of a case), so a unit may run twice and leaves its mark nowhere but in the database and ``afterwards``.
Units run on the event loop itself, since a statement takes microseconds and handing each of them to
another thread costs more than it (measured: twice the CPU of a case); what waits for the disk or for another process
(BEGIN, COMMIT) runs in the writer's thread, while the loop goes on and the next group gathers.
After a sync that failed nothing is written any more (fail-stop): what the kernel did with those pages is not known.
"""

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from contracts.crash_points import crash_point
from hub.store.connection import Afterwards, Connection, StoreUnavailable

log = structlog.get_logger("onedoor.store")

T = TypeVar("T")
Unit = Callable[[Connection], T]

GROUP = 256
"""Units that share one commit, at most: bounds how long the first of them waits."""

TURN_SECONDS = 0.010
"""A group runs that long before it commits: what it has begun leaves soon, and the loop has its turn again."""

WAITING = 4096
"""Units that may wait; beyond that the store says it is overloaded instead of growing."""


class _Job(Generic[T]):
    __slots__ = ("afterwards", "error", "future", "result", "unit")

    def __init__(self, unit: Unit[T], future: "asyncio.Future[T]") -> None:
        self.unit = unit
        self.future = future
        self.result: T | None = None
        self.error: BaseException | None = None
        self.afterwards: list[Afterwards] = []


class Writer:
    """Owns the writable connection. Used from one event loop."""

    def __init__(self, path: Path) -> None:
        """Open the database for writing. Raises StoreUnavailable or StoreRefused."""
        self._connection = Connection(path, writable=True)
        self._jobs: deque[_Job[Any]] = deque()
        self._failed: str | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="onedoor-writer")
        self._pump: asyncio.Task[None] | None = None

    async def run(self, unit: Unit[T]) -> T:
        """The unit's result, after the commit. Raises what the unit raised, or StoreUnavailable."""
        if self._failed:
            raise StoreUnavailable(self._failed)
        if len(self._jobs) >= WAITING:
            raise StoreUnavailable("too many writes are waiting: try again in a moment")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.append(_Job(unit, future))
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._work())
        return await future  # whoever stops waiting leaves a future that is done; the unit runs all the same

    @property
    def failed(self) -> bool:
        """Whether a sync failed: nothing will be written any more."""
        return self._failed is not None

    def fail(self, why: str) -> None:
        """Write nothing any more. ``why`` is what everybody hears who asks for a write."""
        if self._failed is None:
            self._failed = why
            log.critical("store_failed", why=why)

    def waiting(self) -> int:
        """Units that wait now."""
        return len(self._jobs)

    async def close(self) -> None:
        """Finish what waits, then close the connection."""
        if self._pump is not None:
            await self._pump
        self._thread.shutdown()
        self._connection.close()

    async def _work(self) -> None:
        """Until nothing waits: gather, run, commit, answer."""
        while self._jobs:
            group: list[_Job[Any]] = []
            try:
                await self._in_thread(self._connection.run, "BEGIN IMMEDIATE")
                try:
                    self._run_group(group)
                except _HalfWayError:
                    await self._in_thread(self._start_over)
                    self._run_again(group)
                crash_point("writer.before_commit")
                await self._in_thread(self._connection.run, "COMMIT")
                crash_point("writer.after_commit")
            except BaseException as error:  # noqa: BLE001 - whatever happened, no future of this group may hang
                self._fail(group, error)
            _answer(group)

    async def _in_thread(self, function: Callable[..., object], *arguments: str) -> None:
        if self._failed:
            raise StoreUnavailable(self._failed)
        await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _start_over(self) -> None:
        self._connection.run("ROLLBACK")
        self._connection.run("BEGIN IMMEDIATE")

    def _run_group(self, group: list[_Job[Any]]) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + TURN_SECONDS
        while self._jobs and len(group) < GROUP and clock() < until:
            job = self._jobs.popleft()
            group.append(job)
            self._run_one(job)

    def _run_one(self, job: _Job[Any]) -> None:
        before = self._connection.changes()
        self._try(job)
        if job.error is not None and self._connection.changes() != before:
            raise _HalfWayError

    def _try(self, job: _Job[Any]) -> None:
        try:
            job.result = job.unit(self._connection)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or is_fatal(error):
                raise
            job.error = error
        except BaseException as error:  # noqa: BLE001 - a unit's own error concerns that unit alone
            job.error = error
        finally:
            job.afterwards = self._connection.take_afterwards()

    def _run_again(self, group: list[_Job[Any]]) -> None:
        """All but those that failed, since one of them had written when it did."""
        again = [job for job in group if job.error is None]
        for job in again:
            _call_off(job)
        for job in again:
            self._connection.run("SAVEPOINT unit")
            self._try(job)
            if job.error is not None:
                self._connection.run("ROLLBACK TO unit")
            self._connection.run("RELEASE unit")

    def _fail(self, group: list[_Job[Any]], error: BaseException) -> None:
        if not group:  # no transaction began: everybody in the row hears why, none waits for the next try to fail
            group.extend(self._jobs)
            self._jobs.clear()
        if is_fatal(error):
            self.fail("a sync failed or the database is damaged: the hub takes no writes until it is restarted")
        with contextlib.suppress(sqlite3.Error):  # it has rolled back by itself (disk full), or nothing had begun
            self._connection.run("ROLLBACK")
        for job in group:
            job.error = _unavailable(error)


class _HalfWayError(Exception):
    """A unit failed that had written already."""


_FATAL = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_fatal(error: BaseException) -> bool:
    """Whether the file itself cannot be relied on any more: a failed read, write or sync, a page that makes no sense.

    A full disk and a lock are none of these: they pass.
    """
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, sqlite3.Error) and code & 0xFF in _FATAL  # the low byte: the rest tells the kind of it


def _unavailable(error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.Error):
        wrapped = StoreUnavailable(f"the database does not take writes now: {error}")
        wrapped.__cause__ = error
        return wrapped
    return error


def _call_off(job: _Job[Any]) -> None:
    """What it asked for is asked for again when it runs again."""
    for _, undone in job.afterwards:
        undone()
    job.afterwards = []


def _answer(group: list[_Job[Any]]) -> None:
    for job in group:
        for committed, undone in job.afterwards:
            (undone if job.error else committed)()
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
