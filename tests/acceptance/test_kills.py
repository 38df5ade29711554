"""The hub under load over all three situations, killed at random again and again; senders and departments keep their own books.

``KILLS`` says how often (20 by default), ``KILLS_SEED`` at which moments; ``make kills`` does it a thousand times and writes what
came of it to the file that ``KILLS_RESULT`` names.
"""

import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from contracts.situation import Situation
from simulators.faults import Fault
from tests.fast_city import SETTINGS, FastCity, fast_city, found_by, metrics_of, short_folder, write_canaries
from tests.machine import machine

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("KILLS_SEED", "1"))

ITEMS = ("DA001", "DA002", "JY004", "JY004", "MZ004", "MZ006", "MZ012", "WJ002", "WJ003", "WJ004")
CASES_A_LIFE = int(os.environ.get("KILLS_CASES", "3"))
SECONDS_TO_LIVE = (0.8, 3.0)
"""Start-up takes a good second: some die on the way."""

FAULTS = {
    Situation.API: {
        Fault.DELAY: 0.05,
        Fault.REFUSE: 0.05,
        Fault.UNAVAILABLE_503: 0.05,
        Fault.ERROR_AFTER_EFFECT_500: 0.05,
        Fault.LOST_REPLY: 0.05,
        Fault.DUPLICATE_REPLY: 0.05,
    },
    Situation.FILE_DROP: {Fault.LOST_REPLY: 0.05, Fault.DUPLICATE_REPLY: 0.05, Fault.TRUNCATED_FILE: 0.05},
    Situation.PAPER: {Fault.LOST_REPLY: 0.05, Fault.DUPLICATE_REPLY: 0.05},
}


async def _kill_again_and_again(city: FastCity, dice: random.Random) -> None:
    """Every life gets new cases and ends without warning; what was sent and not acknowledged is sent again in the next one."""
    await city.world.hub.kill()
    for _ in range(KILLS):
        await city.world.launch_hub()
        for _ in range(CASES_A_LIFE):
            city.hand_in(dice.choice(ITEMS))
        await asyncio.sleep(dice.uniform(*SECONDS_TO_LIVE))
        await city.world.hub.kill()
    await city.world.start_hub()


@pytest.mark.timeout(60 + KILLS * 20)
@pytest.mark.usefixtures("unmeasured")
async def test_a_hub_that_is_killed_at_random_loses_and_doubles_nothing() -> None:
    began = time.monotonic()
    settings = {**SETTINGS, "archive_after_days": 30}
    with short_folder() as folder:
        async with fast_city(folder, faults=FAULTS, seed=SEED, settings=settings) as city:
            canaries = write_canaries(city)
            await _kill_again_and_again(city, random.Random(SEED))
            await city.all_acknowledged()
            statuses = await city.world.settled(60 + KILLS)
            metrics = await metrics_of(city)
            assert await city.world.hub.stop() == 0
        options = ("--stopped", "--metrics", metrics, "--logs", folder / "logs", "--canaries", canaries)
        _, report = await city.ask_the_oracle(*map(str, options))
    assert found_by(report) == {}
    assert (report["lost"], report["undetected_duplicates"]) == (0, 0)
    assert len(statuses) == KILLS * CASES_A_LIFE
    assert city.world.hub.lives == KILLS + 2
    # The test would prove nothing if no kill had met a delivery on its way, or no sender had to try again.
    assert report["possible_duplicates"] > 0
    assert city.counter.tally.retries > 0
    _write(city, report, time.monotonic() - began)


def _write(city: FastCity, report: dict[str, Any], seconds: float) -> None:
    """What came of it, where somebody asked for it."""
    target = os.environ.get("KILLS_RESULT")
    if target is None:
        return
    found = {
        "kills": KILLS,
        "seed": SEED,
        "seconds": round(seconds),
        "received": len(city.cases),
        "messages_sent_again": city.counter.tally.retries,
        "faults": city.world.injected(),
        "verdict": report["verdict"],
        "lost": report["lost"],
        "undetected_duplicates": report["undetected_duplicates"],
        "possible_duplicates": report["possible_duplicates"],
        "checked": {name: one["checked"] for name, one in report["invariants"].items()},
        "machine": machine(),
    }
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
