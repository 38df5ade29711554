"""What a file_drop table may declare."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.file_drop import make
from adapters.file_drop_table import FileDropTable
from adapters.file_records import exchange, record_of, reply_of
from adapters.record_verdicts import Line
from contracts.delivery import Completed, Decision
from contracts.situation import ChannelStatus, Situation
from tests.file_world import CHECK, REWARD, SEALED_AT, TABLE, Place, delivery_of, system_of


@pytest.mark.parametrize(
    "change",
    [
        {"out": {"pattern": "WJ_{operation}_{seq:03d}.txt"}},
        {"out": {"pattern": "WJ_{date:%Y%m%d}.txt"}},
        {"out": {"pattern": "../{seq:03d}.txt"}},
        {"out": {"pattern": "WJ_{seq:03x}.txt"}},
        {"out": {"pattern": "WJ_{date:%c}_{seq:03d}.txt"}},
        {"out": {"pattern": "WJ.{seq:03d}"}},
        {"out": {"pattern": "WJ_{seq:03d}.ok"}},
        {"out": {"pattern": "{seq:03d}.txt", "dir": "/out/../etc"}},
        {"back": {**TABLE["back"], "done_dir": "/back"}},
        {"timezone": "Mars/Olympus"},
        {"encoding": "GB2312"},
        {"colour": "red"},
        {"record": {"separator": ","}},
        {"format": "tape"},
        {"operation_column": None},
        {"back": {**TABLE["back"], "record": ["reference", "code", "fields"]}},
        {"back": {**TABLE["back"], "record": ["code", "reference", "operation", "fields"]}},
    ],
    ids=str,
)
def test_a_declaration_that_cannot_work_is_refused(change: dict[str, Any]) -> None:
    system = system_of({**TABLE, **change})
    with pytest.raises(ValueError):  # noqa: PT011 - ValidationError is one, and the texts are pydantic's
        make(system, system.channels[0])


def test_operations_must_be_told_apart_and_a_sender_needs_batching() -> None:
    twice = system_of(TABLE, REWARD, replace(CHECK, wire=REWARD.wire))
    with pytest.raises(ValueError, match="share an operation_code"):
        make(twice, twice.channels[0])
    nameless = system_of(TABLE, replace(REWARD, wire={Situation.FILE_DROP: {}}))
    with pytest.raises(ValueError, match="needs an operation_code"):
        make(nameless, nameless.channels[0])
    system = system_of(TABLE)
    with pytest.raises(ValueError, match="needs batching"):
        make(system, replace(system.channels[0], batching=None))
    former = make(system, replace(system.channels[0], batching=None, status=ChannelStatus.FORMER))
    assert former.situation is Situation.FILE_DROP
    alone = system_of(
        {**TABLE, "operation_column": None, "back": {**TABLE["back"], "record": ["reference", "code", "fields"]}},
        REWARD,
    )
    assert make(alone, alone.channels[0]).resend_is_safe


def test_a_host_key_must_be_one() -> None:
    system = system_of(TABLE)
    with pytest.raises(ValidationError, match="ssh-keyscan"):
        make(system, system.channels[0]).open({"host": "h", "username": "u", "host_key": "ssh-ed25519 x"}, Place())


def test_a_system_with_one_operation_needs_no_operation_in_its_records() -> None:
    back = {**TABLE["back"], "record": ["reference", "code", "fields"]}
    table = FileDropTable.model_validate({**TABLE, "operation_column": None, "back": back, "timezone": "UTC"})
    alone = exchange(system_of(TABLE, CHECK), table)
    delivery = delivery_of("check", SFZH="x")
    assert record_of(alone, delivery) == f"{delivery.id}|!x\r\n".encode()
    reply = reply_of(alone, Line(number=1, values=(str(delivery.id), "00", "1"), first=str(delivery.id)), SEALED_AT)
    assert reply is not None
    assert reply.outcome == Completed(decision=Decision.GRANTED, fields={"found": True})
    assert reply.happened_at == SEALED_AT


@pytest.mark.parametrize("reference", ["", "1", "{00000000-0000-0000-0000-000000000000}", "g" * 32])
def test_a_line_without_a_delivery_id_is_nobodys(reference: str) -> None:
    spec = exchange(system_of(TABLE), FileDropTable.model_validate(TABLE))
    assert reply_of(spec, Line(number=1, values=(reference, "WJ01", "00", "", ""), first=reference), SEALED_AT) is None
