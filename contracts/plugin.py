"""The plugin contract: what a department registers, and what the hub asks of a gateway.

pluggy registers synchronously (its hooks cannot be awaited) and hands over frozen records; the hub awaits typed gateways.
Gateways never sleep, retry, queue or swallow: they try once and say what happened (``contracts.errors``).
"""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable
from uuid import UUID

import pluggy
from pydantic import BaseModel

from contracts.catalogue import Item, Operation
from contracts.delivery import Batch, Confirmation, Delivery, Document, Inbound, NotFound, Outcome, Received, Reply
from contracts.errors import DeliveryError
from contracts.handover import Courier, Handover
from contracts.records import Fields, record
from contracts.situation import AutoFallback, Batching, ChannelStatus, FileRules, Limits, Situation
from contracts.task_sheet import NumberedSheet

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound=BaseModel)

hookspec = pluggy.HookspecMarker("onedoor")
hookimpl = pluggy.HookimplMarker("onedoor")


@record
class HttpRequest:
    """One HTTP request. Redirects are never followed; ``max_bytes`` bounds the answer after decoding."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    connect_seconds: float = 3.0
    total_seconds: float = 10.0
    max_bytes: int = 4_000_000
    own_connection: bool = False


@record
class HttpAnswer:
    """A whole answer. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http(Protocol):
    """Carries requests. Raises TemporaryError when nothing can have left, CredentialsError when TLS does not agree, and
    OutcomeUnknownError when bytes may have left."""

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """Send once, never twice."""
        ...


class RemoteFiles(Protocol):
    """A folder tree at a department (SFTP). Calls block and run in a thread; each has a deadline.

    Raises TemporaryError, OutcomeUnknownError or CredentialsError, as ``Http`` does.
    """

    def list(self, folder: str, limit: int) -> Sequence[tuple[str, int, float]]:
        """At most ``limit`` plain files as (name, size in bytes, modified in Unix seconds)."""
        ...

    def pages(self, folder: str, size: int) -> Generator[Sequence[tuple[str, int, float]], None, None]:
        """The same for a folder of any size: ``size`` entries at a time, as the server lists them. Close it in any case."""
        ...

    def read(self, path: str, max_bytes: int) -> bytes:
        """The whole file."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Create or replace ``path`` and ask the server to sync it where it can."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename; never replaces an existing file: TemporaryError with code ``exists``."""
        ...

    def exists(self, path: str) -> bool:
        """Whether a plain file has that name."""
        ...

    def remove(self, path: str) -> None:
        """Remove a plain file; one that is gone already is no error."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Runtime(Protocol):
    """The only way to the world: time, randomness, threads, secrets, materials; and, in a virtual city, the network."""

    def now(self) -> datetime:
        """The civil clock, aware UTC; accelerated in a demo, virtual in a virtual city."""
        ...

    def monotonic(self) -> float:
        """Seconds for measuring a duration; not affected by the civil clock being moved."""
        ...

    @property
    def random(self) -> random.Random:
        """Seeded where a day must repeat itself."""
        ...

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work off the event loop."""
        ...

    def secret(self, name: str) -> str:
        """A secret by name. Raises CredentialsError when the place of installation has none."""
        ...

    async def material(self, document: Document) -> bytes:
        """The bytes of a document that the delivery carries."""
        ...

    def http(self) -> Http | None:
        """None: open sockets of your own."""
        ...

    def files(self) -> RemoteFiles | None:
        """None: open a connection of your own."""
        ...


class Gateway(Protocol):
    """An open channel. Optional capabilities below are detected once, when it opens."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        """Try once. Raises DeliveryError."""
        ...

    async def check(self) -> None:
        """Prove that the department can be reached, without an effect there. Raises DeliveryError."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """Maps before the first byte leaves, so that a resend is the same byte for byte."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        """The mapped message; pure. Raises PermanentError when the fields cannot be expressed."""
        ...


@runtime_checkable
class BatchGateway(Protocol):
    """Sends many deliveries as one; the channel has a ``Batching``."""

    def seal(self, batch: Batch, /) -> bytes:
        """The bytes of the whole batch; pure: the same batch gives the same bytes."""
        ...

    async def deliver_batch(self, batch: Batch, /) -> Mapping[UUID, Outcome | DeliveryError]:
        """Send ``batch.payload``; a delivery missing from the answer is unknown. Raises DeliveryError for the whole."""
        ...


@runtime_checkable
class Enquiring(Protocol):
    """The department can be asked what became of a delivery id."""

    async def enquire(self, delivery: Delivery, /) -> Outcome | NotFound:
        """Ask, without an effect there. Raises DeliveryError."""
        ...


@runtime_checkable
class Collecting(Protocol):
    """Answers lie somewhere to be fetched."""

    def collect(self) -> AsyncIterator[Sequence[Reply]]:
        """One sequence a file, a ``contracts.exchange.Collected`` where the file itself is to be accounted for.

        Resumed means committed: archive now; closed means not committed: leave it there.
        """
        ...


@runtime_checkable
class NamingBatches(Protocol):
    """A batch travels under a name by which the department speaks of it."""

    def batch_name(self, batch: Batch, /) -> str:
        """The name of the batch's file; pure."""
        ...


