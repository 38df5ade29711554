"""A hub with its pages open, people with accounts, and browsers that keep their cookies: what the tests of pages stand before."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from hub import people, sign_in
from hub.people import NewAccount, Role
from tests.front_door import FrontDoor, front_door

RELAXED = {"loopback_http": True, "second_factor": "optional"}
PASSWORD = re.compile(r"[a-z0-9-]{20}")


@dataclass
class Page:
    """An answer: its status, where it came from, its text."""

    status: int
    url: str
    text: str
    headers: Mapping[str, str]

    @property
    def form(self) -> str:
        """The token of the page's forms."""
        found = re.search(r'name="_form" value="(\w+)"', self.text)
        assert found is not None, self.text[:300]
        return found[1]

    def hidden(self, name: str) -> str:
        """The value of a hidden field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found is not None, f"no field {name}"
        return found[1]


@dataclass
class Browser:
    """A browser: cookies of its own, redirects followed."""

    door: FrontDoor
    http: aiohttp.ClientSession
    last: Page | None = None

    async def get(self, path: str, **request: Any) -> Page:
        """Open a page."""
        return await self._ask("GET", path, **request)

    async def post(self, path: str, /, form: str | None = None, **fields: Any) -> Page:
        """Send a form with the token of the page that was opened last."""
        token = form if form is not None else (self.last.form if self.last else "")
        data = aiohttp.FormData({"_form": token})
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                data.add_field(name, one)
        return await self._ask("POST", path, data=data)

    async def _ask(self, method: str, path: str, **request: Any) -> Page:
        async with self.http.request(method, self.door.url + path, **request) as answer:
            page = Page(answer.status, answer.url.path_qs, await answer.text(errors="replace"), answer.headers)
        if "_form" in page.text:
            self.last = page
        return page

    async def sign_in(self, login: str, password: str) -> Page:
        """From the first page on."""
        await self.get("/sign-in")
        return await self.post("/sign-in", login=login, password=password, next="/")


@dataclass
class PageDoor:
    """The door, and what makes people and browsers."""

    door: FrontDoor
    browsers: list[Browser]

    async def person(self, login: str, *roles: Role, once: bool = False, **scope: Any) -> str:
        """An account; its password."""
        wanted = {
            "login": login,
            "name": f"样例{login}",
            "roles": [role.value for role in roles],
            "once": once,
            **scope,
        }
        status, body = await self.door.local("POST", "/admin/users", json=wanted)
        assert status == 201, body
        return str(body["password"])

    def browser(self) -> Browser:
        """A fresh one."""
        made = Browser(self.door, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
        self.browsers.append(made)
        return made

    async def insider(self, login: str, *roles: Role, **scope: Any) -> Browser:
        """A browser with the session of a new person whose password nobody has hashed: for tests of very many people."""
        hub = self.door.hub
        wanted = NewAccount(
            login=login,
            name=f"样例{login}",
            roles=frozenset(roles),
            centres=frozenset(scope.get("centres", ())),
            departments=frozenset(scope.get("departments", ())),
            change_password=False,
        )
        await hub.writer.run(lambda c: people.create(c, hub.city.journal, hub.keys, wanted, hub.now_ms(), "test"))
        browser = self.browser()
        browser.http.cookie_jar.update_cookies({"onedoor-session": (await sign_in.again(hub, login)).token})
        return browser

    async def somebody(self, login: str, *roles: Role, **scope: Any) -> Browser:
        """A browser in which a new person has signed in."""
        password = await self.person(login, *roles, **scope)
        browser = self.browser()
        page = await browser.sign_in(login, password)
        assert page.status == 200, page.text
        return browser


@asynccontextmanager
async def page_door(folder: Path, **values: Any) -> AsyncIterator[PageDoor]:
    """Open a hub over the sample city with pages that this machine may use over HTTP."""
    async with front_door(folder, **{"sign_in": RELAXED, **values}) as door:
        made = PageDoor(door=door, browsers=[])
        try:
            yield made
        finally:
            for browser in made.browsers:
                await browser.http.close()
