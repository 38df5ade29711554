"""Holding and lifting the queue of a system, of one that has no lane too: a chunk a unit, so that others have their turn in between."""

from collections.abc import Awaitable, Callable

from hub import results
from hub.core import Core


async def hold_queue(core: Core, system: str, via: str, by: str, why: str) -> int:
    """Hold what is due, and what will be. Returns how many deliveries."""
    return await _whole(
        lambda: core.commit("hold_lane", lambda c: results.hold_lane(c, core.city, system, why, by, core.now_ms(), via))
    )


async def release_queue(core: Core, system: str, via: str, by: str) -> int:
    """Let it go on. Returns how many deliveries are due again."""
    return await _whole(
        lambda: core.commit(
            "release_lane", lambda c: results.release_lane(c, core.city, system, by, core.now_ms(), via)
        )
    )


async def _whole(move_a_chunk: Callable[[], Awaitable[int]]) -> int:
    moved = 0
    while (chunk := await move_a_chunk()) > 0:
        moved += chunk
    return moved
