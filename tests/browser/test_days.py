"""Each role's day in a real browser, by keyboard alone, and once without JavaScript."""

import re

from playwright.async_api import Page, expect

from hub.people import Role
from tests.browser.stage import Stage, violations
from tests.front_door import XUHUI
from tests.integration.test_worklist import SHEET, sheet_task


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def tab_to(page: Page, selector: str, most: int = 80) -> None:
    """Go to an element as a person without a mouse does."""
    for _ in range(most):
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached by Tab on {page.url}")


async def test_a_back_office_clerk_scans_ticks_and_is_done_in_three_keys(on_stage: Stage) -> None:
    task = await sheet_task(on_stage.pages)
    page = await on_stage.somebody("b001", Role.BACK_OFFICE, centres=[XUHUI])
    await expect(page.locator("input[data-scan]")).to_be_focused()
    await page.keyboard.type(f"{task['sheet_no']}01")  # a scanner types the code and presses Enter
    await press(page, "Enter")
    await expect(page.locator("input[name=choice]").first).to_be_focused()
    await press(page, "Space", "Enter")
    await page.wait_for_url("**/tasks?tab=mine*")
    await expect(page.get_by_role("status")).to_contain_text("已办结")
    await expect(page.locator("input[data-scan]")).to_be_focused()
    view = await on_stage.pages.door.case(task["case_no"])
    assert next(one for one in view["steps"] if one["id"] == "s3")["decision"] == "granted"


async def test_a_back_office_clerk_claims_many_prints_and_gives_back_by_keyboard(on_stage: Stage) -> None:
    for _ in range(2):
        await sheet_task(on_stage.pages)
    page = await on_stage.somebody("b001", Role.BACK_OFFICE, centres=[XUHUI])
    await tab_to(page, "input[data-all]")
    await press(page, "Space")
    assert await page.locator("tbody input:checked").count() == 2
    await page.locator("button", has_text="领取所选").focus()
    await press(page, "Enter")
    await page.wait_for_url("**/tasks?tab=mine*")
    assert await page.locator("tbody tr").count() == 2
    await tab_to(page, "input[data-all]")
    await press(page, "Space")
    await page.locator("button[formaction='/tasks/release']").focus()
    await press(page, "Enter")
    await expect(page.get_by_role("status")).to_contain_text("已退还")


async def test_a_counter_clerk_accepts_a_case_and_asks_for_papers(on_stage: Stage) -> None:
    complete = await on_stage.pages.door.received(accepted=False)
    missing = await on_stage.pages.door.received(accepted=False, materials=[])
    page = await on_stage.somebody("c001", Role.COUNTER, centres=[XUHUI])
    for case_no, choice in ((complete, "accept"), (missing, "ask_correction")):
        await press(page, "/")
        await page.goto(f"/tasks?q={case_no}")
        await page.locator("tbody a").first.focus()
        await press(page, "Enter")
        await page.locator(f"input[value={choice}]").focus()
        await press(page, "Space")
        if choice == "ask_correction":
            await page.locator("select[name=reason_code]").select_option("papers_missing")
            await page.locator("summary", has_text="需要哪些材料").focus()
            await press(page, "Enter")
            await page.locator("input[name=wanted]").first.focus()
            await press(page, "Space")
        await page.locator("button", has_text="办结此任务").focus()
        await press(page, "Enter")
        await page.wait_for_url("**/tasks?tab=mine*")
    assert (await on_stage.pages.door.case(complete))["accepted_at"] is not None
    assert (await on_stage.pages.door.case(missing))["status_key"] == "correction_requested"


async def test_a_supervisor_confirms_a_refusal_that_a_clerk_keyed(on_stage: Stage) -> None:
    task = await sheet_task(on_stage.pages)
    clerk = await on_stage.somebody("b001", Role.BACK_OFFICE, centres=[XUHUI])
    await clerk.goto(f"/tasks/{task['id']}")
    await clerk.keyboard.type("01")
    await clerk.locator("input[value=B]").check()
    await clerk.get_by_label("不予办理或退回的原因").select_option("not_eligible")
    await clerk.locator("button", has_text="办结此任务").click()
    await expect(clerk.get_by_role("status")).to_contain_text("第二人复核")
    supervisor = await on_stage.somebody("s001", Role.SUPERVISOR, centres=[XUHUI])
    await supervisor.locator("nav.tabs a", has_text="待复核").click()
    await expect(supervisor.locator("nav.tabs a[aria-current]")).to_contain_text("待复核")
    await supervisor.locator("tbody a").first.click()
    await expect(supervisor.locator("main")).to_contain_text("不符合条件")
    await supervisor.locator("button", has_text=re.compile("^确认$")).click()
    await supervisor.wait_for_url("**/tasks?tab=confirm*")
    assert (await on_stage.pages.door.case(task["case_no"]))["deliveries"][-1]["state"] == "done"


