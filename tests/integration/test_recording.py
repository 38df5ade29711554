"""Real traffic as recordings: 200 people who can be recognised go through the recorder, and nothing of them is in what it wrote."""

import asyncio
import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import zeep
from aiohttp import web
from stdnum import luhn
from stdnum.cn import ric

from contracts.site import load_site
from plugins.toml_departments import sample_site
from simulators.recording.declared import of_contract, of_site
from simulators.recording.proxy import named
from simulators.recording.replay import Replay
from simulators.recording.sifting import Sieve
from simulators.recording.tape import RecordingRefused, Tape, read_tape
from tests.integration.test_simulate_contract_files import department
from tests.recorder import PEOPLE, SECRETS, echo, found_in, recorder, running, written

FILES = Path(__file__).parents[1] / "contract_files"


def envelope(one: Mapping[str, str], encoding: str) -> bytes:
    """Values in elements, attributes, comments, CDATA and in a document inside a string."""
    inner = f"&lt;ROOT&gt;&lt;XM&gt;{one['name']}&lt;/XM&gt;&lt;BZ&gt;{one['note']}&lt;/BZ&gt;&lt;/ROOT&gt;"
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><!-- {one["name"]} -->'
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header>'
        f'<w:Security xmlns:w="urn:w"><w:Password>{SECRETS[3]}</w:Password></w:Security></e:Header>'
        f'<e:Body><q:Ask xmlns:q="urn:q" tel="{one["mobile"]}"><SFZH>{one["id_no"]}</SFZH><inXml>{inner}</inXml>'
        f"<DZ><![CDATA[{one['address']}]]></DZ>{one['passport']}<ok>true</ok></q:Ask></e:Body></e:Envelope>"
    )
    return text.encode("gb18030" if encoding == "GBK" else "utf-8")


async def people_call(http: aiohttp.ClientSession, url: str, people: Sequence[Mapping[str, str]]) -> None:
    """Every person on every way: bodies of each kind, paths, queries, headers, cookies, tokens, keys of maps."""
    headers = {"Authorization": f"Bearer {SECRETS[0]}", "X-Signature": SECRETS[2], "X-Delivery-Id": str(uuid4())}
    json_type = {**headers, "Content-Type": "application/json"}
    for one in people:
        plain = dict(one)
        deep = {
            "password": SECRETS[3],
            "unknown": [one["latin"], {"x": {one["name"]: one["id_no"], one["id_no"]: 1}}],
            "number": int(one["mobile"]),
            "income": 8321.5,
            "document": base64.b64encode(one["note"].encode()).decode(),
            "hex": one["note"].encode().hex(),
            "text": json.dumps(plain, ensure_ascii=False),
        }
        calls: list[tuple[str, str, bytes, Mapping[str, str]]] = [
            ("POST", "/a", json.dumps(plain, ensure_ascii=False).encode(), json_type),
            ("POST", "/b", json.dumps({**plain, **deep}).encode(), json_type),
            ("PUT", f"/people/{one['name']}/{one['id_no']}?tel={one['mobile']}&{one['name']}=1", b"{}", json_type),
            ("GET", f"/people/{one['passport']}?q={one['latin']}", b"", headers),
            ("POST", "/form", "&".join(f"{name}={value}" for name, value in plain.items()).encode(), {**headers, "Content-Type": "application/x-www-form-urlencoded"}),
            ("POST", "/soap", envelope(one, "UTF-8"), {**headers, "Content-Type": "text/xml", "SOAPAction": f'"urn:{one["mobile"]}"'}),
            ("POST", "/soap?as=gbk", envelope(one, "GBK"), {**headers, "Content-Type": "text/xml; charset=GBK"}),
            ("POST", "/x?as=html", one["note"].encode(), {**headers, "Content-Type": "text/plain"}),
            ("POST", "/x?as=plain", one["name"].encode(), {**headers, "Content-Type": f"text/plain; boundary={one['passport']}"}),
            ("POST", "/x?as=binary", one["note"].encode("gbk"), {**headers, "Content-Type": "application/octet-stream"}),
            ("POST", "/x?as=gzip", json.dumps(plain).encode(), json_type),
            ("POST", "/z", gzip.compress(json.dumps(plain).encode()), {**json_type, "Content-Encoding": "gzip"}),
        ]  # fmt: skip
        # Each person goes four of the ways, so that each way is gone by a third of them.
        for method, path, body, head in calls[people.index(one) % 3 :: 3]:
            async with http.request(method, url + path, data=body, headers=head) as answer:
                await answer.read()


