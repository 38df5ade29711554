"""Plugins that do what they must not: each harms its own deliveries and no other."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from contracts.delivery import AwaitingReply, Batch, Completed, Decision, Delivery, Lookup, NotFound, Outcome, Returned
from contracts.envelope import CaseEvent, CaseEventKind
from contracts.errors import OutcomeUnknownError
from contracts.plugin import Channel, Gateway, Runtime, channel
from contracts.situation import Batching, Limits, Situation
from hub import metrics, results
from hub.answers import LARGEST_BYTES, checked
from hub.app import Hub
from hub.loop_watch import count_resources, loop_watch
from hub.results import Change
from hub.store.connection import Connection
from tests.scripted import (
    Asked,
    Batched,
    NoSettings,
    Scripted,
    reply,
    rows,
    scripted_channel,
    scripted_hub,
    settled,
    submit,
    until,
)
from tests.small_city import GRANTED

pytestmark = pytest.mark.timeout(120)


def beside(gateway: Gateway, **more: Any) -> dict[str, Channel]:
    """The plugin under test at one system, one that works at another."""
    return {
        "api": scripted_channel(gateway, **more),
        "paper": scripted_channel(Scripted(lambda delivery: GRANTED), Situation.PAPER),
    }


class OwnBaseException(BaseException):
    """What no plugin should ever raise."""


@pytest.mark.parametrize(
    "raised",
    [
        pytest.param(RuntimeError("x"), id="Exception"),
        pytest.param(OwnBaseException(), id="BaseException"),
        pytest.param(SystemExit(1), id="SystemExit"),
        pytest.param(KeyboardInterrupt(), id="KeyboardInterrupt"),
        pytest.param(GeneratorExit(), id="GeneratorExit"),
        pytest.param(asyncio.CancelledError(), id="CancelledError"),
        pytest.param(RecursionError(), id="RecursionError"),
        pytest.param(MemoryError(), id="MemoryError"),
    ],
)
async def test_whatever_a_plugin_raises_concerns_its_own_delivery_only(raised: BaseException, tmp_path: Path) -> None:
    broken = Scripted(lambda delivery: raised)
    async with scripted_hub(tmp_path, None, **beside(broken, limits=Limits(max_attempts=3))) as hub:
        case = await submit(hub, "API1")
        await settled(hub, ["done"], await submit(hub, "PAPER1"))
        await settled(hub, ["dead"], case)
    assert len(broken.seen) == 3


class Lying:
    """Not an outcome, whatever it says of itself."""

    decision = Decision.GRANTED


DEEP: Any = {}
for _ in range(2000):
    DEEP = {"deeper": DEEP}

NONSENSE = {
    "nothing": None,
    "a word": "done",
    "a look-alike": Lying(),
    "the class": Completed,
    "a number too large for JSON": Completed(decision=Decision.GRANTED, fields={"n": 2**70}),
    "an object inside": Completed(decision=Decision.GRANTED, fields={"x": cast(Any, object())}),
    "half a character": Completed(decision=Decision.GRANTED, fields={"x": "\ud800"}),
    "something without a bottom": Completed(decision=Decision.GRANTED, fields=DEEP),
    "something huge": Completed(decision=Decision.GRANTED, fields={"x": "y" * (LARGEST_BYTES + 1)}),
    "a decision of another type": Completed(decision=cast(Any, "granted"), fields={}),
    "fields of another type": Completed(decision=Decision.GRANTED, fields=cast(Any, ["x"])),
    "a reason of another type": Returned(reason_code=cast(Any, 7)),
    "a time without a zone": AwaitingReply(next_poll_at=datetime(2026, 3, 2)),  # noqa: DTZ001 - the mistake under test
    "a sheet of another type": AwaitingReply(task_sheet=cast(Any, "sheet")),
}


@pytest.mark.parametrize("given", NONSENSE.values(), ids=NONSENSE.keys())
def test_an_answer_that_is_not_what_the_contract_says_is_a_mistake_of_the_plugin(given: object) -> None:
    assert isinstance(checked(given), TypeError | ValueError)


async def test_answers_that_are_none_of_the_contract_end_dead_and_are_never_recorded(tmp_path: Path) -> None:
    given = list(NONSENSE.values())
    seen: dict[object, Any] = {}

    def answer(delivery: Delivery) -> Any:
        seen.setdefault(delivery.id, given[len(seen)] if len(seen) < len(given) else None)
        return seen[delivery.id]

    limits = Limits(max_attempts=3, concurrency=4)
    async with scripted_hub(tmp_path, None, **beside(Scripted(answer), limits=limits)) as hub:
        cases = [await submit(hub, "API1") for _ in given]
        await settled(hub, ["done"], await submit(hub, "PAPER1"))
        await settled(hub, ["dead"] * len(given), *cases, seconds=60)
        states = await rows(hub, "SELECT DISTINCT state FROM attempt WHERE situation = 'api'")
        (kept,) = await rows(hub, "SELECT count(*) AS n FROM reply WHERE system = 'AA-api'")
    assert states == [{"state": "bug"}]
    assert kept["n"] == 0


async def test_a_plugin_that_changes_what_it_is_given_changes_nothing_of_ours(tmp_path: Path) -> None:
    kept: list[Delivery] = []
    given: list[dict[str, Any]] = []

    def meddle(delivery: Delivery) -> Outcome | BaseException:
        given.append(dict(delivery.fields))
        kept.append(delivery)
        for one in kept:  # what came before, too: it has kept it
            cast(dict[str, Any], one.fields)["applicant_name"] = "somebody else"
            cast(dict[str, Any], one.fields)["more"] = [1]
        return GRANTED if delivery.attempt == 2 else OutcomeUnknownError("reset")

    async with scripted_hub(tmp_path, api=scripted_channel(Scripted(meddle))) as hub:
        case = await submit(hub, "API1")
        await settled(hub, ["done"], case)
        before = await rows(hub, "SELECT sealed_fields FROM delivery")
        meddle(kept[0])
        assert await rows(hub, "SELECT sealed_fields FROM delivery") == before
    assert given[:2] == [{"applicant_name": "赵样例"}] * 2
    with pytest.raises(AttributeError):
        kept[0].attempt = 9  # type: ignore[misc] # a record is frozen


async def test_an_outcome_that_is_changed_after_it_was_given_stays_as_it_was(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"decision_no": "样例1号"}
    gateway = Scripted(lambda delivery: Completed(decision=Decision.GRANTED, fields=fields))
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        case = await submit(hub, "API1")
        await settled(hub, ["done"], case)
        before = await rows(hub, "SELECT sealed_body FROM reply")
        fields["decision_no"] = "another"
        assert await rows(hub, "SELECT sealed_body FROM reply") == before


async def test_done_twice_and_done_after_a_cancel_have_one_effect(tmp_path: Path) -> None:
    gateway = Scripted(lambda delivery: AwaitingReply())
    async with scripted_hub(tmp_path, api=scripted_channel(gateway)) as hub:
        first, second = await submit(hub, "API1"), await submit(hub, "API1")
        await settled(hub, ["waiting"] * 2, first, second)
        one, other = gateway.seen
        assert [(await reply(hub, one, GRANTED)).verdict for _ in range(3)] == ["applied", "duplicate", "duplicate"]
        withdrawn = next(case for case in (first, second) if other.case_no == case)
        await hub.commit("test", lambda c: _withdraw(hub, c, withdrawn))
        assert (await reply(hub, other, GRANTED)).verdict == "late"
        cases = await rows(hub, "SELECT case_no, status FROM case_file ORDER BY case_no")
    assert {row["case_no"]: row["status"] for row in cases} == {one.case_no: "50", other.case_no: "13"}


def _withdraw(hub: Hub, connection: Connection, case_no: str) -> Change:
    told = CaseEvent(event=CaseEventKind.WITHDRAW, by="staff-1")
    return results.event(connection, hub.city, case_no, ("/test", f"w-{case_no}"), "d", told, hub.now_ms())


async def test_verdicts_that_are_nonsense_cost_their_own_members(tmp_path: Path) -> None:
    def verdicts(batch: Batch) -> Mapping[Any, Any]:
        first, second, third = batch.deliveries
        return {first.id: None, second.id: "done", third.id: AwaitingReply()}

    gateway = Batched(cast(Any, verdicts))
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=Batching(max_size=3), resend_is_safe=False)
    async with scripted_hub(tmp_path, file=way) as hub:
        for _ in range(3):
            await submit(hub, "FILE1")
        await settled(hub, ["unknown", "unknown", "waiting"])


async def test_an_enquiry_that_answers_nonsense_leaves_the_delivery_unknown(tmp_path: Path) -> None:
    answers: list[Any] = ["yes", 7, NotFound(what=Lookup.CANNOT_TELL)]
    gateway = Asked(lambda delivery: OutcomeUnknownError("timeout"), lambda delivery: answers.pop(0))
    async with scripted_hub(tmp_path, api=scripted_channel(gateway, resend_is_safe=False)) as hub:
        await settled(hub, ["unknown"], await submit(hub, "API1"))

        async def asked() -> bool:
            return not answers

        await until(asked)
        assert await rows(hub, "SELECT state FROM delivery") == [{"state": "unknown"}]
    assert len(gateway.seen) == 1


# --- plugins that do not come back ----------------------------------------------------------------------------------


async def test_threads_that_hang_are_one_systems_own(tmp_path: Path) -> None:
    """More of them than the hub has threads: the other department, which needs a thread too, does not notice."""
    free = threading.Event()

    def threaded(situation: Situation, work: Callable[[], object], limits: Limits) -> Channel:
        @asynccontextmanager
        async def connect(place: NoSettings, runtime: Runtime) -> AsyncIterator[Gateway]:
            async def deliver(delivery: Delivery) -> Outcome:
                await runtime.in_thread(work)
                return GRANTED

            yield Scripted(deliver)

        return channel(situation, NoSettings, connect, resend_is_safe=True, limits=limits)

    hanging = Limits(attempt_seconds=0.3, concurrency=50)
    channels = {
        "api": threaded(Situation.API, free.wait, hanging),
        "paper": threaded(Situation.PAPER, lambda: None, Limits(attempt_seconds=30)),
    }
    try:
        async with scripted_hub(tmp_path, None, **channels) as hub:
            for _ in range(50):
                await submit(hub, "API1")
            await asyncio.sleep(0.5)
            await settled(hub, ["done"], await submit(hub, "PAPER1"))
    finally:
        free.set()


async def test_a_plugin_that_blocks_the_loop_is_named_with_the_place(tmp_path: Path, logged: Callable[[], str]) -> None:
    def block(delivery: Delivery) -> Outcome:
        time.sleep(2.0)  # what no plugin may do
        return GRANTED

    async with loop_watch(0), scripted_hub(tmp_path, None, **beside(Scripted(block))) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"), seconds=20)
        await settled(hub, ["done"], await submit(hub, "PAPER1"))
        await asyncio.sleep(1.5)
    told = logged()
    assert "loop_blocked" in told
    assert "test_misbehaving_plugins.py" in told
    assert "loop_turns_again" in told


async def test_a_loop_that_turns_is_not_reported(logged: Callable[[], str]) -> None:
    gc.collect()
    async with loop_watch(0):
        await asyncio.sleep(1.5)
    assert "loop_blocked" not in logged()


async def test_what_a_plugin_leaks_is_counted(tmp_path: Path) -> None:
    """Tasks, threads and files that it never gives back show in the metrics, from which an alarm is made."""
    free, files, leaked = threading.Event(), [], set()
    before = leaks()

    def leak(delivery: Delivery) -> Outcome:
        threading.Thread(target=free.wait, daemon=True).start()
        leaked.add(asyncio.ensure_future(asyncio.sleep(60)))
        files.append(open(os.devnull))  # noqa: PTH123, SIM115 - never closed: that is the mistake
        return GRANTED

    try:
        async with scripted_hub(tmp_path, None, **beside(Scripted(leak))) as hub:
            await settled(hub, ["done"] * 20, *[await submit(hub, "API1") for _ in range(20)], seconds=30)
            grown = {name: number - before[name] for name, number in leaks().items()}
    finally:
        free.set()
        for task in leaked:
            task.cancel()
        for file in files:
            file.close()
    assert min(grown.values()) >= 20, grown


def leaks() -> dict[str, float]:
    """What can be leaked, as the metrics tell it."""
    count_resources()
    names = ("onedoor_process_tasks", "onedoor_process_threads", "process_open_fds")
    return {name: metrics.REGISTRY.get_sample_value(name) or 0.0 for name in names}
