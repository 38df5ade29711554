"""What only a process can show: death by a plugin, an orderly end, overload, a stop of the machine, a lock, too little memory or files."""

import asyncio
import os
import signal
import socket
import sqlite3
import time
from collections import Counter
from contextlib import closing

import aiohttp
import pytest

from tests.fast_city import short_folder
from tests.real_hub import RealHub, environment, real_hub

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("unmeasured")]


@pytest.mark.parametrize(("note", "code"), [("exit", 99), ("block", 70)])
async def test_a_delivery_that_kills_the_process_each_time_is_dead_after_three_deaths(note: str, code: int) -> None:
    """``exit``: the plugin ends the process. ``block``: it keeps the loop for ever, and the hub ends itself."""
    with short_folder() as folder:
        async with real_hub(folder, settings="blocked_seconds = 2.0", own_loop=False) as hub:
            await hub.taken("PO001", "slow", count=3)
            await hub.taken("BE001", count=5)
            await hub.taken("PO001", note)
            deaths = 0
            while not hub.states().get("dead"):
                if not hub.process.running:
                    deaths += 1
                    assert await hub.process.wait() == code, hub.process.last_words()
                    await hub.process.launch(environment(folder))
                await asyncio.sleep(0.05)
                assert deaths <= 3
            await hub.until(lambda: hub.states() == {"done": 8, "dead": 1})
            (dead,) = hub.rows("SELECT attempts, unfinished, error_code FROM delivery WHERE state = 'dead'")
            assert await hub.process.stop() == 0
    assert deaths == 3
    assert dead == (3, 3, "process_lost")


async def test_a_hub_that_is_asked_to_end_takes_no_more_and_finishes_what_it_began() -> None:
    with short_folder() as folder:
        async with real_hub(folder) as hub:
            hub.department.pause_seconds = 0.2
            acked, refused_after = 0, 0.0
            stop_at: float | None = None

            async def send(http: aiohttp.ClientSession) -> None:
                nonlocal acked, refused_after
                while True:
                    try:
                        status, _, headers = await hub.post(http, hub.envelope())
                    except aiohttp.ClientError:
                        return
                    if status == 202:
                        acked += 1
                        continue
                    assert status in (429, 503)
                    assert int(headers["Retry-After"]) >= 1
                    assert stop_at is not None
                    refused_after = refused_after or time.monotonic() - stop_at
                    await asyncio.sleep(0.05)

            async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(send(http))
                await asyncio.sleep(1.5)
                stop_at = time.monotonic()
                os.kill(hub.process.pid, signal.SIGTERM)
                assert await asyncio.wait_for(hub.process.wait(), 30) == 0
            assert refused_after > 0
            assert hub.rows("SELECT count(*) FROM case_file") == [(acked,)]
            assert hub.states().keys() <= {"due", "done"}
            assert hub.rows("SELECT count(*) FROM attempt WHERE state IN ('started', 'unknown')") == [(0,)]
            await hub.process.start(environment(folder))
            await hub.all_done(acked)
            assert hub.rows("SELECT count(*) FROM delivery WHERE possible_duplicate") == [(0,)]
            assert hub.department.seen.total() == acked
            os.kill(hub.process.pid, signal.SIGHUP)
            assert await asyncio.wait_for(hub.process.wait(), 30) == 0


async def test_a_second_signal_ends_the_hub_at_once_and_nothing_is_lost() -> None:
    with short_folder() as folder:
        async with real_hub(folder) as hub:
            await hub.taken("BE003")
            await hub.until(lambda: hub.states() == {"sending": 1})
            os.kill(hub.process.pid, signal.SIGTERM)
            await asyncio.sleep(0.5)
            assert hub.process.running  # it waits for what is being sent
            os.kill(hub.process.pid, signal.SIGINT)
            assert await asyncio.wait_for(hub.process.wait(), 15) == 130
            hub.department.free.set()
            await hub.process.start(environment(folder))
            await hub.all_done(1)
            assert hub.rows("SELECT state, possible_duplicate FROM attempt ORDER BY number") == [
                ("unknown", 0),
                ("completed", 1),
            ]


@pytest.mark.parametrize("own_loop", [True, False])
@pytest.mark.parametrize("note", ["thread", "hang"])
async def test_a_plugin_that_hangs_does_not_keep_the_process_from_ending(note: str, own_loop: bool) -> None:
    with short_folder() as folder:
        async with real_hub(folder, settings="drain_seconds = 1.0", own_loop=own_loop) as hub:
            await hub.taken("PO001", note)
            await hub.until(lambda: hub.states() == {"sending": 1})
            assert await hub.process.stop(seconds=30) == 0


