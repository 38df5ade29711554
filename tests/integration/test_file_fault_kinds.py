"""Every kind of fault of a file exchange over a real server: at the door, in an upload, in a record, in a result file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from contracts.delivery import Delivery, Reply
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, TemporaryError
from simulators.dial import FaultDial
from simulators.faults import KINDS, Fault, Place
from simulators.ledger import Ledger
from simulators.scenario import Rule
from simulators.sftp import SftpDepartment, sftp_department
from tests.file_world import TABLE, batch_of, collected, delivery_of, names, opened, system_of
from tests.integration.test_fault_kinds import SWAPPED, said_of
from tests.rest_world import until


@asynccontextmanager
async def exchange(
    folder: Path, tree: Path, table: dict[str, Any] = TABLE
) -> AsyncIterator[tuple[SftpDepartment, FaultDial, Ledger]]:
    dial = FaultDial({}, 1)
    with (
        Ledger(folder / "ledger.jsonl") as ledger,
        sftp_department(
            system_of(table), root=tree, ledger=ledger, dial=dial, seed=7, result_delay_seconds=0.1, shares={}
        ) as running,
    ):
        yield running, dial, ledger


DOOR: dict[Fault, tuple[type[DeliveryError], ...]] = {
    Fault.REFUSE: (TemporaryError,),
    Fault.RESET: (TemporaryError,),
    Fault.DELAY: (TemporaryError,),
    Fault.LOGIN_REFUSED: (CredentialsError,),
    Fault.CHANGED_HOST_KEY: (CredentialsError,),
    Fault.FULL_DISK: (TemporaryError,),
    Fault.RESET_MID_BODY: (TemporaryError, OutcomeUnknownError),
}


@pytest.mark.parametrize("fault", DOOR)
async def test_an_exchange_meets_the_fault_at_the_door_or_in_an_upload(
    fault: Fault, tmp_path: Path, sftp_tree: Path
) -> None:
    async with exchange(tmp_path, sftp_tree) as (running, dial, ledger), opened(TABLE, running.server) as gateway:
        dial.begin([Rule(fault=fault, seconds=3 if fault is Fault.DELAY else None)], [], 1)
        batch = batch_of(delivery_of(), delivery_of())
        with pytest.raises(DOOR[fault]):
            await gateway.deliver_batch(batch)
        assert dial.counts[fault] >= 1
        await asyncio.sleep(0.1)
        assert ledger.counts == {}
        assert not [name for name in names(sftp_tree / "out") if not name.endswith(".tmp")]
        dial.turn([], [])
        running.server.cut()
        # A connection that has just been cut may be noticed only by the next call: the hub would try again.
        for _ in range(5):
            try:
                await gateway.deliver_batch(batch)
                break
            except (TemporaryError, OutcomeUnknownError):
                continue
        await until(lambda: ledger.counts["effect"] == 2)


def test_every_kind_of_a_connection_or_an_upload_is_played_here() -> None:
    assert {one for one, kind in KINDS.items() if kind.places & {Place.CONNECTION, Place.TRANSFER}} == DOOR.keys()


FILES = {
    Fault.TRUNCATED_FILE: True,
    Fault.REENCODED_FILE: True,
    Fault.WRONG_COUNTS: True,
    Fault.FILE_TWICE: False,
    Fault.FILE_LATE: False,
    Fault.DUPLICATE_REPLY: False,
    Fault.LOST_REPLY: False,
}
"""Whether a file of it is put aside by whoever collects."""


def test_every_kind_of_a_record_or_result_file_is_played_here() -> None:
    elsewhere = {Fault.SWAPPED_REPLIES}
    assert {one for one, kind in KINDS.items() if kind.places & {Place.RECORD, Place.FILE}} == FILES.keys() | elsewhere


@pytest.mark.parametrize("fault", FILES)
async def test_a_result_file_meets_the_fault_and_every_record_is_answered_in_the_end(
    fault: Fault, tmp_path: Path, sftp_tree: Path
) -> None:
    sent: list[Delivery] = [delivery_of() for _ in range(4)]
    wanted = {one.id for one in sent}
    found: dict[Any, set[str]] = {}
    # UTF-8 read as GB18030 is mostly readable, as other characters; the other way round it never is.
    table = {**TABLE, "encoding": "UTF-8"} if fault is Fault.REENCODED_FILE else TABLE
    async with (
        exchange(tmp_path, sftp_tree, table) as (running, dial, ledger),
        opened(table, running.server) as gateway,
    ):
        # Whatever is first, and nothing after it.
        steps = 4 if fault is Fault.LOST_REPLY else 1
        dial.begin([Rule(sequence=f"{fault} x{steps}", seconds=0.5)], [], 1)
        await gateway.deliver_batch(batch_of(*sent))
        until_ = asyncio.get_running_loop().time() + 20
        while (wanted - found.keys() or not _is_over(sftp_tree)) and asyncio.get_running_loop().time() < until_:
            for replies in await collected(gateway):
                for reply in replies:
                    found.setdefault(reply.delivery_id, set()).add(repr(reply.outcome))
            await asyncio.sleep(0.05)
        assert running.department.problems == {}
        assert dial.counts[fault] == steps
        assert ledger.counts["effect"] == ledger.counts["arrival"] == 4
    assert found.keys() == wanted
    assert all(len(outcomes) == 1 for outcomes in found.values())
    aside = [name for name in names(sftp_tree / "back/quarantine") if name.endswith(".reason.txt")]
    assert bool(aside) == FILES[fault]


async def test_two_lines_stand_under_each_others_id_and_the_right_ones_follow(tmp_path: Path, sftp_tree: Path) -> None:
    """One of another operation is known for what it is; of the same operation the second answer contradicts the first."""
    sent = [delivery_of(("reward", "check")[number % 2]) for number in range(12)]
    operations = {one.id: one.operation for one in sent}
    replies: dict[Any, list[Reply]] = {}
    async with exchange(tmp_path, sftp_tree) as (running, dial, ledger), opened(TABLE, running.server) as gateway:
        dial.begin([Rule(fault=Fault.SWAPPED_REPLIES, seconds=0.3)], [], 1)
        await gateway.deliver_batch(batch_of(*sent))
        end = asyncio.get_running_loop().time() + 20
        while asyncio.get_running_loop().time() < end:
            for found in await collected(gateway):
                for one in found:
                    replies.setdefault(one.delivery_id, []).append(one)
            swapped = 2 * dial.counts[Fault.SWAPPED_REPLIES]
            if swapped and sum(map(len, replies.values())) == len(sent) + swapped:
                break
            await asyncio.sleep(0.05)
        twice = [one for one in sent if len(replies[one.id]) == 2]
        assert len(twice) == 2 * dial.counts[Fault.SWAPPED_REPLIES] > 0
        for delivery in twice:
            wrong, right = replies[delivery.id]
            assert said_of(ledger, delivery) == SWAPPED
            assert right.operation == delivery.operation
            assert wrong.outcome != right.outcome
            sources = {operations[one.id] for one in twice if replies[one.id][1].outcome == wrong.outcome}
            assert wrong.operation in sources
        assert ledger.counts["effect"] == ledger.counts["arrival"] == len(sent)


async def test_a_line_alone_in_its_file_keeps_its_place(tmp_path: Path, sftp_tree: Path) -> None:
    async with exchange(tmp_path, sftp_tree) as (running, dial, ledger), opened(TABLE, running.server) as gateway:
        dial.begin([Rule(fault=Fault.SWAPPED_REPLIES)], [], 1)
        sent = delivery_of()
        await gateway.deliver_batch(batch_of(sent))
        await until(lambda: ledger.counts["reply"] == 1)
        assert dial.counts[Fault.SWAPPED_REPLIES] == 0
        assert said_of(ledger, sent) == SWAPPED[1:]


def _is_over(tree: Path) -> bool:
    return not [name for name in names(tree / "back") if name.endswith(".txt")]
