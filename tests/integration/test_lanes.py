"""Lanes, attempts and recovery of a running hub over scripted departments."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.delivery import AwaitingReply, Delivery, Lookup, NotFound, Outcome
from contracts.errors import CredentialsError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import Gateway, Runtime, channel
from contracts.situation import Limits, Situation
from hub import outbox, results
from hub.app import Hub, open_hub
from hub.keys import KeyRefused
from hub.store.connection import Connection, Row, StoreRefused, StoreUnavailable
from tests.scripted import (
    Answer,
    Asked,
    NoSettings,
    Scripted,
    application,
    from_start,
    reply,
    rows,
    scripted_channel,
    scripted_hub,
    settings,
    settled,
    states,
    submit,
    until,
)
from tests.small_city import DONE, GRANTED

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def in_turn(*answers: Answer) -> Scripted:
    """Each delivery gets the next answer; the last one again and again."""
    left = list(answers)
    return Scripted(lambda delivery: left.pop(0) if len(left) > 1 else left[0])


async def test_a_case_goes_to_the_department_and_its_answer_decides_it(tmp_path: Path) -> None:
    gateway = in_turn(GRANTED)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        case = await submit(hub, "API1")
        await settled(hub, ["done"], case)
        (row,) = await rows(hub, "SELECT status, decision FROM case_file")
    assert row == {"status": "50", "decision": "granted"}
    assert gateway.seen[0].fields == {"applicant_name": "赵样例"}
    assert not gateway.seen[0].possible_duplicate


async def test_a_delivery_that_finds_room_never_waits_in_the_outbox(tmp_path: Path) -> None:
    async with scripted_hub(tmp_path, api=scripted_channel(in_turn(GRANTED))) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"))
        (entry, _) = await rows(hub, "SELECT changes FROM journal ORDER BY chain, seq")
        (attempt,) = await rows(
            hub, "SELECT a.started_at, d.created_at FROM attempt a JOIN delivery d ON d.id = a.delivery"
        )
    assert attempt["started_at"] == attempt["created_at"]
    assert [state for kind, _, _, state, _ in json.loads(entry["changes"]) if kind == "delivery"] == [
        "due",
        "claimed",
        "sending",
    ]


async def test_a_unit_that_is_undone_gives_its_place_back_and_nothing_leaves(tmp_path: Path) -> None:
    gateway = in_turn(GRANTED)
    limits = Limits(concurrency=1)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=limits)) as hub:
        new = application(hub, "API1")

        def undone(connection: Connection) -> None:
            results.receive(connection, hub.city, new, hub.now_ms())
            raise RuntimeError("something else in this unit went wrong")

        with pytest.raises(RuntimeError):
            await hub.commit("test", undone)
        assert await rows(hub, "SELECT 1 FROM delivery") == []
        assert gateway.seen == []
        await settled(hub, ["done"], await submit(hub, "API1"))
    assert len(gateway.seen) == 1


async def test_a_stop_waits_for_what_a_unit_has_let_go_and_not_yet_committed(tmp_path: Path) -> None:
    async def work(delivery: Delivery) -> Outcome:
        await asyncio.sleep(0.5)
        return GRANTED

    gateway = Scripted(work)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        handing_in = asyncio.create_task(submit(hub, "API1"))
        while hub.lanes["AA-api"].in_flight == 0:  # noqa: ASYNC110 - the moment between a unit and its commit
            await asyncio.sleep(0)
    await handing_in
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        assert await states(hub) == ["done"]
    assert len(gateway.seen) == 1


async def test_a_temporary_error_is_tried_again_without_doubt(tmp_path: Path) -> None:
    gateway = in_turn(TemporaryError("http_503"), TemporaryError("http_429", retry_after=0.01), GRANTED)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"))
    assert [(seen.attempt, seen.possible_duplicate) for seen in gateway.seen] == [(1, False), (2, False), (3, False)]
    assert len({seen.id for seen in gateway.seen}) == 1


async def test_a_permanent_error_is_a_dead_letter_at_once_and_a_person_learns_of_it(tmp_path: Path) -> None:
    gateway = in_turn(PermanentError("http_400"), GRANTED)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        case = await submit(hub, "API1")
        await settled(hub, ["dead"], case)
        (task,) = await rows(hub, "SELECT kind, state FROM task WHERE kind = 'dead'")
        assert task["state"] == "ready"
        name = str(gateway.seen[0].id)
        await hub.commit("test", lambda c: results.operate(c, hub.city, name, "replay", "operator-1", hub.now_ms()))
        await settled(hub, ["done"], case)
    assert gateway.seen[0].id == gateway.seen[1].id


async def test_refused_credentials_hold_the_lane_until_staff_release_it(tmp_path: Path) -> None:
    gateway = in_turn(CredentialsError("http_401"), GRANTED)
    limits = Limits(concurrency=1)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=limits)) as hub:
        first, second = await submit(hub, "API1"), await submit(hub, "API1")
        await settled(hub, ["held", "held"], first, second)
        assert len(gateway.seen) == 1
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=limits)) as hub:
        assert hub.lanes["AA-api"].held == "credentials"
        await hub.lanes["AA-api"].release("operator-1")
        await settled(hub, ["done", "done"], first, second)
    assert len(gateway.seen) == 3


async def test_a_paused_lane_holds_what_is_due_and_what_comes(tmp_path: Path) -> None:
    gateway = in_turn(GRANTED)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        await hub.lanes["AA-api"].hold("operator-1")
        case = await submit(hub, "API1")
        await settled(hub, ["held"], case)
        await hub.lanes["AA-api"].release("operator-1")
        await settled(hub, ["done"], case)
    assert len(gateway.seen) == 1


async def test_an_unknown_outcome_is_asked_about_before_anything_is_sent_again(tmp_path: Path) -> None:
    gateway = Asked(lambda delivery: OutcomeUnknownError("timeout"), lambda delivery: GRANTED)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, resend_is_safe=False)) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"))
    assert len(gateway.seen) == 1
    assert gateway.asked == [gateway.seen[0].id]


async def test_a_resend_after_unknown_always_says_that_it_may_be_a_duplicate(tmp_path: Path) -> None:
    script: Iterator[Answer] = iter([OutcomeUnknownError("reset"), GRANTED])
    gateway = Asked(lambda delivery: next(script), lambda delivery: NotFound(what=Lookup.NOT_RECEIVED))
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, resend_is_safe=False)) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"))
        attempts = await rows(hub, "SELECT number, state, possible_duplicate FROM attempt ORDER BY number")
    assert [seen.possible_duplicate for seen in gateway.seen] == [False, True]
    assert [(row["state"], row["possible_duplicate"]) for row in attempts] == [("unknown", 0), ("completed", 1)]


async def test_an_unknown_outcome_that_nobody_can_look_up_goes_to_a_person(tmp_path: Path) -> None:
    gateway = in_turn(OutcomeUnknownError("timeout"))
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, resend_is_safe=False)) as hub:
        await settled(hub, ["unknown"], await submit(hub, "API1"))
        (task,) = await rows(hub, "SELECT kind FROM task WHERE kind = 'unknown'")
    assert task == {"kind": "unknown"}
    assert len(gateway.seen) == 1


@pytest.mark.parametrize("bug", [RuntimeError("赵样例"), SystemExit(3), KeyboardInterrupt()])
async def test_a_bug_in_a_plugin_is_tried_a_few_times_and_then_dead(
    bug: BaseException, tmp_path: Path, logged: Callable[[], str]
) -> None:
    gateway, healthy = in_turn(bug), in_turn(GRANTED)
    channels = {"api": scripted_channel(gateway), "paper": scripted_channel(healthy, Situation.PAPER)}
    async with scripted_hub(tmp_path, None, **channels) as hub:
        await settled(hub, ["dead"], await submit(hub, "API1"))
        await settled(hub, ["done"], await submit(hub, "PAPER1"))
        attempts = await rows(hub, "SELECT state FROM attempt WHERE state = 'bug'")
    assert len(attempts) == 3
    told = logged()
    assert "赵样例" not in told


async def test_a_gateway_that_returns_nonsense_is_a_bug(tmp_path: Path) -> None:
    gateway = Scripted(lambda delivery: "done")  # type: ignore[arg-type,return-value]
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        await settled(hub, ["dead"], await submit(hub, "API1"))


async def test_a_gateway_that_hangs_is_ended_by_the_watchdog_and_harms_no_other(tmp_path: Path) -> None:
    async def hang(delivery: Delivery) -> Outcome:
        if delivery.attempt == 1:
            await asyncio.sleep(60)
        return GRANTED

    hanging, healthy = Scripted(hang), in_turn(GRANTED)
    channels = {
        "api": scripted_channel(hanging, limits=Limits(attempt_seconds=0.2, concurrency=1)),
        "paper": scripted_channel(healthy, Situation.PAPER),
    }
    async with scripted_hub(tmp_path, None, **channels) as hub:
        slow = await submit(hub, "API1")
        await settled(hub, ["done"], await submit(hub, "PAPER1"))
        await settled(hub, ["done"], slow)
        attempts = await rows(hub, "SELECT state, error_code FROM attempt WHERE situation = 'api' ORDER BY number")
    assert attempts[0] == {"state": "unknown", "error_code": "watchdog"}
    assert hanging.seen[1].possible_duplicate


async def test_a_gateway_that_ignores_being_cancelled_is_left_behind(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def deaf(delivery: Delivery) -> Outcome:
        while delivery.attempt == 1 and not release.is_set():
            try:
                await asyncio.wait_for(release.wait(), 60)
            except asyncio.CancelledError:
                continue
        return GRANTED

    gateway = Scripted(deaf)
    limits = Limits(attempt_seconds=0.1, concurrency=2)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=limits)) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"))
        release.set()
        await asyncio.sleep(0.05)
        assert await rows(hub, "SELECT state FROM delivery") == [{"state": "done"}]


async def test_a_reply_that_comes_while_sending_wins(tmp_path: Path) -> None:
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def slow(delivery: Delivery) -> Outcome:
        arrived.set()
        await answer.wait()
        return AwaitingReply()

    gateway = Scripted(slow)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        case = await submit(hub, "API1")
        await arrived.wait()
        await reply(hub, gateway.seen[0], GRANTED)
        answer.set()
        assert (await reply(hub, gateway.seen[0], GRANTED)).verdict == "duplicate"
        await hub.lanes["AA-api"].drain(5)
        await settled(hub, ["done"], case)
        (attempt,) = await rows(hub, "SELECT state FROM attempt")
    assert attempt == {"state": "awaiting"}


async def test_a_join_fires_once_however_its_parts_settle(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def together(delivery: Delivery) -> Outcome:
        await gate.wait()
        return GRANTED if delivery.operation == "decide" else DONE

    channels = {
        "api": scripted_channel(Scripted(together)),
        "file": scripted_channel(Scripted(together), Situation.FILE_DROP),
        "paper": scripted_channel(Scripted(together), Situation.PAPER),
    }
    async with scripted_hub(tmp_path, None, **channels) as hub:
        cases = [await submit(hub, "JOIN1") for _ in range(20)]
        gate.set()
        await settled(hub, ["done"] * 80, *cases)
        joins = await rows(hub, "SELECT case_no, count(*) AS n FROM delivery WHERE step = 's2' GROUP BY case_no")
        (granted,) = await rows(hub, "SELECT count(*) AS n FROM case_file WHERE status = '50'")
    assert [row["n"] for row in joins] == [1] * 20
    assert granted["n"] == 20


async def test_a_system_never_has_more_in_hand_than_its_concurrency(tmp_path: Path) -> None:
    async def work(delivery: Delivery) -> Outcome:
        await asyncio.sleep(0.01)
        return GRANTED

    gateway = Scripted(work)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=Limits(concurrency=3))) as hub:
        for _ in range(30):
            await submit(hub, "API1")
        await settled(hub, ["done"] * 30)
    assert gateway.most == 3


async def test_departures_keep_the_rate(tmp_path: Path) -> None:
    gateway = in_turn(GRANTED)
    limits = Limits(concurrency=8, rate_per_second=50)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=limits)) as hub:
        for _ in range(30):
            await submit(hub, "API1")
        await settled(hub, ["done"] * 30)
    gaps = [after - before for before, after in zip(gateway.at, gateway.at[10:], strict=False)]
    assert min(gaps) > 0.17  # eleven departures span ten intervals of 20 ms


async def test_an_open_breaker_lets_one_probe_through(tmp_path: Path) -> None:
    up = asyncio.Event()
    gateway = Scripted(lambda delivery: GRANTED if up.is_set() else TemporaryError("refused"))
    limits = Limits(concurrency=8, max_attempts=1000)
    quick = {"breaker_failures": 3, "breaker_seconds": 0.2}
    async with scripted_hub(tmp_path, quick, api=scripted_channel(gateway, limits=limits)) as hub:
        for _ in range(8):
            await submit(hub, "API1")
        await asyncio.sleep(1.0)
        before = len(gateway.seen)
        assert before <= 8 + 8 + 5  # the first burst, then one probe a cool-down
        up.set()
        await settled(hub, ["done"] * 8)


async def test_an_outcome_is_kept_until_the_store_takes_it(tmp_path: Path) -> None:
    gateway = in_turn(GRANTED)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        real, failures = hub.writer.run, [StoreUnavailable("the disk is full")]

        async def run(unit: Any) -> Any:
            if "ended_unit" in unit.__qualname__ and failures:
                raise failures.pop()
            return await real(unit)

        hub.writer.run = run  # type: ignore[method-assign] # the disk is full for one commit
        case = await submit(hub, "API1")
        await settled(hub, ["done"], case)
    assert failures == []
    assert len(gateway.seen) == 1


async def test_a_lane_whose_channel_cannot_open_holds_its_queue_until_a_start_that_can(tmp_path: Path) -> None:
    @asynccontextmanager
    async def closed(place: NoSettings, runtime: Runtime) -> AsyncIterator[Gateway]:
        if runtime.monotonic() >= 0:
            raise ValueError("no such certificate")
        yield in_turn(GRANTED)

    shut = channel(Situation.API, NoSettings, closed, resend_is_safe=True)
    async with scripted_hub(tmp_path, api=shut) as hub:
        assert hub.systems.channels["AA-api", Situation.API].why == "cannot be opened: no such certificate"
        case = await submit(hub, "API1")
        await settled(hub, ["held"], case)
    async with scripted_hub(tmp_path, api=scripted_channel(in_turn(GRANTED))) as hub:
        await settled(hub, ["done"], case)


async def test_a_poll_brings_the_answer_when_its_time_has_come(tmp_path: Path) -> None:
    answers: Iterator[Outcome] = iter([AwaitingReply(next_poll_at=MONDAY), GRANTED])
    gateway = Asked(
        lambda delivery: AwaitingReply(department_ref="R-7", next_poll_at=MONDAY), lambda delivery: next(answers)
    )
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"))
        (row,) = await rows(hub, "SELECT department_ref FROM delivery")
    assert len(gateway.asked) == 2
    assert row == {"department_ref": "R-7"}


async def test_an_answer_that_is_overdue_is_asked_for(tmp_path: Path) -> None:
    gateway = Asked(lambda delivery: AwaitingReply(), lambda delivery: GRANTED)
    limits = Limits(reply_within_hours=1)
    fast = {"clock": from_start(MONDAY, 7200.0)}
    async with scripted_hub(tmp_path, fast, api=scripted_channel(gateway, limits=limits)) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"))
    assert len(gateway.asked) == 1


async def test_what_was_being_sent_when_the_process_died_is_unknown_and_goes_again_marked(tmp_path: Path) -> None:
    gateway = in_turn(GRANTED)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        lane = hub.lanes["AA-api"]
        lane.stopping = True
        lane.wake()
        case = await submit(hub, "API1")
        await begin_and_vanish(hub, b"as sent")
        await settled(hub, ["sending"], case)
    assert gateway.seen == []
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        await settled(hub, ["done"], case)
        attempts = await rows(hub, "SELECT state, error_code, possible_duplicate FROM attempt ORDER BY number")
    assert attempts[0] == {"state": "unknown", "error_code": "process_lost", "possible_duplicate": 0}
    assert attempts[1]["possible_duplicate"] == 1
    assert gateway.seen[0].payload == b"as sent"


def claim_one(connection: Connection, hub: Hub, lease: int = 1000) -> Row:
    return outbox.claim(connection, hub.city, "AA-api", 1, "gone", hub.now_ms(), hub.now_ms() + lease).rows[0]


async def begin_and_vanish(hub: Hub, payload: bytes | None = None) -> None:
    """What a process leaves behind that dies while it sends."""
    row = await hub.commit("test", lambda c: claim_one(c, hub))
    await hub.commit("test", lambda c: results.begin(c, hub.city, row, "api", hub.now_ms(), payload=payload))


async def test_a_claim_whose_lease_is_over_is_due_again_and_its_late_attempt_is_refused(tmp_path: Path) -> None:
    gateway = in_turn(GRANTED)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        lane = hub.lanes["AA-api"]
        await lane.hold("operator-1")
        case = await submit(hub, "API1")
        await settled(hub, ["held"], case)
        await hub.commit("test", lambda c: results.release_lane(c, hub.city, "AA-api", "operator-1", hub.now_ms()))
        slept = await hub.commit("test", lambda c: claim_one(c, hub, lease=-1))
        with pytest.raises(results.LeaseLost):
            await hub.commit("test", lambda c: results.begin(c, hub.city, slept, "api", hub.now_ms()))
        await lane.release("operator-1")
        await settled(hub, ["done"], case)
        with pytest.raises(results.LeaseLost):
            await hub.commit("test", lambda c: results.begin(c, hub.city, slept, "api", hub.now_ms()))
    assert len(gateway.seen) == 1


async def test_poison_that_kills_the_process_each_time_is_dead_after_three_tries(tmp_path: Path) -> None:
    gateway = in_turn(GRANTED)
    for _ in range(3):
        async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
            lane = hub.lanes["AA-api"]
            lane.stopping = True
            lane.wake()
            if not await rows(hub, "SELECT id FROM delivery"):
                await submit(hub, "API1")

            async def due() -> bool:
                return bool(
                    await rows(hub, "SELECT id FROM delivery WHERE state = 'due' AND next_at <= :now", now=hub.now_ms())
                )

            await until(due)
            await begin_and_vanish(hub)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        await settled(hub, ["dead"])
    assert gateway.seen == []


async def test_claims_that_were_not_tried_are_given_back_when_the_hub_stops(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def slow(delivery: Delivery) -> Outcome:
        await gate.wait()
        return GRANTED

    gateway = Scripted(slow)
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, limits=Limits(concurrency=1))) as hub:
        for _ in range(5):
            await submit(hub, "API1")

        async def one_is_out() -> bool:
            return len(gateway.seen) == 1

        await until(one_is_out)
        asyncio.get_running_loop().call_later(0.1, gate.set)
    async with scripted_hub(tmp_path) as hub:
        found = await rows(hub, "SELECT state, count(*) AS n FROM delivery GROUP BY state ORDER BY state")
    assert found == [{"state": "done", "n": 1}, {"state": "due", "n": 4}]


async def test_a_second_hub_on_the_same_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    async with scripted_hub(tmp_path):
        with pytest.raises(StoreRefused, match=r"another hub is already running on .*: stop it first"):
            async with open_hub(settings(tmp_path)):
                raise AssertionError("it must not open")


async def test_another_master_key_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    async with scripted_hub(tmp_path) as hub:
        await submit(hub, "CENTRE1")
    (tmp_path / "master.key").unlink()
    with pytest.raises(KeyRefused, match="another master key"):
        async with scripted_hub(tmp_path):
            raise AssertionError("it must not open")


async def test_a_large_message_is_mapped_in_a_thread_and_a_small_one_on_the_loop(tmp_path: Path) -> None:
    where: list[bool] = []

    class Mapping(Scripted):
        def prepare(self, delivery: Delivery, /) -> bytes:
            """Notes in which thread."""
            where.append(threading.current_thread() is threading.main_thread())
            return b"mapped"

    gateway = Mapping(lambda delivery: GRANTED)
    long_name = "样例" * 30_000
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"))
        await settled(hub, ["done"], await submit(hub, "API1", name=long_name))
    assert where == [True, False]
    assert [seen.payload for seen in gateway.seen] == [b"mapped", b"mapped"]