async def test_what_is_too_much_is_refused_with_a_time_to_come_back_and_what_is_taken_is_finished() -> None:
    """Many times what the hub takes: memory stays flat, since what waits is on the disk."""
    connections, cases = 150, 1500
    with short_folder() as folder:
        async with real_hub(folder, settings="max_waiting = 10") as hub:
            await hub.taken(count=50)
            before, answers, acked = hub.resident_mb(), Counter[int](), 0

            async def send(http: aiohttp.ClientSession) -> None:
                nonlocal acked
                while acked < cases:
                    status, _, headers = await hub.post(http, hub.envelope())
                    answers[status] += 1
                    acked += status == 202
                    if status != 202:
                        assert status in (429, 503), status
                        assert int(headers["Retry-After"]) >= 1

            connector = aiohttp.TCPConnector(limit=connections)
            async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:
                for _ in range(connections):
                    group.create_task(send(http))
            assert answers[429] + answers[503] > 0
            await hub.all_done(50 + acked, seconds=120)
            assert hub.department.seen.total() == 50 + acked
            assert hub.resident_mb() - before < 60
            assert hub.process.lives == 1


async def test_a_machine_that_stood_still_longer_than_the_leases_sends_nothing_twice() -> None:
    with short_folder() as folder:
        async with real_hub(folder, settings="lease_seconds = 1.0") as hub:
            hub.department.pause_seconds = 0.05
            await hub.taken("BE001", count=100)
            await hub.taken("PO001", "slow", count=20)  # eight at once: the others wait, claimed
            os.kill(hub.process.pid, signal.SIGSTOP)
            await asyncio.sleep(3)
            os.kill(hub.process.pid, signal.SIGCONT)
            await hub.all_done(120)
            assert set(hub.department.seen.values()) == {1}
            assert hub.rows("SELECT count(*) FROM delivery WHERE possible_duplicate") == [(0,)]
            assert hub.process.lives == 1  # nor was it taken for blocked


async def test_a_foreign_writer_is_waited_for_and_then_intake_answers_503() -> None:
    with short_folder() as folder:
        async with real_hub(folder) as hub, aiohttp.ClientSession() as http:
            await hub.taken()
            threads = hub.threads()
            for hold, wanted in ((1.5, 202), (9.0, 503)):
                with closing(sqlite3.connect(hub.database, isolation_level=None)) as foreign:
                    foreign.execute("BEGIN IMMEDIATE")
                    began = time.monotonic()
                    waiting = [asyncio.create_task(hub.post(http, hub.envelope())) for _ in range(20)]
                    await asyncio.sleep(hold)
                    assert (time.monotonic() - began) >= hold
                    assert hub.threads() <= threads + 8
                    foreign.execute("ROLLBACK")
                answers = await asyncio.gather(*waiting)
                assert wanted in {status for status, _, _ in answers}
                assert {status for status, _, _ in answers} <= {202, 503}
                assert all("Retry-After" in headers for status, _, headers in answers if status == 503)
            taken = hub.rows("SELECT count(*) FROM case_file")[0][0]
            await hub.taken()
            await hub.all_done(taken + 1)
            assert set(hub.department.seen.values()) == {1}


async def test_large_messages_under_little_memory_are_refused_and_the_hub_lives_on() -> None:
    with short_folder() as folder:
        async with real_hub(folder, limits={"RLIMIT_AS": 512_000_000}) as hub, aiohttp.ClientSession() as http:
            large = [hub.envelope(note="样" * (300_000 + 40_000 * (number % 2))) for number in range(100)]
            answers = await asyncio.gather(*(hub.post(http, body) for body in large), return_exceptions=True)
            statuses = {answer[0] for answer in answers if not isinstance(answer, BaseException)}
            assert statuses <= {413, 422, 429, 503}, statuses
            await hub.taken()
            await hub.all_done(1)
            assert hub.process.lives == 1


async def test_slow_peers_that_take_all_files_leave_a_hub_that_takes_cases_again_when_they_go() -> None:
    with short_folder() as folder:
        async with real_hub(folder, limits={"RLIMIT_NOFILE": 128}) as hub:
            await hub.taken()
            port = int(hub.url.rpartition(":")[2])
            peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
            for peer in peers:
                peer.sendall(b"POST /v1/cases HTTP/1.1\r\n")
            await asyncio.sleep(2)
            for peer in peers:
                peer.close()
            async with asyncio.timeout(60), aiohttp.ClientSession() as http:
                while not await takes_a_case(hub, http):  # noqa: ASYNC110 - it happens in another process
                    await asyncio.sleep(0.5)
            await hub.all_done(2)
            assert hub.process.lives == 1
            assert len(hub.process.last_words(10_000_000)) < 1_000_000


async def takes_a_case(hub: RealHub, http: aiohttp.ClientSession) -> bool:
    try:
        status, _, _ = await hub.post(http, hub.envelope())
    except aiohttp.ClientError:
        return False
    return status == 202
