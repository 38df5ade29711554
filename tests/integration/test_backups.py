"""A backup beside a hub under load is whole; a restored hub is on hold, says what is in doubt, and sends nothing by itself."""

import asyncio
import io
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import hub.cli
from contracts.errors import OnedoorError
from hub import backups
from hub.backups import BackupRefused
from hub.keys import write_key
from hub.store import integrity
from hub.store.schema import DATABASE, upgrade
from tests.fast_city import SETTINGS, FastCity, fast_city, short_folder


async def onedoor(*arguments: str | Path, cwd: Path) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of a command, run in a thread while the loop goes on."""
    return await asyncio.to_thread(_onedoor, [*map(str, arguments), "--settings", str(cwd / "onedoor.toml")])


def _onedoor(arguments: list[str]) -> tuple[int, str, str]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as out_bytes, redirect_stderr(err):
        try:
            hub.cli.command_line(arguments)
        except OnedoorError as error:
            code = hub.cli.REFUSED
            err.write(f"{error}\n")
        except SystemExit as ended:
            code = int(ended.code or 0)
        out_bytes.seek(0)
        out.write(out_bytes.read())
    return code, out.getvalue(), err.getvalue()


async def done(*arguments: str | Path, cwd: Path) -> Any:
    """The JSON of a command that must succeed."""
    code, out, err = await onedoor(*arguments, "--demo", "--json", cwd=cwd)
    assert code == 0, err
    return json.loads(out)


async def refused(*arguments: str | Path, cwd: Path) -> str:
    """The one sentence of a command that must be refused."""
    code, out, err = await onedoor(*arguments, "--demo", cwd=cwd)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    return err


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


@asynccontextmanager
async def busy_city(**plan: Any) -> AsyncIterator[FastCity]:
    """A city whose counter hands in one case after another."""
    with short_folder() as folder:
        async with fast_city(folder, **plan) as city:
            yield city


async def test_g05_a_backup_under_load_is_whole_and_has_all_that_was_acknowledged_before_it() -> None:
    async with busy_city() as city:
        folder = city.world.folder
        for number in range(40):
            city.hand_in(("DA001", "MZ004", "MZ006", "WJ002", "JY004")[number % 5])
        await asyncio.sleep(1)
        acked = {task.result() for task in city.cases.values() if task.done()}
        more = asyncio.create_task(keep_handing_in(city))
        made = await done("backup", folder / "backup", cwd=folder)
        more.cancel()
        target = folder / "backup"
        assert acked
        assert acked <= {row[0] for row in rows(target / DATABASE, "SELECT case_no FROM case_file")}
        assert integrity.damage(target / DATABASE) == ()
        assert backups.missing_blobs(target) == []
        assert made["cases"] >= len(acked)
        assert made["blobs"] == sum(1 for path in (target / "blobs").glob("??/*"))
        modes = {path.stat().st_mode & 0o077 for path in (target, *target.rglob("*"))}
        assert modes == {0}
        names = {path.name for path in target.rglob("*") if path.is_file()}
        assert not [name for name in names if name.endswith((".part", "-wal", "-shm"))]
        key = (folder / "keys/master.key").read_text("ascii").strip().removeprefix("demo:")
        assert all(key.encode() not in path.read_bytes() for path in target.rglob("*") if path.is_file())
        await asyncio.gather(*city.cases.values())


async def keep_handing_in(city: FastCity) -> None:
    """Without a pause, until cancelled."""
    while True:
        city.hand_in("DA001")
        await asyncio.sleep(0.005)


@pytest.mark.timeout(240)
async def test_g06_a_restored_hub_is_on_hold_lists_what_is_in_doubt_and_sends_nothing_by_itself() -> None:
    async with busy_city() as city:
        folder = city.world.folder
        await lanes(city, "hold", "DA-archive")
        before = [await city.taken("DA001") for _ in range(3)]
        await done("backup", folder / "backup", cwd=folder)
        # After the backup the department gets what was waiting, and another case is acknowledged.
        await lanes(city, "release", "DA-archive")
        later = await city.taken("DA001")
        await city.world.settled(60)
        sent = arrivals(folder, "DA-archive")
        assert len(sent) == 4
        assert "another hub is already running" in await refused("restore", folder / "backup", cwd=folder)
        await city.world.hub.stop()

        told = await done("restore", folder / "backup", "--by", "tester", cwd=folder)
        doubts = [one for one in told["doubts"] if one["system"] == "DA-archive"]
        assert {one["case_no"] for one in doubts} == set(before)
        assert {one["state"] for one in doubts} == {"held"}
        assert told["lanes_held"] > 0
        assert (Path(told["aside"]) / DATABASE).exists()

        await city.world.start_hub()
        assert later not in {one["case_no"] for one in await done("cases", "list", cwd=folder)}
        queues = await done("lanes", "list", cwd=folder)
        assert {one["held"] for one in queues} == {"restored"}
        await asyncio.sleep(2)
        assert arrivals(folder, "DA-archive") == sent, "sent by itself after a restore"
        # A person releases the lane: it goes again under its id, and says that it may be a duplicate (R5).
        await done("lanes", "resume", "DA-archive", "--by", "tester", cwd=folder)
        again = arrivals(folder, "DA-archive")
        async with asyncio.timeout(60):
            while len(again := arrivals(folder, "DA-archive")) < 7:  # noqa: ASYNC110 - it happens in other processes
                await asyncio.sleep(0.1)
        assert {delivery for delivery in again if again.count(delivery) == 2} == {one["delivery"] for one in doubts}
        database = city.world.database
        marks = "SELECT attempt.possible_duplicate FROM attempt JOIN delivery ON delivery.id = attempt.delivery WHERE system = 'DA-archive'"
        assert {row[0] for row in rows(database, marks)} == {1}
        await city.world.hub.stop()


async def lanes(city: FastCity, verb: str, system: str) -> None:
    connector = aiohttp.UnixConnector(str(city.world.folder / "data" / "onedoor.sock"))
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.post(f"http://hub/admin/lanes/{system}/{verb}", json={"by": "tester"}) as answer,
    ):
        assert answer.status == 200, await answer.text()


def arrivals(folder: Path, system: str) -> list[str]:
    """Delivery ids that a department received, as its own ledger says."""
    lines = (folder / "ledgers" / f"{system}.jsonl").read_text("utf-8").splitlines()
    return [entry["delivery_id"] for entry in map(json.loads, lines) if entry["kind"] == "arrival"]


@pytest.fixture
async def place(tmp_path: Path) -> Path:
    """A place after ``onedoor init``, with a backup."""
    (tmp_path / "onedoor.toml").write_text(f'port = 0\ndata = "{tmp_path}/data"\n')
    await done("init", cwd=tmp_path)
    await done("clients", "create", "--name", "counter", cwd=tmp_path)
    await done("backup", tmp_path / "backup", cwd=tmp_path)
    return tmp_path


async def test_a_backup_that_was_changed_is_of_another_key_or_is_none_is_refused_and_nothing_is_touched(
    place: Path,
) -> None:
    data = (place / "data" / DATABASE).read_bytes()
    assert "is no backup" in await refused("restore", place / "data", cwd=place)
    assert "is there already" in await refused("backup", place / "backup", cwd=place)
    assert "on another disk" in await refused("backup", place / "data/backup", cwd=place)
    damaged = place / "damaged"
    shutil.copytree(place / "backup", damaged)
    with (damaged / DATABASE).open("r+b") as file:
        file.seek(5_000)
        file.write(b"x")
    assert "is not the one that was put there" in await refused("restore", damaged, cwd=place)
    (place / "keys/master.key").unlink()
    write_key(place / "keys/master.key", demo=True)
    assert "another master key" in await refused("restore", place / "backup", cwd=place)
    assert (place / "data" / DATABASE).read_bytes() == data
    assert not list((place / "data").glob("restoring*"))


async def test_a16_the_guide_works_a_damaged_database_is_found_refused_and_replaced(place: Path) -> None:
    database = place / "data" / DATABASE
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        page = file.read(4096)
        file.seek(-4096, 1)
        file.write(bytes(byte ^ 0xFF for byte in page))
    code, out, _ = await onedoor("check", "--json", cwd=place)
    assert code == 2
    assert [one for one in json.loads(out)["errors"] if one["key"] == "damage"]
    assert "damaged" in await refused("backup", place / "second", cwd=place)
    assert not (place / "second").exists()
    await done("restore", place / "backup", cwd=place)
    assert integrity.damage(database) == ()
    assert [one["name"] for one in await done("clients", "list", cwd=place)] == ["counter"]


async def test_g07_a_plain_copy_of_a_running_database_is_found_by_check(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    upgrade(live / DATABASE)
    with closing(sqlite3.connect(live / "other.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE one (x)")
        connection.commit()
        # As `cp` does beside a hub: the file without its log, in which all of it still is.
        (tmp_path / "data").mkdir()
        shutil.copy(live / "other.db", tmp_path / "data" / DATABASE)
    (tmp_path / "onedoor.toml").write_text(f'port = 0\ndata = "{tmp_path}/data"\n')
    code, out, _ = await onedoor("check", "--json", cwd=tmp_path)
    assert code == 2
    assert [one for one in json.loads(out)["errors"] if one["key"] == "empty" and "onedoor backup" in one["message"]]


def test_a_backup_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with pytest.raises(BackupRefused, match="no backup at"):
        backups.make(data, tmp_path / "target", "310104", datetime.now(UTC))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


# --- looking things up ----------------------------------------------------------------------------------------------


async def test_cases_are_listed_shown_and_found_beside_a_running_hub_and_in_the_file_and_nothing_personal_is_shown() -> (
    None
):
    async with busy_city(settings={**SETTINGS, "archive_after_days": 30}) as city:
        folder = city.world.folder
        case_no = await city.taken("JY004")
        await city.world.settled(60)
        beside = await looked_up(folder, case_no)
        await city.world.hub.stop()
        assert await looked_up(folder, case_no) == beside
        text = json.dumps(beside, ensure_ascii=False)
        applicant = city.samples["JY004"]["data"]["applicant"]
        assert applicant["name"] not in text
        assert applicant["id_no"] not in text
        code, out, _ = await onedoor("cases", "show", case_no, "--demo", cwd=folder)
        assert code == 0
        assert case_no in out
        assert applicant["name"] not in out
        assert "no case number" in await refused("cases", "show", "12", cwd=folder)
        assert "there is no case" in await refused("cases", "show", "0" * 24, cwd=folder)
        assert "nothing here has the number" in await refused("cases", "lookup", "nowhere", cwd=folder)
        assert "no state of a case" in await refused("cases", "list", "--status", "99", cwd=folder)
        assert "no version of XX001" in await refused("catalogue", "versions", "XX001", cwd=folder)


async def looked_up(folder: Path, case_no: str) -> dict[str, Any]:
    """All that the commands tell about a case and the catalogue."""
    shown = await done("cases", "show", case_no, cwd=folder)
    assert {value for step in shown["steps"] for value in (step["reply"] or {}).values()} <= {"***"}
    delivery = shown["deliveries"][0]["id"]
    found = {
        "list": await done("cases", "list", "--item", "JY004", cwd=folder),
        "show": shown,
        "find": await done("cases", "lookup", case_no, cwd=folder),
        "delivery": await done("cases", "lookup", delivery, cwd=folder),
        "message": await done("cases", "lookup", "JY004-1", cwd=folder),
        "items": await done("catalogue", "items", cwd=folder),
        "versions": await done("catalogue", "versions", "JY004", cwd=folder),
    }
    assert [one["case_no"] for one in found["list"]] == [case_no]
    for name, kind in (("find", "case"), ("delivery", "delivery"), ("message", "message")):
        assert [(one["kind"], one["case_no"]) for one in found[name]] == [(kind, case_no)]
    assert all(one["published"] for one in found["items"])
    return found


async def test_check_shows_a_number_for_every_department(tmp_path: Path) -> None:
    (tmp_path / "onedoor.toml").write_text("port = 0\n")
    code, out, _ = await onedoor("check", "--show-limits", "--json", cwd=tmp_path)
    told = json.loads(out)
    # Nobody has written the addresses into these settings; there is nothing else to say against them.
    assert (code, {one["message"] for one in told["errors"]}) == (2, {"no address: its deliveries will wait"})
    limits = told["limits"]
    assert len({one["department"] for one in limits}) == told["departments"]
    for one in limits:
        for name in ("concurrency", "attempt_seconds", "max_attempts", "collect_seconds"):
            assert one[name] > 0
