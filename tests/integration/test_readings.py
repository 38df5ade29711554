"""Who is shown a journal, or takes a file with personal data out of the house, leaves an entry (H06): on every route, by every command."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hub import metrics, readings
from hub.people import Role
from hub.readings import Reading, Way, What
from hub.store.connection import StoreUnavailable
from hub.web.policy import POLICIES
from tests import scanned_pages as scan
from tests.front_door import XUHUI, settings_in
from tests.page_door import Browser, PageDoor, page_door
from tests.paper_desk import DEPARTMENT, dropped, moves, printed, sheet
from tests.shell import Shell

Entry = tuple[str, str, str, str]
"""Who, what, by which way, which part."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageDoor]:
    async with page_door(tmp_path_factory.mktemp("hub")) as door:
        yield door


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(pages: PageDoor) -> "House":
    return await a_house(pages)


async def entries(pages: PageDoor, thing: str) -> list[Entry]:
    """Who has read a thing, oldest first."""
    hub = pages.door.hub
    rows = await hub.read(
        lambda c: c.rows(
            "SELECT by, at, changes FROM journal WHERE chain = :chain ORDER BY seq", {"chain": f"read:{thing}"}
        )
    )
    assert all(row["at"] > 0 for row in rows)
    return [
        (row["by"], what, codes.pop("way"), codes.pop("part", ""))
        for row in rows
        for kind, what, before, after, codes in json.loads(row["changes"])
        if (kind, before, after) == ("read", None, None)
    ]


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Wait for something that comes by itself."""
    async with asyncio.timeout(30):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)


@dataclass
class House:
    """One thing of each kind that can be read, somebody of each role, and a sender."""

    case_no: str
    task: dict[str, Any]
    list: str
    scan: str
    delivery: str
    clerk: Browser
    auditor: Browser
    sender: str
    key: str


async def a_house(pages: PageDoor) -> House:
    door = pages.door
    task = await sheet(door)
    await printed(door, task)
    _, made, _ = await door.call("POST", "/v1/handovers", json={"centre": XUHUI, "department": DEPARTMENT, "by": "c1"})
    scanned = await dropped(door, [scan.blank()])
    new = await door.client()
    return House(
        case_no=task["case_no"],
        task=task,
        list=made["summary"]["number"],
        scan=scanned["id"],
        delivery=(await door.case(task["case_no"]))["deliveries"][0]["id"],
        clerk=await pages.insider("c001", Role.BACK_OFFICE),
        auditor=await pages.insider("a001", Role.AUDITOR),
        sender=new.client.id,
        key=new.key,
    )


Ask = Callable[[PageDoor, House, str], Awaitable[int]]


async def by_clerk(_: PageDoor, house: House, path: str) -> int:
    return (await house.clerk.get(path)).status


async def by_auditor(_: PageDoor, house: House, path: str) -> int:
    return (await house.auditor.get(path)).status


async def by_sender(pages: PageDoor, house: House, path: str) -> int:
    return (await pages.door.call("GET", path, house.key))[0]


async def scanned_at_the_desk(_: PageDoor, house: House, path: str) -> int:
    await house.clerk.get("/tasks")
    return (await house.clerk.post(path, code=house.task["sheet_no"])).status


async def revealed(_: PageDoor, house: House, path: str) -> int:
    await house.clerk.get("/tasks")
    return (await house.clerk.post(path, path="applicant.id_no")).status


async def by_operator(pages: PageDoor, house: House, path: str) -> int:
    folder = pages.door.hub.settings.data.parent
    more: dict[str, dict[str, object]] = {
        "/admin/readers": {"of": house.case_no, "limit": 5},
        "/admin/backup": {"target": str(folder / "backup")},
    }
    return (await pages.door.local("POST", path, json={"by": "zhang", **more.get(path, {})}))[0]


def expected(house: House) -> dict[str, tuple[Ask, str, Entry]]:
    """Of each route that the policy says leaves an entry: who asks, on which chain it stands, and what it says."""
    delivery, task = house.delivery, house.task["id"]
    by_scan, by_list = f"scan:{house.scan}", f"handover:{house.list}"
    api, clerk = house.sender, "c001"
    return {
        "GET /v1/cases/{case_no}": (by_sender, house.case_no, (api, "case", "api", "")),
        "GET /v1/scans/{id}/file": (by_sender, by_scan, (api, "file", "api", "")),
        "GET /v1/scans/{id}/pages/{page}": (by_sender, by_scan, (api, "picture", "api", "1")),
        "POST /admin/cases/{case_no}/show": (by_operator, house.case_no, ("zhang", "case", "command", "")),
        "POST /admin/deliveries/{id}/show": (by_operator, house.case_no, ("zhang", "delivery", "command", delivery)),
        "POST /admin/readers": (by_operator, house.case_no, ("zhang", "readers", "command", "")),
        "POST /admin/backup": (by_operator, "database", ("zhang", "backup", "command", "")),
        "GET /tasks/{id}": (by_clerk, house.case_no, (clerk, "task", "page", task)),
        "POST /scan": (scanned_at_the_desk, house.case_no, (clerk, "task", "page", task)),
        "GET /cases/{case_no}": (by_clerk, house.case_no, (clerk, "case", "page", "")),
        "POST /cases/{case_no}/reveal": (revealed, house.case_no, (clerk, "case", "page", "")),
        "GET /handovers/{number}/csv": (by_clerk, by_list, (clerk, "list", "page", "")),
        "GET /scans/{id}/file": (by_clerk, by_scan, (clerk, "file", "page", "")),
        "GET /scans/{id}/pages/{page}": (by_clerk, by_scan, (clerk, "picture", "page", "1")),
        "GET /people/{login}": (by_auditor, "account:c001", ("a001", "account", "page", "")),
    }


def address(route: str, house: House) -> str:
    """The path of a route for the things of the house."""
    path = route.split(" ")[1]
    ids = {"/tasks/": house.task["id"], "/scans/": house.scan, "/deliveries/": house.delivery}
    values = {"{case_no}": house.case_no, "{number}": house.list, "{page}": "1", "{login}": "c001"}
    values["{id}"] = next((value for part, value in ids.items() if part in path), "")
    for name, value in values.items():
        path = path.replace(name, value)
    return path


async def test_h06_every_route_that_shows_a_journal_or_gives_a_file_away_leaves_one_entry(
    pages: PageDoor, house: House
) -> None:
    all_ = expected(house)
    assert all_.keys() == {route for route, policy in POLICIES.items() if policy.journalled}
    before = await pages.door.hub.read(
        lambda c: c.row("SELECT * FROM case_file WHERE case_no = :no", {"no": house.case_no})
    )
    told = moves(pages.door, house.case_no)
    for route, (ask, thing, entry) in all_.items():
        had = await entries(pages, thing)
        assert await ask(pages, house, address(route, house)) in (200, 201), route
        assert await entries(pages, thing) == [*had, entry], route
    assert await entries(pages, house.case_no)
    # Reading touches nothing of the case: its row and its own chain are as they were, but for the value that was revealed.
    now = await pages.door.hub.read(
        lambda c: c.row("SELECT * FROM case_file WHERE case_no = :no", {"no": house.case_no})
    )
    assert now == before
    assert [change for change in moves(pages.door, house.case_no) if change[0] != "reveal"] == told

    seen = (await house.auditor.get(f"/cases/{house.case_no}")).text
    assert "谁看过" in seen
    assert "样例c001" in seen.partition("谁看过")[2]
    assert "谁看过" not in (await house.clerk.get(f"/cases/{house.case_no}")).text


async def test_h06_an_entry_says_nothing_of_what_was_seen(pages: PageDoor, house: House) -> None:
    page = await house.clerk.get(f"/cases/{house.case_no}")
    values = [value.strip() for value in re.findall(r"<dd[^>]*>([^<]+)</dd>", page.text) if len(value.strip()) > 3]
    assert len(values) > 5
    rows = await pages.door.hub.read(lambda c: c.rows("SELECT * FROM journal WHERE chain LIKE 'read:%'"))
    assert rows
    assert [value for value in values for row in rows if value in json.dumps(row, ensure_ascii=False)] == []


async def test_h06_a_program_that_polls_leaves_one_entry_a_day_for_each_case(pages: PageDoor, house: House) -> None:
    door, hub = pages.door, pages.door.hub
    case_no = await door.received()
    one, other = await door.client(), await door.client()
    before = metrics.READINGS.labels("api")._value.get()
    for _ in range(3):
        await asyncio.gather(*(door.call("GET", f"/v1/cases/{case_no}", key) for key in (one.key, one.key, other.key)))
    found = await entries(pages, case_no)
    assert sorted(found) == sorted((sender.client.id, "case", "api", "") for sender in (one, other))
    assert metrics.READINGS.labels("api")._value.get() - before == 9, "every request is counted"
    # The next day it is an entry again; a person's reading is one each time.
    again = Reading(of=case_no, what=What.CASE, by=one.client.id, way=Way.API)
    await hub.readings.shown(again, hub.now_ms() + readings.DAY - 1000)
    assert len(await entries(pages, case_no)) == 2
    await hub.readings.shown(again, hub.now_ms() + readings.DAY + 1000)
    assert len(await entries(pages, case_no)) == 3
    for _ in range(2):
        await house.clerk.get(f"/cases/{case_no}")
    assert (await entries(pages, case_no))[3:] == [("c001", "case", "page", "")] * 2


async def test_h06_while_nothing_can_be_written_pages_are_shown_and_noted_later_and_files_stay(
    pages: PageDoor, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pages.door.hub
    at, case_no = hub.now_ms(), await pages.door.received()
    had = await entries(pages, f"handover:{house.list}")
    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr(hub.writer, "_failed", "the disk failed")
        assert (await house.clerk.get(f"/cases/{case_no}")).status == 200
        for _ in range(3):
            assert (await pages.door.call("GET", f"/v1/cases/{case_no}", house.key))[0] == 200
        for path in (f"/handovers/{house.list}/csv", f"/scans/{house.scan}/file"):
            assert (await house.clerk.get(path)).status == 503, path
        assert (await pages.door.call("GET", f"/v1/scans/{house.scan}/file", house.key))[0] == 503
        assert await entries(pages, f"handover:{house.list}") == had
        told = [(one["of"], one["by"]) for one in logged if one["event"] == "reading_not_journalled"]
        assert told == [(case_no, "c001"), (case_no, house.sender)]
        assert metrics.READINGS_KEPT._value.get() == 2
        # Nothing is shown that can be noted nowhere.
        patched.setattr(readings, "KEPT", 2)
        assert (await house.clerk.get(f"/cases/{case_no}")).status == 503
    await until(lambda: asyncio.sleep(0, not metrics.READINGS_KEPT._value.get()))
    found = [entry for entry in await entries(pages, case_no) if entry[0] in ("c001", house.sender)]
    assert found == [("c001", "case", "page", ""), (house.sender, "case", "api", "")]
    rows = await hub.read(
        lambda c: c.rows("SELECT at FROM journal WHERE chain = :chain AND by = 'c001'", {"chain": f"read:{case_no}"})
    )
    assert at <= rows[0]["at"] <= hub.now_ms()


async def test_h06_a_store_that_hangs_holds_a_page_up_for_a_moment_and_the_entry_comes_all_the_same(
    pages: PageDoor, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_no = await pages.door.received()
    run, free = pages.door.hub.writer.run, asyncio.Event()

    async def late(unit: Callable[..., Any]) -> Any:
        await free.wait()
        return await run(unit)

    monkeypatch.setattr(readings, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(pages.door.hub.writer, "run", late)
    assert (await house.clerk.get(f"/cases/{case_no}")).status == 200
    assert await entries(pages, case_no) == []
    free.set()
    await until(lambda: entries(pages, case_no))


async def test_h06_what_is_kept_is_written_before_the_hub_ends(pages: PageDoor) -> None:
    hub = pages.door.hub
    had = await entries(pages, "database")
    kept = readings.Readings(hub.writer, hub.city.journal)
    hub.writer._failed = "the disk failed"
    await kept.shown(Reading(of="database", what=What.BACKUP, by="zhang", way=Way.COMMAND), hub.now_ms())
    with pytest.raises(StoreUnavailable):
        await kept.leaves(Reading(of="database", what=What.BACKUP, by="li", way=Way.COMMAND), hub.now_ms())
    hub.writer._failed = None
    await kept.close()
    assert await entries(pages, "database") == [*had, ("zhang", "backup", "command", "")]


async def test_h06_commands_without_a_hub_leave_the_same_entries_and_the_journal_is_whole(shell: Shell) -> None:
    async with page_door(shell.folder) as pages:
        case_no = await pages.door.received()
        delivery = (await pages.door.case(case_no))["deliveries"]
        data = settings_in(shell.folder).data
    (shell.folder / "onedoor.toml").write_text(f'data = "{data}"\nport = 0\n')
    shell.done("cases", "show", case_no, "--by", "zhang")
    for one in delivery:
        shell.done("deliveries", "show", one["id"], "--by", "li")
    shell.done("backup", str(shell.folder / "backup"), "--by", "wang")
    assert "--by" in shell.refused("cases", "show", case_no, "--by", "张 三")
    first = json.loads(shell.done("journal", "readers", case_no, "--by", "sun", "--json"))
    assert [(one["by"], one["what"], one["way"]) for one in first] == [
        *(("li", "delivery", "command") for _ in delivery),
        ("zhang", "case", "command"),
        (first[-1]["by"], "case", "api"),
    ]
    assert "sun" in shell.done("journal", "readers", case_no)
    assert "wang" in shell.done("journal", "readers", "database")
    assert "account:LOGIN" in shell.refused("journal", "readers", "样例")
    assert "whole" in shell.done("journal", "verify")
