"""A city's day on a virtual clock: nothing is lost or doubled whatever the seed brings, and the same seed brings the same day."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog

from contracts.site import Site, load_site
from hub.client import open_client
from simulators.day.loop import StandstillError, VirtualLoop
from simulators.day.plan import HOUR, PEAKS, day_plan
from simulators.day.run import judged, run_day
from simulators.sample import sample_site

ONEDOOR = Path(sys.executable).with_name("onedoor")
SEEDS = range(1, 51)
CASES = 30


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site(sample_site())


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong on purpose is not told."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_of_any_seed_loses_and_doubles_nothing(tmp_path: Path, site: Site, seed: int) -> None:
    found = run_day(day_plan(site, CASES, seed), tmp_path, open_client)
    assert (found["lost"], found["doubled"], found["findings"]) == (0, 0, [])
    assert found["handed_in"] == sum(found["cases_by_status"].values()) == CASES
    assert found["connections_refused"] > 0, "no outage met anybody: this proves nothing"
    assert found["tasks_done"]


def played(seed: int, cases: int, hash_seed: str) -> str:
    command: list[str | Path] = [ONEDOOR, "simulate", "day", "--cases", str(cases), "--seed", str(seed), "--json"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_the_same_seed_gives_the_same_day_byte_for_byte() -> None:
    first, again, other = played(7, 60, "1"), played(7, 60, "2"), played(8, 60, "1")
    assert first == again
    assert first != other
    told: dict[str, Any] = json.loads(first)
    assert told.keys() >= {"lost", "doubled", "late", "waiting", "faults", "seed"}


def test_a_day_whose_evidence_was_tampered_with_is_told(tmp_path: Path, site: Site) -> None:
    plan = day_plan(site, CASES, 1)
    assert run_day(plan, tmp_path, open_client)["lost"] == 0
    with closing(sqlite3.connect(tmp_path / "data" / "onedoor.db")) as connection, connection:
        connection.execute("DELETE FROM inbox WHERE rowid = (SELECT min(rowid) FROM inbox)")
    found = judged(plan, tmp_path)
    assert found["lost"] >= 1
    assert found["findings"]


def test_people_come_when_the_centres_are_open(site: Site) -> None:
    plan = day_plan(site, 5000, 3)
    assert list(plan.arrivals) == sorted(plan.arrivals)
    assert plan.arrivals[0] >= 8.5 * HOUR
    assert plan.arrivals[-1] < 16.5 * HOUR
    busiest = sum(9 * HOUR <= one < 10 * HOUR for one in plan.arrivals) / 5000
    assert busiest == pytest.approx(dict(PEAKS)[9.0], abs=0.03)


def test_time_passes_only_when_nobody_has_work() -> None:
    async def wait() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(asyncio.sleep(86_400.0), asyncio.sleep(3.0))
        between = loop.time()
        await asyncio.to_thread(sum, (1, 2))
        return between - began, loop.time() - between

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        passed, in_thread = runner.run(wait())
    assert passed == pytest.approx(86_400.0)
    assert in_thread == 0.0


def test_a_city_in_which_everybody_waits_for_somebody_says_so() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    loop = VirtualLoop()
    task = loop.create_task(wait())
    with pytest.raises(StandstillError):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


def test_what_a_thread_would_raise_reaches_whoever_waits() -> None:
    async def fail() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(fail())


def test_the_accounts_of_a_day_can_be_read() -> None:
    done = subprocess.run(
        [ONEDOOR, "simulate", "day", "--cases", "10"], capture_output=True, check=False, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert "lost" in done.stdout
    assert "waiting" in done.stdout
