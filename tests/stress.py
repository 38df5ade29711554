"""What the tests of lanes under stress share: cases by the hundred, a neighbour that must notice nothing, figures that are kept.

``STRESS`` says how many deliveries stand in the queues (a few hundred by default); ``STRESS_RESULT`` names a file for the figures.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from contracts.envelope import CaseApplication
from hub import results
from hub.app import Hub
from hub.results import NewCase
from hub.store.connection import Connection
from tests.machine import machine
from tests.scripted import Scripted, rows
from tests.small_city import CENTRE, GRANTED

NUMBER = int(os.environ.get("STRESS", "300"))

numbers = iter(range(1, 10**9))


async def submit_many(opened: Hub, item: str, count: int) -> list[str]:
    """Accepted cases, a hundred a unit."""
    made: list[str] = []
    for start in range(0, count, 100):

        def unit(connection: Connection, size: int = min(100, count - start)) -> list[results.Change]:
            return [_receive(opened, connection, item) for _ in range(size)]

        made += [change.case_no for change in await opened.commit("test", unit)]
    return made


def _receive(opened: Hub, connection: Connection, item: str) -> results.Change:
    number = str(next(numbers))
    application = CaseApplication(
        item=item, receiving_centre=CENTRE, applicant={"name": "赵样例", "id_type": "111"}, accepted=True
    )
    new = NewCase(
        application=application,
        item=opened.city.item(item, 1),
        source="/test",
        message_id=number,
        digest=number,
        client="test",
    )
    return results.receive(connection, opened.city, new, opened.now_ms())


async def happens(check: Callable[[], Awaitable[bool] | bool], every: float) -> None:
    """Look again and again (virtual seconds)."""
    while not (found if isinstance(found := check(), bool) else await found):  # noqa: ASYNC110 - many things may happen
        await asyncio.sleep(every)


async def all_settled(opened: Hub, system: str, count: int) -> None:
    """Wait (virtually) until a system has answered so many."""

    async def settled() -> bool:
        (found,) = await rows(
            opened, "SELECT count(*) AS n FROM delivery WHERE system = :system AND state = 'done'", system=system
        )
        return bool(found["n"] >= count)

    await happens(settled, 1.0)


def busiest_second(at: list[float]) -> int:
    """The most departures that any second saw, wherever it begins."""
    most, first = 0, 0
    for last, moment in enumerate(at):
        while moment - at[first] >= 1.0 - 1e-9:
            first += 1
        most = max(most, last - first + 1)
    return most


def note(name: str, figures: dict[str, Any]) -> None:
    """Keep the figures where somebody asked for them."""
    target = os.environ.get("STRESS_RESULT")
    if target is None:
        return
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known["machine"] = machine()
    known[name] = {"deliveries": NUMBER, **figures}
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


EVERY_SECONDS = 5.0
"""How often a neighbour gets a case."""


class Neighbour(Scripted):
    """A department that is never in trouble: how long its deliveries were under way tells whether somebody keeps them waiting."""

    def __init__(self) -> None:
        super().__init__(lambda delivery: GRANTED)
        self.latencies: list[float] = []

    async def visit(self, opened: Hub, item: str) -> None:
        """A case every few seconds, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began, before = loop.time(), len(self.seen)
            await submit_many(opened, item, 1)
            await happens(lambda: len(self.seen) > before, 0.01)  # noqa: B023 - looked at before the next turn
            self.latencies.append(loop.time() - began)
            await asyncio.sleep(EVERY_SECONDS)
