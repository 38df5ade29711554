"""Where the network would begin, a recorder: it keeps every request and every file and lets nothing out."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import ParamSpec, TypeVar

import orjson

from contracts.delivery import Document
from contracts.errors import TemporaryError
from contracts.plugin import Http, HttpAnswer, HttpRequest, RemoteFiles
from contracts.records import record

P = ParamSpec("P")
T = TypeVar("T")

NOT_SENT = "not_sent"
"""The code of the error with which a recorder ends a try."""

MADE_UP_SECRET = "made-up"  # noqa: S105 - stands where a secret would; a real one is never shown


@record
class Sent:
    """What would have left. ``where``: an address, a file's path or ``sheet``; ``headers``: of an HTTP request."""

    how: str
    where: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Recorder:
    """Implements ``Http`` and ``RemoteFiles``."""

    sent: list[Sent] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def start(self) -> None:
        """Forget what came before."""
        self.sent, self.files = [], {}

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """A request for a token is answered with a made-up one, so that the message itself is reached. Raises TemporaryError."""
        self.sent.append(Sent(how=request.method, where=request.url, headers=dict(request.headers), body=request.body))
        if b"grant_type" in request.body:
            token = {"access_token": "made-up-token", "token_type": "Bearer", "expires_in": 3600}
            return HttpAnswer(status=200, headers={"content-type": "application/json"}, body=orjson.dumps(token))
        raise TemporaryError(NOT_SENT, "this is a trial: nothing is sent")

    def list(self, folder: str, limit: int) -> Sequence[tuple[str, int, float]]:
        """An exchange in which nobody has put anything."""
        return ()

    def pages(self, folder: str, size: int) -> Generator[Sequence[tuple[str, int, float]], None, None]:
        """The same."""
        yield from ()

    def read(self, path: str, max_bytes: int) -> bytes:
        """What the trial itself wrote. Raises TemporaryError."""
        try:
            return self.files[path][:max_bytes]
        except KeyError as error:
            raise TemporaryError("no_such_file", "there is no such file") from error

    def write(self, path: str, content: bytes) -> None:
        """Keep the file under its temporary name."""
        self.files[path] = content

    def rename(self, old: str, new: str) -> None:
        """The file has its final name: this is what would have arrived."""
        self.files[new] = self.files.pop(old)
        self.sent.append(Sent(how="file", where=new, headers={}, body=self.files[new]))

    def exists(self, path: str) -> bool:
        """Whether the trial wrote it."""
        return path in self.files

    def remove(self, path: str) -> None:
        """Forget the file."""
        self.files.pop(path, None)

    def close(self) -> None:
        """Nothing to give back."""


@dataclass
class TrialRuntime:
    """Implements ``contracts.plugin.Runtime`` around a recorder."""

    at: datetime
    recorder: Recorder
    random: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - the same trial twice shows the same

    def now(self) -> datetime:
        """The time of the trial."""
        return self.at

    def monotonic(self) -> float:
        """Seconds, for measuring durations."""
        return time.monotonic()

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs at once: nothing here blocks."""
        return function(*args, **kwargs)

    def secret(self, name: str) -> str:
        """A made-up one: what is shown on a screen must not hold a real one."""
        return MADE_UP_SECRET

    async def material(self, document: Document) -> bytes:
        """A paper that nobody has scanned."""
        return b"(the scan)"

    def http(self) -> Http | None:
        """The recorder."""
        return self.recorder

    def files(self) -> RemoteFiles | None:
        """The recorder."""
        return self.recorder
