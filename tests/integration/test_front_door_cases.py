"""Handing in cases over HTTP: 202 means it is on disk, and whatever is refused is refused in full."""

import gzip
import json
import resource
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio

from tests.front_door import OTHER, STRUCTURED, XUHUI, FrontDoor, front_door, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path_factory.mktemp("hub")) as opened:
        yield opened


async def rows(door: FrontDoor) -> int:
    found = await door.hub.read(lambda connection: connection.row("SELECT count(*) AS number FROM case_file"))
    return int(found["number"]) if found else 0


async def test_a_case_in_structured_mode_is_received(door: FrontDoor) -> None:
    status, body = await door.submit(message())
    assert status == 202
    assert len(body["case_no"]) == 24
    assert body["case_no"].startswith(XUHUI + "20260302")
    assert body["duplicate"] is False


async def test_the_same_message_in_binary_mode_gets_the_same_answer_and_has_no_second_effect(door: FrontDoor) -> None:
    document = message(clerk="window-1")
    document["subject"] = "窗口"
    _, first = await door.submit(document)
    before = await rows(door)
    attributes = {name: value for name, value in document.items() if name not in ("data", "datacontenttype")}
    encoded = {f"ce-{name}": value.replace("窗口", "%E7%AA%97%E5%8F%A3") for name, value in attributes.items()}
    status, second, _ = await door.call("POST", "/v1/cases", None, encoded, json=document["data"])
    assert (status, second) == (202, {**first, "duplicate": True})
    assert await rows(door) == before


async def test_another_content_under_the_same_id_is_refused(door: FrontDoor) -> None:
    document = message()
    await door.submit(document)
    document["data"]["form"]["amount_requested"] = 1
    status, body = await door.submit(document)
    assert status == 409
    assert body["type"] == "urn:onedoor:problem:id-conflict"


async def test_what_was_received_stays_received_when_the_rules_have_changed(door: FrontDoor) -> None:
    document = message()
    _, first = await door.submit(document)
    catalogue = door.hub.catalogue
    door.hub.catalogue = type(catalogue)({}, [], door.hub.city.operation, catalogue.form)
    try:
        again = await door.submit(document)
        document["data"]["form"]["amount_requested"] = 1
        changed = await door.submit(document)
        new = await door.submit(message())
    finally:
        door.hub.catalogue = catalogue
    assert again == (202, {**first, "duplicate": True})
    assert changed[0] == 409
    assert (new[0], new[1]["type"]) == (422, "urn:onedoor:problem:not-receivable")


async def test_every_bad_field_is_named_and_nothing_is_stored(door: FrontDoor) -> None:
    before = await rows(door)
    bad = message()
    bad["data"]["applicant"] = {**bad["data"]["applicant"], "id_no": "310104195801049951", "mobile": "秘密"}
    bad["data"]["form"]["event"] = "99"
    bad["data"]["form"]["surprise"] = True
    status, body = await door.submit(bad)
    assert status == 422
    found = {error["pointer"] for error in body["errors"]}
    assert {"/data/applicant/id_no", "/data/applicant/mobile", "/data/form/event", "/data/form/surprise"} <= found
    assert "秘密" not in json.dumps(body, ensure_ascii=False)
    assert await rows(door) == before


async def test_pointers_of_binary_mode_point_into_its_body(door: FrontDoor) -> None:
    document = message()
    del document["data"]["form"]["event"]
    headers = {f"ce-{name}": document[name] for name in ("specversion", "id", "source", "type")}
    status, body, _ = await door.call("POST", "/v1/cases", None, headers, json=document["data"])
    assert status == 422
    assert [error["pointer"] for error in body["errors"]] == ["/form/event"]


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"item": "XX001"}, 422, None),
        ({"item_version": 7}, 422, None),
        ({"receiving_centre": "999999999"}, 422, "/data/receiving_centre"),
        ({"accepting_centre": "999999999", "accepted": False}, 422, "/data/accepting_centre"),
        ({"unknown": 1}, 422, "/data/unknown"),
        ({"applicant": []}, 422, "/data/applicant"),
        ({"materials": [{"material": "M0001", "key": "nowhere"}], "accepted": False}, 422, "/data/materials/0/key"),
    ],
)
async def test_data_that_break_a_rule_are_unprocessable(
    door: FrontDoor, change: dict[str, Any], status: int, pointer: str | None
) -> None:
    found, body = await door.submit(message(**change))
    assert found == status, body
    if pointer:
        assert pointer in [error["pointer"] for error in body["errors"]]


