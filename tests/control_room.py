"""A control server over a few departments of the sample city, with no hub: what tests of the simulators share."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from simulators.control.app import control_server
from simulators.control.board import Board
from simulators.sample import sample_site
from simulators.scenario import Scenario
from simulators.world import Plan, World, world

SYSTEMS = frozenset({"DA-archive", "MZ-relief", "GA-hukou", "WJ-family"})
"""One that is asked later, one that calls back, one that speaks SOAP, one that exchanges files."""


@dataclass
class ControlRoom:
    """A client at the control server's address."""

    url: str
    board: Board
    http: aiohttp.ClientSession

    @property
    def city(self) -> World:
        """Everything behind it."""
        return self.board.city

    async def ask(self, method: str, path: str, status: int = 200, **told: Any) -> Any:
        """JSON, when the status is as expected."""
        async with self.http.request(method, self.url + path, **told) as answer:
            text = await answer.text()
            assert answer.status == status, f"{answer.status}: {text[:500]}"
            return await answer.json() if "json" in answer.content_type else text

    async def press(self, path: str, status: int = 303, **form: str) -> str:
        """Send a form as a browser does that has opened the page."""
        await self.ask("GET", "/")
        token = next(one.value for one in self.http.cookie_jar if one.key == "simulators-form")
        async with self.http.post(self.url + path, data={"_form": token, **form}, allow_redirects=False) as answer:
            assert answer.status == status, await answer.text()
            return answer.headers.get("Location", "") or await answer.text()


@asynccontextmanager
async def control_room(
    folder: Path, systems: frozenset[str] = SYSTEMS, plan: Mapping[str, Any] | None = None
) -> AsyncIterator[ControlRoom]:
    """Open until the block ends."""
    wanted = Plan(
        folder=folder,
        site=sample_site(),
        start=datetime.now(UTC),
        speed=1.0,
        systems=systems,
        **{"reply_delay_seconds": 0.05, "slow_seconds": 0.3, "shares": {}, **(plan or {})},
    )
    jar = aiohttp.CookieJar(unsafe=True)
    async with world(wanted) as city, aiohttp.ClientSession(cookie_jar=jar) as http:
        board = Board(city=city, scenario=Scenario(name="-", seed=wanted.seed))
        async with control_server(board) as url:
            yield ControlRoom(url=url, board=board, http=http)