async def test_of_two_hundred_people_nothing_is_in_what_was_written(tmp_path: Path) -> None:
    async with (
        running(echo) as department_url,
        recorder(department_url, tmp_path / "out", of_contract(FILES / "waste.yaml")) as proxy,
        aiohttp.ClientSession() as http,
    ):
        await people_call(http, proxy.url, PEOPLE)
        assert sum(proxy.counts.values()) == 4 * 200
    assert found_in(tmp_path / "out") == []
    lines = (tmp_path / "out" / "exchanges.jsonl").read_text().splitlines()
    assert len(lines) == 1 + 4 * 200
    assert {"/a", "/b", "/form", "/soap"} <= {json.loads(line)["path"] for line in lines[1:]}


def test_the_search_finds_what_a_recorder_that_sifts_nothing_would_leave(tmp_path: Path) -> None:
    """The search itself is worth something: each form is found when it is there."""
    one = PEOPLE[17]
    packed = gzip.compress(one["address"].encode())
    for number, content in enumerate(
        [
            one["name"].encode(),
            one["name"].encode("gbk"),
            base64.b64encode(b"xy" + one["note"].encode()),
            one["note"].encode().hex().encode(),
            json.dumps(one["name"]).encode(),
            b"%E9%87%91" + one["id_no"].encode(),
            b"head" + packed,
            base64.b64encode(one["email"].encode() * 3),
        ]
    ):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / "file").write_bytes(content)
        assert found_in(tmp_path / "one"), number


def sifted_site() -> Sieve:
    return Sieve(of_site(load_site(sample_site()), None))


def test_a_made_up_value_has_the_shape_of_the_real_one_and_stays_the_same() -> None:
    sieve = sifted_site()
    one, other = PEOPLE[3], PEOPLE[4]
    made = {name: sieve.text(name, value) for name, value in one.items()}
    assert made == {name: sieve.text(name, value) for name, value in one.items()}
    assert all(made[name] != one[name] for name in one)
    assert all(sieve.text(name, other[name]) != made[name] for name in one)
    assert made["name"].startswith("样例")
    assert len(made["name"]) == len(one["name"])
    assert ric.is_valid(made["id_no"])
    assert made["id_no"][14:16] == "99"
    assert (int(made["id_no"][16]) - int(one["id_no"][16])) % 2 == 0
    assert re.fullmatch(r"199000000\d\d", made["mobile"])
    assert made["card"].startswith("99")
    assert luhn.is_valid(made["card"])
    assert len(made["card"]) == len(one["card"])
    assert re.sub(r"[^弄号室]", "", made["address"]) == "弄号室"
    assert made["email"].endswith("@example.invalid")
    assert sieve.text("BZ", f"姓名{one['name']}") != f"姓名{one['name']}"
    # The day of birth is the same one alone and in the number.
    born = one["id_no"][6:14]
    assert sieve.text("CSRQ", f"{born[:4]}-{born[4:6]}-{born[6:]}").replace("-", "") == made["id_no"][6:14]
    assert sieve.text("CSRQ", f"{born[:4]}年{born[4:6]}月{born[6:]}日")[:4] == made["id_no"][6:10]


