"""The master key: made once, proved at every start, rotated without losing a row, and never open to others."""

import asyncio
import itertools
import os
import random
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub import rotation
from hub.app import open_hub
from hub.journal_verifier import opened, verify
from hub.keys import KeyRefused, Keys, read_key, write_key
from hub.store import registry
from hub.store.connection import Connection
from tests.front_door import front_door, settings_in
from tests.shell import Shell

SCRIPT = Path(sys.executable).parent / "onedoor"
AT = datetime(2026, 11, 25, tzinfo=UTC)


async def _worked(folder: Path, cases: int = 3) -> list[str]:
    """A stopped hub with cases; their numbers."""
    async with front_door(folder) as door:
        return [await door.received() for _ in range(cases)]


async def _readable(folder: Path, cases: list[str]) -> Keys:
    """A hub starts, shows every case, takes a new one; its keys."""
    async with front_door(folder) as door:
        for case_no in cases:
            assert (await door.case(case_no))["case_no"] == case_no
            row = await door.hub.read(lambda c: c.row("SELECT * FROM case_file WHERE case_no = :n", {"n": case_no}))  # noqa: B023 - read at once
            assert row is not None
            assert b"applicant" in door.hub.keys.case_key(row["sealed_key"]).unseal(row["sealed_data"], "data")
        new = await door.received()
        row = await door.hub.read(lambda c: c.row("SELECT sealed_key FROM case_file WHERE case_no = :n", {"n": new}))
        assert row is not None
        master = read_key(settings_in(folder).key_file, suite=door.hub.keys.suite)
        assert master.unwrap(bytes(row["sealed_key"]), "case key")
        return door.hub.keys


def _steps(folder: Path, stop_after: int | None = None) -> int:
    """Rotate, or begin to and die after so many steps; returns how many there were."""
    settings = settings_in(folder)
    with closing(Connection(settings.data / "onedoor.db", writable=True)) as connection:
        steps = rotation.rotate(settings, connection, "310000", AT, "staff-1")
        return sum(1 for _ in itertools.islice(steps, stop_after))


async def test_after_a_rotation_old_rows_are_read_and_new_ones_are_under_the_new_key(tmp_path: Path) -> None:
    cases = await _worked(tmp_path)
    key_file = settings_in(tmp_path).key_file
    old_text = key_file.read_text()
    _steps(tmp_path)
    assert key_file.read_text() != old_text
    (kept,) = key_file.parent.glob("master.key.until-*")
    assert kept.read_text() == old_text
    assert kept.stat().st_mode & 0o077 == 0
    await _readable(tmp_path, cases)
    old = read_key(kept, suite=settings_in(tmp_path).suite)
    with closing(sqlite3.connect(tmp_path / "data" / "onedoor.db")) as raw:
        for (wrapped,) in raw.execute("SELECT sealed_key FROM case_file UNION ALL SELECT sealed_key FROM key_ring"):
            for what in ("case key", "root"):
                with pytest.raises(KeyRefused):
                    old.unwrap(wrapped, what)
    with closing(opened(tmp_path / "data" / "onedoor.db")) as connection:
        assert verify(connection, sealed=True).is_whole
    shutil.copy(kept, key_file)
    with pytest.raises(KeyRefused, match="another master key"):
        async with open_hub(settings_in(tmp_path)):
            raise AssertionError("it must not open")


async def test_senders_and_digests_outlive_a_rotation(tmp_path: Path) -> None:
    async with front_door(tmp_path) as door:
        key = door.key
        digest = door.hub.keys.message_digest(b"x")
        signer = door.hub.keys.seal_key.public_key().public_bytes_raw()
    _steps(tmp_path)
    async with front_door(tmp_path) as door:
        status, _, _ = await door.call("GET", "/v1/tasks", key)
        assert status == 200
        assert door.hub.keys.message_digest(b"x") == digest
        assert door.hub.keys.seal_key.public_key().public_bytes_raw() == signer


async def test_a_rotation_cut_off_after_any_step_lets_no_hub_start_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "CHUNK", 1)
    cases = await _worked(tmp_path)
    shutil.copytree(tmp_path, tmp_path / "untouched", ignore=shutil.ignore_patterns("untouched", "*.sock"))
    total = _steps(tmp_path)
    assert total == 1 + 3 + 1 + 1
    for cut in range(1, total):
        place = tmp_path / f"cut-{cut}"
        shutil.copytree(tmp_path / "untouched", place)
        _steps(place, cut)
        finished = cut == total - 1
        with pytest.raises(KeyRefused, match="another master key" if finished else "run `onedoor keys rotate` again"):
            async with open_hub(settings_in(place)):
                raise AssertionError("it must not open")
        _steps(place)
        await _readable(place, cases)


