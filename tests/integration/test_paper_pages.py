"""The pages about paper over HTTP: handover lists and scan-back, in both languages, with one effect however often a form comes."""

import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.people import Role
from tests import scanned_pages as scan
from tests.front_door import OTHER, XUHUI
from tests.page_door import Browser, Page, PageDoor, page_door
from tests.paper_desk import DEPARTMENT, paper, printed, read_to_the_end, sheet

NUMBER = re.compile(r"/handovers/(JJ[0-9]{21})")


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[PageDoor]:
    async with page_door(tmp_path) as door:
        yield door


async def clerk(pages: PageDoor, login: str = "c001", **scope: Any) -> Browser:
    return await pages.somebody(login, Role.BACK_OFFICE, **scope)


async def a_list(pages: PageDoor, browser: Browser, *tasks: dict[str, Any]) -> tuple[str, Page]:
    """Print the sheets, press the button, and see the list."""
    await printed(pages.door, *tasks)
    await browser.get("/handovers")
    page = await browser.post("/handovers", centre=XUHUI, department=DEPARTMENT)
    assert page.status == 200, page.text
    found = NUMBER.search(page.url)
    assert found is not None, page.url
    return found[1], page


async def drop(pages: PageDoor, browser: Browser, content: bytes, **fields: Any) -> tuple[str, Page]:
    """Drop a file in on the page; its id, and the page once it is read."""
    await browser.get("/scans")
    page = await browser.post("/scans", files=[io.BytesIO(content)], **fields)
    assert page.status == 200, page.text
    scan_id = page.url.removeprefix("/scans/")
    await read_to_the_end(pages.door, scan_id)
    return scan_id, await browser.get(f"/scans/{scan_id}")


async def test_a_clerk_makes_a_list_hands_it_out_and_takes_it_back(pages: PageDoor) -> None:
    browser = await clerk(pages)
    goes, stays = await sheet(pages.door), await sheet(pages.door)
    await printed(pages.door, goes, stays)
    waiting = await browser.get("/handovers")
    assert "已打印、待取件" in waiting.text
    assert "2026-03-02 15:00" in waiting.text, "the next run of the department's courier"
    number, _ = await a_list(pages, browser, goes, stays)
    nobody = await browser.post(f"/handovers/{number}/out", scanned=goes["sheet_no"], taken_by="张三")
    assert (nobody.status, goes["sheet_no"] in nobody.text) == (409, True), "what was typed is still there"
    out = await browser.post(f"/handovers/{number}/out", scanned=f"{goes['sheet_no']}01\n\nrubbish\n", taken_by="K-7")
    assert out.status == 200
    assert "已交出" in out.text
    assert "第 2 行" in out.text
    assert "已列入但未扫描" in out.text
    again = await browser.post(f"/handovers/{number}/out", scanned=goes["sheet_no"], taken_by="K-8")
    assert "K-8" not in again.text, "sent twice, done once"
    assert "已取走" in (await browser.get("/handovers?tab=out")).text
    assert number not in (await browser.get("/handovers?tab=overdue")).text
    back = await browser.post("/handovers/in", scanned=f"{goes['sheet_no']}\n{goes['sheet_no']}\nABCDEFGHJKMN")
    assert back.status == 200
    assert "本中心没有此单号" in back.text
    assert number in (await browser.get("/handovers?tab=closed")).text
    assert (await browser.post("/handovers/in", scanned=" \n")).status == 422


async def test_a_list_is_printed_exported_cancelled_and_its_sheets_lost(pages: PageDoor) -> None:
    browser = await clerk(pages)
    number, _ = await a_list(pages, browser, await sheet(pages.door))
    pdf = await browser.post(f"/handovers/{number}/print")
    assert (pdf.status, pdf.headers["Content-Type"]) == (200, "application/pdf")
    table = await browser.get(f"/handovers/{number}/csv")
    assert table.headers["Content-Disposition"] == f'attachment; filename="{number}.csv"'
    head, line = csv.reader(io.StringIO(table.text.removeprefix("\ufeff")))
    assert head[:4] == ["序号", "交办单", "版本", "办件编号"]
    assert re.fullmatch("'[0-9]{24}", line[3]), "a long number stays text"
    early = await browser.post(f"/handovers/{number}/lost", sheet_no=line[1])
    assert early.status == 409
    gone = await browser.post(f"/handovers/{number}/cancel")
    assert "已作废" in gone.text
    task = await sheet(pages.door)
    number, _ = await a_list(pages, browser, task)
    await browser.post(f"/handovers/{number}/out", all="yes", taken_by="K-7")
    late = await browser.post(f"/handovers/{number}/cancel")
    assert late.status == 409
    lost = await browser.post(f"/handovers/{number}/lost", sheet_no=task["sheet_no"])
    assert "已登记遗失" in lost.text
    nothing = await browser.post("/handovers", centre=XUHUI, department="MZ")
    assert nothing.status == 409


