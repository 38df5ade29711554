"""The bench: one system's sending channel, open, with a department behind it, and everything that a check may do with it."""

import asyncio
import logging
import random
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from contracts.catalogue import Answers, Operation
from contracts.delivery import AwaitingReply, Delivery, Inbound, NotFound, Outcome, Received, Reply
from contracts.errors import DeliveryError, InboundRefused
from contracts.plugin import Channel, Collecting, Enquiring, Gateway, Preparing, Receiving
from contracts.records import Fields
from contracts.situation import Situation
from contracts.task_sheet import NumberedSheet
from simulators.certify import api_place, file_place
from simulators.certify.api_place import ApiPlace
from simulators.certify.deliveries import Maker
from simulators.certify.file_place import FilePlace
from simulators.certify.runtime import KitRuntime, made_secrets
from simulators.certify.subject import Subject
from simulators.certify.verdict import Failed, NotApplicable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is certified against. ``settings``: of a test endpoint; None: the bundled simulator. ``patience_seconds``: how long a gateway
    waits for an answer that does not come, whatever its table says."""

    settings: Fields | None = None
    secret: Callable[[str], str] | None = None
    patience_seconds: float = 1.0
    seed: int = 1

    @property
    def kind(self) -> str:
        """For the report."""
        return "simulator" if self.settings is None else "endpoint"


class Listener(logging.Handler):
    """Keeps every log record of the process as text, and what is printed: it stands where the standard output would."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, with the traceback that it may carry."""
        self.lines.append(self.format(record))

    def write(self, text: str) -> int:
        """Keep what is printed."""
        self.lines.append(text)
        return len(text)


@dataclass(kw_only=True)
class Bench:
    """``gateway`` is the open channel, ``settings`` opened it. ``errors``: every DeliveryError that came out of it; ``sent``: every delivery that went in.

    ``first_print``: a sheet that several checks read, printed once.
    """

    subject: Subject
    channel: Channel
    target: Target
    runtime: KitRuntime
    gateway: Gateway
    maker: Maker
    folder: Path
    settings: Fields
    listener: Listener
    api_place: ApiPlace | None = None
    file_place: FilePlace | None = None
    errors: list[DeliveryError] = field(default_factory=list)
    sent: list[Delivery] = field(default_factory=list)
    first_print: tuple[NumberedSheet, bytes] | None = None

    @property
    def api(self) -> ApiPlace:
        """The department with an API. Raises NotApplicable."""
        if self.api_place is None:
            raise NotApplicable("this channel is no API")
        return self.api_place

    @property
    def simulated(self) -> ApiPlace:
        """A department that says what it is told to. Raises NotApplicable."""
        if self.api.ledger is None:
            raise NotApplicable("a test endpoint cannot be told what to answer")
        return self.api

    @property
    def files(self) -> FilePlace:
        """The department that exchanges files. Raises NotApplicable."""
        if self.file_place is None:
            raise NotApplicable("no files are exchanged over this channel")
        return self.file_place

    @property
    def by_connection(self) -> bool:
        """Whether the connection is the reference: the delivery id does not travel."""
        table = self.subject.table
        reference: Any = table[1].get("reference", {}) if table is not None else {}
        return isinstance(reference, Mapping) and reference.get("in") == "connection"

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """The gateway's HTTP client waits no longer than the kit's patience, whatever the channel's table says."""
        self.api.http.longest_seconds = self.target.patience_seconds
        try:
            yield
        finally:
            self.api.http.longest_seconds = None

    @property
    def operations(self) -> Sequence[Operation]:
        """Those that the channel carries."""
        every = self.subject.system.operations.values()
        return [one for one in every if self.channel.situation in one.wire]

    @property
    def classes(self) -> Sequence[Operation]:
        """One operation that answers at once and one that answers later, as far as there are such."""
        found = {one.answers: one for one in reversed(self.operations)}
        return [found[answers] for answers in Answers if answers in found]

    def delivery(self, operation: Operation, **changes: Any) -> Delivery:
        """A new delivery."""
        return self.maker.delivery(operation, **changes)

    def prepared(self, delivery: Delivery) -> Delivery:
        """With its payload, as the hub stores it before the first try. Raises DeliveryError."""
        whole: object = self.gateway
        return replace(delivery, payload=whole.prepare(delivery)) if isinstance(whole, Preparing) else delivery

    async def deliver(self, delivery: Delivery) -> Outcome | DeliveryError:
        """One attempt, as the hub makes it. Raises Failed for what the hub would count as a bug."""
        self.sent.append(delivery)
        try:
            ready = delivery if delivery.payload is not None else self.prepared(delivery)
        except DeliveryError as error:
            self.errors.append(error)
            return error
        except Exception as error:
            raise _bug("prepare", error) from error
        return await self.tried("deliver", self.gateway.deliver(ready))

    async def enquire(self, delivery: Delivery) -> Outcome | NotFound | DeliveryError:
        """Ask what became of it. Raises NotApplicable."""
        whole: object = self.gateway
        if not isinstance(whole, Enquiring):
            raise NotApplicable("the department cannot be asked")
        return await self.tried("enquire", whole.enquire(delivery))

    async def receive(self, inbound: Inbound) -> Received | InboundRefused:
        """A call of the department's. Raises NotApplicable."""
        whole: object = self.gateway
        if not isinstance(whole, Receiving):
            raise NotApplicable("the department does not call back")
        try:
            return await whole.receive(inbound)
        except InboundRefused as refused:
            return refused
        except Exception as error:
            raise _bug("receive", error) from error

    async def collected(self, *, keep: bool = False) -> list[Reply]:
        """Everything that lies there, taken as committed; or the first of it, taken as not committed (``keep``).

        Raises NotApplicable, DeliveryError.
        """
        whole: object = self.gateway
        if not isinstance(whole, Collecting):
            raise NotApplicable("answers are not collected")
        found: list[Reply] = []
        async for replies in (answers := whole.collect()):
            found += replies
            if keep and found:
                break
        if keep and isinstance(answers, AsyncGenerator):
            await answers.aclose()
        return found

    async def tried(self, what: str, work: Awaitable[T]) -> T | DeliveryError:
        """Await a gateway's method, no longer than an attempt may take. Raises Failed for what the hub would count as a bug."""
        try:
            async with asyncio.timeout(self.channel.limits.attempt_seconds):
                return await work
        except DeliveryError as error:
            self.errors.append(error)
            return error
        except TimeoutError as error:
            raise Failed("{0} did not end within attempt_seconds", what) from error
        except Exception as error:
            raise _bug(what, error) from error

    async def settled(self, delivery: Delivery) -> Outcome | DeliveryError:
        """The end of a delivery: its outcome at once, or what comes later by the way that the channel declares."""
        outcome = await self.deliver(delivery)
        return await self.later(delivery) if isinstance(outcome, AwaitingReply) else outcome

    async def later(self, delivery: Delivery) -> Outcome | DeliveryError:
        """What the department says later. Raises Failed when nothing comes."""
        if isinstance(self.gateway, Receiving | Collecting):
            return (await self.reply(delivery)).outcome
        found = await self.enquire(delivery)
        if isinstance(found, NotFound):
            raise Failed("the department took the message, and an enquiry finds nothing")
        return found

    async def reply(self, delivery: Delivery, *, keep: bool = False) -> Reply:
        """The reply that comes by itself, called back or collected; ``keep``: left where it lies. Raises Failed when none comes, at a
        test endpoint, which may take days, NotApplicable."""
        if isinstance(self.gateway, Receiving):
            received = await self.receive(await self.callback(delivery.id))
            if isinstance(received, InboundRefused):
                raise Failed("a genuine callback was refused: {0}", received.code)
            return _of(received.replies, delivery) or _lost()
        for _ in range(_LOOKS):
            if found := _of(await self.collected(keep=keep), delivery):
                return found
            await asyncio.sleep(_LOOK_SECONDS)
        if self.target.settings is not None:
            raise NotApplicable("the test endpoint has not answered yet")
        return _lost()

    async def callback(self, delivery_id: UUID) -> Inbound:
        """The simulated department's call about a delivery; calls about others are passed over. Raises Failed when none comes."""
        named = (str(delivery_id).encode(), delivery_id.hex.encode())
        try:
            async with asyncio.timeout(10):
                while True:
                    headers, body = await self.simulated.callbacks.get()
                    if any(one in body.lower() for one in named):
                        return Inbound(headers=dict(headers), body=body)
        except TimeoutError as error:
            raise Failed("the department did not call back") from error


