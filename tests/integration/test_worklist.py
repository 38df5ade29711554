"""The worklist and its tasks over HTTP: who sees what, one effect however often a form comes (D01-D09), two people for a refusal."""

import asyncio
import html
import io
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.people import Role
from hub.states import AttemptState
from hub.store.connection import Connection
from hub.web.journal_words import ATTEMPT
from hub.web.texts import translations
from tests.front_door import OTHER, XUHUI
from tests.page_door import Browser, Page, PageDoor, page_door

SHEET = "education/samples/JY003_lost.json"
ID = re.compile(r"/tasks/([0-9a-f-]{36})\"")


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[PageDoor]:
    async with page_door(tmp_path) as door:
        yield door


async def sheet_task(pages: PageDoor, **data: Any) -> dict[str, Any]:
    """A case whose paper department has its sheet: the sheet's task."""
    case_no = await pages.door.received(SHEET, **data)
    async with asyncio.timeout(60):
        while True:
            view = await pages.door.case(case_no)
            found = [one for one in view["tasks"] if one["kind"] == "sheet" and one["state"] == "ready"]
            if found:
                return {**found[0], "case_no": case_no}
            await asyncio.sleep(0.05)


async def key(browser: Browser, task: str, **fields: Any) -> Page:
    """Open a task, fill its form in and send it."""
    page = await browser.get(f"/tasks/{task}")
    form_id = fields.pop("form_id", None) or page.hidden("form_id")
    return await browser.post(f"/tasks/{task}/complete", form_id=form_id, **fields)


