"""A thread and an event loop of its own for each channel that runs code of others: what blocks there keeps nobody else waiting.

The channel is opened, used and closed in its room; from outside it looks like any gateway. A room that does not turn any more, or
in which tasks pile up, is left to itself, and the channel is opened anew in a fresh one. Pure mappings (``prepare``, ``seal``,
``confirm``) stay on the hub's loop: they run inside its units of work.

``hub.confines`` says what a room may touch. What a room cannot do: a thread is not a process. Code that computes without end shares the interpreter until it is interrupted, and
what an extension in C does is its own affair.
"""

import asyncio
import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import structlog

from contracts.delivery import Reply
from contracts.errors import TemporaryError
from contracts.plugin import Gateway
from contracts.records import Fields, record
from hub import metrics
from hub.confines import Confines
from hub.loop_watch import where

log = structlog.get_logger("onedoor.rooms")

Open = Callable[[], AbstractAsyncContextManager[Gateway]]

PATIENCE_SECONDS = 1.0
"""So long a room may take to show that it turns, once a call into it was not answered in time."""

LOOK_SECONDS = 0.2
"""So long it is watched whether a thread that hangs computes."""

OPEN_SECONDS = 30.0
"""So long a channel may take to open. Nothing connects before its first call."""

LEAVE_SECONDS = 30.0
"""So long calls that are under way keep a room open that nobody enters any more."""

MOST_TASKS = 1000
"""More tasks than that in one room are a leak: no channel has so many attempts under way."""

MOST_LEFT = 4
"""Rooms of one channel that may hang at once. Beyond that it is closed until one of them ends."""

_CALLS = ("check", "deliver", "deliver_batch", "enquire", "receive", "print_sheets", "print_handover")
_MAPPINGS = ("prepare", "seal", "batch_name", "confirm")


@record
class _Raised:
    """What a call raised. It is carried over: a SystemExit would end the room's loop."""

    error: BaseException


class Room:
    """One thread with its loop, in which one gateway is open. ``gateway`` is set once it is."""

    def __init__(self, name: str, open_: Open, confines: Confines) -> None:
        self.name = name
        self.gateway: Gateway | None = None
        self._open = open_
        self._confines = confines
        self._opened: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave: asyncio.Event | None = None
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._live, name=f"onedoor-room-{name}", daemon=True)

    async def open(self) -> "Room":
        """Start it and open the channel there. Raises what opening raises."""
        self._thread.start()
        await asyncio.wait_for(asyncio.wrap_future(self._opened), OPEN_SECONDS)
        return self

    async def close(self, seconds: float) -> None:
        """Close the channel and end the thread; one that hangs is left behind."""
        self.dismiss()
        await asyncio.to_thread(self._thread.join, seconds)

    def dismiss(self) -> None:
        """The same without waiting for it."""
        if self._loop is not None and self._leave is not None:
            with contextlib.suppress(RuntimeError):  # its loop has ended by itself
                self._loop.call_soon_threadsafe(self._leave.set)

    @property
    def is_there(self) -> bool:
        """Whether its thread still lives."""
        return self._thread.is_alive()

    async def call(self, name: str, *arguments: Any) -> Any:
        """A method of the gateway, in the room. Raises what it raises."""
        assert self._loop is not None
        work = self._caught(partial(getattr(self.gateway, name), *arguments))
        result = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
        if isinstance(result, _Raised):
            raise result.error
        return result

    async def step(self, work: Any) -> Any:
        """An awaitable of the gateway's own, in the room. Raises what it raises."""
        assert self._loop is not None

        async def awaited() -> Any:
            return await work

        result = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._caught(awaited), self._loop))
        if isinstance(result, _Raised):
            raise result.error
        return result

    async def _caught(self, start: Callable[[], Any]) -> Any:
        self._busy += 1
        self._idle.clear()
        try:
            return await start()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - even SystemExit of a plugin concerns one call only
            return _Raised(error=error)
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def turns(self) -> bool:
        """Whether the loop turns within the patience."""
        assert self._loop is not None
        try:
            turn = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop)
            await asyncio.wait_for(asyncio.wrap_future(turn), PATIENCE_SECONDS)
        except (TimeoutError, RuntimeError):
            return False
        return True

    def tasks(self) -> int:
        """How many tasks live in it."""
        return len(asyncio.all_tasks(self._loop))

    def place(self) -> str:
        """Where its thread is: file, line and function, no values."""
        return where(sys._current_frames().get(self._thread.ident or 0))  # noqa: SLF001 - the documented way to another thread's stack

    async def computes(self) -> bool:
        """Whether its thread uses the processor: then it is in code that can be interrupted, and does not wait for something."""
        before = self._ticks()
        await asyncio.sleep(LOOK_SECONDS)
        return self._ticks() - before >= LOOK_SECONDS * os.sysconf("SC_CLK_TCK") / 10

    def _ticks(self) -> int:
        try:
            told = Path(f"/proc/self/task/{self._thread.native_id}/stat").read_text()
        except OSError:
            return 0  # it has ended
        fields = told.rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])  # utime and stime, proc(5)

    def interrupt(self) -> None:
        """End the Python code that it is in. Never one that waits in a system call: until that returns, every thread of the process
        would be asked at each step whether it is the one that is meant (and one that is traced would never take the next)."""
        if self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), ctypes.py_object(SystemExit))

    def _live(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._confines.enter()
                runner.run(self._host())
        except BaseException as error:  # noqa: BLE001 - whatever ends the room, it is said once
            if not self._opened.done():
                self._opened.set_exception(
                    error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
                )
            else:
                log.warning("room_ended", room=self.name, error=type(error).__name__)

    async def _host(self) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        async with self._open() as self.gateway:
            self._opened.set_result(None)
            await self._leave.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), LEAVE_SECONDS)


