"""A city's day on a virtual clock: nothing is lost or doubled whatever the seed brings, and the same seed brings the same day."""

import asyncio
import gc
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import JsonValue
from rich.console import Console

import hub.app
from contracts.client import HubClient, OpenHub
from contracts.plugin import Runtime
from contracts.site import ChannelFile, Site, load_site
from hub.client import LocalClient, prepare_demo
from hub.settings import load_settings
from hub.store.writer import Writer, _HalfWayError
from hub.systems import register
from simulators.day import applicants
from simulators.day.applicants import handed_in
from simulators.day.hours import HOUR, Hours
from simulators.day.judgement import judged
from simulators.day.loop import StandstillError, VirtualLoop
from simulators.day.network import Outage
from simulators.day.plan import MIX, PEAKS, day_plan
from simulators.day.run import run_day
from simulators.day.screen import show
from simulators.sample import sample_site

ONEDOOR = Path(sys.executable).with_name("onedoor")
SEEDS = range(1, 51)
CASES = 30
BEFORE, AFTER, OFF = date(2026, 9, 30), date(2026, 10, 8), date(2026, 10, 2)
"""The last workday before a week of holidays, the first one after it, and a day within."""


@pytest.fixture(scope="module")
def site() -> Site:
    found = load_site(sample_site())
    gc.freeze()  # fifty days look through it again and again otherwise
    return found


@pytest.fixture(scope="module")
def open_hub(site: Site) -> OpenHub:
    """A hub with what the plugins register once for all days: records that no hub changes."""
    known = register(sample_site(), site.plugins)

    @asynccontextmanager
    async def opened(values: Mapping[str, JsonValue], runtime: Runtime | None) -> AsyncIterator[HubClient]:
        settings = load_settings(None, **values)
        prepare_demo(settings)
        async with hub.app.open_hub(settings, runtime, known) as running:
            yield LocalClient(running)

    return opened


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong on purpose is not told."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


def holds(found: Mapping[str, Any], cases: int) -> None:
    assert (found["lost"], found["doubled"], found["findings"]) == (0, 0, [])
    assert found["forgotten"] == [], "cases that nobody would ever move"
    assert found["handed_in"] == sum(found["cases_by_status"].values()) == cases
    assert "held" not in found["deliveries"], "a channel could not be opened"


