"""What operators rely on: failing closed, problems without inside knowledge, metrics, logs, the local socket."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from hub.store.connection import Connection, StoreUnavailable
from tests.front_door import DAY, FrontDoor, front_door, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path_factory.mktemp("hub")) as opened:
        yield opened


# --- when the store takes no writes -------------------------------------------------------------------------------


async def test_intake_fails_closed_and_pages_keep_working(door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    case_no = await door.received()
    with monkeypatch.context() as patched:
        patched.setattr(door.hub.writer, "_failed", "the disk failed")
        status, body, headers = await door.call(
            "POST", "/v1/cases", None, {"Content-Type": "application/cloudevents+json"}, json=message()
        )
        assert (status, body["type"]) == (503, "urn:onedoor:problem:store-unavailable")
        assert int(headers["Retry-After"]) >= 1
        assert "disk" not in json.dumps(body)
        assert (await door.call("GET", "/readyz"))[0] == 503
        assert (await door.call("GET", "/healthz"))[0] == 200
        assert (await door.case(case_no))["case_no"] == case_no
    assert (await door.call("GET", "/readyz"))[0] == 200


async def test_a_full_disk_is_told_as_unavailable(door: FrontDoor) -> None:
    def full(_: Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(StoreUnavailable):
        await door.hub.writer.run(full)
    await door.received()


async def test_too_much_at_once_is_told_with_a_time_to_come_back(
    door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(door.hub, "accepting", False)  # as while it drains
        status, _, headers = await door.call(
            "POST", "/v1/cases", None, {"Content-Type": "application/cloudevents+json"}, json=message()
        )
        assert (status, int(headers["Retry-After"]) >= 1) == (429, True)
        lines = {"Content-Type": "application/x-ndjson"}
        assert (await door.call("POST", "/v1/cases/batch", None, lines, data=b"{}"))[0] == 429
        assert (await door.call("POST", "/v1/materials", None, data=b"%PDF-"))[0] == 429


# --- the framework's own errors, headers, metrics -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/v1/cases", 405), ("GET", "/v1/cases/12", 404)]
)
async def test_errors_of_the_framework_are_problems_too(door: FrontDoor, method: str, path: str, status: int) -> None:
    found, body, headers = await door.call(method, path)
    assert (found, body["status"], headers["Content-Type"]) == (status, status, "application/problem+json")
    assert ("Allow" in headers) == (status == 405)


async def test_a_bug_is_told_without_a_word_of_the_inside(
    door: FrontDoor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("秘密 of a resident")

    monkeypatch.setattr(door.hub.catalogue, "current", broken)
    status, body, _ = await door.call(
        "POST", "/v1/cases", None, {"Content-Type": "application/cloudevents+json"}, json=message()
    )
    assert (status, body["type"]) == (500, "urn:onedoor:problem:internal")
    assert "秘密" not in json.dumps(body, ensure_ascii=False) + caplog.text
    assert "unexpected RuntimeError at" in caplog.text


async def test_no_answer_names_the_versions_of_the_server(door: FrontDoor) -> None:
    for path in ("/healthz", "/nothing", "/metrics"):
        _, _, headers = await door.call("GET", path)
        assert headers["Server"] == "onedoor"
        assert headers["Cache-Control"] == "no-store"


async def raw(door: FrontDoor, request: bytes) -> bytes:
    host, port = door.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(65_536), 5)
    writer.close()
    return answer


async def test_a_request_that_is_no_http_is_refused_without_versions_or_content_in_the_log(
    door: FrontDoor, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await raw(
        door, b"GET /v1/tasks HTTP/1.1\r\nHost: a\r\nBad Header \xe7\xa7\x98: 310104195801049952\r\n\r\n"
    )
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"aiohttp" not in answer
    assert "310104195801049952" not in caplog.text


async def test_a_half_sent_body_is_not_waited_for_for_ever(door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.web.asking.body_of.__defaults__", (0.2,))
    head = f"POST /v1/cases HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {door.key}\r\nContent-Length: 100\r\n\r\n{{"
    answer = await raw(door, head.encode())
    assert b" 408 " in answer.splitlines()[0]
    assert b"urn:onedoor:problem:too-slow" in answer


async def test_metrics_tell_counts_by_route_template_and_nothing_of_a_message(door: FrontDoor) -> None:
    case_no = await door.received()
    await door.case(case_no)
    status, text, headers = await door.call("GET", "/metrics", "")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert b'route="/v1/cases/{case_no}"' in text
    assert case_no.encode() not in text
    assert b'onedoor_cases{status="' in text
    assert b'onedoor_tasks{kind="review",state="ready"}' in text


async def test_neither_paths_nor_queries_reach_the_log(door: FrontDoor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "onedoor.access")
    await door.call("GET", "/v1/tasks?kind=310104195801049952")
    await door.call("GET", "/nothing/310104195801049952")
    assert "GET /v1/tasks 200" in caplog.text
    assert "310104195801049952" not in caplog.text


# --- the local socket ---------------------------------------------------------------------------------------------


async def test_the_local_socket_is_for_its_owner_only(door: FrontDoor) -> None:
    path = door.hub.settings.data / "onedoor.sock"
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_sender_revoked_through_the_local_socket_is_out_at_once(door: FrontDoor) -> None:
    made = await door.client(may=["read"])
    assert (await door.call("GET", "/v1/cases/" + "0" * 24, made.key))[0] == 404
    _, listed = await door.local("GET", "/admin/clients")
    assert made.client.id in [one["id"] for one in listed]
    assert made.key not in json.dumps(listed)
    assert (await door.local("POST", f"/admin/clients/{made.client.id}/revoke"))[0] == 204
    assert (await door.call("GET", "/v1/cases/" + "0" * 24, made.key))[0] == 401
    assert (await door.local("POST", f"/admin/clients/{made.client.id}/revoke"))[0] == 404
    assert (await door.local("POST", "/admin/clients", json={"name": "x"}))[0] == 422


async def test_the_local_functions_are_not_on_the_network(door: FrontDoor) -> None:
    assert (await door.call("GET", "/admin/clients"))[0] == 404


async def test_time_of_the_tests_is_the_fixed_day(door: FrontDoor) -> None:
    assert door.hub.runtime.now() - DAY < timedelta(minutes=5)
