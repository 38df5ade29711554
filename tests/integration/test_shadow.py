"""A shadow channel gets copies marked as tests; what it answers is compared and settles nothing."""

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from adapters.file_drop_table import FileDropTable, out_name
from contracts.delivery import AwaitingReply, Completed, Decision, Delivery, Reply
from contracts.errors import TemporaryError
from contracts.situation import Batching, ChannelStatus, Situation
from hub import results
from hub.app import Hub
from hub.results import shadows
from hub.results.shadows import ShadowReport
from tests.file_world import TABLE, batch_of, delivery_of
from tests.scripted import Answer, Batched, Scripted, rows, scripted_channel, scripted_hub, settled, submit, until
from tests.small_city import GRANTED, REFUSED


async def report(hub: Hub, system: str, situation: str) -> ShadowReport:
    return await hub.read(lambda c: shadows.report(c, hub.city, system, situation))


async def copied(gateway: Scripted, number: int = 1) -> Delivery:
    async def there() -> bool:
        return len(gateway.seen) >= number

    await until(there, 30)
    await asyncio.sleep(0.1)
    return gateway.seen[number - 1]


@pytest.mark.parametrize(
    ("answer", "equal", "names"),
    [
        (GRANTED, 1, ()),
        (REFUSED, 0, ("decision", "fields.decision_no", "fields.reason")),
        (Completed(decision=Decision.GRANTED, fields={"decision_no": "样例2号"}), 0, ("fields.decision_no",)),
    ],
    ids=["alike", "another decision", "another field"],
)
async def test_a_copy_is_marked_has_its_own_id_and_its_answer_is_compared(
    tmp_path: Path, answer: Answer, equal: int, names: tuple[str, ...]
) -> None:
    sending, shadow = Scripted(lambda delivery: GRANTED), Scripted(lambda delivery: answer)
    ways = (
        scripted_channel(sending, Situation.PAPER),
        scripted_channel(shadow, Situation.API, status=ChannelStatus.SHADOW),
    )
    async with scripted_hub(tmp_path, paper=ways) as hub:
        await submit(hub, "PAPER1")
        await settled(hub, ["done"])
        copy = await copied(shadow)
        found = await report(hub, "CC-paper", "api")
        (reply,) = await rows(hub, "SELECT count(*) AS n FROM reply")
        (case,) = await rows(hub, "SELECT decision FROM case_file")
    assert copy.test
    assert not sending.seen[0].test
    assert copy.id != sending.seen[0].id
    assert copy.fields == sending.seen[0].fields
    assert (found.copies, found.equal) == (1, equal)
    assert [one.names for one in found.different] == ([names] if names else [])
    assert (reply["n"], case["decision"]) == (1, "granted"), "nothing of the shadow counts"


async def test_a_later_answer_to_a_copy_is_kept_apart_and_a_failure_costs_nothing(tmp_path: Path) -> None:
    answers: list[Answer] = [AwaitingReply(), TemporaryError("http_503")]
    sending, shadow = Scripted(lambda delivery: AwaitingReply()), Scripted(lambda delivery: answers.pop(0))
    ways = (
        scripted_channel(sending, Situation.PAPER),
        scripted_channel(shadow, Situation.API, status=ChannelStatus.SHADOW),
    )
    async with scripted_hub(tmp_path, paper=ways) as hub:
        for _ in range(2):
            await submit(hub, "PAPER1")
        first = await copied(shadow, 1)
        await copied(shadow, 2)
        late = Reply(delivery_id=first.id, outcome=GRANTED, happened_at=hub.runtime.now())
        for _ in range(2):
            change = await hub.commit("test", lambda c: results.reply(c, hub.city, "CC-paper", late, hub.now_ms()))
            assert change.verdict == "shadow"
        await settled(hub, ["waiting", "waiting"])
        found = await report(hub, "CC-paper", "api")
        assert await rows(hub, "SELECT * FROM reply") == []
    assert (found.copies, found.uncompared, found.failed, found.errors) == (2, 1, 1, {"http_503": 1})


async def test_copies_over_files_travel_alone_in_files_of_their_own(tmp_path: Path) -> None:
    sending = Scripted(lambda delivery: GRANTED)
    files = Batched(lambda batch: {one.id: AwaitingReply() for one in batch.deliveries})
    ways = (
        scripted_channel(sending),
        scripted_channel(files, Situation.FILE_DROP, status=ChannelStatus.SHADOW, batching=Batching(max_size=100)),
    )
    async with scripted_hub(tmp_path, api=ways) as hub:
        for _ in range(2):
            await submit(hub, "API1")
        await settled(hub, ["done", "done"])

        async def both() -> bool:
            return len(files.batches) == 2

        await until(both, 30)
        assert await rows(hub, "SELECT * FROM batch") == []
    assert [batch.sequence for batch in files.batches] == [1, 2]
    assert all(one.test for batch in files.batches for one in batch.deliveries)


def test_a_file_of_copies_says_so_in_its_name() -> None:
    table = FileDropTable.model_validate(TABLE)
    copy = replace(delivery_of(), test=True, id=UUID(int=7))
    assert out_name(table, batch_of(copy)) == "TEST_WJ_20261124_001.txt"