async def test_a_stack_is_dropped_in_and_what_is_strange_is_settled(pages: PageDoor) -> None:
    browser = await clerk(pages)
    await browser.post("/language", language="en", next="/scans")
    good, torn = await sheet(pages.door), await sheet(pages.door)
    first, second = await paper(pages.door, good, torn)
    scan_id, page = await drop(pages, browser, scan.stack([first, scan.blank(), scan.two_on_one(first, second)]))
    assert "3 pages are read: 1 attached, 2 to look at." in page.text
    assert "Codes of more than one sheet" in page.text
    assert f"/tasks/{good['sheet_no']}" in page.text
    wrong = await browser.post(f"/scans/{scan_id}/pages/3", action="assign", sheet_no="ABCDEFGHJKMN")
    assert wrong.status == 409
    right = await browser.post(f"/scans/{scan_id}/pages/3", action="assign", sheet_no=torn["sheet_no"])
    assert (right.status, "2 attached, 1 to look at" in right.text) == (200, True)
    done = await browser.post(f"/scans/{scan_id}/pages/2", action="dismiss", reason="blank")
    assert (done.status, "Dismissed pages: 2" in done.text) == (200, True)
    picture = await browser.get(f"/scans/{scan_id}/pages/1")
    assert (picture.headers["Content-Type"], picture.headers["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")
    original = await browser.get(f"/scans/{scan_id}/file")
    assert original.headers["Content-Disposition"].startswith("attachment")
    task = await browser.get(f"/tasks/{good['id']}")
    assert f"/scans/{scan_id}/pages/1" in task.text, "the page beside the form"
    assert scan_id not in (await browser.get("/scans?odd=true")).text


async def test_a_file_that_is_no_scan_is_told_and_nothing_is_kept(pages: PageDoor) -> None:
    browser = await clerk(pages)
    await browser.get("/scans")
    page = await browser.post("/scans", files=[io.BytesIO(b"<html>")])
    assert (page.status, 'role="alert"' in page.text) == (422, True)
    assert (await browser.post("/scans")).status == 422
    _, broken = await drop(pages, browser, b"%PDF-1.7 half")
    assert "这不是 PDF" in broken.text
    assert "无法识别" in (await browser.get("/scans?odd=true")).text


async def test_a_stack_larger_than_a_message_is_taken(pages: PageDoor) -> None:
    """A form is small; a stack of scans is not."""
    browser = await clerk(pages)
    noise = [scan.noisy(scan.blank(900, 1200), seed) for seed in range(4)]
    content = scan.stack(noise, "TIFF")
    assert len(content) > 1_048_576
    _, page = await drop(pages, browser, content)
    assert "已识别 4 页" in page.text


async def chosen(pages: PageDoor, browser: Browser, task: str, *files: bytes, **fields: Any) -> Page:
    """Open a task and send its form with files, named in their order."""
    form_id = (await browser.get(f"/tasks/{task}")).hidden("form_id")
    sent = [io.BytesIO(content) for content in files]
    for place, one in enumerate(sent, 1):
        one.name = f"page-{place}"  # what makes it a file of a form
    return await browser.post(f"/tasks/{task}/complete", files=sent, form_id=form_id, **fields)


async def test_scans_are_kept_with_the_confirmation_of_their_sheet(pages: PageDoor) -> None:
    browser = await clerk(pages)
    task = await sheet(pages.door)
    assert 'name="files" multiple' in (await browser.get(f"/tasks/{task['id']}")).text
    front = scan.stack([scan.noisy(page, 1) for page in await paper(pages.door, task)], "TIFF")
    assert len(front) > 1_048_576, "a form is small, its scans are not"
    back = scan.encoded(scan.blank(200, 300))
    done = await chosen(pages, browser, task["id"], front, back, back, choice="A", sheet="01")
    assert (done.status, "told=completed" in done.url) == (200, True), done.text
    kept = await pages.door.hub.read(
        lambda c: c.rows("SELECT id, by FROM scan WHERE sheet_no = :no", {"no": task["sheet_no"]})
    )
    assert [row["by"] for row in kept] == ["c001", "c001"], "the same file twice is one scan"
    for row in kept:
        (page,) = (await read_to_the_end(pages.door, row["id"]))["found"]
        assert (page["state"], page["sheet_no"]) == ("matched", task["sheet_no"])


async def test_a_file_that_is_no_scan_completes_nothing_and_keeps_what_was_typed(pages: PageDoor) -> None:
    browser = await clerk(pages)
    task = await sheet(pages.door)
    typed = {"choice": "A", "sheet": "01", "field.decision_no": "样例一号文"}
    good = scan.encoded(scan.blank(200, 300))
    page = await chosen(pages, browser, task["id"], good, b"<html>", **typed)
    assert (page.status, "“page-2”不是 PDF" in page.text) == (422, True), page.text
    assert "样例一号文" in page.text
    assert (await pages.door.case(task["case_no"]))["tasks"][-1]["state"] == "ready"
    page = await browser.post(f"/tasks/{task['id']}/complete", form_id=page.hidden("form_id"), **typed)
    assert "told=completed" in page.url, "without files as ever"


async def test_a_task_without_a_sheet_takes_no_scans(pages: PageDoor) -> None:
    browser = await clerk(pages)
    case_no = await pages.door.received()
    task = (await pages.door.case(case_no))["tasks"][-1]
    assert task["sheet_no"] is None
    assert 'name="files"' not in (await browser.get(f"/tasks/{task['id']}")).text
    page = await chosen(pages, browser, task["id"], scan.encoded(scan.blank(200, 300)), choice="done")
    assert (page.status, "此任务没有交办单" in page.text) == (409, True), page.text
    assert (await pages.door.case(case_no))["tasks"][-1]["state"] == "ready"


async def test_people_see_the_paper_of_their_own_desk_only(pages: PageDoor) -> None:
    browser, foreign = await clerk(pages, centres=[XUHUI]), await clerk(pages, "c002", centres=[OTHER])
    task = await sheet(pages.door)
    number, _ = await a_list(pages, browser, task)
    scan_id, _ = await drop(pages, browser, scan.stack(await paper(pages.door, task)))
    for path in (f"/handovers/{number}", f"/handovers/{number}/csv", f"/scans/{scan_id}", f"/scans/{scan_id}/file"):
        assert (await browser.get(path)).status == 200
        assert (await foreign.get(path)).status == 404
    await foreign.get("/scans")
    for path in (f"/handovers/{number}/print", f"/handovers/{number}/cancel", f"/scans/{scan_id}/pages/1"):
        assert (await foreign.post(path)).status == 404
    operator = await pages.somebody("o001", Role.OPERATOR)
    assert (await operator.get("/handovers")).status == 403
    assert (await operator.get("/scans")).status == 403
    both = await clerk(pages, "c003", centres=[XUHUI, OTHER])
    await both.get("/scans")
    asked = await both.post("/scans", files=[io.BytesIO(scan.encoded(scan.blank(200, 300)))])
    assert asked.status == 422
    _, named = await drop(pages, both, scan.encoded(scan.blank(200, 300)), centre=OTHER)
    assert "读不出码" in named.text


async def test_the_worklist_stays_the_first_page_of_a_clerk(pages: PageDoor) -> None:
    browser = await clerk(pages)
    assert (await browser.get("/")).url == "/tasks"
    menu = re.findall(
        r'<a href="(/\w+)"', (await browser.get("/tasks")).text.split('class="menu"')[1].split("</nav>")[0]
    )
    assert menu == ["/tasks", "/handovers", "/scans"]
