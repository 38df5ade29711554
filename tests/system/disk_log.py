"""What a process did to the disk and said on its sockets, read from the log that strace kept of it.

strace writes one line a system call, in the order in which they began; one that another thread overtook is cut in two
("unfinished", "resumed"). Every string is in hexadecimal (``-xx``) and every descriptor carries its path (``-y``).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

CALLS = "openat,write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync,ftruncate,rename,unlink,mkdir"
"""What must be traced: everything that changes a file or a folder, every sync, and what goes out on a socket."""


def strace_command(strace: Path, log: Path) -> tuple[str, ...]:
    """Put before a command, this records it. The command stays the direct child (-D), so that signals reach it."""
    options = ("-D", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "50000000", "-e", "signal=none")
    return (str(strace), *options, "-e", f"trace={CALLS}", "-o", str(log))


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes for a file; they count as on the way from ``began`` on."""

    began: int
    ended: int
    path: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A new length."""

    began: int
    ended: int
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Name:
    """A change of a folder: ``kind`` is create, rename (``path`` to ``target``), unlink or mkdir."""

    began: int
    ended: int
    kind: str
    path: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Sync:
    """A sync of a file or a folder that came back without an error."""

    began: int
    ended: int
    path: str


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes that left on a socket."""

    began: int
    ended: int
    content: bytes


Event: TypeAlias = Write | Truncate | Name | Sync | Said

_HEX = re.compile(r"(?:\\x[0-9a-f]{2})+")
_LINE = re.compile(r"^(\d+) +(.*)$")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$", re.DOTALL)
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)", re.DOTALL)
_FILE = re.compile(r"^\d+<([^>]*)>")
_STRING = re.compile(r'"([^"]*)"')
_UNFINISHED = " <unfinished ...>"


def read_log(log: Path, folder: Path) -> list[Event]:
    """Everything that concerns files below ``folder``, and what left on sockets, in the order in which it took effect:

    a sync when it came back, all else when it began.
    """
    with log.open(encoding="ascii") as lines:
        found = list(_Reader(f"{folder}/").events(_whole_calls(lines)))
    return sorted(found, key=lambda event: event.ended if isinstance(event, Sync) else event.began)


def _whole_calls(lines: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    """Line of the beginning, line of the end, text of the call."""
    waiting: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        match = _LINE.match(line.rstrip("\n"))
        if match is None:
            continue
        thread, text = match.groups()
        if text.endswith(_UNFINISHED):
            waiting[thread] = number, text.removesuffix(_UNFINISHED)
        elif (resumed := _RESUMED.match(text)) is not None:
            if thread in waiting:
                began, first = waiting.pop(thread)
                yield began, number, first + resumed.group(1)
        else:
            yield number, number, text


class _Reader:
    """Keeps the position of files that are written from their beginning."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._position: dict[str, int] = {}

    def events(self, calls: Iterable[tuple[int, int, str]]) -> Iterator[Event]:
        for began, ended, text in calls:
            match = _CALL.match(text)
            if match is None or int(match.group(3)) < 0:
                continue
            call, arguments, result = match.group(1), match.group(2), int(match.group(3))
            assert call != "pwritev", "SQLite is not known to use it: teach this reader"
            file = _FILE.match(arguments)
            path = _text(file.group(1)) if file and call != "openat" else ""
            event = self._event(call, arguments, result, path, (began, ended))
            if event is not None:
                yield event

    def _event(self, call: str, arguments: str, result: int, path: str, when: tuple[int, int]) -> Event | None:
        if path and not (path + "/").startswith(self._folder):
            return Said(*when, b"".join(_strings(arguments))) if path.startswith("socket:") else None
        match call:
            case "pwrite64":
                offset = int(arguments.rpartition(", ")[2])
                return Write(*when, path, offset, _strings(arguments)[0][:result])
            case "write" | "writev":
                offset = self._position.get(path, 0)
                self._position[path] = offset + result
                return Write(*when, path, offset, b"".join(_strings(arguments))[:result])
            case "ftruncate":
                return Truncate(*when, path, int(arguments.rpartition(", ")[2]))
            case "fsync" | "fdatasync":
                return Sync(*when, path)
        return self._name(call, arguments, when)

    def _name(self, call: str, arguments: str, when: tuple[int, int]) -> Event | None:
        names = [part.decode() for part in _strings(arguments)]
        if not names or not names[0].startswith(self._folder):
            return None
        if call == "openat":
            if "O_CREAT" not in arguments:
                return None
            self._position[names[0]] = 0
            return Name(*when, "create", names[0])
        return Name(*when, call, *names)


def _strings(arguments: str) -> list[bytes]:
    return [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(arguments)]


def _text(escaped: str) -> str:
    return _HEX.sub(lambda match: bytes.fromhex(match.group().replace("\\x", "")).decode(), escaped)