class Housed:
    """The channel as the hub uses it: whichever room it is in now."""

    def __init__(self, system: str, open_: Open, confines: Confines) -> None:
        self._system = system
        self._open = open_
        self._confines = confines
        self._room: Room | None = None
        self._left: list[Room] = []
        self._moving = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None

    async def move_in(self) -> None:
        """Open the channel in a fresh room. Raises what opening raises."""
        self._room = await Room(self._system, self._open, self._confines).open()

    async def move_out(self) -> None:
        """Close it, and whatever rooms were left behind."""
        for room in (self._room, *self._left):
            if room is not None:
                await room.close(PATIENCE_SECONDS)

    def front(self) -> Gateway:
        """A gateway with the capabilities of the one in the room. Its mappings are that gateway's own."""
        inside = self._inside()
        front: Any = _Front()
        for name in _CALLS:
            if hasattr(inside, name):
                setattr(front, name, partial(self._call, name))
        for name in _MAPPINGS:
            if hasattr(inside, name):
                setattr(front, name, partial(self._map, name))
        if hasattr(inside, "collect"):
            front.collect = self._collect
        return cast(Gateway, front)

    def _inside(self) -> Gateway:
        if self._room is None or self._room.gateway is None:
            raise TemporaryError("gateway_blocked", "the department's own code hangs: see the log for the place")
        return self._room.gateway

    def _map(self, name: str, *arguments: Any) -> Any:
        return getattr(self._inside(), name)(*arguments)

    async def _call(self, name: str, *arguments: Any) -> Any:
        if self._room is None:
            await self._move(None)
        self._inside()
        room = cast(Room, self._room)
        try:
            return await room.call(name, *arguments)
        except asyncio.CancelledError:  # nobody waits any longer: is it the department, or does the room hang?
            self._look_at(room)
            raise
        finally:
            if room.tasks() > MOST_TASKS:
                self._look_at(room)

    async def _collect(self) -> AsyncIterator[Sequence[Reply]]:
        self._inside()
        room = cast(Room, self._room)
        inside: Any = cast(Any, room.gateway).collect()
        following = inside.__anext__()
        try:
            while True:
                try:
                    found = await room.step(following)
                except StopAsyncIteration:
                    return
                try:
                    yield found
                except Exception as refused:  # noqa: BLE001 - the hub's word on a file, passed on to whoever brought it
                    following = inside.athrow(refused)
                else:
                    following = inside.__anext__()
        except asyncio.CancelledError:
            self._look_at(room)
            raise
        finally:
            if room is self._room:
                await room.step(inside.aclose())

    def _look_at(self, room: Room) -> None:
        if room is self._room and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(self._look(room))

    async def _look(self, room: Room) -> None:
        if await room.turns():
            if room.tasks() > MOST_TASKS:
                log.error("room_crowded", system=self._system, tasks=room.tasks())
                await self._move(room)
            return
        metrics.ROOMS_LEFT.labels(self._system).inc()
        log.error("room_blocked", system=self._system, at=room.place())
        await self._move(room)
        if await room.computes():
            room.interrupt()

    async def _move(self, room: Room | None) -> None:
        """Leave ``room``, where the channel is still there, for a fresh one; or stay outside while too many hang."""
        async with self._moving:
            if room is not self._room:
                return
            self._room = None
            if room is not None:
                room.dismiss()
                self._left.append(room)
            self._left = [one for one in self._left if one.is_there]
            if len(self._left) > MOST_LEFT:
                return
            try:
                await self.move_in()
            except Exception as error:  # noqa: BLE001 - the next call tries again
                log.error("room_not_opened", system=self._system, error=type(error).__name__)


class _Front:
    """The methods are set on it, one for each that the gateway has."""


@asynccontextmanager
async def housed(system: str, open_: Open, place: Fields) -> AsyncIterator[Gateway]:
    """Open a channel in a room of its own; ``place``: its settings, whose hosts it may call. Raises what opening raises."""
    house = Housed(system, open_, Confines(place))
    await house.move_in()
    try:
        yield house.front()
    finally:
        await house.move_out()
