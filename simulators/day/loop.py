"""An event loop whose time passes only when nobody has anything to do: it then jumps to the next moment that somebody waits for.

No socket is ever watched, and what would run in a thread runs at once. So the order of everything depends on nothing outside.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class StandstillError(Exception):
    """Everybody waits for somebody else, and nothing is due: a mistake in the city, or in the hub."""


class _NoSockets(selectors.SelectSelector):
    """Waits by letting time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing is ever ready but what is due."""
        if timeout is None:
            raise StandstillError("everybody waits and nothing is due")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Seconds of ``time()`` are seconds of the city."""

    def __init__(self) -> None:
        self._sockets = _NoSockets()
        super().__init__(self._sockets)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._sockets.now

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> "asyncio.Future[T]":
        """Run it now."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as an executor does: what it raised belongs to whoever waits
            future.set_exception(error)
        return future
