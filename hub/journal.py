"""The journal: every state change, written in the transaction that makes it (R7).

A chain a case (and ``system:<name>`` for what happens to a lane or a batch); an entry a unit of work, with all the changes that
the unit made on the chain. ``changes`` is compact JSON: ``[[kind, subject, from, to, {codes}], ..]``. An entry's hash is
the suite's hash (SHA-256 or SM3) over the hash before it (64 hex digits, ASCII) followed by the compact JSON of
``[region, chain, seq, at, by, changes]``, ``changes`` being a JSON text inside it. Entries hold ids, codes, times and
commitments, never personal data. ``mark`` is a keyed hash of the entry's place and hash: until a seal covers the entry (``hub.seals``),
it tells what the hub wrote from what somebody else put there.
"""

from collections.abc import Mapping

import orjson

from hub.store.connection import Connection
from hub.suites import Mac, Suite

EMPTY = "0" * 64
"""The hash before the first entry of a chain."""

Codes = Mapping[str, str | int | bool | None]


class Journal:
    """How entries of one region are hashed and marked."""

    __slots__ = ("_marks", "_suite", "region")

    def __init__(self, region: str, suite: Suite, marks: Mac) -> None:
        """``marks``: what the marks are made with."""
        self.region = region
        self._suite = suite
        self._marks = marks

    def hash(self, before: str, entry: tuple[str, str, int, int, str, str]) -> str:
        """The hash of an entry (region, chain, seq, at, by, changes), lower-case hex."""
        return self._suite.digest(before.encode() + orjson.dumps(entry))

    def mark(self, chain: str, seq: int, entry_hash: str) -> str:
        """The mark of an entry: 32 hex digits."""
        return self._marks(f"{chain} {seq} {entry_hash}".encode())[:16].hex()


class Chain:
    """The changes that one unit of work makes on one chain; ``write`` puts them into the transaction as one entry."""

    __slots__ = ("_changes", "_journal", "_new", "at", "name")

    def __init__(self, journal: Journal, name: str, at: int, *, new: bool = False) -> None:
        """``at``: milliseconds UTC. ``new`` spares the look-up for a chain that cannot exist yet."""
        self.name = name
        self.at = at
        self._journal = journal
        self._new = new
        self._changes: list[tuple[str, str, str | None, str | None, Codes]] = []

    def add(self, kind: str, subject: str, from_state: str | None, to_state: str | None, codes: Codes) -> None:
        """One change of ``subject`` (a step, a delivery id, a task id ..)."""
        self._changes.append((kind, subject, from_state, to_state, codes))

    def write(self, connection: Connection, by: str) -> None:
        """Put the entry into the transaction. ``by``: who caused it (``hub``, a staff or client reference)."""
        if not self._changes:
            return
        journal = self._journal
        before = None if self._new else connection.row(_LAST, {"region": journal.region, "chain": self.name})
        seq = before["seq"] + 1 if before else 1
        changes = orjson.dumps(self._changes).decode()
        entry = (journal.region, self.name, seq, self.at, by, changes)
        hashed = journal.hash(before["hash"] if before else EMPTY, entry)
        connection.insert(
            "journal",
            {
                "region": journal.region,
                "chain": self.name,
                "seq": seq,
                "at": self.at,
                "by": by,
                "changes": changes,
                "hash": hashed,
                "mark": journal.mark(self.name, seq, hashed),
            },
        )
        self._changes = []
        self._new = False


_LAST = "SELECT seq, hash FROM journal WHERE region = :region AND chain = :chain ORDER BY seq DESC LIMIT 1"
