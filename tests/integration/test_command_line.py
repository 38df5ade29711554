"""The command line: a place is made, senders are managed in the file and through a running hub, mistakes are one sentence."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import aiohttp
import pytest

from hub.keys import write_key
from hub.store.connection import lock_file
from tests.front_door import STRUCTURED, XUHUI, message
from tests.shell import Shell

SCRIPT = Path(sys.executable).parent / "onedoor"


def test_init_makes_a_place_for_its_owner_only(place: Shell) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in place.folder.rglob("*") if path.name != "onedoor.toml"}
    assert modes["data"] == modes["keys"] == modes["secrets"] == 0o700
    assert modes["master.key"] == modes["onedoor.db"] == 0o600


def test_init_never_overwrites_a_key(place: Shell) -> None:
    key = (place.folder / "keys/master.key").read_text()
    assert "exists already" in place.refused("init")
    assert (place.folder / "keys/master.key").read_text() == key


def test_a_sender_is_made_listed_and_revoked_in_the_file(place: Shell) -> None:
    key = place.done(
        "clients", "create", "--name", "窗口", "--centre", XUHUI, "--item", "MZ004", "--may", "submit, read"
    )
    assert key.startswith("onedoor_")
    assert key.count("\n") == 1
    listed = json.loads(place.done("clients", "list", "--json"))
    assert [(one["name"], sorted(one["scope"]["may"]), one["scope"]["items"]) for one in listed] == [
        ("窗口", ["read", "submit"], ["MZ004"])
    ]
    assert key.strip() not in json.dumps(listed)
    place.done("clients", "revoke", listed[0]["id"])
    assert json.loads(place.done("clients", "list", "--json"))[0]["revoked_at"] is not None
    assert "窗口" in place.done("clients", "list")
    assert "no client" in place.refused("clients", "revoke", listed[0]["id"])


@pytest.mark.parametrize("scope", [("--centre", "1"), ("--item", "XX001"), ("--may", "fly")])
def test_a_scope_that_reaches_nothing_is_refused(place: Shell, scope: Sequence[str]) -> None:
    assert scope[1] in place.refused("clients", "create", "--name", "x", *scope)


def test_commands_say_what_is_missing(shell: Shell) -> None:
    assert "onedoor init" in shell.refused("clients", "list")
    assert "onedoor init" in shell.refused("migrate")
    assert "onedoor init" in shell.refused("serve")
    assert "cannot be read" in shell.refused("migrate", "--settings", "nowhere.toml")
    (shell.folder / "onedoor.toml").write_text("prot = 1\n")
    assert "prot" in shell.refused("migrate")


def test_another_master_key_is_refused(place: Shell) -> None:
    place.done("clients", "create", "--name", "x")
    (place.folder / "keys/master.key").unlink()
    write_key(place.folder / "keys/master.key")
    assert "another master key" in place.refused("clients", "list")


def test_a_demo_key_is_taken_only_where_the_command_says_so(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (shell.folder / "onedoor.toml").write_text("allow_demo_keys = true\n")
    monkeypatch.setenv("ONEDOOR_ALLOW_DEMO_KEYS", "true")
    shell.done("init", "--demo")
    assert "demo key" in shell.refused("clients", "list")
    shell.done("clients", "list", "--demo")


def test_a_hub_that_holds_the_database_but_does_not_answer_is_named(place: Shell) -> None:
    lock = lock_file(place.folder / "data/onedoor.db")
    try:
        assert "does not answer" in place.refused("clients", "list")
        assert "another hub" in place.refused("migrate")
    finally:
        os.close(lock)


def test_migrate_says_whether_there_was_anything_to_do(place: Shell) -> None:
    assert "was up to date" in place.done("migrate")
    (place.folder / "data/onedoor.db").unlink()
    (place.folder / "data/onedoor.db").touch()
    assert "up to date now" in place.done("migrate")


def test_check_finds_nothing_wrong_with_the_sample_city(place: Shell) -> None:
    assert "nothing wrong" in place.done("check")
    told = json.loads(place.done("check", "--json"))
    assert told == {**told, "departments": 20, "systems": 29, "items": 80, "errors": []}


def test_check_names_every_mistake_of_a_site_with_its_line(shell: Shell) -> None:
    with_mistakes(shell.folder / "site")
    code, _, err = shell.run("check", "site")
    assert code == 2
    assert "civil_affairs/items/MZ004.toml:5:" in err
    code, out, _ = shell.run("check", "site", "--json")
    found = json.loads(out)["errors"]
    assert code == 2
    assert {(one["file"], one["line"]) for one in found} >= {("civil_affairs/items/MZ004.toml", 5), ("centres.toml", 1)}


def with_mistakes(site: Path) -> None:
    """The sample city with two of its files spoilt."""
    shutil.copytree(str(files("plugins")), site, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    item = site / "civil_affairs/items/MZ004.toml"
    item.write_text("\n\n\n\nsurprise = 1\n" + item.read_text(encoding="utf-8"), encoding="utf-8")
    centres = site / "centres.toml"
    centres.write_text("surprise = 1\n" + centres.read_text(encoding="utf-8"), encoding="utf-8")


def test_check_names_items_that_cannot_be_received(shell: Shell) -> None:
    site = shell.folder / "site"
    shutil.copytree(str(files("plugins")), site, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    item = site / "civil_affairs/items/MZ004.toml"
    item.write_text(
        item.read_text(encoding="utf-8").replace('list = "relief_event"', 'list = "nowhere"'), encoding="utf-8"
    )
    code, _, err = shell.run("check", "site")
    assert code == 2
    assert "MZ004" in err


def test_check_names_addresses_that_are_missing_wrong_or_of_nobody(place: Shell) -> None:
    settings = place.folder / "onedoor.toml"
    settings.write_text('[systems.MZ-relief.api]\nurl = "nonsense"\nextra = 1\n[systems.NOBODY.api]\n')
    code, out, _ = place.run("check", "--settings", str(settings), "--json")
    keys = {one["key"] for one in json.loads(out)["errors"]}
    assert code == 2
    assert keys >= {
        "systems.MZ-relief.api.url",
        "systems.MZ-relief.api.extra",
        "systems.NOBODY",
        "systems.DA-archive.api",
    }


def test_help_lists_the_commands(shell: Shell) -> None:
    out = shell.done("--help")
    for command in ("serve", "init", "check", "migrate", "clients"):
        assert command in out


def test_an_unknown_command_is_a_usage_error(shell: Shell) -> None:
    code, _, err = shell.run("dance")
    assert code == 2
    assert "Traceback" not in err


# --- the hub as a process -------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(folder: Path, *options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A hub of its own and its address."""
    process = await asyncio.create_subprocess_exec(
        SCRIPT, "serve", *options, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        yield process, line.decode().split()[-1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(*arguments: str | Path, cwd: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        SCRIPT, *arguments, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_running_hub_takes_senders_refuses_a_second_hub_and_ends_cleanly(place: Shell) -> None:
    folder = place.folder
    async with served(folder, "--port", "0") as (process, url):
        code, key, err = await ended("clients", "create", "--name", "counter", cwd=folder)
        assert code == 0, err
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key.strip()}"}) as http:
            headers = {"Content-Type": STRUCTURED}
            async with http.post(f"{url}/v1/cases", json=message(), headers=headers) as answer:
                assert answer.status in (202, 422), await answer.text()
        code, _, err = await ended("serve", cwd=folder)
        assert (code, err.count("\n")) == (2, 1)
        assert "another hub is already running" in err
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_serve_demo_makes_its_own_key_and_serve_refuses_it(tmp_path: Path) -> None:
    (tmp_path / "onedoor.toml").write_text("port = 0\n")
    async with served(tmp_path, "--demo") as (process, _):
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 15) == 0
    assert (tmp_path / "keys/master.key").read_text().startswith("demo:")
    code, _, err = await ended("serve", cwd=tmp_path)
    assert code == 2
    assert "demo key" in err


async def test_a_port_that_is_taken_is_named(place: Shell) -> None:
    taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    code, _, err = await ended("serve", "--port", str(port), "--log-level", "error", cwd=place.folder)
    taken.close()
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in err.splitlines()[-1]
