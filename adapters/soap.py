"""The SOAP channel: zeep builds and reads the envelopes, the HTTP client carries them, and an outcome proves whose it is.

A gateway has the capabilities that its channel's table declares: ``enquire`` with an ``enquire_operation``, ``collect`` where later
answers lie behind a ``poll.operation``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from pydantic import Field

from adapters.http_client import open_place
from adapters.soap_answers import (
    SoapOperation,
    answer_of,
    check_echo,
    fault_error,
    poll_times,
    settled,
    soap_operations,
)
from adapters.soap_calls import Answer, SoapCalls
from adapters.soap_checks import checked_port
from adapters.soap_envelope import Fault
from adapters.soap_port import Port
from adapters.soap_results import result_pages
from adapters.soap_signature import Signer, signer
from adapters.soap_table import SoapAuthKind, SoapTable
from adapters.soap_wsdl import bundle_of
from adapters.strict_tables import Strict
from contracts.delivery import AwaitingReply, Delivery, NotFound, Outcome, Reply
from contracts.errors import CredentialsError, DeliveryError, PermanentError, TemporaryError
from contracts.plugin import Channel, Gateway, Http, Runtime, channel
from contracts.site import ChannelFile, SystemFile

_NOBODY = UUID(int=0)


class SoapSettings(Strict):
    """The place of installation. ``url``: scheme, host, port and any prefix of a proxy; ``ca_file``, ``client_certificate`` and
    ``signing_certificate`` (for x509): paths of PEM files; ``values``: what segments from ``setting`` carry."""

    url: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    ca_file: str | None = None
    client_certificate: str | None = None
    signing_certificate: str | None = None
    values: Mapping[str, str] = Field(default_factory=dict)


class SoapGateway:
    """An open SOAP channel; made by the channel that ``make`` returns."""

    enquire: Callable[[Delivery], Awaitable[Outcome | NotFound]]
    collect: Callable[[], AsyncIterator[Sequence[Reply]]]

    def __init__(
        self,
        system: SystemFile,
        table: SoapTable,
        operations: Mapping[str, SoapOperation],
        port: Port,
        settings: SoapSettings,
        runtime: Runtime,
        http: Http,
        signs: Signer | None,
    ) -> None:
        self._system = system
        self._table = table
        self._operations = operations
        self._runtime = runtime
        self._polls = poll_times(table)
        self._calls = SoapCalls(table, port, settings.url, settings.values, runtime, http, signs)
        # A capability is an attribute that exists only where the table declares it: that is how the hub detects it.
        if table.enquire_operation is not None:
            self.enquire = partial(self._enquire, table.enquire_operation)
        if table.later_replies == "poll" and table.poll is not None and table.poll.operation is not None:
            self.collect = result_pages(
                system, table, table.poll, table.poll.operation, operations, self._calls, runtime
            ).collect

    def prepare(self, delivery: Delivery, /) -> bytes:
        """The envelope but for what must be new at every try. Raises PermanentError."""
        found = self._operation(delivery)
        fields = found.map.to_wire(delivery.fields)
        return self._calls.message(
            found.wire.operation, fields, delivery.id, reference=delivery.id, table=found.wire.table
        )

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        """Send once and read what came back. Raises DeliveryError."""
        found = self._operation(delivery)
        message = self.prepare(delivery) if delivery.payload is None else delivery.payload
        if self._runtime.now() >= delivery.send_before:
            raise TemporaryError("send_before_passed", "the time for this try has passed before it began")
        marks = {"X-Possible-Duplicate": delivery.possible_duplicate, "X-Test": delivery.test}
        extra = {name: "true" for name, told in marks.items() if told}
        if delivery.traceparent is not None:
            extra["traceparent"] = delivery.traceparent
        answer = await self._calls.call(found.wire.operation, message, extra)
        return answer_of(self._said(found, delivery.id, delivery.id, answer))

    async def check(self) -> None:
        """Enquire about a delivery that nobody has, or ask for the page of the service: any answer but a refusal or a failure
        proves the way."""
        name = self._table.enquire_operation
        if name is None:
            await self._calls.knock()
            return
        answer = await self._calls.call(name, self._calls.message(name, {}, self._calls.new_id(), reference=_NOBODY))
        if isinstance(answer, Fault):
            error = fault_error(self._system, self._table, None, answer, _NOBODY)
            if not isinstance(error, PermanentError):
                raise error

    async def _enquire(self, name: str, delivery: Delivery, /) -> Outcome | NotFound:
        """Not received is believed only from an answer that proves that it answers us."""
        found, message_id = self._operation(delivery), self._calls.new_id()
        message = self._calls.message(name, {}, message_id, reference=delivery.id)
        said = self._said(found, delivery.id, message_id, await self._calls.call(name, message))
        return said if isinstance(said, NotFound) else answer_of(said)

    def _said(
        self, found: SoapOperation, delivery_id: UUID, message_id: UUID, answer: Answer | Fault
    ) -> Outcome | NotFound | DeliveryError:
        if isinstance(answer, Fault):
            return fault_error(self._system, self._table, found, answer, delivery_id, message_id)
        check_echo(self._table, answer.fields, answer.relates_to, delivery_id, message_id)
        said = settled(self._system, self._table, found, answer.fields)
        if isinstance(said, AwaitingReply) and self._polls is not None:
            return replace(said, next_poll_at=self._polls.following(delivery_id, self._runtime.now()))
        return said

    def _operation(self, delivery: Delivery) -> SoapOperation:
        found = self._operations.get(delivery.operation)
        if found is None:
            raise PermanentError("unknown_operation", f"{self._system.key} does not carry this operation over its API")
        return found


def make(system: SystemFile, declared_as: ChannelFile, *, folder: Path) -> Channel:
    """The channel of a SOAP table; ``folder``: the department's, where its WSDL lies.

    Raises pydantic's ValidationError for a bad table, ValueError as ``soap_operations`` and for a WSDL that lacks an operation or a
    field.
    """
    table = SoapTable.model_validate(dict(declared_as.soap or {}))
    operations = soap_operations(system, table)
    port = checked_port(bundle_of(folder, table.wsdl), table, operations, system.result_field)

    @asynccontextmanager
    async def connect(settings: SoapSettings, runtime: Runtime) -> AsyncIterator[Gateway]:
        signs = await _signer(table, settings, runtime)
        given = runtime.http()
        if given is not None:
            yield SoapGateway(system, table, operations, port, settings, runtime, given, signs)
            return
        place = await open_place(
            settings.url,
            runtime,
            ca_file=settings.ca_file,
            certificate=settings.client_certificate,
            key_secret=table.auth.secrets[0] if table.auth.kind is SoapAuthKind.MTLS else None,
        )
        async with place as http:
            yield SoapGateway(system, table, operations, port, settings, runtime, http, signs)

    return channel(
        declared_as.situation,
        SoapSettings,
        connect,
        resend_is_safe=declared_as.resend_is_safe,
        status=declared_as.status,
        limits=declared_as.limits,
        own_loop=False,
    )


async def _signer(table: SoapTable, settings: SoapSettings, runtime: Runtime) -> Signer | None:
    if table.auth.kind is not SoapAuthKind.X509:
        return None
    if settings.signing_certificate is None:
        raise CredentialsError("signing_certificate", "this channel signs its messages: name a signing_certificate")
    key = runtime.secret(table.auth.secrets[0])
    return await runtime.in_thread(signer, key, settings.signing_certificate, datetime.now(UTC))
