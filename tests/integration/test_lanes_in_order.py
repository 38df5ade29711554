"""What leaves when: rounds of one step in their order, suspects of a crash alone, retries behind first tries, batches to their end."""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.delivery import AwaitingReply, Batch, Delivery, Lookup, NotFound, Outcome
from contracts.envelope import CaseEvent, CaseEventKind
from contracts.errors import OutcomeUnknownError, TemporaryError
from contracts.situation import Batching, Limits, Situation
from hub import results
from hub.app import Hub
from hub.results import Change
from tests.scripted import Asked, Batched, Scripted, rows, scripted_channel, scripted_hub, settled, submit, until
from tests.small_city import DONE, GRANTED


async def withdraw(hub: Hub, case_no: str) -> Change:
    told = CaseEvent(event=CaseEventKind.WITHDRAW, by="staff-1")
    return await hub.commit(
        "test", lambda c: results.event(c, hub.city, case_no, ("/test", f"w-{case_no}"), "d", told, hub.now_ms())
    )


async def test_a_withdrawal_never_overtakes_what_it_withdraws(tmp_path: Path) -> None:
    arrived, free = asyncio.Event(), asyncio.Event()
    order: list[str] = []

    async def slow(delivery: Delivery) -> Outcome:
        if delivery.operation == "revocable":
            arrived.set()
            await free.wait()
        order.append(delivery.operation)
        return DONE if delivery.operation == "withdraw" else AwaitingReply()

    gateway = Scripted(slow)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=Limits(concurrency=4))) as hub:
        case = await submit(hub, "REVOKE1")
        await arrived.wait()
        await withdraw(hub, case)
        await asyncio.sleep(0.5)
        assert [seen.operation for seen in gateway.seen] == ["revocable"]
        free.set()
        await settled(hub, ["waiting", "done"], case)
    assert order == ["revocable", "withdraw"]
    assert gateway.seen[1].supersedes == gateway.seen[0].id


async def test_what_was_on_its_way_when_a_process_died_goes_again_one_at_a_time(tmp_path: Path) -> None:
    """So that the next death tells which of them it was, and counts against no other."""
    most, running = {"suspect": 0, "new": 0}, {"suspect": 0, "new": 0}

    async def work(delivery: Delivery) -> Outcome:
        kind = "suspect" if delivery.attempt > 1 else "new"
        running[kind] += 1
        most[kind] = max(most[kind], running[kind])
        await asyncio.sleep(0.02)
        running[kind] -= 1
        return GRANTED

    never: asyncio.Event = asyncio.Event()

    async def hang(delivery: Delivery) -> Outcome:
        await never.wait()
        return GRANTED

    limits = Limits(concurrency=6, attempt_seconds=60)
    lost = Scripted(hang)
    async with scripted_hub(tmp_path, {"drain_seconds": 0.1}, api=scripted_channel(lost, limits=limits)) as hub:
        for _ in range(6):
            await submit(hub, "API1")

        async def all_out() -> bool:
            return len(lost.seen) == 6

        await until(all_out)
    async with scripted_hub(tmp_path, api=scripted_channel(Scripted(work), limits=limits)) as hub:
        for _ in range(12):
            await submit(hub, "API1")
        await settled(hub, ["done"] * 18)
    assert most["suspect"] == 1
    assert most["new"] > 1


async def test_retries_without_a_budget_let_first_tries_go_before_them(tmp_path: Path) -> None:
    """Half of all first tries fail once; while first tries wait, at most one in ten that leave is a retry."""
    failed: set[UUID] = set()
    marks: list[bool] = []

    def every_second(delivery: Delivery) -> Outcome | BaseException:
        marks.append(delivery.attempt > 1)
        if delivery.attempt == 1 and len(failed) * 2 <= len(marks):
            failed.add(delivery.id)
            return TemporaryError("http_503")
        return GRANTED

    limits = Limits(concurrency=1)
    async with scripted_hub(tmp_path, api=scripted_channel(Scripted(every_second), limits=limits)) as hub:
        await hub.lanes["AA-api"].hold("operator-1")
        for _ in range(120):
            await submit(hub, "API1")
        hub.lanes["AA-api"].budget.reserve = hub.lanes["AA-api"].budget._left = 1.0
        await hub.lanes["AA-api"].release("operator-1")
        await settled(hub, ["done"] * 120, seconds=60)
    until_the_last_first_try = marks[: len(marks) - marks[::-1].index(False)]
    assert len(failed) > 30
    assert sum(until_the_last_first_try) <= 0.1 * (len(until_the_last_first_try) - sum(until_the_last_first_try)) + 17
    assert sum(marks) == len(failed)


