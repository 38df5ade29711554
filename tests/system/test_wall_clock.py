"""A wall clock that somebody sets under the running hub (A13), and one that stands in 1970 at its start."""

import asyncio
import subprocess
import time
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.site import load_site
from hub.app import site_folder
from hub.settings import Settings
from simulators.hub_process import serve_command
from simulators.made_secrets import secret, secret_names
from tests.fast_city import short_folder
from tests.system.served import Served, served

HOUR, MONTH = 3600, 28 * 86_400
"""A month of four weeks: every office that was open still is."""

THURSDAY = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
"""Ten o'clock at the site, whatever the machine's own clock says."""

INSTANT = "archives/samples/DA001_marriage.json"

STORM = 40
"""Tries within any second: far more than a few deliveries with their waits can come to, far less than without a wait."""


class Failing:
    """A department that is not ready. By trace: when (monotonic seconds) it was tried."""

    def __init__(self) -> None:
        self.tried: dict[str, list[float]] = defaultdict(list)

    async def answer(self, request: web.Request) -> web.Response:
        """503, after a note."""
        if "traceparent" in request.headers:
            self.tried[request.headers["traceparent"].split("-")[1]].append(time.monotonic())
        return web.Response(status=503)

    def most_in_a_second(self) -> int:
        """Tries of all deliveries within the fullest second."""
        times = sorted(at for tries in self.tried.values() for at in tries)
        return max((sum(at <= one < at + 1 for one in times) for at in times), default=0)


def environment(library: Path, clock: Path) -> dict[str, str]:
    """The wall clock is off by what the file says; the monotonic one and the times of files are left alone."""
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def set_clock(clock: Path, seconds: float) -> None:
    """Let the wall clock be off by so much, in one step: whoever read a file that is half written would see the machine's own time."""
    written = clock.with_suffix(".new")
    written.write_text(f"{seconds:+.3f}")
    written.replace(clock)


def make_secrets(folder: Path) -> None:
    """Every department's, so that lanes open."""
    (folder / "keys/secrets").mkdir(parents=True)
    for department in load_site(site_folder(Settings())).departments:
        for system in department.systems:
            for name in secret_names(system):
                secret(folder / "keys/secrets" / name)


@pytest.mark.timeout(240)
async def test_a13_a_clock_that_is_set_loses_no_retry_and_starts_no_storm(faketime: Path) -> None:
    department = Failing()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", department.answer)
    with short_folder() as folder:
        make_secrets(folder)
        clock = folder / "clock"
        usual = round((THURSDAY - datetime.now(UTC)).total_seconds())
        set_clock(clock, usual)
        async with TestServer(app) as server:
            settings = f"breaker_seconds = 0.5\n[retry]\nfirst_seconds = 2\ncap_seconds = 3\n[systems.DA-archive.api]\nurl = {str(server.make_url('')).rstrip('/')!r}\n"
            async with served(folder, settings=settings, environment=environment(faketime, clock)) as hub:
                for offset in (HOUR, 0, MONTH, 0):
                    trace = await tried_once(hub, department)
                    before = len(department.tried[trace])
                    set_clock(clock, usual + offset)
                    async with asyncio.timeout(30):
                        while len(department.tried[trace]) == before:  # noqa: ASYNC110 - it happens elsewhere
                            await asyncio.sleep(0.1)
                assert await hub.hand_in(INSTANT) == 202
                assert await hub.metric("onedoor_clock_jumps_total") >= 3
                assert (await hub.get("/readyz"))[0] == 200
                assert hub.hub.lives == 1
        assert department.most_in_a_second() < STORM
        assert await asyncio.to_thread(journal_verdict, folder) == 0


@pytest.mark.timeout(240)
async def test_a13_a_clock_that_is_slewed_is_no_jump_and_no_retry_is_lost_or_early(faketime: Path) -> None:
    """As NTP corrects a clock, only a hundred times faster: a twentieth of a second each second, forwards and then back."""
    department = Failing()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", department.answer)
    with short_folder() as folder:
        make_secrets(folder)
        clock = folder / "clock"
        usual = (THURSDAY - datetime.now(UTC)).total_seconds()
        set_clock(clock, usual)
        async with TestServer(app) as server:
            settings = f"breaker_seconds = 0.5\n[retry]\nfirst_seconds = 1\ncap_seconds = 2\n[systems.DA-archive.api]\nurl = {str(server.make_url('')).rstrip('/')!r}\n"
            async with served(folder, settings=settings, environment=environment(faketime, clock)) as hub:
                trace = await tried_once(hub, department)
                for step in (*range(1, 61), *range(59, -1, -1)):
                    set_clock(clock, usual + step * 0.005)
                    await asyncio.sleep(0.1)
                assert len(department.tried[trace]) >= 4
                assert await hub.metric("onedoor_clock_jumps_total") == 0
        assert department.most_in_a_second() < STORM
        assert await asyncio.to_thread(journal_verdict, folder) == 0


def journal_verdict(folder: Path) -> int:
    """The exit code of the journal's own verification."""
    onedoor = serve_command(folder)[0]
    command = (onedoor, "journal", "verify", "--demo", "--settings", str(folder / "onedoor.toml"))
    return subprocess.run(command, capture_output=True, check=False).returncode


async def tried_once(hub: Served, department: Failing) -> str:
    """Hand in a case; its trace, once the department has been tried."""
    assert await hub.hand_in(INSTANT) == 202
    _, page = await hub.get(f"/v1/cases/{hub.acknowledged[-1]}")
    trace = page.partition('"trace_id":"')[2][:32]
    async with asyncio.timeout(30):
        while not department.tried[trace]:  # noqa: ASYNC110 - it happens elsewhere
            await asyncio.sleep(0.05)
    return trace


async def test_a13_a_machine_that_woke_up_in_1970_is_told_to_set_its_clock(faketime: Path) -> None:
    with short_folder() as folder:
        clock = folder / "clock"
        clock.write_text("@1970-01-02 00:00:00")
        (folder / "onedoor.toml").write_text(f'data = "{folder}/data"\nport = 0\n')
        process = await asyncio.create_subprocess_exec(
            *serve_command(folder / "onedoor.toml"),
            env=environment(faketime, clock),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                _, said = await process.communicate()
                assert process.returncode == 2
                assert "the clock of this machine says 1970-01-0" in said.decode()
                return
        process.kill()
        pytest.fail("the hub started in 1970")