async def test_a_clerk_finds_claims_and_completes_a_task(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    listed = await browser.get("/tasks")
    assert task["id"] in ID.findall(listed.text)
    assert "待领取" in listed.text
    opened = await browser.post("/tasks/claim", one=task["id"])
    assert (opened.status, opened.url) == (200, f"/tasks/{task['id']}")
    mine = await browser.get("/tasks?tab=mine")
    assert task["id"] in mine.text
    done = await key(browser, task["id"], choice="A", sheet="01", **{"field.decision_no": "样例1号"})
    assert (done.status, "told=completed" in done.url) == (200, True)
    assert task["id"] in (await browser.get("/tasks?tab=done")).text
    step = next(one for one in (await pages.door.case(task["case_no"]))["steps"] if one["id"] == "s3")
    assert (step["decision"], step["reply"]["decision_no"]) == ("granted", "样例1号")


async def test_what_was_typed_is_kept_when_something_is_missing(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    for fields, said in (
        ({"choice": "A"}, "请扫描交办单"),
        ({"choice": "B", "sheet": "01"}, "请选择原因"),
        ({"sheet": "01"}, "请勾选一项办理结果"),
        ({"choice": "A", "sheet": "07"}, "此份打印已过期"),
        ({"choice": "A", "sheet": "garbage"}, "这不是交办单的条码"),
        ({"choice": "A", "sheet": "01", "happened_at": "2030-01-01T10:00"}, "时间晚于现在"),
        ({"choice": "A", "sheet": "01", "happened_at": "2026-02-20T10:00"}, "请说明原因"),
        ({"choice": "A", "sheet": "01", "happened_at": "yesterday"}, "时间格式不对"),
    ):
        page = await key(browser, task["id"], **fields, **{"field.decision_no": "样例一号文"})
        assert page.status in (409, 422), said
        assert said in page.text
        assert "样例一号文" in page.text
    assert (await pages.door.case(task["case_no"]))["tasks"][-1]["state"] == "ready"


async def test_both_times_are_kept(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    page = await key(
        browser, task["id"], choice="A", sheet="01", happened_at="2026-02-27T10:00", backdate_reason="样例补录"
    )
    assert "told=completed" in page.url
    hub = pages.door.hub
    rows = await hub.read(
        lambda c: c.rows("SELECT happened_at, recorded_at FROM reply WHERE case_no = :no", {"no": task["case_no"]})
    )
    assert rows[0]["happened_at"] < rows[0]["recorded_at"]


async def test_the_same_form_twice_has_one_effect_and_both_hear_yes(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    page = await browser.get(f"/tasks/{task['id']}")
    form_id, form = page.hidden("form_id"), page.form
    sent = [
        browser.post(f"/tasks/{task['id']}/complete", form=form, form_id=form_id, choice="A", sheet="01")
        for _ in range(4)
    ]
    answers = await asyncio.gather(*sent)
    assert {(one.status, "told=completed" in one.url) for one in answers} == {(200, True)}
    again = await browser.post(f"/tasks/{task['id']}/complete", form=form, form_id=form_id, choice="A", sheet="01")
    assert "told=completed" in again.url
    replies = await pages.door.hub.read(
        lambda c: c.rows("SELECT times FROM reply WHERE case_no = :no", {"no": task["case_no"]})
    )
    assert [row["times"] for row in replies] == [1]


async def test_a_sheet_scanned_twice_says_who_did_it_and_when(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    first = await pages.somebody("c001", Role.BACK_OFFICE)
    second = await pages.somebody("c002", Role.BACK_OFFICE)
    stale = await second.get(f"/tasks/{task['id']}")
    await key(first, task["id"], choice="A", sheet="01")
    late = await second.post(
        f"/tasks/{task['id']}/complete", form_id=stale.hidden("form_id"), choice="B", sheet="01", reason_code="other"
    )
    assert late.status == 409
    assert re.search(r"已由 样例c001 于 \d\d:\d\d 处理", late.text), late.text
    scanned = await second.post("/scan", code=task["sheet_no"])
    assert "此任务已结束" in scanned.text
    refused = [one for one in (await pages.door.case(task["case_no"]))["journal"] if one["kind"] == "refused"]
    assert [one["by"] for one in refused] == ["c002"]


async def test_what_somebody_has_claimed_nobody_else_completes(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    first = await pages.somebody("c001", Role.BACK_OFFICE)
    second = await pages.somebody("c002", Role.BACK_OFFICE)
    stale = await second.get(f"/tasks/{task['id']}")
    await first.get("/tasks")
    await first.post("/tasks/claim", one=task["id"])
    page = await second.post(f"/tasks/{task['id']}/complete", form_id=stale.hidden("form_id"), choice="A", sheet="01")
    assert (page.status, "已由 样例c001 于" in page.text) == (409, True)
    await second.get("/tasks")
    assert (await second.post("/tasks/claim", one=task["id"])).status == 409
    assert (await second.post("/tasks/release", one=task["id"])).status == 409
    await first.get("/tasks?tab=mine")
    assert "told=released" in (await first.post("/tasks/release", task=[task["id"]])).url


async def test_a_supervisor_assigns_and_takes_back(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    clerk = await pages.somebody("c001", Role.BACK_OFFICE, centres=[XUHUI])
    await pages.person("c002", Role.BACK_OFFICE, centres=[OTHER])
    supervisor = await pages.somebody("s001", Role.SUPERVISOR, centres=[XUHUI])
    listed = await supervisor.get("/tasks")
    assert "样例c001" in listed.text
    assert "样例c002" not in listed.text
    assert (await supervisor.post("/tasks/assign", task=[task["id"]], to="c002")).status == 404
    assert "told=assigned" in (await supervisor.post("/tasks/assign", task=[task["id"]], to="c001")).url
    assert task["id"] in (await clerk.get("/tasks?tab=mine")).text
    assert (await clerk.post("/tasks/assign", task=[task["id"]], to="s001")).status == 403
    await supervisor.get("/tasks")
    assert "told=released" in (await supervisor.post("/tasks/release", task=[task["id"]])).url


async def test_a_refusal_needs_a_second_person(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    first = await pages.somebody("c001", Role.BACK_OFFICE)
    second = await pages.somebody("c002", Role.BACK_OFFICE)
    page = await key(first, task["id"], choice="B", sheet="01", reason_code="not_eligible", **{"field.reason": "样例"})
    assert "told=to_confirm" in page.url
    own = await first.get(f"/tasks/{task['id']}")
    assert "须由他人复核" in own.text
    assert (await first.post(f"/tasks/{task['id']}/confirm", form_id=str(task["id"]))).status == 409
    assert task["id"] in (await second.get("/tasks?tab=confirm")).text
    shown = await second.get(f"/tasks/{task['id']}")
    assert "不符合条件" in shown.text
    done = await second.post(f"/tasks/{task['id']}/confirm", form_id=shown.hidden("form_id"))
    assert "told=completed" in done.url
    assert (await pages.door.case(task["case_no"]))["deliveries"][-1]["state"] == "done"


async def test_the_second_person_may_decline(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    first = await pages.somebody("c001", Role.BACK_OFFICE)
    second = await pages.somebody("c002", Role.BACK_OFFICE)
    await key(first, task["id"], choice="B", sheet="01", reason_code="other", **{"field.reason": "样例"})
    await second.get(f"/tasks/{task['id']}")
    assert "told=declined" in (await second.post(f"/tasks/{task['id']}/decline")).url
    assert (await pages.door.case(task["case_no"]))["tasks"][-1]["state"] == "ready"


async def test_a_foreign_task_case_or_sheet_is_not_there(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    for login, scope in (("o001", {"centres": [OTHER]}), ("o002", {"departments": ["MZ"]})):
        browser = await pages.somebody(login, Role.BACK_OFFICE, **scope)
        assert task["id"] not in (await browser.get("/tasks")).text
        for path in (f"/tasks/{task['id']}", f"/cases/{task['case_no']}"):
            assert (await browser.get(path)).status == 404
        for path, fields in (
            ("/scan", {"code": task["sheet_no"]}),
            (f"/tasks/{task['id']}/complete", {"choice": "A"}),
            (f"/tasks/{task['id']}/confirm", {}),
            (f"/cases/{task['case_no']}/reveal", {"path": "applicant.id_no"}),
            (f"/cases/{task['case_no']}/events", {"event": "withdraw"}),
            ("/tasks/print", {"one": task["id"]}),
        ):
            assert (await browser.post(path, **fields)).status == 404, path
        assert (await browser.post("/tasks/claim", one=task["id"])).status == 409
    own = await pages.somebody("o003", Role.BACK_OFFICE, departments=["JY"], centres=[XUHUI])
    assert (await own.get(f"/tasks/{task['id']}")).status == 200


async def test_a_printed_sheet_opens_by_its_code_and_a_forged_one_is_told(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    await browser.get("/tasks")
    printed = await browser.post("/tasks/print", task=[task["id"]])
    assert printed.headers["Content-Type"] == "application/pdf"
    hub = pages.door.hub
    row = await hub.read(lambda c: c.row("SELECT * FROM sheet WHERE number = :no", {"no": task["sheet_no"]}))
    assert row is not None
    assert row["prints"] == 1
    opened = await browser.post("/scan", code=f"{task['sheet_no']}01")
    assert (opened.status, f'value="{task["sheet_no"]}01"' in opened.text) == (200, True)
    done = await browser.post("/scan", code=f"ODS1:{task['sheet_no']}:01:{'0' * 26}")
    assert (done.status, "不是本系统生成的" in done.text) == (409, True)
    assert (await browser.post("/scan", code=f"{task['sheet_no']}02")).status == 409
    assert "没有找到" in (await browser.post("/scan", code="0" * 24)).text


async def test_masked_values_are_shown_one_at_a_time_and_that_is_journalled(pages: PageDoor) -> None:
    case_no = await pages.door.received(SHEET)
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    page = await browser.get(f"/cases/{case_no}")
    hidden = re.search(r"<dd class=\"code\">(\d{3}\*+[\dX]{4})", page.text)
    assert hidden is not None
    shown = await browser.post(f"/cases/{case_no}/reveal", path="applicant.id_no")
    number = re.search(r"\b\d{17}[\dX]\b", shown.text)
    assert number is not None
    assert number[0] not in page.text
    assert (await browser.get(f"/cases/{case_no}")).text.count(number[0]) == 0
    told = [(one["kind"], one["subject"], one["by"]) for one in (await pages.door.case(case_no))["journal"]]
    assert ("reveal", "applicant.id_no", "c001") in told
    assert (await browser.post(f"/cases/{case_no}/reveal", path="secret")).status == 404


async def test_those_who_run_or_audit_the_hub_see_the_case_without_what_the_resident_wrote(pages: PageDoor) -> None:
    case_no = await pages.door.received(SHEET)
    clerk = await pages.somebody("c001", Role.BACK_OFFICE)
    name = re.search(r"<dt>申请人姓名</dt>\s*<dd>(\S+)", (await clerk.get(f"/cases/{case_no}")).text)
    assert name is not None
    for login, role in (("o001", Role.OPERATOR), ("a001", Role.AUDITOR)):
        browser = await pages.somebody(login, role)
        page = await browser.get(f"/cases/{case_no}")
        assert (page.status, name[1] in page.text) == (200, False)
        assert (await browser.get("/tasks")).status == 403
        assert (await browser.post(f"/cases/{case_no}/reveal", path="applicant.id_no")).status == 403


async def test_the_accepting_step_offers_what_the_law_offers(pages: PageDoor) -> None:
    case_no = await pages.door.received(accepted=False, materials=[])
    task = (await pages.door.case(case_no))["tasks"][0]["id"]
    browser = await pages.somebody("c001", Role.COUNTER)
    page = await key(browser, task, choice="accept")
    assert page.status == 422, "papers are missing"
    page = await key(browser, task, choice="ask_correction", reason_code="papers_missing")
    assert (page.status, "请勾选缺少的材料" in page.text) == (409, True)
    page = await key(browser, task, choice="ask_correction", reason_code="papers_missing", wanted=["M0001"])
    assert page.status == 200, page.text
    assert (await pages.door.case(case_no))["status_key"] == "correction_requested"


async def test_a_returned_case_stands_under_returned_and_goes_on_from_its_page(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    await key(browser, task["id"], choice="C", sheet="01", reason_code="papers_missing", **{"field.reason": "样例"})
    listed = await browser.get("/tasks?tab=returned")
    assert task["case_no"] in listed.text
    page = await browser.get(f"/cases/{task['case_no']}")
    moved = await browser.post(f"/cases/{task['case_no']}/events", form_id=page.hidden("form_id"), event="resubmit")
    assert moved.status == 200
    assert (await pages.door.case(task["case_no"]))["status_key"] != "returned_by_department"
    assert (await browser.post(f"/cases/{task['case_no']}/events", event="")).status == 422
    assert (await browser.post(f"/cases/{task['case_no']}/events", event="suspend")).status == 422
    assert (await browser.post(f"/cases/{task['case_no']}/events", event="corrected")).status == 409


async def test_filters_and_pages_stand_in_the_address(pages: PageDoor) -> None:
    for _ in range(3):
        await sheet_task(pages)
    await pages.door.received()
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    sheets = await browser.get("/tasks?tab=ready&kind=sheet&system=JY-office&due=")
    assert len(set(ID.findall(sheets.text))) == 3
    assert len(set(ID.findall((await browser.get("/tasks?kind=review")).text))) == 1
    assert not ID.findall((await browser.get("/tasks?due=overdue")).text)
    assert not ID.findall((await browser.get(f"/tasks?centre={OTHER}")).text)
    case_no = (await pages.door.case(await pages.door.received()))["case_no"]
    assert case_no in (await browser.get(f"/tasks?q={case_no}")).text
    assert case_no in (await browser.get(f"/tasks?q={case_no}")).text
    for wanted in ("ZYL", "zyl", "赵样例"):
        assert case_no in (await browser.get("/tasks", params={"q": wanted})).text, wanted
    assert "没有找到" in (await browser.get("/tasks?q=XQZ")).text
    assert (await browser.get("/tasks?tab=nonsense&after=x.y&due=z")).status == 200


async def test_what_was_typed_survives_the_end_of_the_session(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    password = await pages.person("c001", Role.BACK_OFFICE)
    browser = pages.browser()
    await browser.sign_in("c001", password)
    page = await browser.get(f"/tasks/{task['id']}")
    start = pages.door.hub.real_time()
    pages.door.hub.real_time = lambda: start + 3600
    typed = {"form_id": page.hidden("form_id"), "choice": "A", "sheet": "01", "field.decision_no": "样例7号"}
    data = {"_form": page.form, **typed}
    path = f"/tasks/{task['id']}/complete"
    ours = {"Origin": pages.door.url}
    with_file = aiohttp.FormData({**data, "files": io.BytesIO(b"a scan")})
    async with browser.http.post(pages.door.url + path, data=with_file, headers=ours) as answer:
        assert "文件未能保留" in await answer.text()
    async with browser.http.post(pages.door.url + path, data=data, headers=ours) as answer:
        asked = Page(answer.status, str(answer.url), await answer.text(), answer.headers)
    assert (asked.status, "您填写的内容已保留" in asked.text) == (401, True)
    kept = html.unescape(asked.hidden("kept"))
    wrong = await browser.post("/sign-in", form=asked.form, login="c001", password="x", next=path, kept=kept)
    assert (wrong.status, "样例7号" in wrong.text) == (401, True)
    resumed = await browser.post("/sign-in", form=wrong.form, login="c001", password=password, next=path, kept=kept)
    assert (resumed.status, "提交刚才填写的内容" in resumed.text) == (200, True)
    done = await browser.post(path, form=resumed.form, **typed)
    assert "told=completed" in done.url
    step = next(one for one in (await pages.door.case(task["case_no"]))["steps"] if one["id"] == "s3")
    assert step["reply"]["decision_no"] == "样例7号"


async def test_how_each_try_ended_is_said_in_words_and_its_code_stays_a_code(pages: PageDoor) -> None:
    task = await sheet_task(pages)
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    path = f"/cases/{task['case_no']}"
    assert "<td>纸质</td><td>已发送" in (await browser.get(path)).text
    assert set(ATTEMPT) == set(AttemptState)
    for state in AttemptState:
        change = {"state": state.value, "error_code": "http_503" if state is AttemptState.TEMPORARY else None}
        key = {"region": pages.door.hub.city.region, "case_no": task["case_no"]}
        await pages.door.hub.writer.run(partial(Connection.update, table="attempt", key=key, changes=change))
        shown = (await browser.get(path)).text
        assert f"<td>{translations('zh').gettext(ATTEMPT[state])}" in shown
        assert ('<span class="code">http_503</span>' in shown) is (state is AttemptState.TEMPORARY)


async def test_a_refusal_at_a_step_of_the_centre_needs_a_second_person(pages: PageDoor) -> None:
    case_no = await pages.door.received()
    task = next(one for one in (await pages.door.case(case_no))["tasks"] if one["kind"] == "review")
    first = await pages.somebody("c001", Role.BACK_OFFICE)
    second = await pages.somebody("c002", Role.BACK_OFFICE)
    refusal = {"id": "t-1", "by": "c001", "decision": "refused", "reason_code": "not_eligible"}
    assert (await pages.door.call("POST", f"/v1/tasks/{task['id']}/complete", json=refusal))[0] == 200
    assert task["id"] in (await second.get("/tasks?tab=confirm")).text
    await first.get(f"/tasks/{task['id']}")
    assert (await first.post(f"/tasks/{task['id']}/confirm", form_id=task["id"])).status == 409
    shown = await second.get(f"/tasks/{task['id']}")
    assert re.search(r"<dd>\s*不予\w*\s*</dd>", shown.text), shown.text
    assert "told=declined" in (await second.post(f"/tasks/{task['id']}/decline")).url
    await pages.door.call("POST", f"/v1/tasks/{task['id']}/complete", json={**refusal, "id": "t-2"})
    shown = await second.get(f"/tasks/{task['id']}")
    done = await second.post(f"/tasks/{task['id']}/confirm", form_id=shown.hidden("form_id"))
    assert "told=completed" in done.url, done.text
    step = next(one for one in (await pages.door.case(case_no))["steps"] if one["id"] == task["step"])
    assert (step["state"], step["decision"]) == ("done", "refused")
