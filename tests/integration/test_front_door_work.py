"""Events, tasks, task sheets, callbacks and the pages for operators, over real sockets."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any
from uuid import uuid4

import pypdf
import pytest
import pytest_asyncio

from adapters.signature import signed_headers
from hub.settings import load_settings
from tests.front_door import DAY, OTHER, XUHUI, FrontDoor, event_message, front_door, message

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = b"a secret of the tests"
SHEET = "education/samples/JY003_lost.json"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FrontDoor]:
    folder = tmp_path_factory.mktemp("hub")
    secret = load_settings(None, data=folder / "data").secret_folder / "mz_relief_key"
    secret.parent.mkdir(parents=True)
    secret.touch(0o600)
    secret.write_bytes(SECRET)
    nobody = {"MZ-relief": {"api": {"url": "http://127.0.0.1:9"}}}
    async with front_door(folder, systems=nobody) as opened:
        yield opened


async def until(door: FrontDoor, case_no: str, kind: str, name: str, *states: str) -> dict[str, Any]:
    """The task or delivery of that kind or step, once it is in one of the states."""
    page: dict[str, Any] = {kind: []}
    for _ in range(200):
        page = await door.case(case_no)
        for one in page[kind]:
            if name in (one.get("kind"), one.get("step")) and one["state"] in states:
                return dict(one)
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {name} became {states} on {page[kind]}")


async def complete(door: FrontDoor, task: str, key: str | None = None, **told: Any) -> tuple[int, Any]:
    body = {"id": str(uuid4()), "by": "clerk-1", **told}
    status, answer, _ = await door.call("POST", f"/v1/tasks/{task}/complete", key, json=body)
    return status, answer


# --- events -------------------------------------------------------------------------------------------------------


async def test_a_case_is_accepted_by_an_event_once(door: FrontDoor) -> None:
    case_no = await door.received(accepted=False)
    document = event_message(event="accept")
    first = await door.raw_event(case_no, document)
    again = await door.raw_event(case_no, document)
    assert first[0] == again[0] == 202, first
    assert (first[1]["duplicate"], again[1]["duplicate"]) == (False, True)
    page = await door.case(case_no)
    assert page["accepted_at"] is not None
    document["data"]["by"] = "clerk-2"
    assert (await door.raw_event(case_no, document))[0] == 409


async def test_a_case_with_missing_papers_is_not_accepted_and_every_paper_is_named(door: FrontDoor) -> None:
    case_no = await door.received(accepted=False, materials=[])
    status, body = await door.event(case_no, event="accept")
    assert status == 422
    assert len(body["errors"]) == 4
    task = (await door.case(case_no))["tasks"][0]["id"]
    status, body = await complete(door, task, decision="done")
    assert (status, len(body["errors"])) == (422, 4)


async def test_a_correction_brings_data_that_are_checked_and_kept(door: FrontDoor) -> None:
    case_no = await door.received(accepted=False, materials=[])
    assert (await door.event(case_no, event="ask_correction", wanted=["M0001"]))[0] == 202
    papers = message()["data"]["materials"]
    bad = await door.event(case_no, event="corrected", form={"event": "99"}, materials=papers)
    assert (bad[0], [error["pointer"] for error in bad[1]["errors"]]) == (422, ["/data/form/event"])
    assert (await door.event(case_no, event="corrected", form={"amount_requested": "12.50"}, materials=papers))[
        0
    ] == 202
    assert (await door.event(case_no, event="accept"))[0] == 202


async def test_only_a_correction_or_a_resubmission_brings_data(door: FrontDoor) -> None:
    case_no = await door.received(accepted=False)
    status, body = await door.event(case_no, event="accept", form={"event": "02"})
    assert (status, body["errors"][0]["pointer"]) == (422, "/data/form")


async def test_an_event_that_the_state_does_not_allow_is_a_conflict(door: FrontDoor) -> None:
    case_no = await door.received()
    status, body = await door.event(case_no, event="corrected")
    assert (status, body["type"]) == (409, "urn:onedoor:problem:not-allowed")
    status, body = await door.event(case_no, event="void", reason_code="E1")
    assert status == 409
    assert "second person" in body["detail"]


async def test_an_event_must_be_one_and_belong_to_its_case(door: FrontDoor) -> None:
    case_no = await door.received()
    assert (await door.raw_event(case_no, message()))[0] == 422
    assert (await door.raw_event(case_no, {**event_message(event="withdraw"), "subject": "another"}))[0] == 422
    assert (await door.event(case_no, event="dance"))[0] == 422
    assert (await door.event("0" * 24, event="withdraw"))[0] == 404


async def test_only_the_accepting_centre_decides_on_acceptance(door: FrontDoor) -> None:
    case_no = await door.received(accepted=False, accepting_centre=OTHER)
    receiving = await door.client(centres=[XUHUI], may=["event"])
    accepting = await door.client(centres=[OTHER], may=["event"])
    assert (await door.event(case_no, receiving.key, event="accept"))[0] == 403
    assert (await door.event(case_no, accepting.key, event="accept"))[0] == 202
    assert (await door.event(case_no, (await door.client(may=["read"])).key, event="withdraw"))[0] == 403


# --- tasks and sheets ---------------------------------------------------------------------------------------------


async def test_a_centre_task_is_listed_and_completed_once(door: FrontDoor) -> None:
    case_no = await door.received()
    status, listed, _ = await door.call("GET", "/v1/tasks?kind=review&limit=1000")
    assert status == 200
    task = next(one for one in listed["tasks"] if one["case_no"] == case_no)
    told = {"id": "c-1" + case_no, "decision": "done"}
    assert (await complete(door, task["id"], **told))[0] == 200
    again = await complete(door, task["id"], **told)
    assert (again[0], again[1]["duplicate"]) == (200, True)
    late = await complete(door, task["id"], decision="done", by="clerk-2")
    assert (late[0], late[1]["type"]) == (409, "urn:onedoor:problem:overtaken")
    assert "clerk-1" in late[1]["detail"]


async def test_the_task_list_is_bounded_filtered_and_scoped(door: FrontDoor) -> None:
    await door.received()
    await door.received(SHEET)
    _, one, _ = await door.call("GET", "/v1/tasks?limit=1")
    assert (len(one["tasks"]), one["more"]) == (1, True)
    elsewhere = await door.client(centres=[OTHER], items=["JY003"])
    assert (await door.call("GET", "/v1/tasks", elsewhere.key))[1] == {"tasks": [], "more": False}
    _, done, _ = await door.call("GET", "/v1/tasks?state=completed&system=JY-office")
    assert done["tasks"] == []
    for wrong in ("limit=0", "limit=1001", "limit=x", "unknown=1"):
        assert (await door.call("GET", f"/v1/tasks?{wrong}"))[0] == 400
    assert (await door.call("GET", "/v1/tasks", (await door.client(may=["submit"])).key))[0] == 403


async def test_the_most_urgent_task_comes_first(door: FrontDoor) -> None:
    await door.received()
    _, listed, _ = await door.call("GET", "/v1/tasks?limit=1000")
    dates = [one["due_at"] or "9999" for one in listed["tasks"]]
    assert dates == sorted(dates)


async def test_a_sheet_is_printed_counted_and_confirmed_by_what_stands_on_it(door: FrontDoor) -> None:
    case_no = await door.received(SHEET)
    task = await until(door, case_no, "tasks", "sheet", "ready")
    pdf = b""
    for number in ("1", "2"):
        status, pdf, headers = await door.call("POST", f"/v1/tasks/{task['id']}/print")
        assert (status, headers["Content-Type"], headers["X-Print-Number"]) == (200, "application/pdf", number)
    text = "".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(pdf)).pages)
    assert case_no in text.replace(" ", "")
    wrong = await complete(door, task["sheet_no"], result_code="Z", sheet_no=task["sheet_no"], sheet_version=1)
    assert (wrong[0], wrong[1]["errors"][0]["pointer"]) == (422, "/result_code")
    old = await complete(door, task["sheet_no"], result_code="A", sheet_no=task["sheet_no"], sheet_version=2)
    assert (old[0], "outdated" in old[1]["detail"]) == (409, True)
    keyed = {"result_code": "A", "sheet_no": task["sheet_no"], "sheet_version": 1, "fields": {"decision_no": "样例1号"}}
    assert (await complete(door, task["sheet_no"], **keyed))[0] == 200
    page = await door.case(case_no)
    step = next(one for one in page["steps"] if one["id"] == "s3")
    assert (step["decision"], step["reply"]["decision_no"]) == ("granted", "样例1号")
    status, body, _ = await door.call("POST", f"/v1/tasks/{task['id']}/print")
    assert (status, "settled" in body["detail"]) == (409, True)


async def test_a_refusal_on_a_sheet_waits_for_a_second_person(door: FrontDoor) -> None:
    case_no = await door.received(SHEET)
    task = await until(door, case_no, "tasks", "sheet", "ready")
    refusal = {"result_code": "B", "reason_code": "R1", "sheet_no": task["sheet_no"], "sheet_version": 1}
    assert (await complete(door, task["id"], **refusal))[0] == 200
    assert (await until(door, case_no, "tasks", "sheet", "to_confirm"))["id"] == task["id"]
    assert (await complete(door, task["id"], **refusal))[0] == 409
    assert (await complete(door, task["id"], by="clerk-2", **refusal))[0] == 200


async def test_the_second_person_confirms_what_was_keyed_and_nothing_else(door: FrontDoor) -> None:
    case_no = await door.received(SHEET)
    task = await until(door, case_no, "tasks", "sheet", "ready")
    keyed = {"sheet_no": task["sheet_no"], "sheet_version": 1}
    refusal = {**keyed, "result_code": "B", "reason_code": "R1"}
    grant = {**keyed, "result_code": "A"}
    assert (await complete(door, task["id"], **refusal))[0] == 200
    status, body = await complete(door, task["id"], by="clerk-2", **grant)
    assert (status, body["detail"]) == (
        409,
        "what you keyed differs from what is to be confirmed: give the task back or key the same",
    )
    assert (await until(door, case_no, "tasks", "sheet", "to_confirm"))["id"] == task["id"]
    assert (await complete(door, task["id"], by="clerk-2", **refusal))[0] == 200
    assert (await door.case(case_no))["deliveries"][-1]["state"] == "done"


async def test_a_task_of_the_centre_has_no_sheet_and_a_foreign_task_is_not_there(door: FrontDoor) -> None:
    case_no = await door.received()
    task = (await door.case(case_no))["tasks"][-1]["id"]
    assert (await door.call("POST", f"/v1/tasks/{task}/print"))[0] == 409
    foreign = (await door.client(centres=[OTHER])).key
    assert (await complete(door, task, foreign, decision="done"))[0] == 404
    assert (await complete(door, str(uuid4()), decision="done"))[0] == 404


async def test_a_completion_must_be_readable(door: FrontDoor) -> None:
    path = f"/v1/tasks/{uuid4()}/complete"
    assert (await door.call("POST", path, None, {"Content-Type": "text/plain"}, data=b"x"))[0] == 415
    assert (await door.call("POST", path, json={"id": "1", "by": "x", "extra": 1}))[0] == 422


# --- callbacks ----------------------------------------------------------------------------------------------------

PATH = "/v1/callbacks/MZ-relief"


def signed(body: bytes) -> dict[str, str]:
    return signed_headers(SECRET, "hmac-sha256", "POST", PATH, body, at=time.time(), nonce=secrets.token_hex(16))


async def sent(door: FrontDoor) -> tuple[str, bytes]:
    """A case with a delivery at MZ-relief, and the department's answer to it."""
    case_no = await door.received()
    task = next(one for one in (await door.case(case_no))["tasks"] if one["state"] == "ready")
    assert (await complete(door, task["id"], decision="done"))[0] == 200
    delivery = next(one for one in (await door.case(case_no))["deliveries"])
    answer = {"delivery_id": delivery["id"], "operation": "temporary_relief", "result_code": "GRANTED"}
    return case_no, json.dumps({**answer, "amount": "500.00", "happened_at": DAY.isoformat()}).encode()