@runtime_checkable
class Receiving(Protocol):
    """The department calls back."""

    async def receive(self, inbound: Inbound, /) -> Received:
        """Authenticate and parse, nothing else. Raises InboundRefused."""
        ...


@runtime_checkable
class Printing(Protocol):
    """The channel puts its message on paper; a person brings the answer."""

    async def print_sheets(self, sheets: Sequence[NumberedSheet], /) -> bytes:
        """One PDF of all of them; the same sheet gives the same pages apart from print number and time."""
        ...

    async def print_handover(self, handover: Handover, /) -> bytes:
        """The PDF of a handover list; the same list gives the same pages."""
        ...

    def confirm(self, delivery: Delivery, confirmation: Confirmation, /) -> Outcome | DeliveryError:
        """What the ticked box means; pure. Raises PermanentError for a box that the sheet does not have."""
        ...


@record
class Channel:
    """One way into a system. ``open`` takes the place's own settings (addresses) and checks them against ``settings``.

    ``courier``: how what is printed gets there; None where nothing is carried on a handover list.
    ``own_loop``: the gateway is opened and called in a thread and event loop of its own, so that code that blocks keeps no other
    department waiting; False only for code that is known never to block.

    Raises pydantic's ValidationError for settings that do not fit. What it opens is closed when its context is left.
    """

    situation: Situation
    status: ChannelStatus
    settings: type[BaseModel]
    resend_is_safe: bool
    limits: Limits
    batching: Batching | None
    open: Callable[[Fields, Runtime], AbstractAsyncContextManager[Gateway]]
    auto_fallback: AutoFallback | None = None
    files: FileRules = FileRules()
    courier: Courier | None = None
    own_loop: bool = True


def channel(
    situation: Situation,
    settings: type[S],
    connect: Callable[[S, Runtime], AbstractAsyncContextManager[Gateway]],
    *,
    resend_is_safe: bool,
    status: ChannelStatus = ChannelStatus.SENDING,
    limits: Limits | None = None,
    batching: Batching | None = None,
    files: FileRules | None = None,
    courier: Courier | None = None,
    own_loop: bool = True,
) -> Channel:
    """A channel whose settings type stays known to the type checker inside, and unknown outside."""

    def open_(values: Fields, runtime: Runtime) -> AbstractAsyncContextManager[Gateway]:
        return connect(settings.model_validate(dict(values)), runtime)

    return Channel(
        situation=situation,
        status=status,
        settings=settings,
        resend_is_safe=resend_is_safe,
        limits=limits or Limits(),
        batching=batching,
        open=open_,
        files=files or FileRules(),
        courier=courier,
        own_loop=own_loop,
    )


def in_front(of: Channel, gateway: Callable[[Gateway, Runtime], Gateway]) -> Channel:
    """The same channel, with a gateway of the department's own in front of the adapter's: it adds what no table can say."""

    @asynccontextmanager
    async def open_(values: Fields, runtime: Runtime) -> AsyncGenerator[Gateway]:
        async with of.open(values, runtime) as inner:
            yield gateway(inner, runtime)

    return replace(of, open=open_, own_loop=True)


@record
class System:
    """A business system. ``operations`` by key: each with its allow-list of fields and its codes."""

    name: str
    department: str
    name_zh: str
    name_en: str
    operations: Mapping[str, Operation]
    channels: Sequence[Channel]
    successor: str | None = None


@record
class Department:
    """An authority, its systems and the items it owns."""

    code: str
    name_zh: str
    name_en: str
    systems: Sequence[System] = ()
    items: Sequence[Item] = ()


class Hooks:
    """The hook list. A plugin implements any of these with ``@hookimpl``."""

    @hookspec
    def register_departments(self, site: str) -> Sequence[Department]:
        """Departments with their systems and items. ``site`` is the path of the site folder. Called once at start."""
        raise NotImplementedError
