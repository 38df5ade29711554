"""A loop whose time passes only while nothing else is left to do: an hour of outage takes seconds, and its figures are exact.

Work in threads (the store) takes no time on this clock. What is measured on it is therefore who waits for whom, never how fast
the machine is.
"""

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from contracts.plugin import Channel
from hub.app import Hub, open_hub
from hub.runtime import RealRuntime
from tests.scripted import registered, settings

T = TypeVar("T")

MORNING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, moves the clock; while threads work it waits for them."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or self.loop.busy:
            return super().select(0.02 if timeout != 0 else 0)
        self.loop.moment += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """``moment``: seconds since it began. ``busy``: threads that work for it."""

    def __init__(self) -> None:
        self.moment = 0.0
        self.busy = 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.moment

    def run_in_executor(  # type: ignore[override] # the same shape, without the checker's help for *args
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        self.busy += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._rested)
        return future

    def _rested(self, _: "asyncio.Future[Any]") -> None:
        self.busy -= 1


class VirtualRuntime(RealRuntime):
    """The clock of the virtual loop that runs now; threads ask it, too."""

    def __init__(self, secrets: Path) -> None:
        super().__init__(secrets)
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        return MORNING + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return self._loop.time()


def in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


@asynccontextmanager
async def virtual_hub(
    folder: Path, with_settings: dict[str, Any] | None = None, /, **channels: Channel
) -> AsyncIterator[Hub]:
    """A hub over scripted departments on this clock."""
    world = VirtualRuntime(folder)
    try:
        async with open_hub(settings(folder, **(with_settings or {})), world, registered(**channels)) as opened:
            yield opened
    finally:
        world.close()