async def test_a_hub_that_stops_waits_for_the_file_it_is_sending(tmp_path: Path) -> None:
    sending = asyncio.Event()

    class Slow(Batched):
        async def deliver_batch(self, batch: Batch, /) -> Mapping[UUID, Any]:
            sending.set()
            await asyncio.sleep(0.5)
            return {delivery.id: AwaitingReply() for delivery in batch.deliveries}

    gateway = Slow(lambda batch: {})
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=Batching(max_size=2))
    async with scripted_hub(tmp_path, file=way) as hub:
        await submit(hub, "FILE1")
        await submit(hub, "FILE1")
        await sending.wait()
    async with scripted_hub(tmp_path) as hub:
        assert await rows(hub, "SELECT state, count(*) AS n FROM delivery GROUP BY state") == [
            {"state": "waiting", "n": 2}
        ]


async def test_enquiries_keep_the_rate_of_the_lane_and_stop_for_its_hold(tmp_path: Path) -> None:
    asked_at: list[float] = []

    def answer(delivery: Delivery) -> Outcome:
        asked_at.append(asyncio.get_running_loop().time())
        return GRANTED

    gateway = Asked(lambda delivery: OutcomeUnknownError("timeout"), answer)
    limits = Limits(concurrency=8, rate_per_second=20)
    way = scripted_channel(gateway, limits=limits, resend_is_safe=False)
    async with scripted_hub(tmp_path, api=way) as hub:
        lane = hub.lanes["AA-api"]
        for _ in range(20):
            await submit(hub, "API1")
        await settled(hub, ["done"] * 20, seconds=30)
        both = sorted(gateway.at + asked_at)
        assert all(after - before >= 0.99 for before, after in zip(both, both[20:], strict=False))
        lane.held = "paused"
        assert not await lane.ask(nobody)
        lane.held = None
        for _ in range(100):
            lane.breaker.failed(hub.runtime.monotonic())
        assert not await lane.ask(nobody)


async def nobody() -> BaseException | None:
    raise AssertionError("nobody may be asked now")


async def test_with_nothing_else_to_do_an_enquiry_is_the_probe_of_an_open_breaker(tmp_path: Path) -> None:
    up = asyncio.Event()
    gateway = Asked(
        lambda delivery: OutcomeUnknownError("timeout"),
        lambda delivery: NotFound(what=Lookup.NOT_RECEIVED) if up.is_set() else OutcomeUnknownError("timeout"),
    )
    quick = {"breaker_failures": 2, "breaker_seconds": 0.3}
    way = scripted_channel(gateway, limits=Limits(max_attempts=50), resend_is_safe=False)
    async with scripted_hub(tmp_path, quick, api=way) as hub:
        case = await submit(hub, "API1")
        await until_open(hub)
        before = len(gateway.asked)
        await asyncio.sleep(2.0)
        assert 0 < len(gateway.asked) - before <= 2.0 / 0.3 + 1
        gateway.script = lambda delivery: GRANTED
        up.set()
        await settled(hub, ["done"], case, seconds=30)


async def until_open(hub: Hub) -> None:
    async def opened() -> bool:
        return hub.lanes["AA-api"].breaker.opened > 0

    await until(opened)


async def test_a_suspect_that_hangs_keeps_no_place_from_other_systems(tmp_path: Path) -> None:
    """After a death both systems have suspects; one of them hangs, and the other system's new deliveries go all the same."""
    never = asyncio.Event()

    async def hang(delivery: Delivery) -> Outcome:
        await never.wait()
        return GRANTED

    def channels(api: Scripted, paper: Scripted) -> dict[str, Any]:
        limits = Limits(concurrency=2, attempt_seconds=60)
        return {
            "api": scripted_channel(api, limits=limits),
            "paper": scripted_channel(paper, Situation.PAPER, limits=limits),
        }

    first, second, again = Scripted(hang), Scripted(hang), Scripted(hang)
    async with scripted_hub(tmp_path, {"drain_seconds": 0.1}, **channels(first, second)) as hub:
        for item in ("API1", "PAPER1") * 2:
            await submit(hub, item)

        async def all_out() -> bool:
            return len(first.seen) + len(second.seen) == 4

        await until(all_out)
    healthy = Scripted(lambda delivery: GRANTED)
    async with scripted_hub(tmp_path, {"drain_seconds": 0.1}, **channels(again, healthy)) as hub:

        async def one_hangs() -> bool:
            return hub.suspect_out and len(again.seen) == 1

        with contextlib.suppress(TimeoutError):  # the other system's suspects may have had their turn before
            await until(one_hangs, 3)
        new = [await submit(hub, "PAPER1") for _ in range(5)]
        await settled(hub, ["done"] * 5, *new)
