"""The control page of the simulators in a real browser: a tester's work by mouse and by keyboard, accessibility, both languages, no script."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, async_playwright

from simulators.control.words import LANGUAGES
from tests.browser.stage import CHROMIUM, DESK, TABLET, violations
from tests.browser.test_pages import fits, pictured, watched
from tests.control_room import ControlRoom, control_room

PHONE = {"width": 390, "height": 844}


@dataclass
class Room:
    """A control server and a browser."""

    room: ControlRoom
    browser: Browser

    async def window(self, *, script: bool = True) -> Page:
        context = await self.browser.new_context(
            java_script_enabled=script,
            viewport=DESK,  # type: ignore[arg-type]  # the two keys that it wants
            locale="zh-CN",
            base_url=self.room.url,
            color_scheme="light",
        )
        context.set_default_timeout(60_000)
        return await context.new_page()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Room]:
    assert CHROMIUM is not None, "install Debian's browser: apt-get install chromium"
    async with control_room(folder) as room, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield Room(room=room, browser=browser)
        finally:
            await browser.close()


@pytest.fixture
async def at_work(tmp_path: Path) -> AsyncIterator[Room]:
    async with opened(tmp_path) as made:
        yield made


async def traffic(room: ControlRoom, times: int) -> None:
    """Messages that a department turns away at its door: enough for its dial, without a hub."""
    url = room.board.running("MZ-relief").address
    path = next(iter(room.city.rest["MZ-relief"]._messages))[1]
    async with aiohttp.ClientSession() as http:
        for _ in range(times):
            try:
                async with http.post(url + path, json={}) as answer:
                    await answer.read()
            except aiohttp.ClientError:
                pass


async def test_the_page_is_accessible_in_both_languages_and_fits(at_work: Room) -> None:
    wrong: list[str] = []
    room = at_work.room
    await room.ask("PUT", "/v1/scenario", json={"shipped": "bad-monday"})
    await room.ask("POST", "/v1/systems/GA-hukou/stop")
    operation = (await room.ask("GET", "/v1/systems/MZ-relief"))["operations"][0]["key"]
    await room.ask(
        "PUT",
        f"/v1/systems/MZ-relief/operations/{operation}/dial",
        json={"rules": [{"sequence": "refuse, ok", "repeat": True}]},
    )
    ledger = room.board.running("DA-archive").ledger
    for number in range(3):
        key = f"0000000{number}-0000-4000-8000-000000000000"
        for kind in ("arrival", "effect", "reply"):
            ledger.write(kind, "DA-archive", key, "search", "0" * 64)
    await traffic(room, 6)
    page = await at_work.window()
    watched(page, wrong)
    for language, html in LANGUAGES.items():
        for name, path in (
            ("simulators", "/"),
            ("simulators-system", "/systems/MZ-relief"),
            ("simulators-ledger", "/ledger"),
        ):
            await page.goto(path)
            if await page.locator("html").get_attribute("lang") != html:
                await page.locator(f"button[name=language][value={language}]").click()
                await page.goto(path)
            assert await page.locator("html").get_attribute("lang") == html
            await page.evaluate("document.fonts.ready")
            await page.reload()  # with the font at hand
            for part in await page.locator("#DA-archive details").all():
                await part.evaluate("one => one.open = true")
            await pictured(page, name if language == "zh" else f"{name}.{language}")
            for part in await page.locator("details").all():
                await part.evaluate("one => one.open = true")
            wrong += await violations(page)
            for size in (PHONE, TABLET, DESK):
                await page.set_viewport_size(size)  # type: ignore[arg-type]  # the two keys that it wants
                if not await fits(page):
                    wrong.append(f"{path} is wider than {size['width']} in {language}")
    assert wrong == []


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
async def test_a_tester_switches_off_turns_the_dial_and_sees_what_became_of_it(at_work: Room, script: bool) -> None:
    room, page = at_work.room, await at_work.window(script=script)
    await page.goto("/")
    card = page.locator("#DA-archive")
    await card.get_by_role("button", name="停机").click()
    await page.wait_for_url("**/#DA-archive")
    assert await card.get_by_text("已停机").is_visible()
    assert not room.board.running("DA-archive").is_open
    await card.get_by_role("button", name="停机").click()
    await card.get_by_text("正常", exact=True).wait_for()
    assert room.board.running("DA-archive").is_open

    await page.locator("#MZ-relief h2 a").click()
    await page.wait_for_url("**/systems/MZ-relief")
    whole = page.locator("[id='op-']")
    await whole.locator("select[name=fault]").select_option("refuse")
    await whole.locator("input[name=percent]").fill("100")
    await whole.get_by_role("button", name="添加规则").click()
    await whole.get_by_text("拒绝连接 · 每次").wait_for()
    await traffic(room, 3)
    if not script:
        await page.reload()
    await page.locator("#live .faults").get_by_text("拒绝连接 3").wait_for()
    await whole.get_by_role("button", name="移除").click()
    await page.wait_for_function("!document.querySelector('.rules')") if script else await page.wait_for_load_state()
    assert room.board.scenario.rules == ()

    await whole.locator("input[value=sequence]").check()
    await whole.locator("input[name=sequence]").fill("ok, thunder")
    await whole.get_by_role("button", name="添加规则").click()
    await page.get_by_role("alert").wait_for()
    assert "thunder" in (await page.get_by_role("alert").inner_text())


async def test_everything_is_reached_by_the_keyboard_and_a_scenario_is_begun(at_work: Room) -> None:
    page = await at_work.window()
    await page.goto("/")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.keyboard.press("Enter")
    select = page.locator("select[name=shipped]")
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await select.evaluate("one => one === document.activeElement"):
            break
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await page.keyboard.type("77")
    await page.keyboard.press("Enter")
    await page.get_by_text("样样都迟").first.wait_for()
    assert (at_work.room.board.scenario.name, at_work.room.board.scenario.seed) == ("Everything late", 77)
    await page.locator("summary", has_text="另存为场景").click()
    text = await page.locator("#scenario-text").input_value()
    assert "seed = 77" in text
    async with page.expect_download() as download:
        await page.get_by_role("link", name="存为文件").click()
    assert (await download.value).suggested_filename == "scenario.toml"


async def test_updating_leaves_what_somebody_is_at_and_can_be_paused(at_work: Room) -> None:
    room, page = at_work.room, await at_work.window()
    await page.goto("/systems/MZ-relief")
    typed = page.locator("[id='op-'] input[name=percent]")
    await typed.fill("33")
    await room.ask("PUT", "/v1/systems/MZ-relief/dial", json={"rules": [{"fault": "refuse"}]})
    await traffic(room, 2)
    await page.locator("#live .faults").get_by_text("拒绝连接 2").wait_for()
    assert await typed.input_value() == "33"
    await page.get_by_role("button", name="暂停更新").click()
    await traffic(room, 1)
    await page.wait_for_timeout(3000)
    assert await page.locator("#live .faults").get_by_text("拒绝连接 2").is_visible()
    await page.get_by_role("button", name="继续更新").click()
    await page.locator("#live .faults").get_by_text("拒绝连接 3").wait_for()
