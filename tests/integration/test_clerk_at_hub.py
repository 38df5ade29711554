"""``onedoor simulate clerk``: a clerk at a running hub, his hours and habits; what he does wrong, the hub notices."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from contracts.site import CalendarYear, load_site
from contracts.task_sheet import parse_sheet_code
from simulators.clerk_at_hub import ClerkAtHub, DeskTally
from simulators.clerk_habits import ClerkHabits, HabitsRefused, Slip, habits_of, read_habits
from simulators.cli import app
from simulators.ledger import Ledger
from simulators.world import CivilClock
from tests.front_door import FrontDoor, front_door
from tests.paper_desk import sheet
from tests.paper_world import NUMBER, a_sheet, gateway, numbered

HERE = ZoneInfo("Asia/Shanghai")
ALWAYS: dict[str, Any] = {"hours": (), "days": "all", "pace_minutes": 0, "late": 0.0, **dict.fromkeys(Slip, 0.0)}
RUN = CliRunner()
ONEDOOR = Path(sys.executable).with_name("onedoor")


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path_factory.mktemp("hub")) as opened:
        yield opened


@asynccontextmanager
async def at_work(door: FrontDoor, folder: Path, **habits: object) -> AsyncIterator[ClerkAtHub]:
    with Ledger(folder / "clerk.jsonl") as ledger:
        clock = CivilClock(datetime(2026, 3, 2, 1, tzinfo=UTC), 1.0)
        yield ClerkAtHub(
            door.url,
            door.key,
            habits_of({**ALWAYS, **habits}),
            ledger=ledger,
            folder=folder,
            clock=clock,
            system="JY-office",
        )


async def worked(door: FrontDoor, folder: Path, sheets: int = 1, **habits: object) -> DeskTally:
    """Let him do that many sheets."""
    for _ in range(sheets):
        await sheet(door)
    async with at_work(door, folder, **habits) as clerk:
        stop = asyncio.Event()
        working = asyncio.create_task(clerk.work(stop))
        async with asyncio.timeout(60):
            while clerk.tally.done < sheets and not working.done():  # noqa: ASYNC110 - it happens in the hub, which tells nobody
                await asyncio.sleep(0.02)
        stop.set()
        return await working


def ledger(folder: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (folder / "clerk.jsonl").read_text().splitlines()]
    return [(one["kind"], one["note"]) for one in lines]


async def open_sheets(door: FrontDoor) -> int:
    _, body, _ = await door.call("GET", "/v1/tasks?kind=sheet&state=ready&system=JY-office&limit=500")
    return len(body["tasks"])


async def test_sheets_are_printed_read_decided_and_confirmed(door: FrontDoor, tmp_path: Path) -> None:
    tally = await worked(door, tmp_path, 3)
    assert (tally.taken, tally.done, tally.unreadable, tally.slips) == (3, 3, 0, {})
    assert tally.statuses == {200: 3}
    assert await open_sheets(door) == 0
    assert [kind for kind, _ in ledger(tmp_path)].count("effect") == 3
    left = await asyncio.to_thread(lambda: list(tmp_path.glob("*.pdf")))
    assert not left, "what is on a sheet is somebody's: no print stays"


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        (Slip.TWICE, ["twice 409"]),
        (Slip.WRONG_SHEET, ["wrong_sheet 404", "wrong_sheet 409"]),
        (Slip.WRONG_BOX, ["correction 409", "wrong_box 200"]),
        (Slip.UNREADABLE, ["unreadable 409"]),
        (Slip.OLD_VERSION, ["old_version 409"]),
    ],
)
async def test_what_he_does_wrong_the_hub_notices_and_each_sheet_counts_once(
    door: FrontDoor, tmp_path: Path, slip: Slip, said: list[str]
) -> None:
    """Where another sheet is open on the screen there is a code of another sheet, or no such sheet at all."""
    tally = await worked(door, tmp_path, 2, **{slip: 1.0})
    assert tally.slips == {slip.value: 2}
    assert sorted({note for kind, note in ledger(tmp_path) if kind == "slip"}) == said
    assert [kind for kind, _ in ledger(tmp_path)].count("effect") == 2
    assert await open_sheets(door) == 0


async def test_a_late_sheet_lies_while_others_are_done(door: FrontDoor, tmp_path: Path) -> None:
    await sheet(door)
    async with at_work(door, tmp_path, late=1.0, late_hours=1.0) as clerk:
        stop = asyncio.Event()
        working = asyncio.create_task(clerk.work(stop))
        async with asyncio.timeout(60):
            while not clerk.tally.lying:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)
        clerk.habits = habits_of({**ALWAYS, "late": 0.0})
        await sheet(door)
        async with asyncio.timeout(60):
            while not clerk.tally.done:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)
        stop.set()
        tally = await working
    assert (tally.taken, tally.done, tally.lying) == (2, 1, 1)
    assert ("arrival", "late") in ledger(tmp_path)
    assert await open_sheets(door) == 1
    await worked(door, tmp_path, 1)
    assert await open_sheets(door) == 0


async def test_outside_his_hours_he_takes_nothing_in(door: FrontDoor, tmp_path: Path) -> None:
    await sheet(door)
    async with at_work(door, tmp_path, hours=("13:00-17:00",)) as clerk:
        stop = asyncio.Event()
        working = asyncio.create_task(clerk.work(stop))
        await asyncio.sleep(0.5)
        assert not clerk.is_open
        stop.set()
        assert (await working).taken == 0
    assert await open_sheets(door) == 1


async def test_the_command_does_what_there_is_and_ends(door: FrontDoor, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(door.key + "\n")
    (tmp_path / "habits.toml").write_text("[clerk]\nseed = 3\nlate = 1.0\npace_minutes = 0\n")
    arguments = [
        "--hub",
        door.url,
        "--key-file",
        tmp_path / "key",
        "--folder",
        tmp_path,
        "--once",
        "--system",
        "JY-office",
    ]
    habits = ["--habits", tmp_path / "habits.toml", "--hours", "always", "--late", "0", "--twice", "0"]
    before = await open_sheets(door)
    process = await asyncio.create_subprocess_exec(
        ONEDOOR, "simulate", "clerk", *map(str, arguments), *map(str, habits), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0
    assert f"Sheets taken in {before}, done {before}, lying 0." in said.decode()
    assert await open_sheets(door) == 0


SITE = load_site(Path(str(files("plugins"))))
YEAR = CalendarYear(
    year=2026, version=1, holidays=frozenset({date(2026, 2, 17)}), makeup_workdays=frozenset({date(2026, 2, 14)})
)


@pytest.mark.parametrize(
    ("at", "is_open", "hours"),
    [
        ("2026-03-02T09:00", True, 0.0),
        ("2026-03-02T11:45", False, 1.25),
        ("2026-03-02T16:59", True, 0.0),
        ("2026-03-02T17:00", False, 16.0),
        ("2026-03-06T17:00", False, 64.0),
        ("2026-02-17T10:00", False, 23.0),
        ("2026-02-14T10:00", True, 0.0),
        ("2027-01-02T10:00", False, 47.0),
    ],
    ids=["opens", "lunch", "last minute", "closed", "weekend", "holiday", "make-up day", "no calendar"],
)
async def test_he_keeps_office_hours_with_lunch_and_the_calendar_of_the_site(
    at: str, is_open: bool, hours: float
) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=HERE)
    habits = ClerkHabits()
    assert habits.is_open(moment, {2026: YEAR}) is is_open
    assert habits.until_open(moment, {2026: YEAR}) == timedelta(hours=hours)
    assert ClerkHabits(hours=(), days="all").is_open(moment, {})
    assert SITE.calendars[2026].holidays


async def test_what_goes_wrong_depends_on_seed_and_sheet_alone() -> None:
    habits = habits_of({"late": 0.25, "twice": 0.3, "wrong_box": 0.2, "seed": 5})
    sheets = [(f"case-{number}", "JY-1", 1) for number in range(2000)]
    drawn = [habits.drawn(*one) for one in sheets]
    assert drawn == [habits.drawn(*one) for one in sheets]
    assert drawn != [habits_of({**habits.model_dump(), "seed": 6}).drawn(*one) for one in sheets]
    assert 540 < sum(slip is Slip.TWICE for slip, _ in drawn) < 660
    assert 430 < sum(lies for _, lies in drawn) < 570


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[clerk]\nlat = 0.1\n", "did you mean late"),
        ("[clerk]\nlate = 2\n", "late: "),
        ("[clerk]\ntwice = 0.7\nwrong_box = 0.7\n", "together must not exceed 1"),
        ('[clerk]\nhours = ["nine"]\n', "write hours as 09:00-17:00"),
        ('[clerk]\nhours = ["17:00-09:00"]\n', "ends before it begins"),
        ("[other]\n", "has no \\[clerk\\] table"),
        ("[clerk", "cannot be read as TOML"),
    ],
)
async def test_habits_that_cannot_be_are_refused_by_their_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "habits.toml").write_text(text)
    with pytest.raises(HabitsRefused, match=said):
        read_habits(tmp_path / "habits.toml")


async def test_without_a_key_he_does_not_begin(tmp_path: Path) -> None:
    found = RUN.invoke(app, ["clerk", "--hub", "http://127.0.0.1:1", "--key-file", str(tmp_path / "none")])
    assert "give the file that holds the client's key" in str(found.exception)


async def sheet_pdf(version: int) -> bytes:
    async with gateway() as desk:
        return await desk.print_sheets([numbered(await a_sheet(desk), number=NUMBER, version=version)])


async def test_a_sheet_that_was_corrected_while_it_lay_here_is_printed_again(tmp_path: Path) -> None:
    """A hub that is busy at first, then prints rubbish, then a sheet, and by the time that is keyed has a newer one."""
    prints = [b"no PDF", await sheet_pdf(1), await sheet_pdf(2)]
    keyed: list[str] = []

    async def tasks(request: web.Request) -> web.Response:
        return web.json_response({"tasks": [] if keyed[-1:] == ["200"] else [{"id": "t-1"}]})

    async def printed(request: web.Request) -> web.Response:
        return web.Response(body=prints.pop(0))

    async def complete(request: web.Request) -> web.Response:
        code = parse_sheet_code((await request.json())["sheet_code"])
        status = 503 if not keyed else 409 if code.version == 1 else 200
        keyed.append(str(status))
        return web.json_response({"detail": "this print is outdated: print it again"}, status=status)

    hub = web.Application()
    hub.router.add_get("/v1/tasks", tasks)
    hub.router.add_post("/v1/tasks/t-1/print", printed)
    hub.router.add_post("/v1/tasks/{number}/complete", complete)
    async with TestServer(hub) as server:
        with Ledger(tmp_path / "clerk.jsonl") as book:
            clock = CivilClock(datetime.now(UTC), 1.0)
            clerk = ClerkAtHub(
                str(server.make_url("")), "k", habits_of(ALWAYS), ledger=book, folder=tmp_path, clock=clock
            )
            first = await clerk.work(asyncio.Event(), once=True)
            assert first.unreadable == 1
    assert keyed == ["503", "409", "200"]
    assert (first.done, dict(first.statuses)) == (1, {409: 1, 200: 1})
    assert ("slip", "outdated 409") in ledger(tmp_path)
