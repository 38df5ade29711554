"""The ledger of effects: what a department truly received and did, kept by the department itself.

One JSON line an entry, synced before the department answers, so that it is the oracle for every loss and every duplicate.

    arrival   a message for a delivery id arrived, again or for the first time
    effect    the department acted on it; a second effect for one delivery id is a doubled effect
    reply     the department answered, at once or later

The note of an arrival says why it was turned away (or ``again``), that of a reply begins with what was answered: a result kind
(``completed.granted`` ..), or of a clerk ``agreed``, ``refused`` or ``returned``.
"""

import json
import os
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

KEPT: Final = 100
"""Entries that are at hand without reading the file."""


class Ledger:
    """An append-only file; opening an existing one counts what it holds. Safe for use from several threads.

    ``counts``: entries by kind; ``tally``: by operation and kind, and beside the kinds ``again`` (an arrival whose id was known),
    ``rejected`` (one that was turned away) and ``doubled`` (an effect too many); ``recent``: the latest entries.
    """

    def __init__(self, path: Path, *, synced: bool = True) -> None:
        """``synced`` False: for a city that cannot crash, where each sync would only cost time."""
        self.path = path
        self.synced = synced
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self._effects: Counter[str] = Counter()
        self.tally: Counter[tuple[str, str]] = Counter()
        self.recent: deque[Mapping[str, str]] = deque(maxlen=KEPT)
        for entry in self.entries():
            self._count(entry)
        self._file = path.open("a", encoding="utf-8")

    def write(self, kind: str, system: str, delivery_id: str, operation: str, digest: str = "", note: str = "") -> int:
        """Append and sync; returns how many effects the delivery id has now. ``digest``: SHA-256 hex of the message."""
        with self._lock:
            entry = {
                "kind": kind,
                "system": system,
                "delivery_id": delivery_id,
                "operation": operation,
                "digest": digest,
                "note": note,
                "at": datetime.now(UTC).isoformat(),
            }
            self._count(entry)
            self._file.write(json.dumps(entry) + "\n")
            if self.synced:
                self._file.flush()
                os.fdatasync(self._file.fileno())
            return self._effects[delivery_id]

    def _count(self, entry: Mapping[str, str]) -> None:
        kind, note, operation = entry["kind"], entry["note"], entry["operation"]
        if kind == "effect":
            self._effects[entry["delivery_id"]] += 1
            if self._effects[entry["delivery_id"]] > 1:
                self.tally[operation, "doubled"] += 1
        self.counts[kind] += 1
        self.tally[operation, kind] += 1
        if kind == "arrival" and note:
            self.tally[operation, "again" if note == "again" else "rejected"] += 1
        self.recent.append(entry)

    def entries(self) -> Iterator[Mapping[str, str]]:
        """Every entry of the file, oldest first."""
        if self.path.exists():
            with self.path.open(encoding="utf-8") as lines:
                for line in lines:
                    yield json.loads(line)

    def begin_anew(self) -> None:
        """An empty ledger under the same name. The old one keeps its entries in the folder ``closed`` beside it."""
        with self._lock:
            self._file.close()
            closed = self.path.parent / "closed"
            closed.mkdir(exist_ok=True)
            number = len(list(closed.glob(f"{self.path.stem}.*"))) + 1
            self.path.rename(closed / f"{self.path.stem}.{number}{self.path.suffix}")
            self._effects.clear()
            self.counts.clear()
            self.tally.clear()
            self.recent.clear()
            self._file = self.path.open("a", encoding="utf-8")

    def effects(self, delivery_id: str) -> int:
        """How often the department acted on this delivery id."""
        with self._lock:
            return self._effects[delivery_id]

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