async def test_a_rotation_that_is_killed_again_and_again_ends_well(tmp_path: Path) -> None:
    cases = await _worked(tmp_path, 1)
    settings = settings_in(tmp_path)
    with closing(sqlite3.connect(settings.data / "onedoor.db")) as raw, raw:
        names = ", ".join(f'"{row[1]}"' for row in raw.execute("PRAGMA table_info(case_file)") if row[1] != "case_no")
        raw.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO case_file"
            f" (case_no, {names}) SELECT 'x' || i, {names} FROM n, case_file WHERE case_no = '{cases[0]}'"
        )
    (tmp_path / "onedoor.toml").write_text(f'data = "{settings.data}"\n')
    dice = random.Random(1)
    killed = 0
    for _ in range(6):
        process = await asyncio.create_subprocess_exec(
            SCRIPT, "keys", "rotate", cwd=tmp_path, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(dice.uniform(1.0, 3.0)):
                assert await process.wait() == 0
            break
        except TimeoutError:
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            killed += 1
    else:
        done = await asyncio.create_subprocess_exec(SCRIPT, "keys", "rotate", cwd=tmp_path)
        assert await done.wait() == 0
    assert killed
    keys = await _readable(tmp_path, cases)
    with closing(sqlite3.connect(settings.data / "onedoor.db")) as raw:
        for (wrapped,) in raw.execute("SELECT sealed_key FROM case_file"):
            keys.case_key(wrapped)


async def test_another_key_can_neither_begin_nor_go_on_with_a_rotation(tmp_path: Path) -> None:
    await _worked(tmp_path, 1)
    key_file = settings_in(tmp_path).key_file
    _steps(tmp_path, 1)
    rotation.next_key_file(key_file).unlink()
    with pytest.raises(KeyRefused, match="cannot be unwrapped"):
        _steps(tmp_path)
    key_file.unlink()
    write_key(key_file)
    with pytest.raises(KeyRefused, match="another master key"):
        _steps(tmp_path)


def test_the_command_rotates_and_says_what_to_keep(place: Shell) -> None:
    place.done("clients", "create", "--name", "x")
    _, _, err = place.run("keys", "rotate", "--by", "staff-1")
    assert "0 case keys are under the new master key" in err
    assert "keep a copy of it apart from the data and its backups" in err
    place.done("clients", "list")
    assert '"case_keys":0' in place.done("keys", "rotate", "--json")
    assert place.done("journal", "verify").count("whole") == 1


# --- what is refused ---------------------------------------------------------------------------------------------------


def test_no_key_no_start_and_a_sentence_that_says_what_to_do(place: Shell) -> None:
    key = place.folder / "keys" / "master.key"
    text = key.read_text()
    key.unlink()
    assert "no master key at" in place.refused("serve")
    for spoilt, why in (("AAAA\n", "holds 3 bytes instead of 32"), ("?\n", "holds no key: restore it from its backup")):
        key.touch(mode=0o600)
        key.write_text(spoilt)
        assert why in place.refused("serve")
    key.write_text(text)
    key.chmod(0o640)
    assert "can be read by others: run `chmod 600" in place.refused("serve")


def test_init_refuses_to_put_the_key_among_the_data(shell: Shell) -> None:
    for setting in ("master_key", "secrets"):
        (shell.folder / "onedoor.toml").write_text(f'data = "data"\n{setting} = "data/inside"\n')
        assert "lies in the data folder, whose backups would hold it" in shell.refused("init")
    assert not (shell.folder / "data").exists()


def test_init_says_what_to_keep_where(shell: Shell) -> None:
    (shell.folder / "onedoor.toml").write_text("port = 0\n")
    code, out, err = shell.run("init")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["data", "key", "secrets", "anchor", "seals"]
    assert "Keep a copy of the key apart from the data and its backups" in err
    assert out.splitlines()[-1].split()[1] == shell.done("journal", "key").strip()


def test_a_systemd_credential_is_the_master_key(place: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = place.folder / "credentials"
    credentials.mkdir()
    shutil.copy(place.folder / "keys" / "master.key", credentials / "onedoor-master-key")
    (place.folder / "keys" / "master.key").unlink()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    place.done("clients", "list")


def test_another_suite_than_the_one_of_the_database_is_refused(place: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    place.done("clients", "create", "--name", "x")
    mine = os.environ.get("ONEDOOR_CIPHER_SUITE", "aes-sha256")
    other = {"aes-sha256": "sm4-sm3", "sm4-sm3": "aes-sha256"}[mine]
    monkeypatch.setenv("ONEDOOR_CIPHER_SUITE", other)
    assert f'set cipher_suite = "{mine}" in the settings' in place.refused("clients", "list")


def test_a_database_from_before_there_were_root_keys_keeps_its_digests(tmp_path: Path, place: Shell) -> None:
    master = read_key(place.folder / "keys" / "master.key", suite=settings_in(tmp_path).suite)
    database = place.folder / "data" / "onedoor.db"
    with closing(sqlite3.connect(database)) as raw, raw:
        raw.execute("DELETE FROM key_ring")
    key = place.done("clients", "create", "--name", "x").strip()
    with closing(Connection(database, writable=False)) as connection:
        (row,) = registry.clients(connection, "310000")
    assert row["key_hash"] == master.client_hash(key)
