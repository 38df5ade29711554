"""What the moving parts of the hub share: store, city, systems, clock. Built once by ``hub.app``; nothing else is global."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from contracts.crash_points import crash_point
from contracts.plugin import Runtime
from hub.city import City, milliseconds
from hub.results.casework import Change
from hub.settings import Settings
from hub.store.blobs import Blobs
from hub.store.connection import Connection
from hub.store.writer import Writer
from hub.systems import Systems

if TYPE_CHECKING:
    pass

T = TypeVar("T")


@dataclass
class Core:
    """The hub's inside. ``wake`` is called with (system, ms) after a commit that made something due."""

    settings: Settings
    runtime: Runtime
    city: City
    systems: Systems
    writer: Writer
    blobs: Blobs
    readers: "Readers"
    name: str
    wake: Callable[[str, int], None] = field(default=lambda system, at: None)
    suspect_out: bool = False
    """Whether a delivery that was on its way when a process died is on its way again (``hub.lanes``)."""

    def now_ms(self) -> int:
        """The civil clock in milliseconds UTC."""
        return milliseconds(self.runtime.now())

    async def commit(self, label: str, unit: Callable[[Connection], T]) -> T:
        """Run a unit, return after its commit, wake the lanes it named. ``label`` names two crash points."""
        crash_point(f"{label}.before_commit")
        result = await self.writer.run(unit)
        crash_point(f"{label}.after_commit")
        for change in result if isinstance(result, list) else (result,):
            if isinstance(change, Change):
                self._wake(change.wakes)
        return result

    def _wake(self, wakes: Iterable[tuple[str, int]]) -> None:
        for system, at in wakes:
            self.wake(system, at)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query on a read-only connection in a thread."""
        return await self.readers.run(query)


class Readers:
    """A few query-only connections, each used by one thread at a time."""

    def __init__(self, open_connection: Callable[[], Connection], count: int = 4) -> None:
        """``open_connection`` opens a query-only connection."""
        self._free = [open_connection() for _ in range(count)]
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="onedoor-read")

    async def run(self, query: Callable[[Connection], T]) -> T:
        """The query's result. Raises what it raised."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, query)

    def _run(self, query: Callable[[Connection], T]) -> T:
        connection = self._free.pop()
        try:
            return query(connection)
        finally:
            self._free.append(connection)

    def close(self) -> None:
        """Close all connections."""
        self._threads.shutdown(wait=True)
        for connection in self._free:
            connection.close()
