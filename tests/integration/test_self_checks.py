"""The ground the hub stands on: a damaged file, a clock that somebody sets, settings of the database that do not hold."""

import asyncio
import os
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hub import self_checks
from hub.store import connection as store
from hub.store import integrity
from hub.store.connection import Connection, StoreRefused
from hub.store.schema import DATABASE, upgrade
from tests.front_door import STRUCTURED, FrontDoor, front_door, message


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path / "hub") as opened:
        yield opened


# --- a damaged file ---------------------------------------------------------------------------------------------------


def flip_page(database: Path, number: int) -> None:
    """Turn every bit of a page. ``number`` counts from 1, as SQLite does."""
    with closing(sqlite3.connect(database)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    descriptor = os.open(database, os.O_RDWR)
    page = os.pread(descriptor, size, (number - 1) * size)
    os.pwrite(descriptor, bytes(byte ^ 0xFF for byte in page), (number - 1) * size)
    os.close(descriptor)


def root_page(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [table]).fetchone()[0])


def checkpoint(database: Path) -> None:
    """What is in the log goes into the file, so that the file alone tells."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def test_a16_a_flipped_page_is_detected_and_ends_intake_while_pages_keep_working(door: FrontDoor) -> None:
    case_no = await door.received()
    database = door.hub.settings.data / DATABASE
    assert await self_checks.check_database(door.hub)
    checkpoint(database)
    flip_page(database, root_page(database, "material"))
    assert not await self_checks.check_database(door.hub)
    head = {"Content-Type": STRUCTURED}
    status, problem, _ = await door.call("POST", "/v1/cases", None, head, json=message())
    assert (status, problem["type"]) == (503, "urn:onedoor:problem:store-unavailable")
    assert (await door.call("GET", "/readyz"))[0] == 503
    assert (await door.call("GET", "/healthz"))[0] == 200
    assert (await door.case(case_no))["case_no"] == case_no
    _, text, _ = await door.call("GET", "/metrics", "")
    assert b"onedoor_store_failed 1.0" in text


async def test_a16_a_unit_that_meets_a_damaged_page_ends_intake_too(door: FrontDoor) -> None:
    def damaged(_: Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with pytest.raises(store.StoreUnavailable):
        await door.hub.writer.run(damaged)
    assert door.hub.writer.failed


def test_a16_every_page_of_a_table_or_index_that_is_flipped_is_found(tmp_path: Path) -> None:
    database = tmp_path / DATABASE
    upgrade(database)
    with closing(sqlite3.connect(database)) as connection:
        roots = [
            row[0] for row in connection.execute("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0 ORDER BY 1")
        ]
    checkpoint(database)
    assert integrity.damage(database) == ()
    whole = database.read_bytes()
    for page in random.Random(1).sample(roots, 12):
        database.write_bytes(whole)
        flip_page(database, page)
        assert integrity.damage(database), page


# --- settings of the database (A04) ---------------------------------------------------------------------------------


class Stubborn(sqlite3.Connection):
    """A SQLite that ignores one setting, as one that was built without it, or a file system that cannot have it, would."""

    ignored = ""

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        if statement.startswith(f"PRAGMA {self.ignored}="):
            statement = f"PRAGMA {self.ignored}"
        return super().execute(statement, *parameters)


@pytest.mark.parametrize("setting", sorted(store.REQUIRED))
def test_a04_a_setting_that_does_not_hold_is_named_and_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    ignoring = type("Ignoring", (Stubborn,), {"ignored": setting})
    real = sqlite3.connect
    with closing(real(tmp_path / "other.db")) as raw:
        if setting == "synchronous":
            # What SQLite takes without being asked is FULL: the wrong one is one that somebody asked for.
            ignoring = type("Weak", (Stubborn,), {"ignored": setting, "execute": weak_execute})
        assert raw.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, factory=ignoring, **k))
    with pytest.raises(StoreRefused, match=f"the database setting {setting} is .*, it must be"):
        Connection(tmp_path / "new.db", writable=True)


def weak_execute(self: Stubborn, statement: str, *parameters: Any) -> sqlite3.Cursor:
    """Takes NORMAL whatever it was asked for."""
    asked = "PRAGMA synchronous=1" if statement.startswith("PRAGMA synchronous=") else statement
    return sqlite3.Connection.execute(self, asked, *parameters)


# --- a clock that somebody sets (A13) -------------------------------------------------------------------------------


async def test_a13_what_is_due_later_comes_due_in_time_after_the_clock_was_set_back(door: FrontDoor) -> None:
    case_no = await door.received("archives/samples/DA001_marriage.json")
    hub = door.hub
    now = hub.now_ms()
    hour = 3_600_000

    def due_in_a_minute_by_the_old_clock(connection: Connection) -> None:
        connection.run(
            "UPDATE delivery SET state = 'due', next_at = :at, claimed_by = NULL, lease_until = NULL",
            {"at": now + hour + 60_000},
        )

    await hub.writer.run(due_in_a_minute_by_the_old_clock)
    await self_checks.clock_jumped(hub, timedelta(hours=-1))
    times = await hub.read(
        lambda c: c.rows("SELECT next_at FROM delivery WHERE case_no = :case_no", {"case_no": case_no})
    )
    assert times
    assert all(now <= row["next_at"] <= now + 61_000 for row in times)


async def test_a13_a_jump_forward_moves_nothing_and_is_counted(door: FrontDoor) -> None:
    await door.received("archives/samples/DA001_marriage.json")
    state = "SELECT id, state, next_at, fence FROM delivery ORDER BY id"
    # Nobody has told this hub where its departments are: the delivery is held as soon as its lane has looked.
    while (before := await door.hub.read(lambda c: c.rows(state)))[0]["state"] != "held":  # noqa: ASYNC110 - it happens in the hub
        await asyncio.sleep(0.02)
    await self_checks.clock_jumped(door.hub, timedelta(days=30))
    assert await door.hub.read(lambda c: c.rows(state)) == before
    _, text, _ = await door.call("GET", "/metrics", "")
    assert b"onedoor_clock_jumps_total" in text
