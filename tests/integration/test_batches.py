"""Batches of a running hub: sealed once, resent as they are, and each member with an answer of its own."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from contracts.delivery import AwaitingReply, Batch, Outcome
from contracts.errors import DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.situation import Batching, Situation
from hub import results
from hub.app import Hub
from hub.store.connection import Connection
from tests.scripted import Batched, from_start, reply, rows, scripted_channel, scripted_hub, settled, submit, until
from tests.small_city import GRANTED

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


async def test_a_batch_is_sealed_when_it_is_full_and_resent_with_the_same_bytes(tmp_path: Path) -> None:
    answers: list[DeliveryError | None] = [OutcomeUnknownError("cut"), None]

    def verdicts(batch: Batch) -> dict[object, Outcome]:
        error = answers.pop(0)
        if error is not None:
            raise error
        return {delivery.id: AwaitingReply() for delivery in batch.deliveries}

    gateway = Batched(verdicts)  # type: ignore[arg-type]
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=Batching(max_size=3))
    async with scripted_hub(tmp_path, file=way) as hub:
        cases = [await submit(hub, "FILE1") for _ in range(3)]
        await settled(hub, ["waiting"] * 3, *cases)
        batch_rows = await rows(hub, "SELECT sequence, state, members FROM batch")
        attempts = await rows(hub, "SELECT number, possible_duplicate FROM attempt ORDER BY number")
        for delivery in gateway.batches[0].deliveries:
            await reply(hub, delivery, GRANTED)
        await settled(hub, ["done"] * 3, *cases)
        (closed,) = await rows(hub, "SELECT state FROM batch")
    first, second = gateway.batches
    assert first.payload == second.payload
    assert (first.id, first.sequence, first.sealed_at) == (second.id, second.sequence, second.sealed_at)
    assert batch_rows == [{"sequence": 1, "state": "sent", "members": 3}]
    assert [(row["number"], row["possible_duplicate"]) for row in attempts] == [(1, 0)] * 3 + [(2, 1)] * 3
    assert closed == {"state": "closed"}


async def test_a_replayed_member_of_a_file_that_arrived_travels_without_the_others(tmp_path: Path) -> None:
    """The whole file again would bring the others to the department twice, and no attempt of theirs would say so."""
    gateway = Batched(lambda batch: {delivery.id: AwaitingReply() for delivery in batch.deliveries})
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=Batching(max_size=2, max_wait_seconds=0.1))
    async with scripted_hub(tmp_path, file=way) as hub:
        case, other = await submit(hub, "FILE1"), await submit(hub, "FILE1")
        await settled(hub, ["waiting"] * 2, case, other)
        refused, kept = gateway.batches[0].deliveries
        await reply(hub, refused, PermanentError("format"))
        await settled(hub, ["dead", "waiting"])
        await hub.commit(
            "replay", lambda c: results.operate(c, hub.city, str(refused.id), "replay", "staff", hub.now_ms())
        )
        await settled(hub, ["waiting"] * 2, case, other)
        tries = await rows(hub, "SELECT delivery, count(*) AS tries FROM attempt GROUP BY delivery")
    assert [[delivery.id for delivery in batch.deliveries] for batch in gateway.batches] == [
        [refused.id, kept.id],
        [refused.id],
    ]
    assert [batch.sequence for batch in gateway.batches] == [1, 2]
    assert {row["delivery"]: row["tries"] for row in tries} == {str(refused.id): 2, str(kept.id): 1}


async def test_an_answer_to_an_earlier_file_does_not_say_that_the_next_one_has_arrived(tmp_path: Path) -> None:
    """Were the next file taken for sent before it is, it would never go again, and its number would be missing for good."""
    sending, answered = asyncio.Event(), asyncio.Event()
    calls = iter((None, TemporaryError("refused"), None))

    class Slow(Batched):
        async def deliver_batch(self, batch: Batch, /) -> Mapping[UUID, Outcome | DeliveryError]:
            await super().deliver_batch(batch)
            if (error := next(calls)) is not None:
                sending.set()
                await answered.wait()
                raise error
            return {delivery.id: AwaitingReply() for delivery in batch.deliveries}

    gateway = Slow(lambda batch: {})
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=Batching(max_size=2))
    async with scripted_hub(tmp_path, file=way) as hub:
        cases = [await submit(hub, "FILE1") for _ in range(2)]
        await settled(hub, ["waiting"] * 2, *cases)
        first, second = gateway.batches[0].deliveries
        for member in (first, second):
            await reply(hub, member, PermanentError("format"))
            await hub.commit("replay", partial(_replay, hub, str(member.id)))
        await asyncio.wait_for(sending.wait(), 10)
        await reply(hub, first, GRANTED)
        states_of_batches = await rows(hub, "SELECT sequence, state FROM batch ORDER BY sequence")
        answered.set()
        await settled(hub, ["done", "waiting"], *cases)
        at_the_end = await rows(hub, "SELECT sequence, state FROM batch ORDER BY sequence")
    assert states_of_batches == [{"sequence": 1, "state": "sent"}, {"sequence": 2, "state": "sealed"}]
    assert at_the_end == [{"sequence": 1, "state": "sent"}, {"sequence": 2, "state": "sent"}]
    assert [batch.sequence for batch in gateway.batches] == [1, 2, 2]
    assert gateway.batches[1].payload == gateway.batches[2].payload


def _replay(hub: Hub, delivery: str, connection: Connection) -> object:
    return results.operate(connection, hub.city, delivery, "replay", "staff", hub.now_ms())


async def test_a_member_without_a_verdict_is_unknown_and_the_others_are_not(tmp_path: Path) -> None:
    gateway = Batched(lambda batch: {batch.deliveries[0].id: AwaitingReply()})
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=Batching(max_size=2), resend_is_safe=False)
    async with scripted_hub(tmp_path, file=way) as hub:
        await submit(hub, "FILE1")
        await submit(hub, "FILE1")
        await settled(hub, ["waiting", "unknown"])


async def test_a_file_that_is_refused_as_a_whole_makes_its_members_dead_letters(tmp_path: Path) -> None:
    def refuse(batch: Batch) -> dict[object, Outcome]:
        raise PermanentError("name_taken")

    way = scripted_channel(
        Batched(refuse),  # type: ignore[arg-type]
        Situation.FILE_DROP,
        batching=Batching(max_size=2),
    )
    async with scripted_hub(tmp_path, file=way) as hub:
        await submit(hub, "FILE1")
        await submit(hub, "FILE1")
        await settled(hub, ["dead", "dead"])
        assert await rows(hub, "SELECT state FROM batch") == [{"state": "rejected"}]


async def test_a_batch_that_cannot_be_sealed_ends_as_its_error_says_and_the_lane_goes_on(tmp_path: Path) -> None:
    class Unsealable(Batched):
        def seal(self, batch: Batch, /) -> bytes:
            if len(self.batches) == 0 and not self.seen_one:
                self.seen_one = True
                raise PermanentError("not_expressible")
            return super().seal(batch)

        seen_one = False

    gateway = Unsealable(lambda batch: {delivery.id: AwaitingReply() for delivery in batch.deliveries})
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=Batching(max_size=1))
    async with scripted_hub(tmp_path, file=way) as hub:
        await settled(hub, ["dead"], await submit(hub, "FILE1"))
        second = await submit(hub, "FILE1")
        await settled(hub, ["waiting"], second)


async def test_a_member_that_settles_before_the_seal_leaves_the_others_to_travel(tmp_path: Path) -> None:
    class Overtaken(Batched):
        hub: Hub
        told = False

        def seal(self, batch: Batch, /) -> bytes:
            if not self.told:
                self.told = True
                asyncio.get_running_loop().create_task(reply(self.hub, batch.deliveries[0], GRANTED))
            return super().seal(batch)

    gateway = Overtaken(lambda batch: {delivery.id: AwaitingReply() for delivery in batch.deliveries})
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=Batching(max_size=2))
    async with scripted_hub(tmp_path, file=way) as hub:
        gateway.hub = hub
        await submit(hub, "FILE1")
        await submit(hub, "FILE1")

        async def one_each() -> bool:
            found = await rows(hub, "SELECT state FROM delivery ORDER BY state")
            return [row["state"] for row in found] == ["done", "waiting"]

        await until(one_each)


async def test_at_a_cut_off_a_file_goes_even_when_it_is_empty(tmp_path: Path) -> None:
    gateway = Batched(lambda batch: {delivery.id: AwaitingReply() for delivery in batch.deliveries})
    batching = Batching(cut_offs=("09:30", "12:00"), send_empty=True)
    way = scripted_channel(gateway, Situation.FILE_DROP, batching=batching)
    fast = {"clock": from_start(MONDAY, 7200.0)}  # 09:00 in Shanghai; half a day in six seconds
    async with scripted_hub(tmp_path, fast, file=way) as hub:
        case = await submit(hub, "FILE1")

        async def two() -> bool:
            return len(gateway.batches) >= 2

        await until(two)
        await settled(hub, ["waiting"], case)
    assert [len(batch.deliveries) for batch in gateway.batches[:2]] == [1, 0]
    assert [batch.sequence for batch in gateway.batches[:2]] == [1, 2]
