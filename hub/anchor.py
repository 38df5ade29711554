"""The anchor: heads of the journal, noted outside the database as soon as they are sealed.

An append-only file on another volume, one JSON object a line, synced; and, where one is configured, a command that is given
each line on its standard input. Whoever sets the database back cannot set back what was noted here.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from contracts.errors import OnedoorError
from contracts.records import adapter
from hub.seals import Head

COMMAND_SECONDS = 30.0


class AnchorFailed(OnedoorError):
    """The head could not be noted; it is tried again with the next seal."""


class Anchor:
    """One file and one command. Calls block."""

    def __init__(self, file: Path, command: Sequence[str] = (), *, make_folder: bool = False) -> None:
        """``make_folder``: only for a folder of our own; a missing mount point must not become a folder on the wrong volume."""
        self.file = file
        self._command = tuple(command)
        if make_folder:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def last(self, region: str) -> Head | None:
        """The newest head: of the highest epoch, in it of the highest number. Raises AnchorFailed."""
        return max(self.heads(region), key=lambda head: (head.epoch, head.number), default=None)

    def heads(self, region: str) -> Iterator[Head]:
        """All heads of a region, oldest first; a last line that was cut off counts for nothing. Raises AnchorFailed."""
        try:
            lines = self.file.read_bytes().splitlines(keepends=True) if self.file.exists() else []
        except OSError as error:
            raise AnchorFailed(f"the anchor {self.file} cannot be read: {error.strerror}") from error
        for line in lines:
            if line.endswith(b"\n"):
                try:
                    head = adapter(Head).validate_json(line)
                except ValueError as error:
                    raise AnchorFailed(f"the anchor {self.file} holds a line that is no head of a journal") from error
                if head.region == region:
                    yield head

    def note(self, heads: Sequence[Head]) -> None:
        """Append and sync, then run the command. Raises AnchorFailed."""
        text = b"".join(orjson.dumps(adapter(Head).dump_python(head)) + b"\n" for head in heads)
        if not text:
            return
        try:
            self._append(text)
        except OSError as error:
            raise AnchorFailed(f"the anchor {self.file} cannot be written: {error.strerror}") from error
        if self._command:
            self._run(text)

    def _append(self, text: bytes) -> None:
        is_new = not self.file.exists()
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            # A line that a crash cut off must not swallow the next one.
            size = file.seek(0, os.SEEK_END)
            if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
                text = b"\n" + text
            file.write(text)
            os.fsync(file.fileno())
        if is_new:
            folder = os.open(self.file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _run(self, text: bytes) -> None:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
                self._command, input=text, timeout=COMMAND_SECONDS, capture_output=True, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AnchorFailed(f"the anchor command {self._command[0]} failed: {type(error).__name__}") from error
        if done.returncode != 0:
            raise AnchorFailed(f"the anchor command {self._command[0]} ended with {done.returncode}")
