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
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType


class Ledger:
    """An append-only file; opening an existing one counts what it holds (``counts``: entries by kind). Safe for use from several threads."""

    def __init__(self, path: Path, *, synced: bool = True) -> None:
        """``synced`` False: for a city that cannot crash, where each sync would only cost time."""
        self.path = path
        self._synced = synced
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self._effects: Counter[str] = Counter()
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self.counts[entry["kind"]] += 1
                if entry["kind"] == "effect":
                    self._effects[entry["delivery_id"]] += 1
        self._file = path.open("a", encoding="utf-8")

    def write(self, kind: str, system: str, delivery_id: str, operation: str, digest: str = "", note: str = "") -> int:
        """Append and sync; returns how many effects the delivery id has now. ``digest``: SHA-256 hex of the message."""
        with self._lock:
            self.counts[kind] += 1
            if kind == "effect":
                self._effects[delivery_id] += 1
            entry = {
                "kind": kind,
                "system": system,
                "delivery_id": delivery_id,
                "operation": operation,
                "digest": digest,
                "note": note,
                "at": datetime.now(UTC).isoformat(),
            }
            self._file.write(json.dumps(entry) + "\n")
            if self._synced:
                self._file.flush()
                os.fdatasync(self._file.fileno())
            return self._effects[delivery_id]

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
