"""What holds of every page in a real browser: accessibility, both languages, sizes, the content policy; and its picture for the manual."""

import os
from pathlib import Path

from playwright.async_api import Page

from hub.people import Role
from hub.web.texts import LANGUAGES
from tests.browser.stage import DESK, TABLET, Stage, violations
from tests.front_door import XUHUI
from tests.integration.test_worklist import SHEET, sheet_task

SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
"""The folder that pictures are written to; none where it is empty."""


async def pictured(page: Page, name: str) -> None:
    """The page as it is, for the manual."""
    if SCREENSHOTS:
        await page.wait_for_timeout(300)  # for the font
        await page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


async def fits(page: Page) -> bool:
    """Whether nothing has to be moved sideways to be read."""
    return bool(await page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth"))


async def looked_at(page: Page, name: str, path: str) -> list[str]:
    """Open a page in both languages and sizes; what is wrong with it."""
    wrong = []
    for language, html in LANGUAGES.items():
        await page.goto(path)
        if await page.locator("html").get_attribute("lang") != html:
            await page.locator(f"button[name=language][value={language}]").click()
            await page.goto(path)
        assert await page.locator("html").get_attribute("lang") == html
        wrong += await violations(page)
        for size in (TABLET, DESK):
            await page.set_viewport_size(size)  # type: ignore[arg-type]  # the two keys that it wants
            if not await fits(page):
                wrong.append(f"{path} is wider than {size['width']} in {language}")
        await pictured(page, name if language == "zh" else f"{name}.{language}")
    await page.locator("button[name=language][value=zh]").click()
    return wrong


def watched(page: Page, wrong: list[str]) -> None:
    """Note whatever the browser complains of, and every address that is not ours."""
    page.on("console", lambda said: wrong.append(f"{page.url}: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("http://127.0.0.1:", "data:")) else wrong.append(request.url),
    )


async def test_every_page_is_accessible_in_both_languages_and_fits(on_stage: Stage) -> None:
    wrong: list[str] = []
    pages = on_stage.pages
    cases = [await pages.door.received() for _ in range(3)]
    tasks = [await sheet_task(pages) for _ in range(4)]
    received = await pages.door.received(accepted=False)
    supervisor = await on_stage.somebody("s001", Role.SUPERVISOR, centres=[XUHUI])
    watched(supervisor, wrong)
    await pages.person("b001", Role.BACK_OFFICE, centres=[XUHUI])

    stranger = await on_stage.window()
    watched(stranger, wrong)
    wrong += await looked_at(stranger, "sign-in", "/sign-in")

    clerk = await on_stage.somebody("b002", Role.BACK_OFFICE, centres=[XUHUI])
    for task, box in ((tasks[0], "B"), (tasks[1], "C")):
        await clerk.goto(f"/tasks/{task['id']}")
        await clerk.locator("input[name=sheet]").fill("01")
        await clerk.locator(f"input[value={box}]").check()
        await clerk.locator("select[name=reason_code]").select_option("papers_missing")
        await clerk.locator("button", has_text="办结此任务").click()
        await clerk.wait_for_url("**/tasks?tab=mine*")
    accepting = (await pages.door.case(received))["tasks"][0]["id"]
    for name, path in (
        ("worklist", "/tasks"),
        ("worklist-confirm", "/tasks?tab=confirm"),
        ("worklist-returned", "/tasks?tab=returned"),
        ("worklist-search", f"/tasks?q={cases[0]}"),
        ("task-sheet", f"/tasks/{tasks[2]['id']}"),
        ("task-confirm", f"/tasks/{tasks[0]['id']}"),
        ("task-accept", f"/tasks/{accepting}"),
        ("case", f"/cases/{tasks[1]['case_no']}"),
        ("handovers-empty", "/handovers"),
        ("scans-empty", "/scans"),
        ("account", "/account"),
        ("not-found", "/tasks/000000000000"),
    ):
        wrong += await looked_at(supervisor, name, path)
    system = await on_stage.somebody("y001", Role.SYSTEM)
    watched(system, wrong)
    wrong += await looked_at(system, "people", "/people")
    security = await on_stage.somebody("q001", Role.SECURITY)
    watched(security, wrong)
    wrong += await looked_at(security, "person", "/people/b001")
    wrong = [one for one in wrong if "404 (Not Found)" not in one]
    assert wrong == []


async def test_a_page_prints_without_what_is_only_for_the_screen(on_stage: Stage) -> None:
    case_no = await on_stage.pages.door.received(SHEET)
    page = await on_stage.somebody("b001", Role.BACK_OFFICE, centres=[XUHUI])
    await page.goto(f"/cases/{case_no}")
    await page.emulate_media(media="print")
    assert not await page.locator("header.top").is_visible()
    assert not await page.locator("button:visible").count()
    assert await page.get_by_text(case_no).first.is_visible()
    assert (await page.pdf(format="A4")).startswith(b"%PDF")