async def called_back(door: FrontDoor, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    status, answer, _ = await door.call("POST", PATH, "", {"Content-Type": "application/json", **headers}, data=body)
    return status, answer


async def test_a_genuine_callback_is_committed_before_it_is_answered(door: FrontDoor) -> None:
    case_no, body = await sent(door)
    status, _ = await called_back(door, body, signed(body))
    assert status == 200
    page = await door.case(case_no)
    assert next(one for one in page["deliveries"])["state"] == "done"
    assert (await called_back(door, body, signed(body)))[0] == 200
    assert len((await door.case(case_no))["deliveries"]) == 1


async def test_a_forged_callback_gets_the_departments_own_refusal(door: FrontDoor) -> None:
    case_no, body = await sent(door)
    status, _ = await called_back(door, body, {})
    assert status == 422
    assert (await door.case(case_no))["deliveries"][0]["state"] != "done"


async def test_a_callback_that_cannot_be_committed_is_answered_with_failure(
    door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_no, body = await sent(door)
    with monkeypatch.context() as patched:
        patched.setattr(door.hub.writer, "_failed", "the disk failed")
        status, _ = await called_back(door, body, signed(body))
    assert status >= 500
    assert (await called_back(door, body, signed(body)))[0] == 200
    assert (await door.case(case_no))["deliveries"][0]["state"] == "done"


@pytest.mark.parametrize("system", ["nowhere", "JY-office", "DA-archive"])
async def test_a_system_that_is_not_called_back_has_no_such_address(door: FrontDoor, system: str) -> None:
    status, body, _ = await door.call("POST", f"/v1/callbacks/{system}", "", data=b"{}")
    assert (status, body["status"]) == (404, 404)
