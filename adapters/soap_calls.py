"""The calls of one SOAP channel: written from the WSDL, authorised at the last moment, bounded, and read with an error for
everything that is neither an answer nor a fault."""

import functools
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar
from uuid import UUID

from pydantic import JsonValue

from adapters.rest_calls import retry_after
from adapters.rest_table import Verdict, status_error, verdict_of
from adapters.soap_argument import cut_argument, cut_result, padded_secret, xml_argument, xml_result
from adapters.soap_envelope import Fault, envelope, opened, security_header, with_secret, with_security
from adapters.soap_port import Port
from adapters.soap_signature import Signer
from adapters.soap_table import SoapAuthKind, SoapTable, StringCutByBytes, XmlInString
from adapters.soap_xml import Element
from contracts.errors import DeliveryError, OutcomeUnknownError
from contracts.plugin import Http, HttpAnswer, HttpRequest, Runtime
from contracts.records import Fields, record

_LARGE_BYTES = 65_536
"""From here on reading an answer, or signing a message, takes milliseconds, which would be felt by every other task of the loop."""

P = ParamSpec("P")
T = TypeVar("T")

_SIGNED_SECONDS = 300.0
"""How long a signed message may travel, where the table does not say."""

_CONTENT = {"1.1": "text/xml", "1.2": "application/soap+xml"}
_ENVELOPES_IN = frozenset({200, 202, 400, 500})
"""Statuses whose body is looked at. SOAP 1.1 sends faults with 500, SOAP 1.2 with 400 or 500, and some send them with 200."""


@record
class Answer:
    """The fields of an answer, and the id of the message that WS-Addressing says it answers."""

    fields: Mapping[str, JsonValue]
    relates_to: UUID | None


