"""What code of others may touch from its room: the hosts of its own channel, and of this machine's files it may read.

Python tells an audit hook what is about to happen (PEP 578), in the thread in which it happens. This stops mistakes and catches
curiosity; it is no sandbox. Threads that the code starts itself, extensions in C, and whoever sets out to get around it are held
only by what the operating system allows the service (deploy/systemd).
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from contracts.records import Fields

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_KNOWN_SECONDS: Final = 60.0
"""So long the addresses of a host's name are believed: a department may move."""

_inside = threading.local()
_installing = threading.Lock()
_installed: list[bool] = []


class Confines:
    """The hosts that one room may call."""

    def __init__(self, place: Fields) -> None:
        """``place``: the channel's own settings; every host that they name is one it may call."""
        self.hosts = hosts_of(place)
        self._addresses: frozenset[str] = frozenset()
        self._looked_up = -_KNOWN_SECONDS

    def enter(self) -> None:
        """The running thread is inside from now on."""
        with _installing:
            if not _installed:
                sys.addaudithook(_look)
                _installed.append(True)
        _inside.confines = self

    def allows(self, host: str) -> bool:
        """Whether the host, or the address of one, is the channel's own."""
        if host in self.hosts or host in self._addresses:
            return True
        if time.monotonic() - self._looked_up < _KNOWN_SECONDS:
            return False
        self._looked_up = time.monotonic()
        found: set[str] = set()
        for name in self.hosts:
            try:
                found.update(str(one[4][0]) for one in socket.getaddrinfo(name, None))
            except OSError:
                continue  # a name that has no address now; whoever calls it will hear so
        self._addresses = frozenset(found)
        return host in self._addresses


def hosts_of(place: Fields) -> frozenset[str]:
    """Hosts that the settings of a channel name: of every URL, and of every text that could be one."""
    texts = [value for value in place.values() if isinstance(value, str)]
    named = (urlsplit(text).hostname if "://" in text else text for text in texts)
    return frozenset(name.lower() for name in named if name and "/" not in name and " " not in name)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    check = _CHECKS.get(event)
    if check is not None:
        confines = getattr(_inside, "confines", None)
        if confines is not None:
            check(confines, arguments)


def _opens(confines: Confines, arguments: tuple[Any, ...]) -> None:
    path, _, flags = arguments
    named = isinstance(path, str | bytes | os.PathLike) and os.fspath(path) not in (os.devnull, os.devnull.encode())
    if named and isinstance(flags, int) and flags & _WRITING:
        raise PermissionError("a gateway writes no file: what it must keep travels in its answer")


def _calls(confines: Confines, arguments: tuple[Any, ...]) -> None:
    address = arguments[1]
    if not isinstance(address, tuple) or not confines.allows(str(address[0]).lower()):
        raise PermissionError(
            "a gateway calls the hosts of its own channel and no others: name the host in its settings"
        )


def _never(confines: Confines, arguments: tuple[Any, ...]) -> None:
    raise PermissionError("a gateway starts no process and changes no file")


_CHECKS: Final[Mapping[str, Callable[[Confines, tuple[Any, ...]], None]]] = {
    "open": _opens,
    "socket.connect": _calls,
    "socket.sendto": _calls,
    **dict.fromkeys(
        (
            "os.chmod",
            "os.chown",
            "os.exec",
            "os.fork",
            "os.forkpty",
            "os.kill",
            "os.link",
            "os.mkdir",
            "os.posix_spawn",
            "os.remove",
            "os.rename",
            "os.rmdir",
            "os.spawn",
            "os.symlink",
            "os.system",
            "os.truncate",
            "sqlite3.connect",
            "subprocess.Popen",
        ),
        _never,
    ),
}
"""What happens in a room, by the names of Python's audit events."""
