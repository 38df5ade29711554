"""The journal: every state change, written in the transaction that makes it (R7).

A chain a case (and ``system:<name>`` for what happens to a lane or a batch). An entry's hash is SHA-256 over the hash before
it and the entry's canonical JSON: ``[region, chain, seq, at, kind, subject, from, to, by, detail]`` as compact ASCII-safe
UTF-8 JSON, ``detail`` being itself a JSON text. Entries hold ids, codes, times and commitments, never personal data.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from hub.store.connection import Connection

EMPTY = "0" * 64
"""The hash before the first entry of a chain."""

Codes = Mapping[str, str | int | bool | None]


class Chain:
    """The entries one unit of work adds to one chain; ``write`` puts them and the new head into the transaction."""

    __slots__ = ("_at", "_entries", "_head", "_new", "_region", "_seq", "name")

    def __init__(self, connection: Connection, region: str, name: str, at: int, *, new: bool = False) -> None:
        """``at``: milliseconds UTC. ``new`` spares the look-up for a chain that cannot exist yet."""
        head = (
            None
            if new
            else connection.row(
                "SELECT seq, head FROM chain WHERE region = :region AND name = :name", {"region": region, "name": name}
            )
        )
        self.name = name
        self._region = region
        self._at = at
        self._new = head is None
        self._seq: int = head["seq"] if head else 0
        self._head: str = head["head"] if head else EMPTY
        self._entries: list[dict[str, Any]] = []

    def add(self, kind: str, subject: str, from_state: str | None, to_state: str | None, by: str, **codes: Any) -> None:
        """One state change of ``subject`` (a step, a delivery id, a task id ..)."""
        self._seq += 1
        detail = orjson.dumps(codes, option=orjson.OPT_SORT_KEYS).decode() if codes else "{}"
        self._head = entry_hash(
            self._head, (self._region, self.name, self._seq, self._at, kind, subject, from_state, to_state, by, detail)
        )
        self._entries.append(
            {
                "region": self._region,
                "chain": self.name,
                "seq": self._seq,
                "at": self._at,
                "kind": kind,
                "subject": subject,
                "from_state": from_state,
                "to_state": to_state,
                "by": by,
                "detail": detail,
                "hash": self._head,
            }
        )

    def write(self, connection: Connection) -> None:
        """Put the entries and the head into the transaction."""
        if not self._entries:
            return
        connection.insert_many("journal", self._entries)
        head = {"seq": self._seq, "head": self._head}
        key = {"region": self._region, "name": self.name}
        if self._new:
            connection.insert("chain", {**key, **head})
            self._new = False
        else:
            connection.update("chain", key, head)
        self._entries = []


def entry_hash(before: str, entry: tuple[str | int | None, ...]) -> str:
    """The hash of an entry, lower-case hex."""
    return hashlib.sha256(before.encode() + orjson.dumps(entry)).hexdigest()
