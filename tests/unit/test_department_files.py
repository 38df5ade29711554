"""The simulated department is a witness: what is not exactly as declared, it does not take."""

import csv
import struct
from collections.abc import Callable
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import ParseError
from zoneinfo import ZoneInfo

import pytest
from pydantic import JsonValue

from adapters.file_drop_table import FileDropTable
from adapters.file_records import Exchange, exchange, record_of, reply_of
from adapters.file_totals import FileFacts
from contracts.delivery import Completed, Decision
from contracts.situation import Situation
from simulators.file_forms import Form, Result, Sending, read_requests, write_results
from tests.file_layouts import LAYOUTS, delivery_with, operations_of, system_with, table_of
from tests.file_world import SEALED_AT

AT = datetime(2026, 11, 24, 11, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
FACTS = FileFacts(name="A.DAT", sequence=1, at=AT)


def spec_and_form(name: str, **changes: Any) -> tuple[Exchange, Form]:
    declared = table_of(name, **changes)
    table = FileDropTable.model_validate(declared)
    operations = {str(one.wire[Situation.FILE_DROP]["operation_code"]): one for one in operations_of(declared)}
    spec = exchange(system_with(declared), table)
    return spec, Form(table=table, operations=operations, code_column="JGDM", secret=str)


def sent(name: str) -> tuple[bytes, Form]:
    spec, form = spec_and_form(name)
    deliveries = [delivery_with(XM=f"样例{number}") for number in range(3)]
    return spec.outgoing.file([record_of(spec, one) for one in deliveries], FACTS), form


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_witness_reads_what_was_sent(name: str) -> None:
    content, form = sent(name)
    assert [request.values["XM"] for request in read_requests(form, content)] == ["样例0", "样例1", "样例2"]


OF_1003, OF_1009 = "1003样例0".encode("gbk"), "1009样例0".encode("gbk")
DAMAGES: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("fixed GBK", lambda content: content[:-2]),
    ("fixed GBK", lambda content: content.replace(b"\r\nD", b"\r\nX", 1)),
    ("fixed GBK", lambda content: content.replace(b"36000", b"36001")),
    ("fixed GBK", lambda content: content.replace(b"310101", b"31010")),
    ("fixed GB18030", lambda content: content.replace(b"20260105", b"20260106", 1)),
    ("fixed GB18030", lambda content: content.replace(b"00000003", b"00000002", 1)),
    ("fixed GB18030", lambda content: content.replace(OF_1003, OF_1009)),
    ("dbf", lambda content: content[:-1]),
    ("dbf", lambda content: b"\x83" + content[1:]),
    ("dbf", lambda content: content.replace(OF_1003, OF_1009)),
    ("dbf", lambda content: content[:8]),
    ("xml", lambda content: content.replace(b"<rows>3", b"<rows>2")),
    ("xml", lambda content: content.replace(b"batch>", b"number>")),
    ("xml", lambda content: content.replace(b"GB18030", b"UTF-8", 1)),
    ("xml", lambda content: content.replace(b"SFZH>", b"ZJHM>")),
    ("xml", lambda content: content[: len(content) // 2]),
    ("zip_csv", lambda content: content[: len(content) // 2]),
    ("zip_csv", lambda content: content[:60] + bytes([content[60] ^ 1]) + content[61:]),
    ("csv with trailer", lambda content: content.replace(b"END|!3", b"END|!4")),
    ("csv with trailer", lambda content: content.replace("样例1".encode("gbk"), "样例1|!".encode("gbk"))),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGES)
def test_the_witness_takes_nothing_that_is_damaged(name: str, damage: Callable[[bytes], bytes]) -> None:
    content, form = sent(name)
    assert damage(content) != content
    with pytest.raises((LookupError, ValueError, csv.Error, ParseError, struct.error)):
        read_requests(form, damage(content))


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_the_department_writes_is_what_the_hub_reads(name: str) -> None:
    header = {"record_type": "H", "fields": [{"name": "date", "width": 8}, {"name": "time", "width": 6}]}
    trailer = {"record_type": "T", "fields": [{"name": "rows", "width": 8}, {"name": "bytes", "width": 9}]}
    framed = {"header": header, "trailer": trailer} if name.startswith(("fixed", "csv")) else {}
    back = table_of(name)["back"]
    roles = ["reference", "happened_at", *back.get("record", ["reference", "operation", "code", "fields"])[1:]]
    roles.insert(2, "wanted")
    spec, form = spec_and_form(name, back={**back, "record": roles, **framed})
    delivery = delivery_with()
    fields = {"amount_paid": "120050", "decision_no": "样例1", "visit_on": "20260105", "found": "1"}
    lead = {"reference": str(delivery.id), "code": "00", "operation": "1003", "happened_at": "20261124113000"}
    result = Result(operation="1003", lead={**lead, "wanted": "XM"}, fields=fields)
    content = write_results(form, [result], Sending(name="A", at=AT))
    (line,) = spec.incoming.lines(content, whole=False, facts=FileFacts(secret=str))
    reply = reply_of(spec, line, SEALED_AT)
    assert reply is not None
    assert reply.happened_at == AT
    told: dict[str, JsonValue] = {
        "amount_paid": "1200.50",
        "decision_no": "样例1",
        "visit_on": "2026-01-05",
        "found": True,
    }
    assert reply.outcome == Completed(decision=Decision.GRANTED, fields=told)
    if name not in {"xml", "zip_csv", "csv with trailer"}:
        wide = Result(operation="1003", lead=result.lead, fields={**fields, "decision_no": "样" * 40})
        with pytest.raises(ValueError, match="wider than its column"):
            write_results(form, [wide], Sending(name="A", at=AT))
