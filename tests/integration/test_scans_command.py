"""``onedoor scans``: files and folders are dropped in beside a running hub; the list works beside it and without it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import scanned_pages as scan
from tests.front_door import XUHUI, FrontDoor, front_door
from tests.paper_desk import paper, read_to_the_end, sheet, verdicts
from tests.shell import Shell


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path) as opened:
        (tmp_path / "onedoor.toml").write_text('data = "data"\n')
        yield opened


async def test_a_folder_of_scans_is_dropped_in_at_the_command_line(
    door: FrontDoor, tmp_path: Path, shell: Shell
) -> None:
    task = await sheet(door)
    stack = tmp_path / "stack"
    stack.mkdir()
    (stack / "a.PDF").write_bytes(scan.stack(await paper(door, task)))
    (stack / "notes.txt").write_text("no scan")
    told = await asyncio.to_thread(shell.done, "scans", "add", str(stack), "--centre", XUHUI, "--json")
    (dropped,) = json.loads(told)
    assert verdicts(await read_to_the_end(door, dropped["id"])) == ["matched"]
    listed = await asyncio.to_thread(shell.done, "scans", "list")
    assert dropped["id"] in listed
    assert json.loads(await asyncio.to_thread(shell.done, "scans", "list", "--odd", "--json")) == []
    refused = await asyncio.to_thread(shell.refused, "scans", "add", str(stack / "notes.txt"))
    assert "PDF" in refused
    assert "cannot be read" in await asyncio.to_thread(shell.refused, "scans", "add", "nowhere.pdf")
    assert "no PDF" in await asyncio.to_thread(shell.refused, "scans", "add", str(tmp_path / "data"))


def test_without_a_hub_scans_are_listed_and_none_is_taken(place: Shell) -> None:
    assert json.loads(place.done("scans", "list", "--json")) == []
    (place.folder / "a.pdf").write_bytes(b"%PDF-")
    assert "onedoor serve" in place.refused("scans", "add", "a.pdf")
