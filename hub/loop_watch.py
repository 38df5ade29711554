"""A watch over the event loop itself: a plugin that blocks it keeps everybody waiting, and no code of the loop can say so.

A thread looks from outside. A loop that does not turn is reported with the place where it hangs; one that does not turn for
``blocked_seconds`` is the end of the process, for whoever supervises it to start it again. What was being sent is then unknown,
and a delivery that does this each time is dead after three deaths (``hub.retry``).
"""

import asyncio
import contextlib
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterator
from types import FrameType

import structlog

from hub import metrics

log = structlog.get_logger("onedoor.loop_watch")

BEAT_SECONDS = 0.25
"""How often the loop shows that it turns."""

TICK_SECONDS = 0.5
"""How often the thread looks. It counts its own looks, no clock: a process that was stopped as a whole was not blocked."""

QUIET_TICKS = 2
"""Looks without a beat that are worth a line in the log."""

COUNT_EVERY = 20
"""Beats between two counts of what a plugin may leak."""

BLOCKED = 70
"""The exit code of a hub that ends itself because its loop hangs (EX_SOFTWARE)."""


class _Watch:
    """What loop and thread share."""

    def __init__(self, give_up_seconds: float) -> None:
        self.beats = 0
        self.stopped = threading.Event()
        self._loop_thread = threading.get_ident()
        self._give_up = give_up_seconds

    async def beat(self) -> None:
        """On the loop, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            if self.beats % COUNT_EVERY == 0:
                count_resources()
            self.beats += 1
            metrics.LOOP_LAG_SECONDS.observe(max(loop.time() - due, 0.0))

    def look(self) -> None:
        """In the thread, until stopped."""
        seen, quiet = self.beats, 0
        while not self.stopped.wait(TICK_SECONDS):
            if self.beats != seen:
                if quiet >= QUIET_TICKS:
                    log.warning("loop_turns_again", after_seconds=quiet * TICK_SECONDS)
                seen, quiet = self.beats, 0
                continue
            quiet += 1
            if quiet == QUIET_TICKS:
                metrics.LOOP_BLOCKED.inc()
                log.error("loop_blocked", at=where(sys._current_frames().get(self._loop_thread)))  # noqa: SLF001 - the documented way to another thread's stack
            if self._give_up and quiet * TICK_SECONDS >= self._give_up:
                log.critical("loop_hangs", seconds=self._give_up, what="the hub ends; its supervisor starts it again")
                os._exit(BLOCKED)


def count_resources() -> None:
    """What a plugin may leak, for an alarm: tasks and threads; files and memory are counted by the library's own collector."""
    metrics.PROCESS_TASKS.set(len(asyncio.all_tasks()))
    metrics.PROCESS_THREADS.set(threading.active_count())


def where(frame: FrameType | None) -> str:
    """The innermost places of a stack: file, line and function, no values."""
    if frame is None:
        return "the thread is gone"
    found = traceback.extract_stack(frame)[-4:]
    return " < ".join(f"{one.filename.rpartition('/')[2]}:{one.lineno} {one.name}" for one in reversed(found))


@contextlib.asynccontextmanager
async def loop_watch(give_up_seconds: float) -> AsyncIterator[None]:
    """Watch the running loop until the context ends. ``give_up_seconds`` 0: report, and never end the process."""
    watch = _Watch(give_up_seconds)
    beat = asyncio.create_task(watch.beat())
    thread = threading.Thread(target=watch.look, name="onedoor-loop-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.stopped.set()
        beat.cancel()
