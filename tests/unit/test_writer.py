"""The writer: units share a commit, and what befalls one of them befalls no other."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.store.connection import Connection
from hub.store.writer import Writer


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    opened = Writer(tmp_path / "a.db")
    await opened.run(lambda c: c.run("CREATE TABLE note (name TEXT PRIMARY KEY)"))
    yield opened
    await opened.close()


def put(connection: Connection, name: str) -> str:
    connection.insert("note", {"name": name})
    return name


def put_and_fail(connection: Connection, name: str) -> str:
    put(connection, name)
    raise ValueError(name)


async def names(writer: Writer) -> list[str]:
    rows = await writer.run(lambda c: c.rows("SELECT name FROM note ORDER BY name"))
    return [row["name"] for row in rows]


async def test_a_unit_that_fails_half_way_leaves_nothing_and_takes_nobody_along(writer: Writer) -> None:
    told = await asyncio.gather(
        writer.run(lambda c: put(c, "a")),
        writer.run(lambda c: put_and_fail(c, "b")),
        writer.run(lambda c: put(c, "c")),
        writer.run(lambda c: put_and_fail(c, "d")),
        return_exceptions=True,
    )
    assert [str(one) for one in told] == ["a", "b", "c", "d"]
    assert [isinstance(one, ValueError) for one in told] == [False, True, False, True]
    assert await names(writer) == ["a", "c"]


async def test_a_row_that_is_there_already_concerns_the_unit_that_brings_it(writer: Writer) -> None:
    def twice(connection: Connection) -> str:
        put(connection, "b")
        return put(connection, "a")

    told = await asyncio.gather(
        writer.run(lambda c: put(c, "a")), writer.run(twice), writer.run(lambda c: put(c, "z")), return_exceptions=True
    )
    assert [type(one).__name__ for one in told] == ["str", "IntegrityError", "str"]
    assert await names(writer) == ["a", "z"]


async def test_what_was_to_follow_a_commit_follows_it_once_although_the_unit_ran_twice(writer: Writer) -> None:
    heard: list[str] = []

    def asking(connection: Connection) -> str:
        connection.afterwards(lambda: heard.append("committed"), lambda: heard.append("undone"))
        return put(connection, "a")

    def failing(connection: Connection) -> str:
        connection.afterwards(lambda: heard.append("never"), lambda: heard.append("failed"))
        return put_and_fail(connection, "b")

    await asyncio.gather(writer.run(asking), writer.run(failing), return_exceptions=True)
    assert heard == ["undone", "committed", "failed"]
    assert await names(writer) == ["a"]


async def test_a_unit_that_refuses_before_it_writes_makes_nobody_run_again(writer: Writer) -> None:
    runs: list[str] = []

    def counted(connection: Connection) -> str:
        runs.append("a")
        return put(connection, "a")

    def refusing(connection: Connection) -> str:
        raise LookupError

    await asyncio.gather(writer.run(counted), writer.run(refusing), return_exceptions=True)
    assert runs == ["a"]
