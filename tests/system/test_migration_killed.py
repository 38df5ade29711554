"""kill -9 inside a migration (G04): each write of it may be the last one; the next run finishes it."""

import asyncio
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from hub.cli import REFUSED
from hub.store import integrity, schema
from hub.store.schema import DATABASE
from simulators.hub_process import serve_command

WRITES = (1, 2, 3, 5, 8, 21, 55, 89)
"""At which of its writes the process dies; beyond the last one it lives."""


def of_the_first_release(path: Path) -> None:
    """A database as the first release made it, with a row in it."""
    with schema.transaction(path) as connection:
        command.upgrade(schema._config(connection), "0001")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO sequence (region, name, value) VALUES ('310104', 'before', 7)")
        connection.commit()


def migrate(folder: Path, *before: str) -> int:
    """The exit code of ``onedoor migrate``; negative: the signal that ended it."""
    onedoor = serve_command(folder)[0]
    done = subprocess.run(
        [*before, onedoor, "migrate", "--settings", folder / "onedoor.toml"], capture_output=True, check=False
    )
    return done.returncode


@pytest.mark.timeout(280)
async def test_g04_a_migration_killed_at_any_of_its_writes_is_finished_by_the_next_run(
    strace: Path, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    of_the_first_release(tmp_path / "old" / DATABASE)
    died = 0
    for number in WRITES:
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "old", folder / "data")
        (folder / "onedoor.toml").write_text(f'data = "{folder}/data"\n')
        kill: tuple[str, ...] = (str(strace), "-f", "-qq", "-o", "/dev/null", "-P", str(folder / "data" / DATABASE))
        kill += ("-P", str(folder / "data" / f"{DATABASE}-journal"), "-P", str(folder / "data" / f"{DATABASE}-wal"))
        code = await asyncio.to_thread(
            migrate, folder, *kill, "-e", "trace=pwrite64", "-e", f"inject=pwrite64:signal=KILL:when={number}"
        )
        assert code != REFUSED
        died += code != 0
        assert await asyncio.to_thread(migrate, folder) == 0
        database = folder / "data" / DATABASE
        assert integrity.damage(database) == ()
        assert not schema.pending(database)
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT value FROM sequence WHERE name = 'before'").fetchall() == [(7,)]
    assert died >= 4
