"""A hub with its pages, and a real browser: Debian's Chromium, driven by Playwright. A missing browser is a failure that says what to install."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from hub.people import Role
from tests.page_door import PageDoor, page_door

CHROMIUM = shutil.which("chromium")
DESK = {"width": 1366, "height": 768}
TABLET = {"width": 820, "height": 1180}


@dataclass
class Stage:
    """The hub's door and a browser; each person gets a window of its own."""

    pages: PageDoor
    browser: Browser
    windows: list[BrowserContext]

    @property
    def url(self) -> str:
        """Of the hub."""
        return self.pages.door.url

    async def window(self, *, script: bool = True, size: dict[str, int] | None = None) -> Page:
        """A fresh window in Chinese."""
        context = await self.browser.new_context(
            java_script_enabled=script,
            viewport=size or DESK,  # type: ignore[arg-type]  # the two keys that it wants
            locale="zh-CN",
            base_url=self.url,
            color_scheme="light",
        )
        context.set_default_timeout(60_000)
        self.windows.append(context)
        return await context.new_page()

    async def somebody(self, login: str, *roles: Role, script: bool = True, **scope: Any) -> Page:
        """A window in which a new person has signed in by typing."""
        password = await self.pages.person(login, *roles, **scope)
        page = await self.window(script=script)
        await page.goto("/sign-in")
        await page.keyboard.type(login)
        await page.keyboard.press("Tab")
        await page.keyboard.type(password)
        await page.keyboard.press("Enter")
        await page.wait_for_url(lambda url: "sign-in" not in url)
        return page


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Open all of it."""
    assert CHROMIUM is not None, "install Debian's browser: apt-get install chromium"
    async with page_door(folder) as pages, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = Stage(pages=pages, browser=browser, windows=[])
        try:
            yield made
        finally:
            for context in made.windows:
                await context.close()
            await browser.close()


async def violations(page: Page) -> list[str]:
    """What axe finds wrong with a page, a line each."""
    found = await Axe().run(page)
    return [
        f"{page.url}: {one['id']}: {node['html'][:160]}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]
