"""The evidence: senders' logs, departments' ledgers, folder trees, and the hub's tables as one consistent snapshot.

The order of reading makes it safe to look while everything runs: what an outsider saw first must be in a database that is read
later, and what the database claims must be in a ledger that is read after it.
"""

import hashlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

Row = Mapping[str, Any]

COLUMNS: Final[Mapping[str, str]] = {
    "item_version": "region, code, version, content",
    "inbox": "region, source, id, case_no, status",
    "case_file": "region, case_no, item, item_version, status, flags, decision, accepted_at",
    "case_step": "region, case_no, step, position, kind, state, mark, decision, system, operation, round",
    "delivery": "region, id, case_no, step, subject, round, system, operation, state, cause, possible_duplicate, attempts,"
    " fence, claimed_by, lease_until, batch",
    "attempt": "region, delivery, number, case_no, situation, fence, state, possible_duplicate, batch, ended_at",
    "reply": "region, system, delivery, digest, case_no, kind, verdict, times",
    "batch": "region, id, system, situation, sequence, state, digest, members",
    "task": "region, id, case_no, step, delivery, kind, state, system, sheet_no",
    "sheet": "region, number, version, delivery, prints",
    "journal": 'region, chain, seq, at, "by", changes, hash',
    "journal_purged": "region, chain, first, run, hashes",
    "seal": "region, number, epoch, at, suite, entries, root, covers, before, signer, note, hash, signature",
    "key_check": "region, purpose, suite",
}
"""What is read of each table. Sealed columns are none of the oracle's business."""

OUT: Final = "out"
TAKEN: Final = "taken"
"""Where the hub puts files down, and where a simulated department moves what it has read."""

OTHER: Final = re.compile(r"~\d+(?=\.[^.]*$|$)")
"""What the department adds to a name that came before with other content (``A~2.txt``)."""

PARTIAL: Final = (".tmp", ".part")
"""Endings under which a file is not there yet."""


@dataclass(slots=True)
class Deeds:
    """What one department did with one delivery id. ``taken``: arrivals that it did not turn away."""

    system: str
    arrivals: int = 0
    taken: int = 0
    effects: int = 0
    replies: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Everything there is to judge by. ``earlier`` was read before the tables, ``later`` after them."""

    sent: list[Row]
    tables: dict[str, list[Row]]
    earlier: dict[str, Deeds]
    later: dict[str, Deeds]
    systems: frozenset[str]
    files_before: dict[str, list["Found"]]
    files_after: dict[str, list["Found"]]


@dataclass(frozen=True, slots=True)
class Found:
    """A file that the hub put down: ``path`` within its system's folder, SHA-256 of the content in hex."""

    path: str
    digest: str


def gather(database: Path, senders: Path | None, ledgers: Path | None, files: Path | None) -> Evidence:
    """Read everything. Raises sqlite3.Error, OSError, ValueError (a log that is not JSON)."""
    sent = list(_lines(sorted(senders.glob("*.jsonl")) if senders else ()))
    earlier, _ = _deeds(ledgers)
    files_before = sent_files(files)
    tables = read_tables(database)
    files_after = sent_files(files)
    later, systems = _deeds(ledgers)
    return Evidence(
        sent=sent,
        tables=tables,
        earlier=earlier,
        later=later,
        systems=systems,
        files_before=files_before,
        files_after=files_after,
    )


def read_tables(database: Path) -> dict[str, list[Row]]:
    """One snapshot of the tables; the hub may be running."""
    address = f"file:{quote(str(database.resolve()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        return {
            table: [dict(row) for row in connection.execute(f"SELECT {columns} FROM {table}")]  # noqa: S608 - constants
            for table, columns in COLUMNS.items()
        }


def _lines(paths: Iterable[Path]) -> Iterable[Row]:
    """JSON lines; a last line without its end was cut off while it was written, and counts for nothing."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def _deeds(ledgers: Path | None) -> tuple[dict[str, Deeds], frozenset[str]]:
    """By delivery id (of a clerk: by sheet number), and whose ledgers there are."""
    found: dict[str, Deeds] = {}
    systems = set()
    for path in sorted(ledgers.glob("*.jsonl")) if ledgers else ():
        systems.add(path.stem)
        for entry in _lines([path]):
            deeds = found.setdefault(_hyphened(entry["delivery_id"]), Deeds(entry["system"]))
            if entry["kind"] == "arrival":
                deeds.arrivals += 1
                deeds.taken += entry["note"] in ("", "again")
            elif entry["kind"] == "effect":
                deeds.effects += 1
            elif entry["kind"] == "reply":
                deeds.replies.append(entry["note"])
    return found, frozenset(systems)


def _hyphened(name: str) -> str:
    """A delivery id as the hub writes it; some departments have no room for its hyphens."""
    return str(UUID(name)) if re.fullmatch("[0-9a-f]{32}", name) else name


def sent_files(files: Path | None) -> dict[str, list[Found]]:
    """What the hub put down at each system, wherever the department has moved it since; without half files.

    One name with two contents is two files; the same content once more under its name, not taken yet, is the same file sent again.
    """
    return {folder.name: list(_found(folder).values()) for folder in sorted(files.iterdir())} if files else {}


def _found(folder: Path) -> dict[tuple[str, str], Found]:
    found: dict[tuple[str, str], Found] = {}
    # The department moves files from the first place to the second: what is gone from the one is there when the other is listed.
    for place in (OUT, TAKEN):
        for path in sorted((folder / place).glob("**/*")):
            if path.is_file() and not path.name.endswith(PARTIAL):
                with suppress(FileNotFoundError):
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    found[OTHER.sub("", path.name), digest] = Found(path.relative_to(folder).as_posix(), digest)
    return found


def count(rows: Iterable[Row], *columns: str) -> Counter[tuple[Any, ...]]:
    """Number of rows by the values of some columns."""
    return Counter(tuple(row[column] for column in columns) for row in rows)