def test_units_that_all_run_twice_lose_and_double_nothing(
    site: Site, open_hub: OpenHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group whose last unit failed half-way is undone and run again: here that becomes of every group of a day."""
    once = Writer._run_group
    groups: list[int] = []

    def undone(self: Writer, group: list[Any]) -> None:
        once(self, group)
        groups.append(len(group))
        raise _HalfWayError

    monkeypatch.setattr(Writer, "_run_group", undone)
    holds(run_day(day_plan(site, CASES, 3), tmp_path, open_hub), CASES)
    assert len(groups) > CASES


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_of_any_seed_loses_and_doubles_nothing(tmp_path: Path, site: Site, open_hub: OpenHub, seed: int) -> None:
    found = run_day(day_plan(site, CASES, seed), tmp_path, open_hub)
    holds(found, CASES)
    assert found["connections_refused"] > 0, "no outage met anybody: this proves nothing"
    assert found["tasks_done"]


@pytest.mark.parametrize("day", [BEFORE, AFTER, OFF])
def test_a_day_around_a_holiday_loses_and_doubles_nothing(
    tmp_path: Path, site: Site, open_hub: OpenHub, day: date
) -> None:
    found = run_day(day_plan(site, 100, 5, day), tmp_path, open_hub)
    holds(found, 100)
    by_paper = [one for one in found["waits"].values() if one["situation"] == "paper"]
    assert by_paper, "no sheet was issued: this proves nothing"
    if day == OFF:
        assert "sheet" not in found["tasks_done"], "nobody is in the offices"
        assert all(one["waiting"] == one["deliveries"] for one in by_paper)


def test_a_day_holds_what_happens_in_a_city(tmp_path: Path, site: Site, open_hub: OpenHub) -> None:
    """Several departments a case, papers brought later, cases mended and sent again, turns of all kinds."""
    found = run_day(day_plan(site, 400, 3), tmp_path, open_hub)
    holds(found, 400)
    assert found["deliveries_total"] / found["handed_in"] == pytest.approx(2.3, abs=0.4)
    assert found["case_events"].keys() >= {"ask_correction", "corrected", "resubmit", "withdraw", "suspend", "return"}
    assert found["cases_by_status"].get("32", 0) <= 4, "what departments gave back lies about"
    assert found["refused"].keys() <= {
        "sheet keyed twice: Overtaken",
        "sheet of another version: NotAllowed",
        "sheet: Overtaken",
        "withdraw: NotAllowed",
        "deliver: NotAllowed",
    }, "the hub refuses what people do by habit, and nothing else"
    assert {one["situation"] for one in found["waits"].values()} == {"api", "paper", "file_drop"}
    waited = [one["minutes"] for one in found["waited_longest"]]
    assert waited == sorted(waited, reverse=True)
    assert waited[0] == max(one["longest_minutes"] for one in found["waits"].values())


def test_whoever_is_late_is_counted_by_the_promise_that_was_not_kept(
    tmp_path: Path, site: Site, open_hub: OpenHub
) -> None:
    """The tax office goes out of order at nine: who came before is served, and two others go home without a decision. A fund does not
    get its answer out for three days, where two were promised; a register that says it answers within an hour takes half a morning."""
    items = {item.code: item for item in site.items}
    plan = replace(
        day_plan(promising(site, "RS-labour", 1.0), 6, 2, days=3),
        arrivals=tuple(hour * HOUR for hour in (8.6, 9.1, 9.3, 9.4, 9.5, 9.6)),
        mix=tuple(items[code] for code in ("SW002", "SW002", "SW002", "RS003", "RS003", "GJ001")),
        outages=tuple(
            Outage(system=system, since=since * HOUR, until=100 * HOUR)
            for system, since in (("SW-tax", 9.0), ("GJ-fund", 12.0))
        ),
    )
    with handed_in(plan) as cases:
        assert not any(case.missing for case in cases), "their applicants would be waited for"
    found = run_day(plan, tmp_path, open_hub)
    holds(found, 6)
    assert found["late"] == 5
    assert found["late_by_promise"] == {"counter": 2, "date": 1, "answer": 2}
    assert found["late_by_system"] == {"GJ-fund": 1, "RS-labour": 2, "SW-tax": 2}
    assert [one["promise"] for one in found["latest"]].count("answer") == 2
    assert found["latest"][0]["minutes_late"] >= found["latest"][-1]["minutes_late"] > 0
    console = Console(record=True, width=160, file=StringIO())
    show(console, {"day": "2026-03-03", "days": 3, "seed": 2, **found}, site)
    shown = console.export_text()
    assert re.search(r"5 +cases to which a promise was not kept in time", shown)
    assert re.search(r"so far +\d+ +while the applicant waits +SW002 .+ SW-tax", shown)


def promising(site: Site, system: str, hours: float) -> Site:
    """The site, with a system that declares another time to answer."""

    def channel(one: ChannelFile) -> ChannelFile:
        return replace(one, limits=replace(one.limits, reply_within_hours=hours))

    return replace(
        site,
        departments=tuple(
            replace(
                department,
                systems=tuple(
                    replace(one, channels=tuple(map(channel, one.channels))) if one.key == system else one
                    for one in department.systems
                ),
            )
            for department in site.departments
        ),
    )


def played(seed: int, cases: int, hash_seed: str) -> str:
    command: list[str | Path] = [ONEDOOR, "simulate", "day", "--cases", str(cases), "--seed", str(seed), "--json"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "file_alarm" not in done.stderr, "an expected file has not come"
    return str(done.stdout)


def test_the_same_seed_gives_the_same_day_byte_for_byte() -> None:
    first, again, other = played(7, 60, "1"), played(7, 60, "2"), played(8, 60, "1")
    assert first == again
    assert first != other
    told: dict[str, Any] = json.loads(first)
    assert told.keys() >= {"lost", "doubled", "late", "waiting", "faults", "seed"}


def test_a_day_whose_evidence_was_tampered_with_is_told(tmp_path: Path, site: Site, open_hub: OpenHub) -> None:
    plan = day_plan(site, CASES, 1)
    assert run_day(plan, tmp_path, open_hub)["lost"] == 0
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
    off = day_plan(site, 1000, 3, OFF)
    assert 8.5 * HOUR <= off.arrivals[0] <= off.arrivals[-1] < 11.5 * HOUR


def test_people_come_for_what_the_mix_says(site: Site) -> None:
    plan = day_plan(site, 5000, 3)
    assert sum(one.share for one in MIX) == pytest.approx(1.0)
    instant = sum(item.case_type == "instant" for item in plan.mix) / 5000
    checks = sum(sum(step.system is not None for step in item.steps) >= MIX[-1].least for item in plan.mix) / 5000
    assert instant == pytest.approx(MIX[0].share, abs=0.03)
    assert checks == pytest.approx(MIX[-1].share, abs=0.02)
    assert {item.code for item in plan.mix} == {item.code for item in site.items if item.valid_from <= "2026-03-03"}


def test_people_work_in_their_hours(site: Site) -> None:
    """Lunch, nights and days off do not count; a clerk who begins before lunch goes on after it."""
    hours = Hours(site=site, first=BEFORE)
    assert hours.after_work(11.5 * HOUR, HOUR) == 13.75 * HOUR
    week_off = 8 * 24 * HOUR
    assert hours.after_work(16.5 * HOUR, HOUR) == week_off + 9.5 * HOUR
    assert hours.at_centre(17 * HOUR) == (24 + 8.5) * HOUR
    assert not hours.centre_is_open((24 + 12) * HOUR), "in the morning only, on a day off"
    assert not hours.office_is_open((24 + 10) * HOUR)
    for first, days in ((date(2031, 3, 3), 1), (date(2026, 12, 30), 2)):
        with pytest.raises(ValueError, match="without a published calendar"):
            day_plan(site, 1, 1, first, days)


def test_what_applicants_bring_is_the_same_from_one_process_and_from_two(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = day_plan(site, 120, 3)
    with handed_in(plan) as cases:
        alone = list(cases)
    monkeypatch.setattr(applicants, "LARGE", 1)
    with handed_in(plan) as cases:
        assert list(cases) == alone
    with handed_in(plan) as cases:
        next(cases)  # and whoever takes only the first one is not kept waiting


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
        [ONEDOOR, "simulate", "day", "--cases", "10", "--days", "3"],
        capture_output=True,
        check=False,
        text=True,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert "file_alarm" not in done.stderr, "empty files are answered, day after day"
    assert re.search(r"0 +lost\n", re.sub(r" +\n", "\n", done.stdout))
    for words in (
        "2026-03-03",
        "the day after 3 days",
        "who was waited for",
        "who waited longest, and for what",
        "still out",
    ):
        assert words in done.stdout
    wrong = subprocess.run(
        [ONEDOOR, "simulate", "day", "--date", "2031-03-03"],
        capture_output=True,
        check=False,
        text=True,
        env=os.environ,
    )
    assert wrong.returncode == 2
    assert "published calendar" in wrong.stdout + wrong.stderr
