"""A recording on disk: JSON lines, a head and then one exchange a line.

    {"onedoor_recording": 1, "kind": "http", "made_at": "2026-03-02T09:00:00+00:00"}
    {"operation": "POST /api/v3/pickups", "method": "POST", "path": "/api/v3/pickups", "request": {"type": "application/json", "body": {"json": {..}}},
     "answer": {"status": 201, "type": "application/json", "headers": {..}, "body": {"json": {..}}}, "seconds": 0.214}

An exchange without ``answer`` has ``failed``: refused, timeout or cut. ``operation`` is what a replay matches by: method and path with
values in the path left open, and the name of the request where a SOAP envelope came.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, ValidationError

from contracts.errors import OnedoorError
from contracts.records import adapter, record

VERSION = 1
EXCHANGES = "exchanges.jsonl"
"""The file in the folder of a recording."""


class RecordingRefused(OnedoorError):
    """A file that is no recording, or none that can be used here."""


@record
class Message:
    """What went one way. ``type``: media type with its charset; ``headers``: those that may stay."""

    type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@record
class Answer(Message):
    """What came back."""

    status: int


@record
class Exchange:
    """A call with its answer, or with how it failed. ``seconds``: until the answer was there."""

    operation: str
    method: str
    path: str
    request: Message
    seconds: float
    answer: Answer | None = None
    failed: Literal["refused", "timeout", "cut"] | None = None


class Tape:
    """A recording that is being made. One line an exchange, so that what is there survives whatever ends it."""

    def __init__(self, file: Path, kind: Literal["http", "files"]) -> None:
        """Raises RecordingRefused where the file is there already: recordings are not mixed."""
        if file.exists():
            raise RecordingRefused(f"{file} is there already: name another folder with --out")
        file.parent.mkdir(parents=True, exist_ok=True)
        # Half a character that a department sent must not stop the recording.
        self._file = file.open("w", encoding="utf-8", errors="replace")
        self._write({"onedoor_recording": VERSION, "kind": kind, "made_at": datetime.now(UTC).isoformat()})

    def add(self, exchange: Exchange) -> None:
        """One more."""
        told: Mapping[str, JsonValue] = adapter(Exchange).dump_python(exchange, mode="json", exclude_none=True)
        self._write(told)

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()

    def _write(self, told: Mapping[str, JsonValue]) -> None:
        self._file.write(json.dumps(told, ensure_ascii=False) + "\n")
        self._file.flush()


def read_tape(file: Path) -> Sequence[Exchange]:
    """The exchanges of an HTTP recording, in their order. Raises RecordingRefused naming the line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        head = json.loads(lines[0]) if lines else {}
    except (OSError, ValueError) as error:
        raise RecordingRefused(
            f"{file} cannot be read as a recording: give the exchanges.jsonl that was made"
        ) from error
    if not isinstance(head, dict) or head.get("onedoor_recording") != VERSION or head.get("kind") != "http":
        raise RecordingRefused(f"{file} is no recording of HTTP made by onedoor simulate record")
    found: list[Exchange] = []
    for number, line in enumerate(lines[1:], 2):
        try:
            found.append(adapter(Exchange).validate_json(line))
        except ValidationError as error:
            raise RecordingRefused(f"{file}, line {number} is no exchange: {error.error_count()} mistakes") from error
    if not found:
        raise RecordingRefused(f"{file} holds no exchange: nothing was recorded")
    return found
