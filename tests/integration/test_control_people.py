"""The clerk and the recordings on the control server, and the clerk in a scenario."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from simulators.clerk_at_hub import ClerkAtHub
from simulators.clerk_beside import clerk_beside
from simulators.clerk_habits import ClerkHabits
from simulators.control import people
from simulators.ledger import Ledger
from simulators.scenario_files import ScenarioError, read_scenario
from simulators.world import CivilClock
from tests.control_room import ControlRoom, control_room

DOCS = Path(__file__).parents[2] / "docs"
NAME = "金丝雀甲〇"
SCENARIO = 'name = "Monday"\nseed = 9\n\n[clerk]\nlate = 0.5\nhours = ["08:00-12:00"]\n'


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncIterator[ControlRoom]:
    async with control_room(tmp_path, frozenset({"DA-archive"})) as opened:
        yield opened


def at_desk(room: ControlRoom, ledger: Ledger) -> ClerkAtHub:
    clock = CivilClock(datetime(2026, 3, 2, 1, tzinfo=UTC), 1.0)
    return ClerkAtHub(
        "http://127.0.0.1:9",
        "k",
        ClerkHabits(),
        ledger=ledger,
        folder=room.city.folder,
        clock=clock,
        site=room.city.site,
    )


async def test_the_clerk_of_a_scenario_works_by_it_and_by_its_seed(room: ControlRoom, tmp_path: Path) -> None:
    with Ledger(tmp_path / "clerk.jsonl") as ledger:
        room.board.clerk = at_desk(room, ledger)
        head = {"Content-Type": "application/toml"}
        told = await room.ask("PUT", "/v1/scenario", data=SCENARIO, headers=head)
        assert told["clerk"]["late"] == 0.5
        assert room.board.clerk.habits == ClerkHabits(seed=9, late=0.5, hours=("08:00-12:00",))
        shown = await room.ask("GET", "/v1/clerk")
        assert (shown["running"], shown["at_desk"], shown["habits"]["late"]) == (True, True, 0.5)
        text = await room.ask("GET", "/scenario.toml")
        assert read_scenario(text, room.city.site) == room.board.scenario
        await room.ask("PUT", "/v1/clerk", json={"seed": 4, "twice": 1.0, "late": 0})
        assert room.board.clerk.habits.seed == 4
        assert "seed = 4" in await room.ask("GET", "/scenario.toml")
        assert not (await room.ask("PUT", "/v1/clerk", json={"hours": ["13:00-17:00"]}))["at_desk"]


@pytest.mark.parametrize(
    ("told", "said"), [({"lat": 1}, "did you mean late"), ({"late": 2}, "late"), ([], "JSON object")]
)
async def test_habits_that_cannot_be_are_refused_and_change_nothing(room: ControlRoom, told: object, said: str) -> None:
    before = room.board.scenario
    refused = await room.ask("PUT", "/v1/clerk", 422, json=told)
    assert said in refused["error"]
    await room.ask("PUT", "/v1/clerk", 422, data="x", headers={"Content-Type": "application/json"})
    assert room.board.scenario == before
    with pytest.raises(ScenarioError, match=r"clerk"):
        read_scenario('name = "x"\n[clerk]\nlat = 1\n', room.city.site)


async def test_his_habits_are_changed_on_the_page(room: ControlRoom) -> None:
    assert "--clerk-key" in await room.ask("GET", "/")
    place = await room.press(
        "/clerk", late="25", twice="10", hours="09:00-12:00, 13:00-17:30", days="all", late_hours="2"
    )
    assert place == "/#clerk"
    habits = room.board.habits
    assert (habits.late, habits.twice, habits.late_hours, habits.days) == (0.25, 0.1, 2.0, "all")
    assert habits.hours == ("09:00-12:00", "13:00-17:30")
    assert 'value="25"' in await room.ask("GET", "/")
    assert "late" in await room.press("/clerk", 422, late="often")
    assert "write hours" in await room.press("/clerk", 422, hours="nine to five")


async def test_without_a_key_nobody_works_and_with_one_he_works_for_the_hub(room: ControlRoom, tmp_path: Path) -> None:
    async with clerk_beside(room.city, "http://127.0.0.1:9", None) as nobody:
        assert nobody is None
    asked: list[str] = []

    async def tasks(request: web.Request) -> web.Response:
        asked.append(request.headers["Authorization"])
        return web.json_response({"tasks": []})

    hub = web.Application()
    hub.router.add_get("/v1/tasks", tasks)
    (tmp_path / "key").write_text("secret\n")
    async with TestServer(hub) as server, clerk_beside(room.city, str(server.make_url("")), tmp_path / "key") as clerk:
        assert clerk is not None
        clerk.habits = ClerkHabits(hours=(), days="all")
        assert clerk.is_open


async def test_a_recording_is_begun_and_ended_by_the_api_and_on_the_page(room: ControlRoom) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    department = web.Application()
    department.router.add_post("/{path:.*}", echo)
    async with TestServer(department) as server, aiohttp.ClientSession() as http:
        to = str(server.make_url(""))
        begun = await room.ask("POST", "/v1/recordings", 201, json={"to": to, "system": "DA-archive"})
        async with http.post(f"{begun['url']}/api/search", json={"whoever": NAME}) as answer:
            assert await answer.json() == {"whoever": NAME}
        (running,) = (await room.ask("GET", "/v1/recordings"))["recordings"]
        assert (running["calls"], running["system"]) == (1, "DA-archive")
        assert begun["url"] in await room.ask("GET", "/")
        ended = await room.ask("DELETE", f"/v1/recordings/{begun['name']}")
        text = (room.city.folder / "recordings" / begun["name"] / "exchanges.jsonl").read_text()
        assert ended["file"].endswith("exchanges.jsonl")
        assert "/api/search" in text
        assert NAME not in text
        assert await room.press("/recordings", to=to, system="") == "/#recordings"
        (other,) = (await room.ask("GET", "/v1/recordings"))["recordings"]
        await room.press("/recordings", do="end", name=other["name"])
        assert (await room.ask("GET", "/v1/recordings"))["recordings"] == []
        # One that still runs ends with the control server.
        await room.press("/recordings", to=to, system="DA-archive")


async def test_what_cannot_be_recorded_is_refused_in_a_sentence(room: ControlRoom) -> None:
    for told, said in (
        ({"to": "department.test"}, "such as https://department.test"),
        ({"to": "http://127.0.0.1:9", "system": "XX"}, "no system XX"),
        ({}, "the address `to`"),
    ):
        assert said in (await room.ask("POST", "/v1/recordings", 422, json=told))["error"]
    await room.ask("POST", "/v1/recordings", 422, data="x", headers={"Content-Type": "application/json"})
    assert "no recording" in (await room.ask("DELETE", "/v1/recordings/none", 422))["error"]
    assert "such as" in await room.press("/recordings", 422, to="nowhere")


def test_every_route_of_the_clerk_and_the_recordings_is_in_the_manual() -> None:
    pages = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("clerk.md", "recording.md"))
    for route in people.ROUTES:
        assert isinstance(route, web.RouteDef)
        assert f"`{route.method} {route.path}`" in pages
    for name in ClerkHabits.model_fields:
        assert f"| `{name}` |" in pages