_LOOKS, _LOOK_SECONDS = 20, 0.25
"""How often, and how far apart, a later answer is looked for."""


def _of(replies: Sequence[Reply], delivery: Delivery) -> Reply | None:
    return next((one for one in replies if one.delivery_id == delivery.id), None)


def _lost() -> Reply:
    raise Failed("no reply names the delivery")


def _bug(what: str, error: BaseException) -> Failed:
    return Failed("{0} raised {1}, which is no DeliveryError: the hub counts that as a bug", what, type(error).__name__)


@asynccontextmanager
async def bench(subject: Subject, target: Target, listener: Listener) -> AsyncIterator[Bench]:
    """Open the sending channel against a department. Raises whatever opening raises."""
    channel = subject.channel
    secret = target.secret or made_secrets(target.seed)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onedoor-certify-")))
        dice = random.Random(f"{target.seed}/{subject.system.name}")  # noqa: S311 - made-up values that repeat
        runtime = KitRuntime(secret, dice)
        place: ApiPlace | None = None
        files: FilePlace | None = None
        settings: Fields = {}
        if channel.situation is Situation.API:
            place = await stack.enter_async_context(
                api_place.simulated(subject, folder, secret, target.seed)
                if target.settings is None
                else api_place.endpoint(subject, target.settings, secret)
            )
            settings, runtime.known, runtime.watched = place.settings, place.secrets, place.http
        elif channel.situation is Situation.FILE_DROP:
            files = (
                stack.enter_context(file_place.simulated(subject, folder, secret, target.seed))
                if target.settings is None
                else file_place.endpoint(target.settings)
            )
            settings, runtime.known = files.settings, files.secrets
        gateway = await stack.enter_async_context(channel.open(settings, runtime))
        yield Bench(
            subject=subject,
            channel=channel,
            target=target,
            runtime=runtime,
            gateway=gateway,
            maker=Maker(subject, dice, believable=target.settings is not None),
            folder=folder,
            settings=settings,
            listener=listener,
            api_place=place,
            file_place=files,
        )