async def test_three_administrators_make_an_account_give_it_a_role_and_read_along(on_stage: Stage) -> None:
    system = await on_stage.somebody("y001", Role.SYSTEM)
    await system.get_by_label("工号").fill("n001")
    await system.get_by_label("姓名").fill("新样例")
    await system.locator("button", has_text="建立").click()
    password = await system.locator("[role=status] .code").nth(1).inner_text()
    security = await on_stage.somebody("q001", Role.SECURITY)
    await security.locator("a", has_text="n001").click()
    await security.locator("input[value=back_office]").check()
    await security.locator("input[value=auditor]").check()
    await security.locator("button", has_text="按所选授权").click()
    await expect(security.get_by_role("alert")).to_contain_text("不得兼任")
    await security.locator("input[value=auditor]").uncheck()
    await security.locator("input[value=back_office]").check()
    await security.locator("button", has_text="按所选授权").click()
    auditor = await on_stage.somebody("a001", Role.AUDITOR)
    await auditor.locator("a", has_text="n001").click()
    await expect(auditor.locator(".timeline")).to_contain_text("back_office")
    fresh = await on_stage.window()
    await fresh.goto("/sign-in")
    await fresh.get_by_label("工号").fill("n001")
    await fresh.get_by_label("密码").fill(password)
    await press(fresh, "Enter")
    await fresh.wait_for_url("**/account")
    await fresh.get_by_label("当前密码").fill(password)
    await fresh.get_by_label("新密码").fill("four words make one")
    await press(fresh, "Enter")
    await expect(fresh.locator("main")).not_to_contain_text("请先设置自己的密码")
    await fresh.goto("/")
    await fresh.wait_for_url("**/tasks")


async def test_everything_works_without_javascript(on_stage: Stage) -> None:
    task = await sheet_task(on_stage.pages)
    page = await on_stage.somebody("b001", Role.BACK_OFFICE, script=False, centres=[XUHUI])
    await page.locator("select[name=kind]").select_option("sheet")
    await page.locator("button", has_text="筛选").click()
    await page.wait_for_url("**kind=sheet**")
    await page.locator("tbody tr").filter(has_text=task["case_no"]).locator("button").click()
    await page.wait_for_url("**/tasks/*")
    await page.locator("input[name=sheet]").fill("01")
    await page.locator("input[value=A]").check()
    await page.locator("button", has_text="办结此任务").click()
    await page.wait_for_url("**/tasks?tab=mine*")
    await page.locator("nav.tabs a", has_text="已办").click()
    await expect(page.locator("tbody")).to_contain_text(task["case_no"])


async def test_an_operator_opens_a_case_without_personal_data(on_stage: Stage) -> None:
    case_no = await on_stage.pages.door.received(SHEET)
    page = await on_stage.somebody("o001", Role.OPERATOR)
    await page.goto(f"/cases/{case_no}")
    await expect(page.locator("main")).to_contain_text("办理环节")
    await expect(page.locator("main")).not_to_contain_text("证件号码")


async def test_an_auditor_sees_who_has_read_a_case(on_stage: Stage) -> None:
    case_no = await on_stage.pages.door.received(SHEET)
    clerk = await on_stage.somebody("b001", Role.BACK_OFFICE, centres=[XUHUI])
    await clerk.goto(f"/cases/{case_no}")
    await expect(clerk.locator("main")).not_to_contain_text("谁看过")
    auditor = await on_stage.somebody("a001", Role.AUDITOR)
    await auditor.goto(f"/cases/{case_no}")
    await expect(auditor.locator("section", has_text="谁看过")).to_contain_text("b001")
    assert await violations(auditor) == []
