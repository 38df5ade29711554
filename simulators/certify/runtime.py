"""The world as a plugin under test sees it: made-up secrets, a clock that can be set forward, and a record of what leaves."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ParamSpec, TypeVar

from contracts.delivery import Document
from contracts.errors import CredentialsError
from contracts.plugin import Http, HttpAnswer, HttpRequest, RemoteFiles
from simulators.certify.verdict import Language, reason

P = ParamSpec("P")
T = TypeVar("T")


class SecretMissing(CredentialsError):
    """A secret is not where it should be."""

    def __init__(self, text: str, *values: object) -> None:
        """The sentence as ``reason`` takes it."""
        self.why = reason(text, *values)
        super().__init__("secret_missing", self.why.told(Language.EN))


@dataclass(slots=True)
class WatchedHttp:
    """Implements ``Http`` around another one. ``requests``: what left; ``longest_seconds``: waits no longer, whatever the table says."""

    inner: Http
    requests: list[HttpRequest] = field(default_factory=list)
    longest_seconds: float | None = None

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """Note it and pass it on."""
        self.requests.append(request)
        if self.longest_seconds is not None:
            request = replace(
                request,
                connect_seconds=min(request.connect_seconds, self.longest_seconds),
                total_seconds=min(request.total_seconds, self.longest_seconds),
            )
        return await self.inner.send(request)


@dataclass
class KitRuntime:
    """Implements ``contracts.plugin.Runtime``. ``asked``: the secrets that were asked for, by name.

    ``known``: secrets that cannot be made up. ``waited_seconds``: how much more has passed on the monotonic clock than on the machine's.
    """

    secrets: Callable[[str], str]
    random: random.Random
    watched: WatchedHttp | None = None
    remote: RemoteFiles | None = None
    ahead: timedelta = timedelta()
    waited_seconds: float = 0.0
    known: Mapping[str, str] = field(default_factory=dict[str, str])
    asked: dict[str, str] = field(default_factory=dict)

    def now(self) -> datetime:
        """The civil clock, ``ahead`` of the real one."""
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        """Seconds, for measuring durations."""
        return time.monotonic() + self.waited_seconds

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))

    def secret(self, name: str) -> str:
        """The value, noted. Raises CredentialsError."""
        value = self.known[name] if name in self.known else self.secrets(name)
        self.asked[name] = value
        return value

    async def material(self, document: Document) -> bytes:
        """A paper that says that it is none."""
        return b"%PDF-1.4 sample \xe6\xa0\xb7\xe4\xbe\x8b"

    def http(self) -> Http | None:
        """A client that notes what leaves; None where the channel has no address for one."""
        return self.watched

    def files(self) -> RemoteFiles | None:
        """None: the adapter opens a connection of its own."""
        return self.remote


def made_secrets(seed: int) -> Callable[[str], str]:
    """Values by name that nobody else has, the same for the same seed; short, since some departments have 20 bytes for it."""
    known: dict[str, str] = {}

    def secret(name: str) -> str:
        if name not in known:
            known[name] = f"kit{random.Random(f'{seed}/{name}').getrandbits(52):013x}"  # noqa: S311 - of a simulator
        return known[name]

    return secret


def no_secret(name: str) -> str:
    """A place where none has been put. Raises SecretMissing."""
    raise SecretMissing("there is no secret {0}: put it into the secrets folder", name)
