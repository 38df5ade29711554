"""A paper desk's day in a real browser: by keyboard alone, without scripts, accessible in both languages, pictured for the manual."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page

from hub.people import Role
from tests import scanned_pages as scan
from tests.browser.stage import Stage
from tests.browser.test_pages import looked_at, watched
from tests.front_door import XUHUI
from tests.paper_desk import dropped, paper, printed, sheet


async def typed(page: Page, *lines: str) -> None:
    """What a hand scanner does: it types a code and presses Enter."""
    for line in lines:
        await page.keyboard.type(line)
        await page.keyboard.press("Enter")


async def tab_to(page: Page, what: str) -> None:
    """Go on by Tab until the thing that has this text, name or label has the focus."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        found = await page.evaluate(
            "(e => [e.innerText, e.name, e.getAttribute('aria-label'), e.labels?.[0]?.innerText].join(' '))(document.activeElement)"
        )
        if what in found:
            return
    raise AssertionError(f"no Tab leads to {what}")


async def test_a_list_is_made_handed_out_and_taken_back_by_keyboard_alone(on_stage: Stage) -> None:
    door = on_stage.pages.door
    tasks = [await sheet(door) for _ in range(3)]
    await printed(door, *tasks)
    page = await on_stage.somebody("b001", Role.BACK_OFFICE, centres=[XUHUI])
    await page.goto("/handovers")
    await tab_to(page, "制单")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/handovers/JJ*")
    number = page.url.rpartition("/")[2]
    assert await page.locator("tbody tr").count() == 3
    # The field has the focus: the first thing that the scanner types arrives.
    await typed(page, tasks[0]["sheet_no"] + "01", tasks[1]["sheet_no"] + "01")
    await tab_to(page, "taken_by")
    await page.keyboard.type("K-7")
    await page.keyboard.press("Enter")
    await page.get_by_text("已交出。").wait_for()
    assert await page.get_by_text("已列入但未扫描").is_visible()
    await typed(page, tasks[0]["sheet_no"] + "01", tasks[1]["sheet_no"] + "01")
    await tab_to(page, "收回")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/handovers/in")
    assert await page.locator(".done .count").inner_text() == "2"
    await page.goto(f"/handovers/{number}")
    assert await page.get_by_text("已结清").is_visible()


async def test_a_stack_is_dropped_in_watched_and_settled_and_lies_beside_the_form(
    on_stage: Stage, tmp_path: Path
) -> None:
    door = on_stage.pages.door
    good, torn = await sheet(door), await sheet(door)
    first, second = await paper(door, good, torn)
    stack = tmp_path / "stack.pdf"
    stack.write_bytes(scan.stack([scan.rotated(first, 180), scan.blank(), scan.two_on_one(first, second)]))
    page = await on_stage.somebody("b001", Role.BACK_OFFICE, centres=[XUHUI])
    await page.goto("/scans")
    await page.locator("input[type=file]").set_input_files(stack)
    await page.locator("input[type=file]").focus()
    await tab_to(page, "放入")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/scans/*")
    # The page looks again by itself until everything is read.
    await page.get_by_text("已识别 3 页：归入 1 页，待处理 2 页。").wait_for(timeout=60_000)
    await page.get_by_label("第 3 页").locator("input[name=sheet_no]").focus()
    await typed(page, torn["sheet_no"])
    await page.get_by_text("归入 2 页，待处理 1 页").wait_for()
    await page.get_by_label("第 2 页").locator("button[value=dismiss]").focus()
    await page.keyboard.press("Enter")
    await page.get_by_text("已略过的页").wait_for()
    await page.goto(f"/tasks/{good['id']}")
    picture = page.locator("img.page").first
    await picture.wait_for()
    assert await picture.evaluate("e => e.decode().then(() => e.naturalWidth > 500)"), (
        "an attachment is shown in the page"
    )
    assert await page.locator("form#result").is_visible()


async def test_paper_works_without_scripts(on_stage: Stage, tmp_path: Path) -> None:
    door = on_stage.pages.door
    task = await sheet(door)
    stack = tmp_path / "one.png"
    stack.write_bytes(scan.encoded((await paper(door, task))[0]))
    page = await on_stage.somebody("b001", Role.BACK_OFFICE, script=False, centres=[XUHUI])
    await page.goto("/handovers")
    await page.locator("button", has_text="制单").click()
    await page.wait_for_url("**/handovers/JJ*")
    await page.locator("input[name=all]").check()
    await page.locator("input[name=taken_by]").fill("K-7")
    await page.locator("button", has_text="交给取件人").click()
    await page.get_by_text("已交出。").wait_for()
    await page.goto("/scans")
    await page.locator("input[type=file]").set_input_files(stack)
    await page.locator("button", has_text="放入").click()
    await page.wait_for_url("**/scans/*")
    for _ in range(100):
        if await page.get_by_text("归入 1 页").count():
            break
        await page.wait_for_timeout(300)
        await page.reload()
    assert await page.get_by_text("归入 1 页").is_visible()


async def test_every_page_about_paper_is_accessible_in_both_languages_and_fits(on_stage: Stage) -> None:
    door = on_stage.pages.door
    tasks: list[dict[str, Any]] = [await sheet(door) for _ in range(5)]
    first, second, *_ = await paper(door, *tasks)
    page = await on_stage.somebody("s001", Role.SUPERVISOR, centres=[XUHUI])
    wrong: list[str] = []
    watched(page, wrong)
    told = {"centre": XUHUI, "department": "JY", "by": "b001"}
    numbers = []
    for sheets in ([tasks[0]["sheet_no"], tasks[1]["sheet_no"]], [tasks[2]["sheet_no"]]):
        _, made, _ = await door.call("POST", "/v1/handovers", json={**told, "sheets": sheets})
        numbers.append(made["summary"]["number"])
    out = {"by": "b001", "taken_by": "K-7", "scanned": [tasks[0]["sheet_no"], "?"]}
    await door.call("POST", f"/v1/handovers/{numbers[0]}/out", json=out)
    stack = scan.stack([scan.noisy(scan.rotated(first, 5), 3), scan.two_on_one(first, second), scan.blank()])
    scanned = await dropped(door, stack, query=f"?centre={XUHUI}&by=b001")
    refused = await dropped(door, b"%PDF-1.7 half", query=f"?centre={XUHUI}&by=b001")
    for name, path in (
        ("handovers", "/handovers"),
        ("handover-out", f"/handovers/{numbers[0]}"),
        ("handover-open", f"/handovers/{numbers[1]}"),
        ("handover-in", "/handovers/in"),
        ("scans", "/scans"),
        ("scan", f"/scans/{scanned['id']}"),
        ("scan-refused", f"/scans/{refused['id']}"),
        ("task-scanned", f"/tasks/{tasks[0]['id']}"),
    ):
        wrong += await looked_at(page, name, path)
    assert wrong == []