class SoapCalls:
    """Sends requests to one endpoint. Safe for use by many tasks of one loop."""

    def __init__(
        self,
        table: SoapTable,
        port: Port,
        address: str,
        values: Mapping[str, str],
        runtime: Runtime,
        http: Http,
        signer: Signer | None = None,
    ) -> None:
        """``address``: the place's URL; ``values``: the place's settings; ``signer``: of a channel with x509. Raises CredentialsError
        where a secret is missing."""
        self._table = table
        self._port = port
        self._url = address.rstrip("/") + table.base_path
        self._values = values
        self._runtime = runtime
        self._http = http
        self._signer = signer
        self._secrets()
        self._inserted()

    def _inserted(self) -> str | None:
        """The secret as it stands in the argument, where it does. Raises CredentialsError for one that does not fit."""
        auth, argument = self._table.auth, self._table.argument
        if auth.kind is SoapAuthKind.API_KEY and auth.place == "argument" and isinstance(argument, StringCutByBytes):
            return padded_secret(argument, self._secrets()[0])
        return None

    def _secrets(self) -> list[str]:
        """As they are now: one that is changed needs no restart. Raises CredentialsError."""
        return [self._runtime.secret(name) for name in self._table.auth.secrets]

    def new_id(self) -> UUID:
        """A message id for a question that is no delivery."""
        return UUID(int=self._runtime.random.getrandbits(128), version=4)

    def message(
        self,
        operation: str,
        fields: Fields,
        message_id: UUID,
        *,
        reference: UUID | None = None,
        table: str | None = None,
    ) -> bytes:
        """An envelope without its secrets; ``reference``: the delivery that it is about. Raises PermanentError."""
        values = dict(fields)
        if reference is not None and self._table.reference.place == "element":
            values[self._table.reference.name] = self._table.reference.written(reference)
        match self._table.argument:
            case XmlInString() as form:
                values = xml_argument(form, values)
            case StringCutByBytes() as form:
                told = self._table.reference.written(reference) if reference is not None else ""
                values = cut_argument(form, fields, reference=told, table=table, settings=self._values)
        fill = functools.partial(self._port.request, operation, values)
        return envelope(self._table, self._port.wsa_action(operation), message_id, fill)

    async def call(self, operation: str, message: bytes, headers: Mapping[str, str] | None = None) -> Answer | Fault:
        """Send once and read what came back. Raises DeliveryError when it is neither an answer nor a fault."""
        action = self._port.soap_action(operation)
        sealed = await self._where_it_fits(len(message), self._sealed, message)
        answer = await self._http.send(
            self._request("POST", sealed, {**self._content_headers(action), **(headers or {})})
        )
        if answer.status not in _ENVELOPES_IN or not answer.body:
            raise self._error_of(answer)
        return await self._where_it_fits(len(answer.body), self._read, operation, answer)

    async def _where_it_fits(self, size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """On the loop what is done in no time; in a thread what would be felt by every other task."""
        if size < _LARGE_BYTES:
            return work(*args, **kwargs)
        return await self._runtime.in_thread(work, *args, **kwargs)

    async def knock(self) -> None:
        """Ask for the service's own page: whoever answers it can be reached. Raises DeliveryError."""
        answer = await self._http.send(self._request("GET", b"", {}))
        if answer.status >= 500 or verdict_of(answer.status, {}) is Verdict.CREDENTIALS:
            raise self._error_of(answer)

    def _request(self, method: str, body: bytes, headers: Mapping[str, str]) -> HttpRequest:
        auth = self._table.auth
        in_header = auth.kind is SoapAuthKind.API_KEY and auth.place == "header"
        return HttpRequest(
            method=method,
            url=self._url or "/",
            headers={**headers, **({auth.header: self._secrets()[0]} if in_header else {})},
            body=body,
            connect_seconds=self._table.timeouts.connect_seconds,
            total_seconds=self._table.timeouts.total_seconds,
            max_bytes=self._table.max_answer_bytes,
            own_connection=self._table.reference.place == "connection",
        )

    def _content_headers(self, action: str) -> dict[str, str]:
        kind = f"{_CONTENT[self._table.soap_version]}; charset={self._table.encoding}"
        if self._table.soap_version == "1.2":
            return {"Content-Type": f'{kind}; action="{action}"' if action else kind, "Accept": "application/soap+xml"}
        return {"Content-Type": kind, "SOAPAction": f'"{action}"', "Accept": "text/xml"}

    def _sealed(self, message: bytes) -> bytes:
        """With what proves who we are. Nonce and time are those of this machine: a virtual clock would prove nothing."""
        inserted = self._inserted()
        if inserted is not None:
            return with_secret(message, inserted, self._table.encoding)
        if self._signer is not None:
            lives = timedelta(seconds=self._table.auth.timestamp_seconds or _SIGNED_SECONDS)
            return with_security(
                message, self._signer.security(message, self._table.encoding, datetime.now(UTC), lives)
            )
        if self._table.auth.kind is not SoapAuthKind.USERNAMETOKEN:
            return message
        user, password = self._secrets()
        proof = security_header(self._table.auth, user, password, nonce=secrets.token_bytes(16), at=datetime.now(UTC))
        return with_security(message, proof)

    def _read(self, operation: str, answer: HttpAnswer) -> Answer | Fault:
        try:
            message = opened(answer.body, self._table, answer.headers.get("content-type", ""))
        except OutcomeUnknownError as error:
            # A failure may bring a page for people; then its status says more than the page.
            if answer.status >= 400:
                raise self._error_of(answer) from error
            raise
        if isinstance(message, Fault):
            return message
        if answer.status >= 400:
            raise OutcomeUnknownError(f"http_{answer.status}", "the department failed and answered nevertheless")
        return Answer(fields=self._fields(operation, message.element), relates_to=message.relates_to)

    def _fields(self, operation: str, content: Element) -> Mapping[str, JsonValue]:
        fields = self._port.read_reply(operation, content)
        match self._table.argument:
            case XmlInString() as form:
                return xml_result(form, fields)
            case StringCutByBytes() as form:
                return cut_result(form, fields)
            case None:
                return fields

    def _error_of(self, answer: HttpAnswer) -> DeliveryError:
        if answer.status < 300:
            return OutcomeUnknownError(
                "unreadable_answer" if answer.status in _ENVELOPES_IN else f"http_{answer.status}",
                "this status promises an answer, and there is none that could be trusted",
            )
        return status_error(answer.status, self._table.status, retry_after(answer.headers))
