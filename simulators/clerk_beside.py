"""A clerk beside simulated departments: he works for the same hub, by the habits of the scenario."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from simulators.clerk_at_hub import ClerkAtHub
from simulators.clerk_command import key_in
from simulators.clerk_habits import ClerkHabits
from simulators.ledger import Ledger
from simulators.world import CivilClock, World


@asynccontextmanager
async def clerk_beside(city: World, hub: str, key_file: Path | None) -> AsyncIterator[ClerkAtHub | None]:
    """At work until the block ends; nobody where there is no key. Raises ClerkRefused."""
    if key_file is None:
        yield None
        return
    with Ledger(city.folder / "ledgers" / "clerk-at-hub.jsonl") as ledger:
        clerk = ClerkAtHub(
            hub,
            key_in(key_file),
            ClerkHabits(),
            ledger=ledger,
            folder=city.folder / "sheets",
            clock=CivilClock(datetime.now(UTC), 1.0),
            site=city.site,
        )
        stop = asyncio.Event()
        working = asyncio.create_task(clerk.work(stop))
        try:
            yield clerk
        finally:
            stop.set()
            await working
