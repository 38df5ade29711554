"""The REST channel: one delivery, one request, and an outcome that can be trusted.

A gateway has the capabilities that its channel's table declares: ``enquire`` with an ``enquire_path``, ``receive`` where later
replies come by callback, ``collect`` where they lie behind a ``poll.path``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID

import orjson
from pydantic import Field

from adapters.http_client import open_place
from adapters.rest_answers import WireOperation, check_echo, parsed, poll_times, settled, wire_operations
from adapters.rest_calls import Calls
from adapters.rest_replies import CallbackDoor, result_list
from adapters.rest_table import AuthKind, RestTable, Verdict, verdict_of
from adapters.strict_tables import Strict
from contracts.delivery import AwaitingReply, Delivery, Inbound, Lookup, NotFound, Outcome, Received, Reply
from contracts.errors import DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import Channel, Gateway, Http, HttpAnswer, Runtime, channel
from contracts.site import ChannelFile, SystemFile

_NOBODY = UUID(int=0)


class RestSettings(Strict):
    """The place of installation. ``url``: scheme, host, port and any prefix of a proxy; the others are paths of PEM files."""

    url: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    ca_file: str | None = None
    client_certificate: str | None = None


class RestGateway:
    """An open REST channel; made by the channel that ``make`` returns."""

    enquire: Callable[[Delivery], Awaitable[Outcome | NotFound]]
    receive: Callable[[Inbound], Awaitable[Received]]
    collect: Callable[[], AsyncIterator[Sequence[Reply]]]

    def __init__(
        self,
        system: SystemFile,
        table: RestTable,
        operations: Mapping[str, WireOperation],
        settings: RestSettings,
        runtime: Runtime,
        http: Http,
    ) -> None:
        self._system = system
        self._table = table
        self._operations = operations
        self._runtime = runtime
        self._polls = poll_times(table)
        self._calls = Calls(table, settings.url, runtime, http)
        # A capability is an attribute that exists only where the table declares it: that is how the hub detects it.
        if table.enquire_path is not None:
            self.enquire = partial(self._enquire, table.enquire_path)
        if table.later_replies == "callback":
            self.receive = CallbackDoor(system, table, operations, runtime).receive
        if table.later_replies == "poll" and table.poll is not None and table.poll.path is not None:
            self.collect = result_list(system, table, table.poll, operations, self._calls, runtime).collect

    def prepare(self, delivery: Delivery, /) -> bytes:
        """Canonical JSON (sorted names) in the channel's encoding. Raises PermanentError."""
        message = self._operation(delivery).map.to_wire(delivery.fields)
        if self._table.reference.place == "body":
            message[self._table.reference.name] = self._table.reference.written(delivery.id)
        try:
            text = orjson.dumps(message, option=orjson.OPT_SORT_KEYS)
            return text if self._table.encoding.upper() == "UTF-8" else text.decode().encode(self._table.encoding)
        except (TypeError, UnicodeEncodeError) as error:
            raise PermanentError("not_encodable", f"a field holds what {self._table.encoding} cannot say") from error

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        """Send once and read what came back. Raises DeliveryError."""
        found = self._operation(delivery)
        body = self.prepare(delivery) if delivery.payload is None else delivery.payload
        if self._runtime.now() >= delivery.send_before:
            raise TemporaryError("send_before_passed", "the time for this try has passed before it began")
        answer = await self._calls.call(found.wire.method, found.wire.path, body, self._message_headers(delivery))
        return self._outcome(found, delivery, answer)

    async def check(self) -> None:
        """Ask for a delivery that nobody has, or for the base path: any answer but a refusal or a failure proves the way."""
        path = (self._table.enquire_path or "/").replace("{delivery_id}", self._table.reference.written(_NOBODY))
        answer = await self._calls.call("GET", path)
        if answer.status >= 500 or verdict_of(answer.status, {}) is Verdict.CREDENTIALS:
            raise self._calls.error_of(answer)

    async def _enquire(self, path: str, delivery: Delivery, /) -> Outcome | NotFound:
        """Not received is believed only from the department itself: a 404 that echoes the id, not a proxy's page."""
        found = self._operation(delivery)
        answer = await self._calls.call(
            "GET", path.replace("{delivery_id}", self._table.reference.written(delivery.id))
        )
        if answer.status not in {404, 410}:
            return self._outcome(found, delivery, answer)
        try:
            check_echo(self._table, parsed(answer.body, self._table.encoding), answer.headers, delivery.id)
        except OutcomeUnknownError:
            return NotFound(what=Lookup.CANNOT_TELL)
        return NotFound(what=Lookup.NOT_RECEIVED if answer.status == 404 else Lookup.CANNOT_TELL)

    def _operation(self, delivery: Delivery) -> WireOperation:
        found = self._operations.get(delivery.operation)
        if found is None:
            raise PermanentError("unknown_operation", f"{self._system.key} does not carry this operation over its API")
        return found

    def _message_headers(self, delivery: Delivery) -> dict[str, str]:
        headers = {"Content-Type": self._table.content_type}
        if self._table.reference.place == "header":
            headers[self._table.reference.name] = self._table.reference.written(delivery.id)
        if delivery.possible_duplicate:
            headers["X-Possible-Duplicate"] = "true"
        if delivery.traceparent is not None:
            headers["traceparent"] = delivery.traceparent
        if delivery.test:
            headers["X-Test"] = "true"
        return headers

    def _outcome(self, found: WireOperation, delivery: Delivery, answer: HttpAnswer) -> Outcome:
        if answer.status not in {200, 201, 202}:
            raise self._rejection(found, delivery, answer)
        read = parsed(answer.body, self._table.encoding)
        check_echo(self._table, read, answer.headers, delivery.id)
        outcome = settled(self._system, found, read, accepted=answer.status == 202)
        if isinstance(outcome, DeliveryError):
            raise outcome
        if not isinstance(outcome, AwaitingReply):
            return outcome
        if self._table.reference.place == "connection":
            raise OutcomeUnknownError(
                "not_at_once", "a later answer could not be matched: this channel knows no reference"
            )
        at = self._polls.following(delivery.id, self._runtime.now()) if self._polls is not None else None
        return replace(outcome, next_poll_at=at)

    def _rejection(self, found: WireOperation, delivery: Delivery, answer: HttpAnswer) -> DeliveryError:
        """The status decides; a permanent one may carry the department's own code, which says more (a duplicate, for one)."""
        error = self._calls.error_of(answer)
        if not isinstance(error, PermanentError) or not answer.body:
            return error
        try:
            read = parsed(answer.body, self._table.encoding)
            check_echo(self._table, read, answer.headers, delivery.id)
            said = settled(self._system, found, read, accepted=False)
        except OutcomeUnknownError:
            return error
        return said if isinstance(said, PermanentError) else error


def make(system: SystemFile, declared: ChannelFile) -> Channel:
    """The channel of a REST table. Raises pydantic's ValidationError for a bad table, ValueError as ``wire_operations``."""
    table = RestTable.model_validate(dict(declared.rest or {}))
    operations = wire_operations(system, table)

    @asynccontextmanager
    async def connect(settings: RestSettings, runtime: Runtime) -> AsyncIterator[Gateway]:
        given = runtime.http()
        if given is not None:
            yield RestGateway(system, table, operations, settings, runtime, given)
            return
        async with await _open(table, settings, runtime) as http:
            yield RestGateway(system, table, operations, settings, runtime, http)

    return channel(
        declared.situation,
        RestSettings,
        connect,
        resend_is_safe=declared.resend_is_safe,
        status=declared.status,
        limits=declared.limits,
        own_loop=False,
    )


async def _open(table: RestTable, settings: RestSettings, runtime: Runtime) -> AbstractAsyncContextManager[Http]:
    return await open_place(
        settings.url,
        runtime,
        ca_file=settings.ca_file,
        certificate=settings.client_certificate,
        key_secret=table.auth.secrets[0] if table.auth.kind is AuthKind.MTLS else None,
    )
