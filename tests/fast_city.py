"""The sample city, made impatient: no office hours, a cut-off every hour, waits of minutes. A whole case lasts seconds.

What is tested is the hub as a process, its departments as they are; only the tables of the site are other ones.
"""

import asyncio
import json
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp

import simulators
from simulators.hub_process import KILLED_AT_A_CRASH_POINT
from simulators.senders import Sender
from simulators.world import Plan, World, world

SPEED = 1200.0
"""Seconds of the city in one of ours: an hour passes in three seconds."""

SETTINGS = {
    "retry": {"first_seconds": 60.0, "cap_seconds": 300.0},
    "breaker_seconds": 0.3,
    "archive_after_days": 0,
    "drain_seconds": 5.0,
    "seal_seconds": 0.2,
}

_HURRY = (
    (r", opening_hours = \{[^}]*\}", ""),
    (r"cut_offs = \[[^]]*\], calendar = \"working\"", "HOURLY"),
    (r"collect_seconds = \d+", "collect_seconds = 120"),
    (r"every_seconds = \d+", "every_seconds = 120"),
    (r", rate_per_second = \d+", ""),
    (r'status = "fallback"', 'status = "fallback"\nauto_fallback = { breaker_open_minutes = 5 }'),
    # A department that has called in vain while the hub was down is asked after two hours, not after fifteen days.
    (r"reply_within_hours = 360", "reply_within_hours = 2"),
)
_HOURLY = f'cut_offs = [{", ".join(f"{chr(34)}{hour:02d}:00{chr(34)}" for hour in range(24))}], calendar = "daily"'


DEPARTMENTS = ("archives", "civil_affairs", "education", "health")
ITEMS = ("DA001", "DA002", "JY003", "JY004", "MZ004", "MZ006", "MZ011", "MZ012", "WJ002", "WJ003", "WJ004")
"""A part of the city that has everything: answers at once, by callback and by polling, files, sheets, centre tasks, a join."""


def fast_site(folder: Path, replies_within: Mapping[str, float] | None = None, *, send_empty: bool = True) -> Path:
    """A copy of a part of the sample city, without its patience.

    ``replies_within``: by system, hours after which its answer is overdue. ``send_empty``: a file at every cut-off, whatever is in it.
    """
    root = folder / "site"
    sample = Path(str(files("plugins")))
    root.mkdir()
    for path in sample.glob("*.toml"):
        shutil.copy(path, root)
    for name in ("calendar", *DEPARTMENTS):
        shutil.copytree(sample / name, root / name)
    for path in (*root.glob("*/items/*.toml"), *root.glob("*/samples/*.json")):
        if not path.name.startswith(ITEMS):
            path.unlink()
    for path in root.glob("*/department.toml"):
        text = path.read_text(encoding="utf-8")
        for pattern, replacement in _HURRY:
            text = re.sub(pattern, replacement.replace("HOURLY", _HOURLY + ", max_wait_seconds = 600"), text)
        text = text.replace("send_empty = true", f"send_empty = {str(send_empty).lower()}")
        for system, hours in (replies_within or {}).items():
            text = re.sub(
                rf'(key = "{system}".*?limits = {{)',
                rf"\1 reply_within_hours = {hours},",
                text,
                count=1,
                flags=re.DOTALL,
            )
        path.write_text(text, encoding="utf-8")
    return root