def test_what_says_nothing_of_anybody_stays() -> None:
    sieve = Sieve(of_contract(FILES / "waste.yaml"))
    this_year = f"{datetime.now(UTC):%Y-%m-%d}"
    stays = {
        "requestId": str(uuid4()),
        "resultCode": "GRANTED",
        "state": "IN_PROGRESS",
        "note": "已受理",
        "kind": "rubble",
        "status": "X17",
        "at": this_year,
        "done_at": f"{this_year}T09:30:00+08:00",
        "n": "12",
        "flag": "true",
        "empty": "  ",
    }
    assert {name: sieve.text(name, value) for name, value in stays.items()} == stays
    assert [sieve.number("n", one) for one in (7, 0.5, 120)] == [7, 0.5, 120]
    assert [sieve.key(one) for one in ("requestId", "姓名", "金丝雀", "x310117200001019990")][:2] == [
        "requestId",
        "姓名",
    ]
    assert sieve.text("clientSecret", "x") == "***"


async def test_a_site_declares_whose_a_field_is_and_codes_that_stay() -> None:
    sieve = sifted_site()
    assert sieve.text("SQRXM", "Ok") != "Ok", "a declared name is a name, whatever word it is"
    assert sieve.text("whatever", "准") != "准"
    declared = of_site(load_site(sample_site()), frozenset({"DA-archive"}))
    assert declared.kinds
    assert "search" in declared.codes


async def test_rest_calls_are_replayed_with_status_order_and_the_live_delivery_id(tmp_path: Path) -> None:
    schema_ids = [str(uuid4()) for _ in range(3)]
    async with department(tmp_path / "city", "waste.yaml", shares={}) as city:
        token = (city.folder / "keys" / "secrets" / "waste_token").read_text()
        headers = {"Authorization": f"Bearer {token}"}
        url = city.open["WA-waste"]["api"]["url"]
        declared = of_contract(FILES / "waste.yaml")
        async with recorder(url, tmp_path / "out", declared) as proxy, aiohttp.ClientSession(headers=headers) as http:
            said = [await booked(http, proxy.url, one) for one in schema_ids]
            async with http.get(f"{proxy.url}/api/v3/pickups/{schema_ids[0]}") as answer:
                assert (await answer.json())["requestId"] == schema_ids[0]
            async with http.post(f"{proxy.url}/api/v3/pickups", json={}) as answer:
                assert answer.status == 422
    assert token not in written(tmp_path / "out").decode()
    exchanges = read_tape(tmp_path / "out" / "exchanges.jsonl")
    assert [one.answer.status for one in exchanges if one.answer] == [201, 201, 201, 200, 422]
    async with Replay(exchanges, speed=10).serving() as replay, aiohttp.ClientSession() as http:
        fresh = [str(uuid4()) for _ in range(3)]
        again = [await booked(http, replay.url, one) for one in fresh]
        assert [status for status, _ in again] == [201, 201, 201]
        assert [body["requestId"] for _, body in again] == fresh
        assert [body["resultCode"] for _, body in again] == [body["resultCode"] for _, body in said]
        async with http.get(f"{replay.url}/api/v3/pickups/{fresh[1]}") as answer:
            assert (answer.status, (await answer.json())["requestId"]) == (200, fresh[1])
        for _ in range(2):
            # The last one comes again and again.
            assert (await booked(http, replay.url, fresh[0]))[0] == 422
        async with http.get(f"{replay.url}/elsewhere") as answer:
            assert answer.status == 404
        assert dict(replay.strange) == {"GET /elsewhere": 1}


async def booked(http: aiohttp.ClientSession, url: str, delivery_id: str) -> tuple[int, Any]:
    sent = {"requestId": delivery_id, "xm": PEOPLE[0]["name"], "address": PEOPLE[0]["address"], "day": "2026-03-02"}
    async with http.post(f"{url}/api/v3/pickups", json=sent) as answer:
        return answer.status, await answer.json()