async def test_a_message_of_another_type_is_unprocessable(door: FrontDoor) -> None:
    document = {**message(), "type": "org.example.other"}
    status, body = await door.submit(document)
    assert (status, body["errors"][0]["pointer"]) == (422, "/type")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"specversion":"1.0"}', b"\xff\xfe"])
async def test_what_cannot_be_read_is_a_bad_request(door: FrontDoor, body: bytes) -> None:
    status, problem, headers = await door.call("POST", "/v1/cases", None, {"Content-Type": STRUCTURED}, data=body)
    assert status == 400
    assert problem["status"] == 400
    assert headers["Content-Type"] == "application/problem+json"


async def test_other_media_types_are_refused(door: FrontDoor) -> None:
    status, body, _ = await door.call("POST", "/v1/cases", None, {"Content-Type": "text/xml"}, data=b"<a/>")
    assert (status, body["status"]) == (415, 415)


async def test_a_body_over_the_limit_is_refused(door: FrontDoor) -> None:
    big = b" " * (door.hub.settings.max_body_bytes + 1)
    status, _, _ = await door.call("POST", "/v1/cases", None, {"Content-Type": STRUCTURED}, data=BytesIO(big))
    assert status == 413


async def test_no_key_a_wrong_key_and_a_revoked_key_are_unauthorised(door: FrontDoor) -> None:
    for key in ("", "onedoor_wrong"):
        status, body, headers = await door.call("GET", "/v1/tasks", key)
        assert (status, body["type"]) == (401, "urn:onedoor:problem:no-key")
        assert headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_key_reaches_its_centres_items_and_sources_only(door: FrontDoor) -> None:
    document = message()
    for scope in ({"centres": [OTHER]}, {"items": ["MZ006"]}, {"sources": ["/elsewhere"]}, {"may": ["read"]}):
        made = await door.client(**scope)
        status, body = await door.submit(document, made.key)
        assert (status, body["type"]) == (403, "urn:onedoor:problem:out-of-scope"), scope
    made = await door.client(centres=[XUHUI], items=["MZ004"], sources=[document["source"]], may=["submit"])
    status, _ = await door.submit(document, made.key)
    assert status == 202


async def test_a_receiving_centre_cannot_accept_for_another(door: FrontDoor) -> None:
    made = await door.client(centres=[XUHUI])
    split = {"accepting_centre": OTHER}
    assert (await door.submit(message(**split, accepted=True), made.key))[0] == 403
    assert (await door.submit(message(**split, accepted=False), made.key))[0] == 202


async def test_a_foreign_case_looks_like_a_missing_one(door: FrontDoor) -> None:
    case_no = await door.received()
    made = await door.client(centres=[OTHER])
    foreign = await door.call("GET", f"/v1/cases/{case_no}", made.key)
    missing = await door.call("GET", f"/v1/cases/{'0' * 24}", made.key)
    assert foreign[0] == missing[0] == 404
    assert {**foreign[1], "detail": ""} == {**missing[1], "detail": ""}
    status, _ = await door.event(case_no, made.key, event="withdraw")
    assert status == 404


async def test_the_page_of_a_case_tells_its_steps_deliveries_tasks_and_journal(door: FrontDoor) -> None:
    case_no = await door.received()
    page = await door.case(case_no)
    assert page["status_key"] == "in_process"
    assert [step["id"] for step in page["steps"]] == ["s1", "s2", "s3", "s4"]
    assert page["steps"][0]["state"] == "done"
    assert [task["step"] for task in page["tasks"]] == ["s2"]
    assert page["due_at"].startswith("2026-03-16")
    assert [entry["kind"] for entry in page["journal"]][:2] == ["case", "case"]
    assert {entry["seq"] for entry in page["journal"]} == {1}


async def test_deliveries_and_attempts_are_on_the_page(door: FrontDoor) -> None:
    case_no = await door.received("education/samples/JY003_lost.json")
    page = await door.case(case_no)
    assert [one["system"] for one in page["deliveries"]] == ["JY-office"]
    assert page["deliveries"][0]["step"] == "s3"


# --- many at once -------------------------------------------------------------------------------------------------


async def batch(door: FrontDoor, lines: list[bytes], key: str | None = None) -> tuple[int, list[Any]]:
    status, body, _ = await door.call(
        "POST", "/v1/cases/batch", key, {"Content-Type": "application/x-ndjson"}, data=BytesIO(b"\n".join(lines))
    )
    if status != 200:
        return status, [body]
    return status, [json.loads(line) for line in body.splitlines()]