def samples(site: Path) -> dict[str, dict[str, Any]]:
    """The envelope of one sample case of each item."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(site.glob("*/samples/*.json")):
        envelope = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(envelope["data"]["item"], envelope)
    return found


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short path: a socket of the hub lies in it."""
    folder = Path(tempfile.mkdtemp(prefix="od-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class FastCity:
    """A running city and one counter. ``cases`` by the id of the message that brought them."""

    def __init__(self, running: World, counter: Sender, site: Path) -> None:
        self.world = running
        self.counter = counter
        self.samples = samples(site)
        self.cases: dict[str, asyncio.Task[str]] = {}
        self._numbers = 0

    def hand_in(self, item: str, *, accepted: bool = True, name: str = "") -> "asyncio.Task[str]":
        """Hand in a sample case of the item, however often the hub dies over it; the task gives the case number.

        ``name``: of the applicant, in place of the sample's.
        """
        self._numbers += 1
        sample = self.samples[item]["data"]
        data = {**sample, "accepted": accepted and sample.get("accepted", False)}
        if name:
            data["applicant"] = {**sample["applicant"], "name": name}
            data["form"] = {**sample["form"], "account_name": name}
        message = f"{item}-{self._numbers}"
        self.cases[message] = asyncio.create_task(self.counter.submit(message, data))
        return self.cases[message]

    async def taken(self, item: str, *, accepted: bool = True, name: str = "") -> str:
        """Hand in and wait for the case number. Whoever stops waiting does not stop the counter from trying."""
        return await asyncio.shield(self.hand_in(item, accepted=accepted, name=name))

    async def die_at(self, label: str, seconds: float = 120.0) -> int:
        """Start the hub so that it ends at a crash point; its exit code. Raises TimeoutError when it lives on."""
        await self.world.launch_hub({"ONEDOOR_CRASH_AT": label})
        async with asyncio.timeout(seconds):
            return await self.world.hub.wait()

    async def all_acknowledged(self) -> None:
        """Every case handed in has been taken."""
        await asyncio.gather(*self.cases.values())

    async def ask_the_oracle(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Exit code and report."""
        return await ask_the_oracle(self.world.folder, *options)


async def ask_the_oracle(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run it as a process over the folder of a world."""
    anchor = folder / "anchor" / "journal-heads.jsonl"
    options = (*options, "--anchor", str(anchor)) if anchor.exists() else options
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulators.oracle",
        *("--database", str(folder / "data" / "onedoor.db"), "--senders", str(folder / "senders")),
        *("--ledgers", str(folder / "ledgers"), "--files", str(folder / "files"), "--json", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(simulators.__path__[0]).parent,
    )
    output, trouble = await process.communicate()
    assert process.returncode in (0, 1), trouble.decode()
    return process.returncode, json.loads(output)


def found_by(report: dict[str, Any]) -> dict[str, list[str]]:
    """What the oracle found, by invariant: short enough for the message of an assertion."""
    return {name: one["findings"][:5] for name, one in report["invariants"].items() if not one["ok"]}


async def metrics_of(city: FastCity) -> Path:
    """What the hub tells of itself, in a file; take it when nothing moves any more."""
    async with aiohttp.ClientSession() as http, http.get(f"{city.world.hub.url}/metrics") as answer:
        text = await answer.text()
    path = city.world.folder / "metrics.txt"
    path.write_text(text, encoding="utf-8")
    return path


def write_canaries(city: FastCity) -> Path:
    """Names and numbers of everybody in the sample cases."""
    wanted = {
        "name",
        "id_no",
        "mobile",
        "address",
        "spouse_name",
        "spouse_id",
        "child_name",
        "child_id",
        "bank_account",
    }
    found: set[str] = set()
    for envelope in city.samples.values():
        for part in ("applicant", "agent", "form"):
            fields = envelope["data"].get(part) or {}
            found |= {value for name, value in fields.items() if name in wanted and isinstance(value, str)}
    path = city.world.folder / "canaries.txt"
    path.write_text("\n".join(sorted(found)), encoding="utf-8")
    return path


@asynccontextmanager
async def fast_city(
    folder: Path,
    *,
    replies_within: Mapping[str, float] | None = None,
    send_empty: bool = True,
    first_deaths: Sequence[str] = (),
    **plan: Any,
) -> AsyncIterator[FastCity]:
    """The city with its hub running and its counter open. ``first_deaths``: crash points of lives before that."""
    site = fast_site(folder, replies_within, send_empty=send_empty)
    plan = {"speed": SPEED, "settings": SETTINGS, "pace_seconds": 0.1, "reply_delay_seconds": 0.05, **plan}
    async with world(Plan(folder=folder, site=site, **plan)) as running:
        for label in first_deaths:
            await running.launch_hub({"ONEDOOR_CRASH_AT": label})
            assert await running.hub.wait() == KILLED_AT_A_CRASH_POINT, label
        await running.start_hub()
        async with await running.sender("counter") as counter:
            counter._pause = 0.05
            yield FastCity(running, counter, site)
