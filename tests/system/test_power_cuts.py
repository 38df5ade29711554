"""The hub under load, its every write and sync recorded; then the power fails, again and again, at every kind of moment.

``POWER_CUTS`` says how often (300 by default), ``POWER_CUTS_SEED`` where; ``make power-cuts`` does it five thousand times and writes what came
of it to the file that ``POWER_CUTS_RESULT`` names. The control is the same hub with the database setting that the product refuses.
"""

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.fast_city import FastCity, fast_city, short_folder
from tests.machine import machine
from tests.system.disk_log import strace_command
from tests.system.power_cuts import Recording, Verdict, cut_again_and_again, recording

CUTS = int(os.environ.get("POWER_CUTS", "300"))
SEED = int(os.environ.get("POWER_CUTS_SEED", "1"))
CASES = int(os.environ.get("POWER_CUTS_CASES", "80"))

FULL, NORMAL = 2, 1
CHECKPOINT_PAGES = 400
"""Small enough for several checkpoints in a short recording: at each the log begins anew over its old bytes."""

ITEMS = ("DA001", "DA002", "JY004", "MZ004", "MZ006", "MZ012", "WJ002", "WJ003", "WJ004")


async def record(strace: Path, folder: Path, synchronous: int) -> Recording:
    """A hub from its very first start, under load over all three situations, killed in the middle of its work."""
    log = folder / "strace.log"
    knobs = (sys.executable, str(Path(__file__).with_name("recorded_hub.py")), str(synchronous), str(CHECKPOINT_PAGES))
    serve = ("serve", "--demo", "--settings", str(folder / "onedoor.toml"))
    async with fast_city(folder, command=(*strace_command(strace, log), *knobs, *serve)) as city:
        await under_load(city, random.Random(SEED))
        await city.world.hub.kill()
        for task in city.cases.values():
            task.cancel()
        await asyncio.gather(*city.cases.values(), return_exceptions=True)
    return await asyncio.to_thread(recording, log, folder / "data")


async def under_load(city: FastCity, dice: random.Random) -> None:
    """Cases come one by one and together."""
    for number in range(CASES):
        city.hand_in(dice.choice(ITEMS))
        await asyncio.sleep(dice.choice((0.0, 0.02, 0.1)))
        if number % 20 == 19:
            await city.all_acknowledged()
    await city.all_acknowledged()


@pytest.mark.timeout(600 + CUTS)
async def test_a03_no_power_cut_takes_what_was_acknowledged_and_the_control_without_syncs_loses(strace: Path) -> None:
    began = time.monotonic()
    with short_folder() as folder:
        recorded = await record(strace, folder, FULL)
        verdict = await asyncio.to_thread(cut_again_and_again, recorded, CUTS, SEED)
    with short_folder() as folder:
        weak = await record(strace, folder, NORMAL)
        control = await asyncio.to_thread(cut_again_and_again, weak, max(100, CUTS // 10), SEED)
    assert len(recorded.acknowledged) >= CASES
    assert len(recorded.left) > CASES / 4
    assert verdict.findings == []
    assert (verdict.cuts, verdict.checked > 0) == (CUTS, True)
    assert (verdict.lost, verdict.sent_unknown, verdict.corrupt, verdict.files_lost) == (0, 0, 0, 0)
    # Without this the test would prove only that nothing was cut that mattered.
    assert control.lost > 0
    write_result(recorded, verdict, control, time.monotonic() - began)


def write_result(recorded: Recording, verdict: Verdict, control: Verdict, seconds: float) -> None:
    """What came of it, where somebody asked for it."""
    target = os.environ.get("POWER_CUTS_RESULT")
    if target is None:
        return
    told = {name: value for name, value in asdict(verdict).items() if name != "findings"}
    found: dict[str, Any] = {
        **told,
        "control_cuts": control.cuts,
        "control_lost": control.lost,
        "control_cuts_that_lost": control.cuts_that_lost,
        "seed": SEED,
        "seconds": round(seconds),
        "recorded": {
            "events": len(recorded.events),
            "acknowledged": len(recorded.acknowledged),
            "deliveries_that_left": len(recorded.left),
        },
        "machine": machine(),
    }
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
