"""A disk that loses power: of what was not synced, any part may be there afterwards.

The contents of files: each write that no sync has covered is kept, lost or torn on its own, by sectors. The names in a folder: a file
system keeps their changes in order, so that of those not synced the first few are kept, in each folder on its own.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import dirname

from tests.system.disk_log import Event, Name, Sync, Truncate, Write

SECTOR = 512
"""What a disk writes whole or not at all."""


@dataclass
class _File:
    """``synced``: what a cut cannot take any more; ``pending``: what no sync has covered yet."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[Write | Truncate] = field(default_factory=list)


class Disk:
    """The disk after the events applied so far. ``folder`` and what lay in it before the first event is there for good."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._files: dict[str, _File] = {}
        self._names: dict[str, _File] = {}
        self._folders = {self._folder}
        self._kept_folders = {self._folder}
        self._pending: dict[str, list[tuple[Name, _File | None]]] = defaultdict(list)

    def apply(self, event: Event) -> None:
        """One more event."""
        match event:
            case Write() | Truncate():
                self._files.setdefault(event.path, _File()).pending.append(event)
            case Name():
                self._rename(event)
            case Sync():
                self._sync(event)

    def _rename(self, event: Name) -> None:
        file: _File | None = None
        if event.kind == "create":
            if event.path in self._files:
                return
            file = self._files[event.path] = _File()
        elif event.kind == "rename":
            file = self._files[event.target] = self._files.pop(event.path)
        elif event.kind == "unlink":
            self._files.pop(event.path, None)
        elif event.kind == "mkdir":
            self._folders.add(event.path)
        self._pending[dirname(event.path)].append((event, file))

    def _sync(self, event: Sync) -> None:
        if event.path in self._folders:
            waiting = self._pending[event.path]
            for name, file in waiting:
                _change(self._names, self._kept_folders, name, file)
            waiting.clear()
            return
        file = self._files.setdefault(event.path, _File())
        covered = [one for one in file.pending if one.ended < event.began]
        for one in covered:
            _put(file.synced, one)
        file.pending = [one for one in file.pending if one.ended >= event.began]

    def cut(self, dice: random.Random, target: Path) -> None:
        """Write into ``target`` what may be there after a power cut now: one of the many ways in which it may end."""
        names, folders = dict(self._names), set(self._kept_folders)
        for waiting in self._pending.values():
            for name, file in waiting[: dice.randint(0, len(waiting))]:
                _change(names, folders, name, file)
        share = dice.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for path, file in names.items():
            if dirname(path) in folders:
                content = bytearray(file.synced)
                for one in file.pending:
                    if dice.random() < share:
                        _tear(content, one, dice)
                place = target / path.removeprefix(self._folder).lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)


def _change(names: dict[str, _File], folders: set[str], name: Name, file: _File | None) -> None:
    if name.kind == "mkdir":
        folders.add(name.path)
    elif name.kind == "unlink":
        names.pop(name.path, None)
    else:
        if name.kind == "rename":
            names.pop(name.path, None)
        assert file is not None
        names[name.target or name.path] = file


def _put(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    content.extend(bytes(max(0, change.offset + len(change.content) - len(content))))
    content[change.offset : change.offset + len(change.content)] = change.content


def _tear(content: bytearray, change: Write | Truncate, dice: random.Random) -> None:
    """Put a change that was on its way: whole in four of five cases, else only some of its sectors."""
    if isinstance(change, Truncate) or dice.random() < 0.8:
        _put(content, change)
        return
    first = change.offset
    while first < change.offset + len(change.content):
        last = min((first // SECTOR + 1) * SECTOR, change.offset + len(change.content))
        if dice.random() < 0.5:
            part = change.content[first - change.offset : last - change.offset]
            _put(content, Write(change.began, change.ended, change.path, first, part))
        first = last
