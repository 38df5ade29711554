"""``onedoor journal``: what an operator and an auditor type."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hub.keys import write_key
from tests.front_door import front_door, message, settings_in
from tests.shell import Shell


@pytest.fixture
async def worked(shell: Shell) -> Shell:
    """A place with a few cases; the hub was stopped."""
    async with front_door(shell.folder) as door:
        await door.received()
        await door.received()
        assert (await door.submit(message()))[0] == 202
    data = settings_in(shell.folder).data
    (shell.folder / "onedoor.toml").write_text(f'data = "{data}"\nport = 0\n')
    return shell


def test_verify_tells_people_and_programs(worked: Shell) -> None:
    told = worked.done("journal", "verify", "--stopped")
    assert "0 not sealed yet, 0 purged: whole" in told
    found = json.loads(worked.done("journal", "verify", "--json"))
    assert (found["whole"], found["pending"], found["findings"]) == (True, 0, [])
    assert found["entries"] >= 3
    assert found["signer"] == worked.done("journal", "key").strip()


def test_verify_names_the_row_and_ends_with_one(worked: Shell) -> None:
    with closing(sqlite3.connect(worked.folder / "data/onedoor.db")) as raw, raw:
        chain = raw.execute("SELECT max(chain) FROM journal WHERE chain NOT LIKE '%:%'").fetchone()[0]
        raw.execute("UPDATE journal SET changes = replace(changes, 'received', 'withdrawn') WHERE chain = ?", (chain,))
        raw.execute("UPDATE journal SET at = at + 1 WHERE chain = ? AND seq = 1", (chain,))
    code, out, _ = worked.run("journal", "verify")
    assert code == 1
    assert out.startswith(f"{chain} entry 1 does not follow from the one before it\n")


def test_a_head_that_was_printed_is_taken_again(worked: Shell) -> None:
    printed = worked.done("journal", "head")
    head = printed.splitlines()[1].removeprefix("head").strip()
    assert "whole" in worked.done("journal", "verify", "--head", head)
    found = json.loads(worked.done("journal", "head", "--json"))
    assert head.replace(" ", "") == f"{found['epoch']}-{found['number']}-{found['hash']}"
    wrong = head[:-8] + "00000000"
    code, out, _ = worked.run("journal", "verify", "--head", wrong)
    assert (code, "noted outside and are not here" in out) == (1, True)
    assert "is not a head" in worked.refused("journal", "verify", "--head", "1-2")


def test_an_auditor_without_the_master_key_verifies_with_the_printed_verifier(worked: Shell) -> None:
    key = worked.done("journal", "key").strip()
    copy = worked.folder / "verify_journal.py"
    copy.write_text(worked.done("journal", "verifier"), encoding="utf-8")
    anchor = worked.folder / "anchor/journal-heads.jsonl"
    done = subprocess.run(
        [sys.executable, "-I", copy, worked.folder / "data/onedoor.db", "--anchor", anchor, "--key", key, "--sealed"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == worked.done("journal", "verify", "--stopped")
    (worked.folder / "keys/master.key").unlink()
    code, out, err = worked.run("journal", "verify")
    assert (code, "whole" in out) == (0, True)
    assert "entries that no seal covers yet are not checked" in err
    assert "the master key is not at hand" in worked.refused("journal", "key")


def test_a_restored_copy_is_declared_and_starts_again(worked: Shell) -> None:
    anchor = worked.folder / "anchor/journal-heads.jsonl"
    first = anchor.read_text().splitlines()[0]
    with closing(sqlite3.connect(worked.folder / "data/onedoor.db")) as raw, raw:
        raw.execute("DELETE FROM seal")
        raw.execute("DELETE FROM journal")
    assert worked.run("journal", "verify")[0] == 1
    assert "it is an older copy" in worked.refused("serve")
    _, _, err = worked.run("journal", "restored")
    assert "epoch 2 begins with seal 1" in err
    assert json.loads(anchor.read_text().splitlines()[-1])["epoch"] == 2
    assert anchor.read_text().startswith(first)
    told = worked.done("journal", "verify")
    assert "epoch 2 begins with seal 1" in told
    assert "whole" in told


def test_commands_about_the_journal_say_what_is_missing(shell: Shell) -> None:
    (shell.folder / "onedoor.toml").write_text("port = 0\n")
    assert "onedoor init" in shell.refused("journal", "verify")
    assert "onedoor init" in shell.refused("journal", "restored")
    shell.done("init")
    assert "nothing is sealed yet" in shell.refused("journal", "head")
    shell.done("clients", "create", "--name", "x")
    (Path("keys") / "master.key").unlink()
    write_key(Path("keys") / "master.key")
    assert "another master key" in shell.refused("journal", "verify")


async def test_verify_works_beside_a_running_hub(shell: Shell) -> None:
    async with front_door(shell.folder, seal_seconds=0.05) as door:
        await door.received()
        data = door.hub.settings.data
        (shell.folder / "onedoor.toml").write_text(f'data = "{data}"\nport = 0\n')
        found = json.loads(shell.done("journal", "verify", "--json"))
        assert found["whole"] is True
        assert "another hub is already running" in shell.refused("journal", "restored")
