"""Every style, version and habit of a SOAP interface, against a department that reads the same WSDL."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest
from lxml import etree

from adapters.http_client import open_http
from contracts.delivery import AwaitingReply, Completed, Decision, Lookup, NotFound
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from simulators.dial import FaultDial
from simulators.faults import Fault
from simulators.ledger import Ledger
from simulators.soap import soap_department
from tests.rest_world import World
from tests.scripted import until
from tests.soap_world import (
    CUT,
    SECRETS,
    STYLES,
    TOKEN,
    answer,
    cut_operation,
    delivery,
    gateway,
    operation,
    pair,
    scripted,
    system,
    vendored,
)

P = ParamSpec("P")
T = TypeVar("T")


class CountingWorld(World):
    """Counts what runs in a thread."""

    threads = 0

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        self.threads += 1
        return await super().in_thread(function, *args, **kwargs)


@pytest.mark.parametrize("style", STYLES)
async def test_a_message_in_every_style_is_understood_and_answered(style: str, tmp_path: Path) -> None:
    of = system(**STYLES[style])
    with Ledger(tmp_path / "ledger") as ledger:
        async with pair(of, tmp_path, ledger=ledger) as (opened, department):
            sent = delivery()
            outcome = await opened.deliver(sent)

    assert isinstance(outcome, Completed)
    assert outcome.decision is Decision.GRANTED
    assert set(outcome.fields) == {"decision_no", "amount", "valid_to", "found", "months", "kinds", "records"}
    assert isinstance(outcome.fields["found"], bool)
    assert isinstance(outcome.fields["months"], int)
    assert isinstance(outcome.fields["kinds"], list)
    assert str(outcome.fields["valid_to"]).count("-") == 2
    records = outcome.fields["records"]
    assert isinstance(records, list)
    assert set(dict(records[0])) == {"month", "base"}  # type: ignore[arg-type]
    assert department.calls == 1
    entries = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [(entry["kind"], entry["delivery_id"]) for entry in entries] == [
        (kind, str(sent.id)) for kind in ("arrival", "effect", "reply")
    ]


@pytest.mark.parametrize("style", list(STYLES))
async def test_accepted_now_and_known_later_by_enquiry_and_by_the_list(style: str, tmp_path: Path) -> None:
    of = system(later=True, **STYLES[style])
    async with pair(of, tmp_path, reply_delay_seconds=1.0) as (opened, _):
        first, second, third = (delivery("later") for _ in range(3))
        assert isinstance(await opened.deliver(first), AwaitingReply)
        assert await opened.enquire(second) == NotFound(what=Lookup.NOT_RECEIVED)
        assert isinstance(await opened.enquire(first), AwaitingReply)
        await opened.deliver(second)
        await opened.deliver(third)
        assert [page async for page in opened.collect()] == []

        async def answered() -> bool:
            return not isinstance(await opened.enquire(third), AwaitingReply)

        await until(answered)
        outcome = await opened.enquire(first)
        assert isinstance(outcome, Completed)
        pages = [page async for page in opened.collect()]
        assert [len(page) for page in pages] == [2, 1]
        replies = {reply.delivery_id: reply.outcome for page in pages for reply in page}
        assert set(replies) == {first.id, second.id, third.id}
        assert replies[first.id] == outcome
        await opened.check()


async def test_a_string_cut_by_bytes_is_answered_on_its_own_connection(tmp_path: Path) -> None:
    of = system([cut_operation()], style="rpc/literal", **CUT)
    async with pair(of, tmp_path) as (opened, department):
        outcome = await opened.deliver(delivery(fields={"XM": "样例一"}))
        assert isinstance(outcome, Completed)
        await opened.check()
        assert not hasattr(opened, "enquire")
        assert department.calls == 1
        for name, code in (("样" * 11, "field_too_long"), ("㛃", "not_encodable"), ("样\x01", "not_encodable")):
            with pytest.raises(PermanentError) as raised:
                await opened.deliver(delivery(fields={"XM": name}))
            assert raised.value.code == code
        assert department.calls == 1


def parts(arrival: bytes) -> tuple[str, bytes]:
    """Head and body of a request as it came."""
    head, _, body = arrival.partition(b"\r\n\r\n")
    return head.decode(), body


async def test_the_key_inside_the_argument_leaves_with_the_message_and_is_not_stored(tmp_path: Path) -> None:
    of = system([cut_operation()], style="rpc/literal", **CUT)
    vendored(of, tmp_path)
    async with (
        scripted("").serving() as server,
        gateway(of, tmp_path, server.url, values={"system_code": "X&Y"}) as opened,
    ):
        sent = delivery(fields={"XM": "样例一"})
        stored = opened.prepare(sent)
        for number in (1, 2):
            with pytest.raises(OutcomeUnknownError):
                await opened.deliver(replace(sent, payload=stored))
            assert server.connections == number
    key = SECRETS["key"].replace("&", "&amp;").encode()
    assert key not in stored
    assert opened.prepare(sent) == stored
    _, body = parts(server.arrivals[0])
    assert b"X&amp;Y         " + key + b" " * 8 + b"HKB01   " + "样例一".encode() + b" " * 14 + b"</arg0>" in body
    assert len(server.arrivals) == 2
    assert parts(server.arrivals[1])[1] == body


async def test_the_body_stays_byte_for_byte_while_nonce_and_time_are_new(tmp_path: Path) -> None:
    of = system(auth={**TOKEN, "timestamp_seconds": 60})
    vendored(of, tmp_path)
    async with scripted("").serving() as server, gateway(of, tmp_path, server.url) as opened:
        sent = delivery()
        stored = opened.prepare(sent)
        assert opened.prepare(sent) == stored
        for duplicate in (False, True):
            with pytest.raises(OutcomeUnknownError):
                await opened.deliver(replace(sent, payload=stored, possible_duplicate=duplicate))
    first, second = (parts(arrival) for arrival in server.arrivals)
    assert SECRETS["user"].encode() not in stored
    assert first[1] != second[1]
    assert [re.sub(b"<wsse:Security.*</wsse:Security>", b"", one[1]) for one in (first, second)] == [stored, stored]
    assert "X-Possible-Duplicate" not in first[0]
    assert "X-Possible-Duplicate: true" in second[0]
    assert f"urn:uuid:{sent.id}".encode() in stored
    assert b"wsu:Timestamp" in first[1]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, ["Content-Type: text/xml; charset=UTF-8", 'SOAPAction: "urn:sample-city:xx-test/Now"']),
        (
            {"soap_version": "1.2", "encoding": "GB18030"},
            ['Content-Type: application/soap+xml; charset=GB18030; action="urn:sample-city:xx-test/Now"'],
        ),
        ({"auth": {"kind": "api_key", "secrets": ["key"], "header": "X-Key"}}, ["X-Key: a key & more"]),
    ],
)
async def test_a_message_says_what_it_is(table: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    of = system(**table)
    vendored(of, tmp_path)
    async with scripted("").serving() as server, gateway(of, tmp_path, server.url) as opened:
        with pytest.raises(OutcomeUnknownError):
            await opened.deliver(delivery())
    head, body = parts(server.arrivals[0])
    assert set(expected) <= set(head.split("\r\n"))
    assert head.startswith("POST /Service HTTP/1.1")
    name = "样例㛃 &amp; &lt;𠮷&gt;".encode("gb18030" if "GB18030" in head else "utf-8")
    assert name in body


async def test_characters_outside_the_encoding_travel_as_numeric_references(tmp_path: Path) -> None:
    of = system(encoding="GBK")
    vendored(of, tmp_path)
    async with gateway(of, tmp_path, "http://127.0.0.1:9") as opened:
        stored = opened.prepare(delivery())
    assert "样例".encode("gbk") + b"&#14019; &amp; &lt;&#134071;&gt;" in stored
    assert b'encoding="GBK"' in stored


async def test_rpc_encoded_says_the_type_of_every_element(tmp_path: Path) -> None:
    of = system(**STYLES["1.1 rpc/encoded"])
    vendored(of, tmp_path)
    async with gateway(of, tmp_path, "http://127.0.0.1:9") as opened:
        root = etree.fromstring(opened.prepare(delivery()))
    request = root.find(".//{*}Now")
    assert request.get("{http://schemas.xmlsoap.org/soap/envelope/}encodingStyle").endswith("/soap/encoding/")
    typed = "{http://www.w3.org/2001/XMLSchema-instance}type"
    types = {
        etree.QName(node).localname: node.get(typed, "").rpartition(":")[2]
        for node in request.iter()
        if node is not request
    }
    assert types == {
        "request": "NowRequest",
        "LSH": "string",
        "XM": "string",
        "CSRQ": "date",
        "SR": "decimal",
        "RS": "int",
        "DB": "boolean",
        "LB": "CodeList",
        "CODE": "string",
        "CYLB": "CYLBRowList",
        "ROW": "CYLBRow",
        "QSRQ": "date",
    }


async def test_a_field_map_turns_names_both_ways(tmp_path: Path) -> None:
    wire = {"api": {"operation": "Now", "request": {"XM": "XM"}, "reply": {"decision_no": "WH", "amount": "JE"}}}
    of = system([operation(wire=wire)])
    vendored(of, tmp_path)
    text = (
        (tmp_path / "wsdl/XX-test.wsdl")
        .read_text()
        .replace('name="decision_no"', 'name="WH"')
        .replace('name="amount"', 'name="JE"')
    )
    (tmp_path / "wsdl/XX-test.wsdl").write_text(text)
    sent = delivery()
    content = answer(f"<LSH>{sent.id}</LSH><JGDM>1</JGDM><WH>样例9</WH><JE>7.5</JE>")
    async with scripted(content).serving() as server, gateway(of, tmp_path, server.url) as opened:
        outcome = await opened.deliver(sent)
    assert isinstance(outcome, Completed)
    assert outcome.fields == {"decision_no": "样例9", "amount": "7.50"}
    assert b"CSRQ" not in server.arrivals[0]


FAULTS: list[tuple[Fault, type[DeliveryError], str, list[str]]] = [
    (Fault.REFUSE, OutcomeUnknownError, "connection_lost", []),
    (Fault.UNAVAILABLE_503, TemporaryError, "http_503", ["arrival"]),
    (Fault.ERROR_AFTER_EFFECT_500, OutcomeUnknownError, "fault_Receiver", ["arrival", "effect"]),
    (Fault.LOST_REPLY, OutcomeUnknownError, "connection_lost", ["arrival", "effect", "reply"]),
    (Fault.DELAY, OutcomeUnknownError, "timeout", ["arrival", "effect", "reply"]),
]


@pytest.mark.parametrize(("fault", "expected", "code", "kinds"), FAULTS)
async def test_a_fault_of_the_department_ends_in_its_error_and_an_enquiry_knows(
    fault: Fault, expected: type[DeliveryError], code: str, kinds: list[str], tmp_path: Path
) -> None:
    of = system(later=True, soap_version="1.2", auth=TOKEN, timeouts={"connect_seconds": 1, "total_seconds": 0.3})
    dial = FaultDial({fault: 1.0}, 1)
    with Ledger(tmp_path / "ledger") as ledger:
        async with pair(of, tmp_path, ledger=ledger, dial=dial, slow_seconds=0.4) as (opened, _):
            sent = delivery()
            with pytest.raises(expected) as raised:
                await opened.deliver(sent)
            assert raised.value.code == code
            await asyncio.sleep(0.2)
            asked = await opened.enquire(sent)
            effects = ledger.effects(str(sent.id))
    assert (asked == NotFound(what=Lookup.NOT_RECEIVED)) is (effects == 0)
    found = [json.loads(line)["kind"] for line in (tmp_path / "ledger").read_text().splitlines()]
    # The enquiry that finds an answer is a reply as well.
    assert found == kinds + (["reply"] if effects and "reply" not in kinds else [])


async def test_sent_twice_it_acts_once_where_that_is_promised_and_twice_where_not(tmp_path: Path) -> None:
    for safe, effects in ((True, 1), (False, 2)):
        of = system(resend_is_safe=safe, auth=TOKEN)
        with Ledger(tmp_path / f"ledger{safe}") as ledger:
            async with pair(of, tmp_path, ledger=ledger) as (opened, _):
                sent = delivery()
                assert await opened.deliver(sent) == await opened.deliver(replace(sent, possible_duplicate=True))
                assert ledger.effects(str(sent.id)) == effects
                if safe:
                    with pytest.raises(PermanentError):
                        await opened.deliver(replace(sent, fields={"XM": "样例别人"}))


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ({"auth": {**TOKEN, "password": "digest"}}, {"user": "other", "password": SECRETS["password"]}),
        ({"auth": {**TOKEN, "password": "text"}}, {"user": "hub", "password": "wrong"}),
        ({"auth": {**TOKEN}, "soap_version": "1.2"}, {"user": "hub", "password": "wrong"}),
        ({"auth": {"kind": "api_key", "secrets": ["key"]}}, {"key": "wrong"}),
        ({**CUT, "style": "rpc/literal"}, {"key": "wrong"}),
    ],
)
async def test_wrong_credentials_hold_the_lane(table: dict[str, Any], wrong: dict[str, str], tmp_path: Path) -> None:
    of = system([cut_operation()], **table)
    vendored(of, tmp_path)
    running = soap_department(of, folder=tmp_path, secret=SECRETS.__getitem__)
    async with running as department, gateway(of, tmp_path, department.url, secrets=wrong) as opened:
        with pytest.raises(CredentialsError):
            await opened.deliver(delivery(fields={"XM": "样例一"}))


async def test_a_missing_secret_and_one_that_does_not_fit_are_named(tmp_path: Path) -> None:
    of = system([cut_operation()], style="rpc/literal", **CUT)
    vendored(of, tmp_path)
    for secrets, code in (({}, "secret_missing"), ({"key": "k" * 21}, "secret_too_long")):
        with pytest.raises(CredentialsError) as raised:
            async with gateway(of, tmp_path, "http://127.0.0.1:9", secrets=secrets):
                pass
        assert raised.value.code == code


async def test_nothing_leaves_without_an_operation_or_after_its_time(tmp_path: Path) -> None:
    of = system()
    vendored(of, tmp_path)
    async with scripted("").serving() as server, gateway(of, tmp_path, server.url) as opened:
        with pytest.raises(PermanentError) as unknown:
            await opened.deliver(delivery("other"))
        with pytest.raises(TemporaryError) as late:
            await opened.deliver(delivery(send_before=datetime(2026, 1, 1, tzinfo=UTC)))
        with pytest.raises(PermanentError) as missing:
            await opened.deliver(delivery(fields={}))
    assert (unknown.value.code, late.value.code, missing.value.code) == (
        "unknown_operation",
        "send_before_passed",
        "field_missing",
    )
    assert not server.arrivals


async def test_a_large_answer_is_read_off_the_loop(tmp_path: Path) -> None:
    of = system()
    vendored(of, tmp_path)
    sent = delivery()
    rows = "<ROW><month>2026-01</month><base>1.00</base></ROW>" * 3000
    content = answer(f"<LSH>{sent.id}</LSH><JGDM>1</JGDM><records>{rows}</records>")
    world = CountingWorld(SECRETS)
    async with scripted(content).serving() as server, gateway(of, tmp_path, server.url, world=world) as opened:
        outcome = await opened.deliver(sent)
    assert isinstance(outcome, Completed)
    assert len(outcome.fields["records"]) == 3000  # type: ignore[arg-type]
    assert world.threads == 1


async def test_http_comes_from_the_runtime_where_it_has_one(tmp_path: Path) -> None:
    of = system()
    vendored(of, tmp_path)
    async with open_http() as http, gateway(of, tmp_path, "http://127.0.0.1:9", world=World(SECRETS, http)) as opened:
        with pytest.raises(TemporaryError) as raised:
            await opened.deliver(delivery())
    assert raised.value.code == "connect_failed"


async def test_mtls_wants_https_unless_a_proxy_on_this_machine_speaks_it(tmp_path: Path) -> None:
    of = system(auth={"kind": "mtls", "secrets": ["key"]})
    vendored(of, tmp_path)
    async with gateway(of, tmp_path, "http://127.0.0.1:9"):
        pass
    with pytest.raises(CredentialsError) as raised:
        async with gateway(of, tmp_path, "http://192.0.2.1"):
            pass
    assert raised.value.code == "tls_expected"


async def test_the_way_to_a_service_without_enquiries_is_proved_by_its_page(tmp_path: Path) -> None:
    of = system()
    vendored(of, tmp_path)
    async with scripted("<html/>").serving() as server, gateway(of, tmp_path, server.url) as opened:
        await opened.check()
        assert server.arrivals[0].startswith(b"GET /Service ")
    async with scripted("", "503 Busy").serving() as server, gateway(of, tmp_path, server.url) as opened:
        with pytest.raises(TemporaryError):
            await opened.check()