async def test_soap_calls_are_recorded_behind_zeep_and_replayed_to_it(tmp_path: Path) -> None:
    def calls(url: str, request_id: str) -> tuple[Any, Any]:
        client: Any = zeep.Client(str(FILES / "meter.wsdl"))  # type: ignore[no-untyped-call] # zeep is typed in parts
        service = client.create_service("{urn:sample:meter}MeterSoap", f"{url}/services/Meter")
        asked = service.Transfer(requestId=request_id, holderName=PEOPLE[5]["name"], meterNo=PEOPLE[5]["passport"])
        return asked, service.Status(requestId=request_id)

    async with department(tmp_path / "city", "meter.wsdl", shares={}) as city:
        url = city.open["ME-meter"]["api"]["url"]
        async with recorder(url, tmp_path / "out", of_contract(FILES / "meter.wsdl")) as proxy:
            first, _ = await asyncio.to_thread(calls, proxy.url, str(uuid4()))
    assert found_in(tmp_path / "out", [PEOPLE[5]]) == []
    exchanges = read_tape(tmp_path / "out" / "exchanges.jsonl")
    assert [one.operation.rpartition(" ")[2] for one in exchanges] == ["Transfer", "Status"]
    async with Replay(exchanges).serving() as replay:
        request_id = str(uuid4())
        again, status = await asyncio.to_thread(calls, replay.url, request_id)
    assert (again.requestId, again.resultCode) == (request_id, first.resultCode)
    assert status.requestId == request_id


async def test_what_fails_is_recorded_as_failed_and_fails_again(tmp_path: Path) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with aiohttp.ClientSession() as http:
        for name, handler, how in (("cut", cut, "cut"), ("slow", echo, "timeout")):
            async with running(handler) as url, recorder(url, tmp_path / name, timeout_seconds=0.3) as proxy:
                with pytest.raises(aiohttp.ClientError):
                    await http.post(f"{proxy.url}/x?as=hang", data=b"{}")
            exchange, *_ = read_tape(tmp_path / name / "exchanges.jsonl")
            assert (exchange.failed, exchange.answer) == (how, None)
        async with recorder("http://127.0.0.1:9", tmp_path / "gone") as proxy:
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"{proxy.url}/x")
        gone, *_ = read_tape(tmp_path / "gone" / "exchanges.jsonl")
        assert gone.failed == "refused"
        async with Replay([gone]).serving() as replay:
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"{replay.url}/x")


def test_a_recording_is_never_added_to_another(tmp_path: Path) -> None:
    Tape(tmp_path / "exchanges.jsonl", "http").close()
    with pytest.raises(RecordingRefused, match="is there already"):
        Tape(tmp_path / "exchanges.jsonl", "http")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v3/pickups", "POST /api/v3/pickups"),
        ("/pickups/aabbccdd-1e2f-4a5b-8c6d-ee7f8a9bcd0e", "POST /pickups/*"),
        ("/people/张三/17?x=1", "POST /people/*/17"),
        ("/notifications/oauth2.0/token", "POST /notifications/oauth2.0/token"),
    ],
)
def test_an_operation_is_method_and_path_without_values(path: str, said: str) -> None:
    assert named("POST", path, "") == said
    assert named("POST", path, "Ask") == f"{said} Ask"


def test_a_field_that_says_how_it_went_may_hold_a_name_all_the_same() -> None:
    sieve = Sieve()
    assert sieve.text("status", "X17") == "X17"
    assert sieve.text("code", "E-001") == "E-001"
    for name in ("status", "state", "result", "code"):
        assert sieve.text(name, "CanaryBird") != "CanaryBird"


async def test_what_cannot_be_written_goes_on_and_is_left_out(tmp_path: Path) -> None:
    async with running(echo) as url, recorder(url, tmp_path / "out") as proxy, aiohttp.ClientSession() as http:
        async with http.post(f"{proxy.url}/half", data=b'{"x": "\\ud800"}') as answer:
            assert answer.status == 200
        assert dict(proxy.left_out) == {}
        # A disk that is full, a message that nobody thought of: the hub must not notice.
        proxy._tape.close()
        async with http.post(f"{proxy.url}/lost", data=b"{}") as answer:
            assert answer.status == 200
        assert dict(proxy.left_out) == {"ValueError": 1}
    assert len(read_tape(tmp_path / "out" / "exchanges.jsonl")) == 1
