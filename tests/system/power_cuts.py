"""Power cuts on the disk of a real hub: what was acknowledged, and what left the house, must be in the database that is found afterwards."""

import json
import random
import re
import shutil
import sqlite3
import tempfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from simulators.oracle.checks import frozen_steps, leases
from simulators.oracle.evidence import Evidence, read_tables
from simulators.oracle.replay import journal_agrees
from tests.system.disk_log import Event, Said, read_log
from tests.system.disk_model import Disk

WHOLE_CHECK_EVERY = 20
"""The journal of the whole database is replayed at every twentieth cut: it takes longer than all the rest."""

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Recording:
    """The events, and by their position: cases acknowledged with 202, deliveries whose bytes left for a department."""

    events: Sequence[Event]
    acknowledged: Sequence[tuple[int, str]]
    left: Sequence[tuple[int, str]]
    folder: Path


@dataclass(slots=True)
class Verdict:
    """What came of the cuts. ``lost``: acknowledged messages that were not found, over all cuts."""

    cuts: int = 0
    lost: int = 0
    cuts_that_lost: int = 0
    sent_unknown: int = 0
    corrupt: int = 0
    files_lost: int = 0
    checked: int = 0
    findings: list[str] = field(default_factory=list)


def recording(log: Path, data: Path) -> Recording:
    """Read what strace wrote about a hub whose data folder is ``data``."""
    events = read_log(log, data)
    with closing(sqlite3.connect(f"file:{data}/onedoor.db?mode=ro", uri=True)) as connection:
        deliveries = {row[0] for row in connection.execute("SELECT id FROM delivery")}
    acknowledged, left = [], []
    for position, event in enumerate(events):
        if not isinstance(event, Said):
            continue
        if event.content.startswith(b"HTTP/1.1 202"):
            acknowledged += [(position, case_no) for case_no in _receipts(event.content)]
        elif event.content.startswith((b"POST ", b"PUT ")) and b"\r\nContent-Length: 0" not in event.content:
            found = {match.decode() for match in _UUID.findall(event.content)}
            left += [(position, delivery) for delivery in sorted(found & deliveries)]
    return Recording(events, acknowledged, left, data)


def _receipts(answer: bytes) -> list[str]:
    body = json.loads(answer.partition(b"\r\n\r\n")[2] or b"{}")
    # A message that came twice is acknowledged twice and stored once.
    return [body["case_no"]] if "case_no" in body and not body.get("duplicate") else []


def cut_again_and_again(recorded: Recording, cuts: int, seed: int) -> Verdict:
    """Cut at so many random moments, each in a random way, and look at what is left each time."""
    dice = random.Random(seed)
    moments = Counter(dice.randrange(len(recorded.events) + 1) for _ in range(cuts))
    disk, verdict = Disk(recorded.folder), Verdict()
    for position in range(len(recorded.events) + 1):
        for _ in range(moments[position]):
            target = Path(tempfile.mkdtemp(prefix="cut-", dir=_memory()))
            try:
                disk.cut(dice, target)
                _look(recorded, position, target, verdict)
            finally:
                shutil.rmtree(target)
        if position < len(recorded.events):
            disk.apply(recorded.events[position])
    return verdict


def _memory() -> str | None:
    """Where the images of the disk lie: they are read once, and need no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _look(recorded: Recording, position: int, image: Path, verdict: Verdict) -> None:
    verdict.cuts += 1
    acknowledged = _before(recorded.acknowledged, position)
    left = _before(recorded.left, position)
    database = image / "onedoor.db"
    try:
        with closing(sqlite3.connect(database)) as connection:
            state = connection.execute("PRAGMA integrity_check").fetchone()[0]
            if state != "ok":
                raise sqlite3.DatabaseError(state)
            stored, attempts, blobs = _stored(connection)
    except sqlite3.DatabaseError as error:
        verdict.corrupt += 1
        verdict.findings.append(f"cut at {position}: {error}")
        return
    missing = sum((acknowledged - stored).values())
    verdict.lost += missing
    verdict.cuts_that_lost += missing > 0
    verdict.sent_unknown += sum((left - attempts).values())
    verdict.files_lost += sum(not (image / "blobs" / key[:2] / key).exists() for key in blobs)
    if verdict.cuts % WHOLE_CHECK_EVERY == 0 and stored:
        verdict.checked += 1
        evidence = _evidence(database)
        for check in (frozen_steps(evidence), leases(evidence, stopped=False), journal_agrees(evidence)):
            verdict.findings += [f"cut at {position}: {one}" for one in check.found]


def _before(happened: Sequence[tuple[int, str]], position: int) -> Counter[str]:
    return Counter(key for _, key in happened[: bisect_right(happened, position, key=lambda one: one[0] + 1)])


def _stored(connection: sqlite3.Connection) -> tuple[Counter[str], Counter[str], set[str]]:
    """Messages by case, attempts by delivery, names of stored files; nothing where the schema is not there yet."""
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "journal" not in tables:
        return Counter(), Counter(), set()
    return (
        Counter(_column(connection, "SELECT case_no FROM inbox")),
        Counter(_column(connection, "SELECT delivery FROM attempt")),
        {*_column(connection, "SELECT key FROM material"), *_column(connection, "SELECT blob FROM batch")} - {""},
    )


def _column(connection: sqlite3.Connection, query: str) -> Iterable[str]:
    return (row[0] for row in connection.execute(query) if row[0])


def _evidence(database: Path) -> Evidence:
    return Evidence(
        sent=[],
        tables=read_tables(database),
        earlier={},
        later={},
        systems=frozenset(),
        files_before={},
        files_after={},
    )
