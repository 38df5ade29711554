"""The hub as a process among departments that do everything wrong that a dial knows: nothing is lost, and nothing is done twice unmarked."""

import asyncio
import random

import pytest

from simulators.control.board import Board
from simulators.faults import KINDS, MESSAGES, Fault, Place
from simulators.scenario import Latency, Rule, Scenario, Spread
from tests.fast_city import ITEMS, fast_city, found_by, short_folder

HELD = frozenset({Fault.UNAUTHORISED_401, Fault.FORBIDDEN_403, Fault.LOGIN_REFUSED, Fault.CHANGED_HOST_KEY})
"""After these a lane stands until staff have seen to it: they have tests of their own."""

CASES = 40
SHARE = 0.05


def everything() -> Scenario:
    """Every kind now and then, at every department; each answer takes its own time."""
    kinds = [
        fault
        for fault, kind in KINDS.items()
        if fault not in HELD and kind.places & (MESSAGES | {Place.CONNECTION, Place.TRANSFER, Place.RECORD, Place.FILE})
    ]
    rules = tuple(Rule(fault=kind, probability=SHARE, seconds=0.3) for kind in kinds)
    return Scenario(
        name="Everything", seed=4, rules=rules, latencies=(Latency(lognormal=Spread(median=0.02, p99=0.5)),)
    )


@pytest.mark.timeout(300)
async def test_a_hub_among_departments_that_do_everything_wrong_loses_and_doubles_nothing() -> None:
    dice = random.Random(4)
    with short_folder() as folder:
        async with fast_city(folder, seed=4) as city:
            board = Board(city=city.world, scenario=Scenario(name="-"))
            board.begin(everything())
            for _ in range(CASES):
                city.hand_in(dice.choice(ITEMS))
                await asyncio.sleep(0.1)
            await city.all_acknowledged()
            await asyncio.sleep(10)
            injected = city.world.injected()
            board.begin(Scenario(name="-"))
            statuses = await city.world.settled(120)
            assert await city.world.hub.stop() == 0
        _, report = await city.ask_the_oracle("--stopped")
    assert found_by(report) == {}
    assert (report["lost"], report["undetected_duplicates"]) == (0, 0)
    assert len(statuses) == CASES
    # The test would prove nothing if little had gone wrong.
    assert len(injected) >= 12, injected
    assert report["possible_duplicates"] > 0
