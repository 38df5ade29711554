"""What a closed channel leaves behind: nothing."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from contracts.errors import DeliveryError
from contracts.situation import Situation
from simulators.certify import http_faults as acts
from simulators.certify.bench import Bench
from simulators.certify.check import Area, check
from simulators.certify.checks.mapping import told
from simulators.certify.verdict import require

T = TypeVar("T")


async def _used(bench: Bench) -> None:
    """Open the channel once more, use it, with a fault too, and close it."""
    async with bench.channel.open(bench.settings, bench.runtime) as gateway:
        await bench.tried("check", gateway.check())
        if bench.channel.situation is Situation.API:
            for act in (None, acts.lose_reply):
                delivery = bench.prepared(bench.delivery(bench.operations[0]))
                with suppress(DeliveryError):
                    if act is None:
                        await gateway.deliver(delivery)
                    else:
                        with bench.api.proxy.doing(act):
                            await gateway.deliver(delivery)


async def _gone(left: Callable[[], set[T]]) -> set[T]:
    """What is left through a while: ends take a few turns of the loop, threads a moment, and both longer on a busy machine."""
    staying = left()
    for _ in range(250):
        if not staying:
            break
        await asyncio.sleep(0.02)
        staying &= left()
    return staying


@check(
    "leaves-no-task",
    Area.MANNERS,
    zh=("关闭后不留任务", "在渠道的 async with 中用任务组持有任务"),
    en=("A closed channel leaves no task", "Own your tasks in a task group inside the channel's context"),
    alone=True,
)
async def leaves_no_task(bench: Bench) -> None:
    """It would call a department that was switched off."""
    await _used(bench)
    before = asyncio.all_tasks()
    await _used(bench)
    served = {one for one in before if not one.done()}
    left = await _gone(lambda: {one for one in asyncio.all_tasks() - served if not _of_kit(one)})
    require(not left, "{0} tasks go on after the channel was closed", len(left))


def _of_kit(task: "asyncio.Task[object]") -> bool:
    """Connections that the proxy and the simulated department still serve."""
    coroutine = task.get_coro()
    module = getattr(getattr(coroutine, "cr_frame", None), "f_globals", {}).get("__name__", "")
    return str(module).startswith(("simulators.", "aiohttp.web"))


@check(
    "leaves-no-thread",
    Area.MANNERS,
    zh=("关闭后不留线程", "用 runtime.in_thread,不要自己开线程"),
    en=("A closed channel leaves no thread", "Use runtime.in_thread and start no thread of your own"),
    alone=True,
)
async def leaves_no_thread(bench: Bench) -> None:
    """A thread a day is a hub that stops in a month."""
    await _used(bench)
    before = set(threading.enumerate())
    await _used(bench)
    left = await _gone(lambda: {one for one in set(threading.enumerate()) - before if not _pooled(one)})
    require(not left, "{0} threads go on after the channel was closed", len(left))


def _pooled(thread: threading.Thread) -> bool:
    """The pool that ``runtime.in_thread`` uses keeps its threads."""
    return thread.name.startswith("asyncio_")


_DESCRIPTORS = Path("/proc/self/fd")


@check(
    "leaves-nothing-open",
    Area.MANNERS,
    zh=("关闭后不留连接与文件", "在渠道的 async with 中打开,离开时关闭"),
    en=(
        "A closed channel leaves no connection and no file open",
        "Open inside the channel's context, and close when it is left",
    ),
    alone=True,
)
async def leaves_nothing_open(bench: Bench) -> None:
    """A connection a day is an account that is full."""
    await _used(bench)
    await asyncio.sleep(0.05)
    before = _open_now()
    await _used(bench)
    left = await _gone(lambda: _open_now() - before)
    require(not left, "{0} connections or files stay open after the channel was closed", len(left))


def _open_now() -> set[tuple[str, str]]:
    """Number and target of every descriptor of the process; folders apart, which simulated departments look through all the time."""
    found = set()
    for one in _DESCRIPTORS.iterdir():
        # The listing's own descriptor is gone again.
        with suppress(OSError):
            target = one.readlink()
            if not target.is_dir():
                found.add((one.name, str(target)))
    return found


@check(
    "opens-again",
    Area.MANNERS,
    zh=("关闭后可以再次打开", "不要把状态留在模块里"),
    en=("A closed channel opens again", "Keep no state in the module"),
)
async def opens_again(bench: Bench) -> None:
    """Settings change, and the channel is opened anew without a restart."""
    for _ in range(2):
        async with bench.channel.open(bench.settings, bench.runtime) as gateway:
            error = await bench.tried("check", gateway.check())
            require(error is None, "opened again, check() ended as {0}", told(error))


CHECKS = (leaves_no_task, leaves_no_thread, leaves_nothing_open, opens_again)
