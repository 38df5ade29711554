"""The one writer: units of work that wait while a commit runs share the next transaction and its sync.

A unit is a plain function of a connection. It runs in the writer's thread inside its own savepoint; its future resolves
only after the commit reached the disk. After a sync that failed, nothing is written any more (fail-stop): what the
kernel did with those pages is not known.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from hub.store.connection import Connection, StoreUnavailable

T = TypeVar("T")
Unit = Callable[[Connection], T]

GROUP = 256
"""Units that share one commit, at most: bounds how long the first of them waits."""

WAITING = 4096
"""Units that may wait; beyond that the store says it is overloaded instead of growing."""


class _Job(Generic[T]):
    __slots__ = ("error", "future", "result", "unit")

    def __init__(self, unit: Unit[T], future: "asyncio.Future[T]") -> None:
        self.unit = unit
        self.future = future
        self.result: T | None = None
        self.error: BaseException | None = None


class Writer:
    """Owns the writable connection and its thread."""

    def __init__(self, path: Path) -> None:
        """Open the database for writing. Raises StoreUnavailable or StoreRefused."""
        self._connection = Connection(path, writable=True)
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._failed: str | None = None
        self._thread = threading.Thread(target=self._work, name="onedoor-writer", daemon=True)
        self._thread.start()

    async def run(self, unit: Unit[T]) -> T:
        """The unit's result, after the commit. Raises what the unit raised, or StoreUnavailable."""
        if self._failed:
            raise StoreUnavailable(self._failed)
        if self._jobs.qsize() >= WAITING:
            raise StoreUnavailable("too many writes are waiting: try again in a moment")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(unit, future))
        return await asyncio.shield(future)

    def waiting(self) -> int:
        """Units that wait now."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Finish what waits, then close the connection."""
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            group = [job]
            last = False
            while len(group) < GROUP and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    last = True
                    break
                group.append(following)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[_Job[Any]]) -> None:
        try:
            if self._failed:
                raise StoreUnavailable(self._failed)
            self._connection.run("BEGIN IMMEDIATE")
            for job in group:
                self._run_one(job)
            try:
                self._connection.run("COMMIT")
            except sqlite3.OperationalError as error:
                if "disk I/O" in str(error):
                    self._failed = "the disk failed to sync: the hub takes no writes until it is restarted"
                raise
        except BaseException as error:  # noqa: BLE001 - whatever happened, no future of this group may hang
            self._roll_back()
            for job in group:
                job.error = _unavailable(error)
        _resolve(group)

    def _run_one(self, job: _Job[Any]) -> None:
        self._connection.run("SAVEPOINT unit")
        try:
            job.result = job.unit(self._connection)
        except sqlite3.OperationalError:
            raise
        except BaseException as error:  # noqa: BLE001 - a unit's own error concerns that unit alone
            job.error = error
            self._connection.run("ROLLBACK TO unit")
        self._connection.run("RELEASE unit")

    def _roll_back(self) -> None:
        try:
            self._connection.run("ROLLBACK")
        except sqlite3.Error:
            return  # SQLite has already rolled back (disk full does that)


def _unavailable(error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.Error):
        wrapped = StoreUnavailable(f"the database does not take writes now: {error}")
        wrapped.__cause__ = error
        return wrapped
    return error


def _resolve(group: list[_Job[Any]]) -> None:
    """Resolve futures, with one wake-up for each event loop rather than one for each future."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job[Any]]] = {}
    for job in group:
        by_loop.setdefault(job.future.get_loop(), []).append(job)
    for loop, jobs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, jobs)


def _settle(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
