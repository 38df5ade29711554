"""What a file_drop table may declare."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.file_drop import make
from adapters.file_drop_table import FileDropTable, out_name
from adapters.file_records import exchange, record_of, reply_of
from adapters.record_verdicts import Line
from contracts.delivery import Completed, Decision
from contracts.errors import PermanentError
from contracts.situation import ChannelStatus, Situation
from tests.file_layouts import LAYOUTS, delivery_with, system_with, table_of
from tests.file_world import CHECK, REWARD, SEALED_AT, TABLE, Place, batch_of, delivery_of, system_of


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
        {"on_unencodable": "guess"},
        {"on_unencodable": "substitute"},
        {"substitutes": {"㛃": "?"}},
        {"on_unencodable": "substitute", "substitutes": {"㛃㛃": "?"}},
        {"header": {"record_type": "H", "fields": [{"name": "sha256"}]}},
        {"trailer": {"record_type": "T", "fields": [{"name": "amount_cents"}]}},
        {"format": "xml", "record": {"root": "P", "row": "R"}, "operation_column": "YWDM"},
        {"format": "fixed", "record": {}},
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


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layouts_of_a_city_can_be_declared(name: str) -> None:
    system = system_with(table_of(name))
    assert make(system, system.channels[0]).situation is Situation.FILE_DROP


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("fixed GB18030", {"operation_column": "JYM"}),
        ("fixed GB18030", {"record": {"eol": "LF"}}),
        ("fixed GBK", {"back": {"pattern": "HSJJ.R.{seq:04d}"}}),
        ("fixed GBK", {"fee_cents_per_row": None}),
        ("dbf", {"out": {"pattern": "GH{date:%m%d}{seq:02d}.DBF"}}),
        ("dbf", {"out": {"pattern": "GH{date:%m%d}{seq:02d}.DBF", "sequence_max": 100}}),
        ("dbf", {"out": {"pattern": "gh{date:%m%d}{seq:02d}.dbf", "sequence_max": 99}}),
        ("dbf", {"encoding": "GB18030"}),
        ("xml", {"record": {"root": "Package", "row": "Row"}}),
        ("xml", {"trailer": {"record_type": "T", "fields": [{"name": "rows"}]}}),
        ("zip_csv", {"record": {"inner_name": "data.csv"}}),
    ],
    ids=str,
)
def test_a_layout_that_cannot_work_is_refused(name: str, change: dict[str, Any]) -> None:
    system = system_with(table_of(name, **change))
    with pytest.raises(ValueError):  # noqa: PT011 - ValidationError is one, and the texts are pydantic's
        make(system, system.channels[0])


def test_a_sequence_without_room_for_more_begins_again() -> None:
    table = FileDropTable.model_validate(table_of("dbf"))
    assert [out_name(table, batch_of(sequence=number)) for number in (1, 99, 100, 198, 199)] == [
        "GH112401.DBF",
        "GH112499.DBF",
        "GH112401.DBF",
        "GH112499.DBF",
        "GH112401.DBF",
    ]
    assert out_name(FileDropTable.model_validate(TABLE), batch_of(sequence=1000)) == "WJ_20261124_1000.txt"


@pytest.mark.parametrize(
    ("rule", "name", "found"),
    [
        ({}, "样例", "样例"),
        ({}, "样例㛃", "not_encodable"),
        ({"on_unencodable": "paper"}, "样例", "样例"),
        ({"on_unencodable": "paper"}, "样例𠮷", "needs_paper"),
        ({"on_unencodable": "substitute", "substitutes": {"㛃": "[女丯]", "例": "?"}}, "样例㛃", "样例[女丯]"),
        ({"on_unencodable": "substitute", "substitutes": {"㛃": "[女丯]"}}, "样𠮷㛃", "not_encodable"),
        ({"on_unencodable": "substitute", "substitutes": {"㛃": "𠮷"}}, "样例㛃", "not_encodable"),
    ],
)
def test_what_the_encoding_lacks_follows_the_declared_rule(rule: dict[str, Any], name: str, found: str) -> None:
    declared = table_of("csv with trailer", **rule)
    spec = exchange(system_with(declared), FileDropTable.model_validate(declared))
    delivery = delivery_with("statement", XM=name)
    if not found.isascii():
        assert record_of(spec, delivery) == f"{delivery.id}|!1002|!{found}\r\n".encode("gbk")
        return
    with pytest.raises(PermanentError, match=found) as refusal:
        record_of(spec, delivery)
    assert name not in str(refusal.value)


@pytest.mark.parametrize("rule", ["refuse", "paper"])
def test_what_has_no_room_is_refused_whatever_the_rule_for_characters(rule: str) -> None:
    declared = table_of("fixed GBK", on_unencodable=rule)
    spec = exchange(system_with(declared), FileDropTable.model_validate(declared))
    with pytest.raises(PermanentError, match="not_expressible"):
        record_of(spec, delivery_with(XM="样例" * 7))
