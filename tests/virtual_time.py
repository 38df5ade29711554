"""A hub on the virtual loop of the simulated day: an hour of outage takes seconds, and its figures are exact.

Work of the store takes no time on this clock. What is measured on it is therefore who waits for whom, never how fast the machine is.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from contracts.plugin import Channel
from hub.app import Hub, open_hub
from hub.runtime import RealRuntime
from simulators.day.loop import VirtualLoop
from tests.scripted import registered, settings

T = TypeVar("T")

MORNING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


class VirtualRuntime(RealRuntime):
    """The clock of the virtual loop that runs now."""

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
