"""Outages, flapping, floods and restarts, in virtual time: who waits for whom, to the millisecond.

``STRESS`` says how many deliveries stand in the queues (a few hundred by default); ``make stress`` does it with ten thousand and writes
what came of it to the file that ``STRESS_RESULT`` names.
"""

import asyncio
import random
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from contracts.delivery import Completed, Delivery, Outcome, Returned
from contracts.envelope import CaseEvent, CaseEventKind
from contracts.errors import OutcomeUnknownError, PermanentError, TemporaryError
from contracts.situation import Limits, Situation
from hub import orders, results
from hub.admission import BreakerState
from hub.app import Hub
from hub.clients import Scope
from hub.operating import Question
from hub.orders import ReplayOrder
from tests.scripted import Scripted, rows, scripted_channel
from tests.small_city import DONE, GRANTED
from tests.stress import (
    EVERY_SECONDS,
    NUMBER,
    Neighbour,
    all_settled,
    busiest_second,
    happens,
    note,
    numbers,
    submit_many,
)
from tests.virtual_time import in_virtual_time, virtual_hub

LONG = NUMBER >= 10_000
EVERYTHING = Scope()

pytestmark = pytest.mark.timeout(120 + NUMBER // 10)


def test_after_an_outage_the_queue_goes_at_the_rate_of_its_system_and_nobody_else_notices(quick_disk: Path) -> None:
    """One of three systems is gone, and its queue grows; it comes back. Its rate is 50 a second, four at once."""
    gone = 3600.0 if LONG else 600.0
    rate, cap, cool_down = 50.0, 4, 30.0
    began = time.monotonic()
    probes: list[float] = []
    back: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def answer(delivery: Delivery) -> Outcome:
            if loop.time() < gone:
                if opened.lanes["AA-api"].breaker.state is BreakerState.HALF_OPEN:
                    probes.append(loop.time())
                raise TemporaryError("refused")
            back.append(loop.time())
            await asyncio.sleep(0.07)  # three or four at once at fifty a second
            return GRANTED

        gateway, neighbours = Scripted(answer), (Neighbour(), Neighbour())
        limits = Limits(concurrency=cap, rate_per_second=rate, max_attempts=1000)
        channels = {
            "api": scripted_channel(gateway, limits=limits),
            "file": scripted_channel(neighbours[0], Situation.FILE_DROP),
            "paper": scripted_channel(neighbours[1], Situation.PAPER),
        }
        quick = {
            "breaker_failures": 5,
            "breaker_seconds": cool_down,
            "retry": {"first_seconds": 5.0, "cap_seconds": 60.0},
        }
        async with virtual_hub(quick_disk, quick, **channels) as opened:
            visits = [
                asyncio.create_task(one.visit(opened, item))
                for one, item in zip(neighbours, ("FILE1", "PAPER1"), strict=True)
            ]
            await submit_many(opened, "API1", NUMBER)
            await all_settled(opened, "AA-api", NUMBER)
            for visit in visits:
                visit.cancel()
            await asyncio.gather(*visits, return_exceptions=True)
        assert gateway.most == cap
        latencies = [one for neighbour in neighbours for one in neighbour.latencies]
        assert len(latencies) > gone / EVERY_SECONDS
        assert max(latencies) <= 0.02, "a neighbour was kept waiting"
        assert len(back) == NUMBER  # each once after the return
        assert busiest_second(gateway.at) <= rate
        after = sorted(back)
        seconds = Counter(int(moment - after[0]) for moment in after)
        whole = [seconds[second] for second in range(max(seconds))] or [NUMBER]
        assert max(whole) <= 1.5 * statistics.mean(whole)
        assert len(probes) > gone / cool_down * 0.8
        assert all(later - earlier >= cool_down - 1e-6 for earlier, later in pairwise(probes))
        note(
            "outage",
            {
                "outage_seconds": gone,
                "rate_per_second": rate,
                "busiest_second": busiest_second(gateway.at),
                "concurrency": cap,
                "most_at_once": gateway.most,
                "probes": len(probes),
                "cool_down_seconds": cool_down,
                "shortest_gap_of_probes_seconds": round(min(b - a for a, b in pairwise(probes)), 3),
                "slowest_neighbour_seconds": round(max(latencies), 4),
                "real_seconds": round(time.monotonic() - began, 1),
            },
        )

    in_virtual_time(main())


def test_a_system_that_flaps_every_second_gets_one_probe_a_cool_down_and_everything_in_the_end(
    quick_disk: Path,
) -> None:
    cool_down = 1.5
    probes: list[tuple[float, int]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def answer(delivery: Delivery) -> Outcome:
            if opened.lanes["AA-api"].breaker.state is BreakerState.HALF_OPEN:
                probes.append((loop.time(), gateway.running))
            await asyncio.sleep(0.05)
            if int(loop.time()) % 2:
                raise TemporaryError("refused")
            return GRANTED

        gateway = Scripted(answer)
        limits = Limits(concurrency=4, max_attempts=1000)
        quick = {
            "breaker_failures": 3,
            "breaker_seconds": cool_down,
            "retry": {"first_seconds": 0.5, "cap_seconds": 2.0},
        }
        async with virtual_hub(quick_disk, quick, api=scripted_channel(gateway, limits=limits)) as opened:
            await submit_many(opened, "API1", NUMBER)
            await all_settled(opened, "AA-api", NUMBER)

    in_virtual_time(main())
    assert len(probes) >= 3
    assert all(later - earlier >= cool_down - 1e-6 for (earlier, _), (later, _) in pairwise(probes))
    assert {running for _, running in probes} == {1}
    note("flapping", {"probes": len(probes), "cool_down_seconds": cool_down})


def test_rounds_of_a_step_and_steps_of_a_case_keep_their_order_through_retries_and_a_restart(quick_disk: Path) -> None:
    """Half of the first answers return the case, a third of all tries fail, and in the middle the hub is stopped and started."""
    dice = random.Random(3)
    seen: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    answered: set[tuple[str, str]] = set()
    returned: list[str] = []

    def answer(delivery: Delivery) -> Outcome | BaseException:
        seen[delivery.case_no].append((delivery.step, delivery.round))
        chance = dice.random()
        if chance < 0.2:
            return TemporaryError("http_503")
        if chance < 0.35:
            return OutcomeUnknownError("reset")
        if delivery.round == 1 and dice.random() < 0.5:
            returned.append(delivery.case_no)
            return Returned(reason_code="R1")
        answered.add((delivery.case_no, delivery.step))
        return DONE if delivery.step.startswith("p") else GRANTED

    async def resubmitted(opened: Hub) -> bool:
        """The centre completes what was returned; whether every case is decided."""
        for case_no in [returned.pop() for _ in range(len(returned))]:
            (case,) = await rows(opened, "SELECT status FROM case_file WHERE case_no = :n", n=case_no)
            if case["status"] != "32":
                returned.append(case_no)  # other parts of it are still under way
                continue
            told = CaseEvent(event=CaseEventKind.RESUBMIT, by="staff-1")
            key = ("/test", f"r{next(numbers)}")
            await opened.commit("test", _event(opened, case_no, key, told))
        (left,) = await rows(opened, "SELECT count(*) AS n FROM case_file WHERE status NOT IN ('50', '51')")
        return bool(left["n"] == 0)

    async def main() -> None:
        def channels() -> dict[str, Any]:
            gateway, limits = Scripted(answer), Limits(concurrency=8, max_attempts=100)
            situations = {"api": Situation.API, "file": Situation.FILE_DROP, "paper": Situation.PAPER}
            return {name: scripted_channel(gateway, kind, limits=limits) for name, kind in situations.items()}

        quick = {"retry": {"first_seconds": 1.0, "cap_seconds": 5.0}, "breaker_failures": 100_000}
        cases: list[str] = []
        async with virtual_hub(quick_disk, quick, **channels()) as opened:
            cases += await submit_many(opened, "API1", NUMBER // 2)
            cases += await submit_many(opened, "JOIN1", NUMBER // 2)
            await happens(lambda: len(answered) >= NUMBER // 4, 0.05)
        async with virtual_hub(quick_disk, quick, **channels()) as opened:
            await happens(lambda: resubmitted(opened), 1.0)
        assert len(seen) == len(cases)

    in_virtual_time(main())
    inversions = sum(map(_inversions, seen.values()))
    assert inversions == 0
    assert sum(any(rounds > 1 for _, rounds in one) for one in seen.values()) > NUMBER // 4
    note("order", {"cases": len(seen), "tries": sum(map(len, seen.values())), "inversions": inversions})


def _event(opened: Hub, case_no: str, key: tuple[str, str], told: CaseEvent) -> Any:
    return lambda c: results.event(c, opened.city, case_no, key, key[1], told, opened.now_ms())


def _inversions(seen: list[tuple[str, int]]) -> int:
    """Tries of an earlier round after one of a later round; parts of a join after what joins them."""
    wrong, latest, joined = 0, Counter[str](), False
    for step, number in seen:
        wrong += number < latest[step]
        latest[step] = max(latest[step], number)
        joined = joined or (step == "s2" and any(name.startswith("p") for name, _ in seen))
        wrong += joined and step.startswith("p")
    return wrong


def test_a_department_with_nine_tenths_of_the_traffic_keeps_the_others_no_longer_than_without_it(
    quick_disk: Path,
) -> None:
    """It gets more than it can take, all the time; the latency of the others is compared with a day without it."""

    async def day(folder: Path, flood: bool) -> list[float]:
        folder.mkdir()  # noqa: ASYNC240 - once
        neighbours = (Neighbour(), Neighbour())

        async def slow(delivery: Delivery) -> Outcome:
            await asyncio.sleep(0.5)
            return GRANTED

        channels = {
            "api": scripted_channel(Scripted(slow), limits=Limits(concurrency=2)),
            "file": scripted_channel(neighbours[0], Situation.FILE_DROP),
            "paper": scripted_channel(neighbours[1], Situation.PAPER),
        }
        async with virtual_hub(folder, None, **channels) as opened:
            visits = [
                asyncio.create_task(one.visit(opened, item))
                for one, item in zip(neighbours, ("FILE1", "PAPER1"), strict=True)
            ]
            seconds = max(NUMBER // 20, 10)
            for _ in range(seconds):
                if flood:
                    await submit_many(opened, "API1", 18)
                await asyncio.sleep(1.0)
            for visit in visits:
                visit.cancel()
            await asyncio.gather(*visits, return_exceptions=True)
            if flood:
                (left,) = await rows(opened, "SELECT count(*) AS n FROM delivery WHERE state = 'due'")
                assert left["n"] > seconds  # it is more than the department takes
        return [one for neighbour in neighbours for one in neighbour.latencies]

    calm = in_virtual_time(day(quick_disk / "calm", flood=False))
    beside = in_virtual_time(day(quick_disk / "beside", flood=True))
    assert _p99(beside) <= 2 * max(_p99(calm), 0.01)
    note("starvation", {"p99_calm_seconds": _p99(calm), "p99_beside_seconds": _p99(beside)})


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def test_one_permanent_failure_among_parallel_parts_leaves_the_others_done_and_the_case_shows_it(
    quick_disk: Path,
) -> None:
    refused = Scripted(lambda delivery: PermanentError("http_422"))
    parts = Scripted(lambda delivery: DONE)

    async def main() -> tuple[dict[str, str], dict[str, str], list[str]]:
        channels = {
            "api": scripted_channel(parts),
            "file": scripted_channel(refused, Situation.FILE_DROP),
            "paper": scripted_channel(parts, Situation.PAPER),
        }
        async with virtual_hub(quick_disk, None, **channels) as opened:
            await submit_many(opened, "JOIN1", 1)
            await asyncio.sleep(120)
            steps = await rows(opened, "SELECT step, state FROM case_step")
            deliveries = await rows(opened, "SELECT step, state FROM delivery")
            tasks = await rows(opened, "SELECT kind FROM task WHERE state = 'ready' AND kind = 'dead'")
        return (
            {row["step"]: row["state"] for row in steps},
            {row["step"]: row["state"] for row in deliveries},
            [row["kind"] for row in tasks],
        )

    steps, deliveries, tasks = in_virtual_time(main())
    assert deliveries == {"p1": "done", "p2": "dead", "p3": "done"}
    assert (steps["p1"], steps["p2"], steps["p3"], steps["s2"]) == ("done", "open", "done", "blocked")
    assert tasks == ["dead"]


def test_while_a_system_is_healthy_retries_stay_below_a_tenth_of_first_tries(quick_disk: Path) -> None:
    """One try in twenty fails for the moment."""
    dice, tries = random.Random(5), Counter[bool]()

    def answer(delivery: Delivery) -> Outcome | BaseException:
        tries[delivery.attempt > 1] += 1
        return TemporaryError("http_503") if dice.random() < 0.05 else GRANTED

    async def main() -> None:
        quick = {"retry": {"first_seconds": 1.0, "cap_seconds": 5.0}}
        async with virtual_hub(quick_disk, quick, api=scripted_channel(Scripted(answer))) as opened:
            await submit_many(opened, "API1", NUMBER)
            await all_settled(opened, "AA-api", NUMBER)

    in_virtual_time(main())
    assert tries[False] == NUMBER
    assert tries[True] <= NUMBER / 10
    note("retries", {"first_tries": tries[False], "retries": tries[True]})


def test_a_queue_of_thousands_is_held_and_lifted_while_others_go_on(quick_disk: Path) -> None:
    neighbour = Neighbour()

    async def main() -> None:
        channels = {
            "api": scripted_channel(Scripted(lambda delivery: Completed(decision=GRANTED.decision, fields={}))),
            "paper": scripted_channel(neighbour, Situation.PAPER),
        }
        async with virtual_hub(quick_disk, None, **channels) as opened:
            lane = opened.lanes["AA-api"]
            await lane.hold("operator-1")
            visit = asyncio.create_task(neighbour.visit(opened, "PAPER1"))
            await submit_many(opened, "API1", NUMBER)

            async def all_held() -> bool:
                (found,) = await rows(opened, "SELECT count(*) AS n FROM delivery WHERE state = 'held'")
                return bool(found["n"] == NUMBER)

            await happens(all_held, 1.0)
            units: list[float] = []
            commit = opened.writer.run

            async def timed(unit: Any) -> Any:
                began = time.perf_counter()
                found = await commit(unit)
                units.append(time.perf_counter() - began)
                return found

            opened.writer.run = timed  # type: ignore[method-assign] # only to count how many units there were
            assert await lane.release("operator-1") == NUMBER
            assert len(units) >= NUMBER // results.QUEUE_CHUNK
            await all_settled(opened, "AA-api", NUMBER)
            visit.cancel()
            await asyncio.gather(visit, return_exceptions=True)

    in_virtual_time(main())
    assert max(neighbour.latencies) <= 0.02


def test_thousands_of_dead_letters_are_sent_again_at_the_rate_of_their_lane_and_once(quick_disk: Path) -> None:
    rate = 50.0

    async def main() -> None:
        gateway = Scripted(lambda delivery: PermanentError("http_422") if delivery.attempt == 1 else GRANTED)
        limits = Limits(concurrency=4, rate_per_second=rate)
        async with virtual_hub(quick_disk, None, api=scripted_channel(gateway, limits=limits)) as opened:
            await submit_many(opened, "API1", NUMBER)

            async def all_dead() -> bool:
                (found,) = await rows(opened, "SELECT count(*) AS n FROM delivery WHERE state = 'dead'")
                return bool(found["n"] == NUMBER)

            await happens(all_dead, 1.0)
            order = ReplayOrder(by="operator-1", question=Question(), confirmed_by="operator-2")
            counted = await orders.replay_all(opened, EVERYTHING, replace(order, dry_run=True))
            assert (counted.found, counted.replayed) == (NUMBER, 0)
            twice = await asyncio.gather(*(orders.replay_all(opened, EVERYTHING, order) for _ in range(2)))
            assert sum(one.replayed for one in twice) == NUMBER
            await all_settled(opened, "AA-api", NUMBER)
        assert Counter(seen.id for seen in gateway.seen).most_common(1)[0][1] == 2
        assert len(gateway.seen) == 2 * NUMBER
        assert busiest_second(gateway.at) <= rate
        note("replay", {"replayed": NUMBER, "busiest_second": busiest_second(gateway.at), "rate_per_second": rate})

    in_virtual_time(main())