async def test_each_line_of_a_batch_stands_on_its_own(door: FrontDoor) -> None:
    good = [message() for _ in range(3)]
    lines = [json.dumps(good[0]), "{", "", json.dumps(good[1]), json.dumps(good[0]), json.dumps(message(item="XX001"))]
    lines.append(json.dumps({**good[0], "time": "2026-03-03T00:00:00Z"}))
    status, verdicts = await batch(door, [line.encode() for line in lines])
    assert status == 200
    assert [(one["line"], one["status"]) for one in verdicts] == [
        (1, 202),
        (2, 400),
        (4, 202),
        (5, 202),
        (6, 422),
        (7, 409),
    ]
    assert verdicts[0]["case_no"] == verdicts[3]["case_no"]
    assert verdicts[1]["problem"]["type"] == "urn:onedoor:problem:unreadable"


async def test_a_batch_larger_than_a_group_is_received_whole(door: FrontDoor) -> None:
    status, verdicts = await batch(door, [json.dumps(message()).encode() for _ in range(450)])
    assert status == 200
    assert [one["line"] for one in verdicts] == list(range(1, 451))
    assert {one["status"] for one in verdicts} == {202}
    assert len({one["case_no"] for one in verdicts}) == 450


async def test_a_line_over_the_limit_gets_its_own_verdict(door: FrontDoor) -> None:
    big = json.dumps(message(clerk="x" * door.hub.settings.max_body_bytes)).encode()
    _, verdicts = await batch(door, [big, json.dumps(message()).encode()])
    assert [one["status"] for one in verdicts] == [413, 202]


async def test_a_batch_without_lines_with_too_many_or_of_another_type_is_refused(door: FrontDoor) -> None:
    assert (await batch(door, [b"", b" "]))[0] == 400
    assert (await batch(door, [b"1"] * 10_001))[0] == 413
    status, _, _ = await door.call("POST", "/v1/cases/batch", None, {"Content-Type": "application/json"}, data=b"{}")
    assert status == 415


# --- papers -------------------------------------------------------------------------------------------------------

PDF = b"%PDF-1.7\nsample\n%%EOF"


async def test_an_uploaded_paper_can_be_named_by_a_case_and_lies_encrypted(door: FrontDoor) -> None:
    status, stored, _ = await door.call("POST", "/v1/materials", None, {"Content-Type": "application/pdf"}, data=PDF)
    assert (status, stored["media_type"], stored["size"]) == (200, "application/pdf", len(PDF))
    _, again, _ = await door.call("POST", "/v1/materials", None, {"Content-Type": "application/octet-stream"}, data=PDF)
    assert again == stored
    assert door.hub.blobs.get(stored["key"]) == PDF
    assert not [
        path for path in (door.hub.settings.data / "blobs").rglob("*") if path.is_file() and PDF in path.read_bytes()
    ]
    document = message(accepted=False)
    document["data"]["materials"][0] = {"material": "M0001", "key": stored["key"], "name": "身份证.pdf"}
    assert (await door.submit(document))[0] == 202


@pytest.mark.parametrize(
    ("content", "declared"),
    [(b"<html>", "application/pdf"), (PDF, "image/png"), (b"", "application/pdf"), (b"GIF89a", "image/gif")],
)
async def test_what_is_no_scan_or_another_one_than_declared_is_refused(
    door: FrontDoor, content: bytes, declared: str
) -> None:
    status, _, _ = await door.call("POST", "/v1/materials", None, {"Content-Type": declared}, data=content)
    assert status == 415


async def test_a_scan_over_the_limit_is_refused(door: FrontDoor) -> None:
    big = PDF + b" " * door.hub.settings.max_material_bytes
    status, _, _ = await door.call(
        "POST", "/v1/materials", None, {"Content-Type": "application/pdf"}, data=BytesIO(big)
    )
    assert status == 413


async def test_a_bomb_is_refused_before_it_unfolds(door: FrontDoor) -> None:
    bomb = gzip.compress(b" " * 60_000_000, 6)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    headers = {"Content-Type": STRUCTURED, "Content-Encoding": "gzip"}
    status, _, _ = await door.call("POST", "/v1/cases", None, headers, data=bomb)
    assert status in (400, 413)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kilobytes
