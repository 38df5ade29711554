"""The network of a virtual city: requests reach simulated departments without a socket, files lie in folders that both sides see.

An outage cuts a department off: a connection is refused at once, as by a machine that is down.
"""

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import ParamSpec, Protocol, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from multidict import CIMultiDict, MultiDict

from contracts.delivery import Document
from contracts.errors import OutcomeUnknownError, TemporaryError
from contracts.plugin import Http, HttpAnswer, HttpRequest, RemoteFiles, Runtime
from contracts.records import record

P = ParamSpec("P")
T = TypeVar("T")

TRAVEL_SECONDS = (0.005, 0.08)
"""One way through the network, at least and at most."""


class Answering(Protocol):
    """A department with an API."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        ...


class _Line:
    """What a department may do to a connection instead of answering."""

    def __init__(self) -> None:
        self.cut = False

    def abort(self) -> None:
        """End it without a word."""
        self.cut = True


class _Request:
    """As much of an aiohttp request as departments look at."""

    def __init__(self, asked: HttpRequest) -> None:
        parts = urlsplit(asked.url)
        self.method = asked.method
        self.path = parts.path
        self.path_qs = parts.path + (f"?{parts.query}" if parts.query else "")
        self.query = MultiDict(parse_qsl(parts.query))
        self.headers = CIMultiDict(asked.headers)
        self.transport = _Line()
        self._body = asked.body

    async def read(self) -> bytes:
        """The body."""
        return self._body


@record
class Outage:
    """A system that is out of order, in seconds of the day."""

    system: str
    since: float
    until: float


@dataclass
class Network:
    """Everything that can be reached, by system, and when it cannot."""

    dice: Random
    outages: Sequence[Outage] = ()
    departments: dict[str, Answering] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    refused: int = 0

    def __post_init__(self) -> None:
        self._of: dict[str, list[Outage]] = {}
        for one in self.outages:
            self._of.setdefault(one.system, []).append(one)

    def is_down(self, system: str) -> bool:
        """Whether nothing gets through to a system now."""
        now = asyncio.get_running_loop().time()
        return any(one.since <= now < one.until for one in self._of.get(system, ()))


class CityHttp:
    """Implements ``Http`` for one system."""

    def __init__(self, system: str, network: Network) -> None:
        self._system = system
        self._network = network

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """Raises TemporaryError when nobody is there, OutcomeUnknownError when the connection is cut or time is over."""
        network = self._network
        if network.is_down(self._system):
            network.refused += 1
            raise TemporaryError("connect_refused", "the department cannot be reached")
        try:
            async with asyncio.timeout(request.total_seconds):
                return await self._answer(request)
        except TimeoutError as error:
            raise OutcomeUnknownError("timeout", "no answer within the time") from error

    async def _answer(self, request: HttpRequest) -> HttpAnswer:
        network = self._network
        await asyncio.sleep(network.dice.uniform(*TRAVEL_SECONDS))
        asked = _Request(request)
        response = await network.departments[self._system].handle(cast(web.BaseRequest, asked))
        await asyncio.sleep(network.dice.uniform(*TRAVEL_SECONDS))
        if asked.transport.cut or not isinstance(response, web.Response):
            raise OutcomeUnknownError("connection_lost", "the connection was cut")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(status=response.status, headers=headers, body=cast(bytes, response.body or b""))


class CityFiles:
    """Implements ``RemoteFiles`` over a folder that a department works in. A file is as old as the time since it was first seen."""

    def __init__(self, system: str, root: Path, network: Network, now: Callable[[], datetime]) -> None:
        self._system = system
        self._root = root
        self._network = network
        self._now = now
        self._seen: dict[tuple[str, int], float] = {}

    def list(self, folder: str, limit: int) -> Sequence[tuple[str, int, float]]:
        """By name. Raises TemporaryError."""
        found: list[tuple[str, int, float]] = []
        for path in sorted(self._path(folder).iterdir()):
            if path.is_file() and len(found) < limit:
                size = path.stat().st_size
                found.append((path.name, size, self._seen.setdefault((str(path), size), self._now().timestamp())))
        return found

    def pages(self, folder: str, size: int) -> Generator[Sequence[tuple[str, int, float]], None, None]:
        """Raises TemporaryError."""
        found = self.list(folder, 1_000_000)
        for start in range(0, len(found), size):
            yield found[start : start + size]

    def read(self, path: str, max_bytes: int) -> bytes:
        """Raises TemporaryError."""
        place = self._path(path)
        if not place.is_file():
            raise TemporaryError("no_such_file", "there is no such file")
        content = place.read_bytes()
        if len(content) > max_bytes:
            raise TemporaryError("too_large", "the file is larger than expected")
        return content

    def write(self, path: str, content: bytes) -> None:
        """Raises TemporaryError."""
        self._path(path).write_bytes(content)

    def rename(self, old: str, new: str) -> None:
        """Raises TemporaryError, ``exists`` where the name is taken."""
        if self._path(new).exists():
            raise TemporaryError("exists", "a file has that name")
        self._path(old).rename(self._path(new))

    def exists(self, path: str) -> bool:
        """Raises TemporaryError."""
        return self._path(path).is_file()

    def remove(self, path: str) -> None:
        """Raises TemporaryError."""
        self._path(path).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing to give back."""

    def _path(self, path: str) -> Path:
        if self._network.is_down(self._system):
            self._network.refused += 1
            raise TemporaryError("connect_refused", "the department cannot be reached")
        return self._root / path.lstrip("/")


@dataclass
class CityRuntime:
    """Implements ``contracts.plugin.Runtime``: the loop's time, the seed's dice, threads inline; a network for each system."""

    start: datetime
    network: Network
    secrets: Mapping[str, str]
    random: Random
    system: str = ""

    def of_system(self, system: str) -> Runtime:
        """The same world, for the gateways of one system."""
        return CityRuntime(self.start, self.network, self.secrets, self.random, system)

    def now(self) -> datetime:
        """Aware UTC."""
        return self.start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds since the day began."""
        return asyncio.get_running_loop().time()

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Inline."""
        return function(*args, **kwargs)

    def secret(self, name: str) -> str:
        """Made for this city."""
        return self.secrets[name]

    async def material(self, document: Document) -> bytes:
        """Nobody hands in scans here."""
        return b""

    def http(self) -> Http | None:
        """To the departments in memory."""
        return CityHttp(self.system, self.network)

    def files(self) -> RemoteFiles | None:
        """To the department's folder; made anew for each channel."""
        root = self.network.folders.get(self.system)
        return CityFiles(self.system, root, self.network, self.now) if root is not None else None
