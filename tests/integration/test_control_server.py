"""The control server of the simulators: its API, its pages, and who may ask it for changes."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from simulators.clerk_habits import Slip
from simulators.control import words
from simulators.control.app import PortTaken, control_server
from simulators.control.pages import HERE
from tests.control_room import SYSTEMS, ControlRoom, control_room
from tests.rest_world import until


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[ControlRoom]:
    async with control_room(tmp_path) as opened:
        yield opened


async def listens(url: str) -> bool:
    place = urlsplit(url)
    try:
        _, writer = await asyncio.open_connection(place.hostname, place.port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_the_api_lists_every_system_that_runs(room: ControlRoom) -> None:
    systems = (await room.ask("GET", "/v1/systems"))["systems"]
    assert {one["key"] for one in systems} == SYSTEMS
    assert {one["key"]: one["protocol"] for one in systems} == {
        "DA-archive": "rest",
        "MZ-relief": "rest",
        "GA-hukou": "soap",
        "WJ-family": "sftp",
    }
    for one in systems:
        assert await listens(one["address"])
        assert one["operations"]
    assert await room.ask("GET", "/v1/systems/DA-archive") == next(one for one in systems if one["key"] == "DA-archive")
    missing = await room.ask("GET", "/v1/systems/XX", 404)
    assert "no system XX runs here" in missing["error"]


@pytest.mark.parametrize("system", ["DA-archive", "GA-hukou", "WJ-family"])
async def test_a_department_is_switched_off_and_on_again_at_the_same_address(room: ControlRoom, system: str) -> None:
    stopped = await room.ask("POST", f"/v1/systems/{system}/stop")
    assert (stopped["open"], stopped["stopped"]) == (False, True)
    assert not await listens(stopped["address"])
    started = await room.ask("POST", f"/v1/systems/{system}/start")
    assert (started["open"], started["address"]) == (True, stopped["address"])
    assert await listens(started["address"])


async def test_a_port_that_somebody_took_meanwhile_is_told_and_taken_back_when_it_is_free(room: ControlRoom) -> None:
    stopped = await room.ask("POST", "/v1/systems/DA-archive/stop")
    place = urlsplit(stopped["address"])
    with socket.create_server(("127.0.0.1", place.port or 0)):
        assert (await room.ask("POST", "/v1/systems/DA-archive/start"))["blocked"]
    await until(lambda: room.board.running("DA-archive").is_open)
    assert await listens(stopped["address"])
    assert not (await room.ask("GET", "/v1/systems/DA-archive"))["blocked"]


async def test_a_dial_is_set_for_all_for_a_system_and_for_an_operation(room: ControlRoom) -> None:
    dials = {
        "/v1/dial": {"latencies": [{"constant": 0.5}]},
        "/v1/systems/DA-archive/dial": {"rules": [{"fault": "outage", "daily": ["22:00:00", "06:00:00"]}]},
        "/v1/systems/DA-archive/operations/search/dial": {"rules": [{"sequence": "ok, 503 x2", "repeat": True}]},
    }
    for path, dial in dials.items():
        await room.ask("PUT", path, json=dial)
    for path, dial in dials.items():
        found = await room.ask("GET", path)
        told = {
            kind: [{key: value for key, value in one.items() if key not in ("system", "operation")} for one in entries]
            for kind, entries in found.items()
            if entries
        }
        assert told == dial
    assert len(room.city.dials["DA-archive"].rules) == 2
    assert room.city.dials["GA-hukou"].rules == ()
    await room.ask("PUT", "/v1/systems/DA-archive/operations/search/dial", json={})
    assert len(room.city.dials["DA-archive"].rules) == 1


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/systems/DA-archive/dial", {"rules": [{"fault": "refuze"}]}, "did you mean refuse?"),
        ("/v1/systems/DA-archive/dial", {"rules": [{"fault": "full_disk"}]}, "never happens to DA-archive"),
        ("/v1/systems/WJ-family/dial", {"rules": [{"fault": "unavailable_503"}]}, "never happens to WJ-family"),
        ("/v1/systems/DA-archive/dial", {"rules": [{"fault": "delay", "probability": 2}]}, "less than or equal to 1"),
        ("/v1/dial", {"latency": []}, "latency"),
        ("/v1/scenario", {"shipped": "bad-tuesday"}, "bad-monday"),
    ],
)
async def test_what_cannot_be_dialled_is_refused_and_changes_nothing(
    room: ControlRoom, path: str, body: object, said: str
) -> None:
    before = await room.ask("GET", "/v1/scenario")
    status = 404 if "shipped" in str(body) else 422
    assert said in (await room.ask("PUT", path, status, json=body))["error"]
    assert await room.ask("GET", "/v1/scenario") == before
    await room.ask("PUT", "/v1/systems/DA-archive/operations/serch/dial", 404, json={})


async def test_a_scenario_is_loaded_by_name_or_as_toml_and_told_as_both(room: ControlRoom) -> None:
    assert (await room.ask("GET", "/v1/scenarios"))["scenarios"] == [
        "bad-monday",
        "everything-late",
        "maintenance-night",
    ]
    loaded = await room.ask("PUT", "/v1/scenario", json={"shipped": "bad-monday", "seed": 9})
    assert (loaded["name"], loaded["seed"]) == ("A bad Monday", 9)
    text = await room.ask("GET", "/v1/scenario", headers={"Accept": "application/toml"})
    await room.ask("PUT", "/v1/scenario", json={"shipped": "everything-late"})
    again = await room.ask("PUT", "/v1/scenario", data=text.encode(), headers={"Content-Type": "application/toml"})
    assert again == loaded
    wrong = b'name = "x"\nsed = 1\n'
    refused = await room.ask("PUT", "/v1/scenario", 422, data=wrong, headers={"Content-Type": "application/toml"})
    assert refused["error"] == "scenario:2: sed: no such key: did you mean seed?"


async def test_a_change_that_another_site_asks_for_is_refused(room: ControlRoom) -> None:
    path = "/v1/systems/DA-archive/stop"
    for headers in ({"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert "another site" in (await room.ask("POST", path, 403, headers=headers))["error"]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    await room.ask("PUT", "/v1/dial", 415, data=b"{}", headers=form)
    await room.ask("GET", "/v1/systems", 421, headers={"Host": "elsewhere.example"})
    await room.ask("POST", "/systems/DA-archive/door", 403, data={"do": "stop"})
    await room.ask("POST", "/systems/DA-archive/door", 403, json={"do": "stop"})
    assert room.board.running("DA-archive").is_open
    assert await room.press("/systems/DA-archive/door", do="stop", next="//elsewhere.example") == "/#DA-archive"
    assert not room.board.running("DA-archive").is_open


async def test_every_page_opens_in_both_languages(room: ControlRoom) -> None:
    for language, sentence in (("zh", "模拟部门"), ("en", "Simulated departments")):
        await room.press("/language", language=language, next="/ledger")
        assert sentence in await room.ask("GET", "/")
        for path in ("/ledger", "/ledger?system=DA-archive&kind=effect", *(f"/systems/{key}" for key in SYSTEMS)):
            assert f'lang="{words.LANGUAGES[language]}"' in await room.ask("GET", path)
    for name in ("control.css", "control.js", "control.svg"):
        assert await room.ask("GET", f"/static/{name}")
    async with room.http.get(room.url + "/static/han.otf") as font:
        assert (await font.content.readexactly(4)) == b"OTTO"
    for path in ("/systems/XX", "/static/pages.py", "/static/%2e%2e/pages.py"):
        async with room.http.get(room.url + path) as answer:
            assert answer.status == 404


async def test_buttons_turn_the_dial_and_turn_it_back(room: ControlRoom) -> None:
    for do, sign in (("lost", "lost_reply"), ("slow", "lognormal")):
        await room.press("/systems/DA-archive/quick", do=do)
        assert sign in await room.ask("GET", "/scenario.toml")
        await room.press("/systems/DA-archive/quick", do=do)
        assert sign not in await room.ask("GET", "/scenario.toml")
    await room.press(
        "/systems/DA-archive/dial",
        operation="search",
        do="add",
        how="fault",
        fault="delay",
        percent="25",
        seconds="2",
        daily_from="09:00",
        daily_to="12:00",
        weekday="mon",
    )
    await room.press("/systems/DA-archive/dial", operation="", do="add", how="sequence", sequence="ok, 503", repeat="1")
    await room.press(
        "/systems/DA-archive/dial", operation="", do="latency", distribution="lognormal", first="1", second="3"
    )
    text = await room.ask("GET", "/scenario.toml")
    for line in (
        "probability = 0.25",
        "daily = [09:00:00, 12:00:00]",
        'weekdays = ["mon"]',
        'sequence = "ok, 503"',
        "lognormal = { median = 1, p99 = 3 }",
    ):
        assert line in text
    shown = await room.ask("GET", "/systems/DA-archive")
    assert "慢 · 25% · 2 s · 09:00–12:00 · 周一" in shown
    for form in (
        {"how": "sequence", "sequence": "ok, thunder"},
        {"how": "fault", "fault": "refuse", "percent": "often"},
    ):
        refused = await room.press("/systems/DA-archive/dial", 422, operation="search", do="add", **form)
        assert "不能这样设置" in refused
    await room.press("/systems/DA-archive/dial", operation="search", do="remove", number="0")
    await room.press("/systems/DA-archive/quick", do="well")
    assert room.board.scenario.rules == ()
    assert room.board.scenario.latencies == ()


async def test_the_dial_of_all_departments_is_turned_on_the_first_page(room: ControlRoom) -> None:
    await room.press("/dial", do="add", how="fault", fault="lost_reply", percent="10")
    await room.press("/dial", do="latency", distribution="constant", first="0.5")
    assert "回答丢失 · 10%" in await room.ask("GET", "/")
    assert all(dial.rules and dial.latencies for dial in room.city.dials.values())
    refused = await room.press("/dial", 422, do="add", how="sequence", sequence="thunder")
    assert "thunder" in refused
    await room.press("/dial", do="remove", number="0")
    assert room.board.scenario.rules == ()


async def test_a_taken_control_port_is_told_in_one_sentence(room: ControlRoom) -> None:
    with pytest.raises(PortTaken, match="--control-port"):
        async with control_server(room.board, urlsplit(room.url).port or 0):
            pass


async def test_a_scenario_is_begun_typed_and_ended_on_the_page(room: ControlRoom) -> None:
    await room.press("/scenario", do="shipped", shipped="maintenance-night", seed="7")
    assert (room.board.scenario.name, room.board.scenario.seed) == ("Maintenance night", 7)
    refused = await room.press("/scenario", 422, do="typed", text='name = "x"\n[[rules]]\nfault = "refuze"\n')
    assert "did you mean refuse?" in refused
    await room.press("/scenario", do="typed", text='name = "x"\nseed = 3\n[[rules]]\nfault = "refuse"\n')
    assert room.board.scenario.rules[0].fault == "refuse"
    await room.press("/scenario", do="again", seed="4")
    assert room.board.scenario.seed == 4
    await room.press("/scenario", do="none")
    assert room.board.scenario.rules == ()


async def test_the_same_scenario_and_the_same_messages_meet_the_same_faults(room: ControlRoom) -> None:
    """Over real connections, with other messages in between."""
    told = (await room.ask("GET", "/v1/systems/MZ-relief"))["address"]
    paths = [path for _, path in room.city.rest["MZ-relief"]._messages]
    operations = [operation.key for operation, _ in room.city.rest["MZ-relief"]._messages.values()]
    scenario = f"""
        name = "Twice"
        seed = 11
        [[rules]]
        system = "MZ-relief"
        operation = "{operations[0]}"
        fault = "refuse"
        probability = 0.5
        [[rules]]
        system = "MZ-relief"
        operation = "{operations[1]}"
        sequence = "ok x3, reset"
        repeat = true
    """

    async def outcomes(others: int) -> list[str]:
        await room.ask("PUT", "/v1/scenario", data=scenario.encode(), headers={"Content-Type": "application/toml"})
        seen = []
        for number in range(24):
            try:
                async with room.http.post(told + paths[0], json={}) as answer:
                    seen.append(str(answer.status))
            except aiohttp.ClientError as error:
                seen.append(type(error).__name__)
            # A rule for one operation counts that operation only.
            for _ in range(others if number % 5 == 0 else 0):
                with contextlib.suppress(aiohttp.ClientError):
                    await room.http.post(told + paths[1], json={})
        return seen

    first = await outcomes(0)
    assert await outcomes(0) == first
    assert await outcomes(3) == first
    assert len(set(first)) > 1
    faults = (await room.ask("GET", "/v1/faults?system=MZ-relief&limit=1000"))["latest"]
    assert {one["fault"] for one in faults} == {"refuse", "reset"}


async def test_ledgers_are_read_in_pages_and_a_reset_begins_new_ones(room: ControlRoom) -> None:
    ledger = room.board.running("GA-hukou").ledger
    for number in range(5):
        for kind in ("arrival", "effect", "reply"):
            ledger.write(kind, "GA-hukou", f"d-{number}", "person_check", "0" * 64, "again" if number == 4 else "")
    ledger.write("effect", "GA-hukou", "d-0", "person_check")
    pages: list[list[str]] = []
    after: int | None = 0
    while after is not None:
        page = await room.ask("GET", f"/v1/ledger?system=GA-hukou&kind=effect&limit=4&after={after}")
        pages.append([one["delivery_id"] for one in page["entries"]])
        after = page["next"]
    assert pages == [["d-0", "d-1", "d-2", "d-3"], ["d-4", "d-0"]]
    entry = (await room.ask("GET", "/v1/ledger?delivery_id=d-3&kind=reply"))["entries"][0]
    assert entry.keys() == {"number", "kind", "system", "delivery_id", "operation", "digest", "note", "at"}
    await room.ask("GET", "/v1/ledger?limit=many", 400)
    counts = (await room.ask("GET", "/v1/systems/GA-hukou"))["counts"]
    assert counts == {"arrivals": 5, "effects": 6, "replies": 5, "again": 1, "rejected": 0, "doubled": 1}
    for system in SYSTEMS:
        reset = await room.ask("POST", f"/v1/systems/{system}/reset")
        assert set(reset["counts"].values()) == {0}
    assert (await room.ask("GET", "/v1/ledger"))["entries"] == []
    assert len((room.city.folder / "ledgers" / "closed" / "GA-hukou.1.jsonl").read_text().splitlines()) == 16
    assert (await room.ask("GET", "/v1/kinds"))["kinds"][0]["kind"] == "refuse"


def test_every_sentence_of_the_pages_has_its_chinese() -> None:
    spoken: set[str] = set()
    for file in (HERE / "templates").rglob("*.html"):
        for found in re.findall(r"""_\((?:"([^"]+)"|'([^']+)')\)""", file.read_text(encoding="utf-8")):
            spoken |= {one for one in found if one}
    for file in HERE.glob("*.py"):
        spoken |= set(re.findall(r"""say\(['"]([^'"]+)['"]\)""", file.read_text(encoding="utf-8")))
    assert len(spoken) > 60
    assert spoken - words.chinese().keys() == set()
    named = {"api", "file_drop", "paper", "at_once", "callback", "polled", "file", "arrival", "effect", "reply"}
    named |= {"late", *Slip}
    assert words.chinese().keys() - spoken <= named | {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}


async def test_an_answer_names_what_a_page_may_load(room: ControlRoom) -> None:
    async with aiohttp.ClientSession() as http, http.get(room.url + "/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        page = await answer.text()
    assert "<script>" not in page
    assert not re.search(r'(src|href)="https?:', page.replace(room.url, ""))
