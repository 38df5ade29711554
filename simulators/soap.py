"""A SOAP department, built from a system's channel table and the same WSDL: what a department's own software would be.

It checks who calls and what the message holds, acts once for a delivery id where that is declared, and answers at once or when it is
asked. What it receives, does and answers is in its ledger before anybody hears of it. What its dial can make it do wrong is told in
``simulators.faults``. Which operation is meant stands in the body, so that a connection is cut, or reset, when that has been read.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import orjson
from aiohttp import web
from lxml import etree
from pydantic import JsonValue

from adapters.contract_dialect import snake
from adapters.field_map import nested, value_at
from adapters.soap_argument import xml_result
from adapters.soap_port import Port
from adapters.soap_table import SoapTable, SoapWire, StringCutByBytes, XmlInString, XmlResult
from adapters.soap_wsdl import Bundle, WsdlError, bundle_of, read_port
from adapters.soap_xml import grown, written
from adapters.text_encodings import CODECS
from contracts.catalogue import Answers, CodeList, Operation, ResultKind
from contracts.errors import OutcomeUnknownError, PermanentError
from contracts.site import SystemFile
from contracts.situation import Situation
from simulators.contract_answers import ContractAnswers, of_elements
from simulators.dial import FaultDial, Met
from simulators.faults import Fault
from simulators.http_door import HttpDoor
from simulators.http_faults import UNSAID, Conduct, cut, note_of, reset, turned_away, turning
from simulators.ledger import Ledger
from simulators.plausible import SHARES
from simulators.rest_desk import Desk, Habits, Held
from simulators.soap_answers import answered
from simulators.soap_door import SoapDoor
from simulators.soap_envelopes import Call, Misunderstood, read_call, write_answer, write_fault

_CONTENT = {"1.1": "text/xml", "1.2": "application/soap+xml"}


class SoapDepartment:
    """One simulated system. ``url`` is its address; ``calls`` counts messages, those it refused included."""

    def __init__(
        self,
        system: SystemFile,
        table: SoapTable,
        port: Port,
        bundle: Bundle,
        habits: Habits,
        *,
        secret: Callable[[str], str],
        ledger: Ledger | None,
        dial: FaultDial | None,
    ) -> None:
        self.door = HttpDoor(self.handle)
        self.calls = 0
        self._system = system
        self._table = table
        self._port = port
        self._bundle = bundle
        self._wsdl = bundle.load(str(bundle.path))
        self._habits = habits
        self._conduct = Conduct(dial, habits.slow_seconds)
        self._door = SoapDoor(table, secret)
        self._desk = Desk(system, table.echo, habits, ledger, self._conduct.keeps_place)
        self._messages: dict[str, tuple[Operation, SoapWire]] = {}
        for operation in system.operations:
            if Situation.API in operation.wire:
                wire = SoapWire.model_validate(dict(operation.wire[Situation.API]))
                self._messages[wire.operation] = (operation, wire)

    @property
    def url(self) -> str:
        """Its address."""
        return self.door.url

    def forget(self) -> None:
        """Hold nothing of what was: as a department whose database was set up anew."""
        self._desk.forget()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        if request.method == "GET":
            return self._published(request.path)
        if request.path != (self._table.base_path or "/"):
            return web.Response(status=404, text="no such service")
        body = await request.read()
        call: Call | None = None
        try:
            call = read_call(body, self._table)
            headers = {name.lower(): value for name, value in request.headers.items()}
            if self._table.soap_version == "1.1" and "soapaction" not in headers:
                raise Misunderstood("Client", "SOAPAction is missing")
            if refusal := self._door.admits(call.security, headers):
                raise Misunderstood(refusal, "the security token is refused")
            return await self._called(request, call)
        except Misunderstood as error:
            return self._fault(call, error.code, str(error))
        except (OutcomeUnknownError, PermanentError) as error:
            return self._fault(call, "Client", error.code)

    def _published(self, path: str) -> web.Response:
        """The WSDL, saying where it is served here, and the schemas that it refers to."""
        if path == (self._table.base_path or "/"):
            root = etree.fromstring(self._wsdl, etree.XMLParser(resolve_entities=False, no_network=True))
            for address in root.iter("{*}address"):
                address.set("location", self.url + self._table.base_path)
            return web.Response(
                body=etree.tostring(root, xml_declaration=True, encoding="UTF-8"), content_type="text/xml"
            )
        below = path.removeprefix(self._table.base_path.rpartition("/")[0] + "/")
        try:
            content = self._bundle.load(str(self._bundle.path.parent / below)) if below.endswith(".xsd") else None
        except WsdlError:
            content = None
        return web.Response(body=content, content_type="text/xml") if content else web.Response(status=404)

    async def _called(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        name = self._port.operation_of(call.request)
        if name is None:
            raise Misunderstood("Client", "no such operation")
        fields = self._fields(name, call)
        if name in self._messages:
            return await self._receive(request, call, name, fields)
        if name == self._table.enquire_operation:
            return await self._enquired(call, name, str(fields.get(self._table.reference.name, "")))
        poll = self._table.poll
        if poll is None or name != poll.operation:
            raise Misunderstood("Client", "this operation is not offered")
        return await self._listed(call, name, str(fields.get(poll.since) or "0"), str(fields[poll.limit]))

    def _fields(self, name: str, call: Call) -> Mapping[str, JsonValue]:
        """What the message says, however it is packed."""
        read = self._port.read_request(name, call.request)
        match self._table.argument:
            case XmlInString() as form:
                return xml_result(XmlResult(name=form.argument), read)
            case StringCutByBytes() as form:
                return self._cut(form, str(read.get(form.argument, "")))
            case None:
                return read

    def _cut(self, form: StringCutByBytes, text: str) -> Mapping[str, JsonValue]:
        content, found = text.encode(CODECS[form.encoding]), dict[str, JsonValue]()
        if len(content) != sum(segment.bytes for segment in form.segments):
            raise Misunderstood("Client", "the string has another length")
        for segment in form.segments:
            value = content[: segment.bytes].decode(CODECS[form.encoding]).strip()
            content = content[segment.bytes :]
            if segment.source == "secret" and not self._door.knows(value):
                raise Misunderstood("Client.Authentication", "the key is refused")
            if segment.source == "request":
                found[segment.name] = value
            if segment.source == "reference":
                found[self._table.reference.name] = value
        return found

    async def _receive(
        self, request: web.BaseRequest, call: Call, name: str, fields: Mapping[str, JsonValue]
    ) -> web.StreamResponse:
        operation, wire = self._messages[name]
        self.calls += 1
        met = self._conduct.meet(operation)
        if met.fault is Fault.REFUSE:
            return cut(request)
        if met.fault is Fault.RESET:
            return reset(request)
        delivery_id = self._reference(call, fields)
        if turned := turning(met):
            await self._desk.arrived(operation, delivery_id, call.digest, turned.note)
            content, _ = write_fault(self._table, call.message_id, "Server", turned.note)
            return turned_away(turned, met, content, self._content_type)
        await self._conduct.wait(operation, met)
        if mistake := self._mistake(operation, wire, fields):
            await self._desk.arrived(operation, delivery_id, call.digest, mistake)
            return self._answer(call, name, self._rejection(operation, delivery_id))
        late = self._conduct.late_seconds(met)
        alone = self._conduct.alone_seconds(met) if operation.answers is Answers.LATER else None
        held = await self._desk.act(
            operation, wire.reply, delivery_id, call.digest, late_seconds=late, alone_seconds=alone
        )
        if held.digest != call.digest:
            return self._answer(call, name, self._rejection(operation, delivery_id))
        return await self._settle(request, call, name, held, met)

    async def _settle(
        self, request: web.BaseRequest, call: Call, name: str, held: Held, met: Met
    ) -> web.StreamResponse:
        if met.fault is Fault.ERROR_AFTER_EFFECT_500:
            return self._fault(call, "Server", "something failed")
        later = held.operation.answers is Answers.LATER
        answer = self._accepted(call, name, held.delivery_id) if later else self._answer(call, name, self._said(held))
        if met.fault is Fault.SWAPPED_REPLIES and not later:
            body, met = await self._conduct.exchanged(cast(bytes, answer.body), held.operation, met)
            answer = self._response(body, 200)
        if not later and met.fault not in UNSAID:
            await self._desk.replied(held, note_of(met))
        return await self._conduct.spoilt(request, answer, met)

    def _reference(self, call: Call, fields: Mapping[str, JsonValue]) -> str:
        if self._table.reference.place == "connection":
            # The interface has no room for a reference. What the ledger needs it takes from WS-Addressing, else every message is a new one.
            told = call.message_id.removeprefix("urn:uuid:")
            return told or hashlib.sha256(f"{self._system.key}/{self.calls}".encode()).hexdigest()
        delivery_id = str(fields.get(self._table.reference.name) or "")
        if not delivery_id and self._habits.contract is not None:
            return hashlib.sha256(str(self.calls).encode()).hexdigest()
        if not delivery_id:
            raise Misunderstood("Client", "the reference is missing")
        return delivery_id

    def _mistake(self, operation: Operation, wire: SoapWire, fields: Mapping[str, JsonValue]) -> str:
        """What a careful department finds wrong: a field it never asked for, or one that is missing. Blank: nothing."""
        if wire.request:
            return ""
        asked = {field.name for field in operation.request} | {self._table.reference.name}
        missing = [field.name for field in operation.request if field.required and not fields.get(field.name)]
        surplus = sorted(set(fields) - asked)
        return f"missing {missing[0]}" if missing else f"not asked for: {surplus[0]}" if surplus else ""

    def _rejection(self, operation: Operation, delivery_id: str) -> Mapping[str, JsonValue]:
        codes = operation.result_codes[Situation.API].items()
        code = next((code for code, found in codes if found.outcome is ResultKind.PERMANENT), "-9")
        return {self._table.echo: delivery_id, self._system.result_field: code}

    def _accepted(self, call: Call, name: str, delivery_id: str) -> web.Response:
        content = {self._table.echo: delivery_id, self._system.result_field: self._table.answer.accepted}
        return self._answer(call, name, content)

    async def _enquired(self, call: Call, name: str, delivery_id: str) -> web.Response:
        held = self._desk.held(delivery_id)
        if held is None:
            code = self._table.answer.not_received
            return self._answer(call, name, {self._table.echo: delivery_id, self._system.result_field: code})
        if not self._desk.is_ready(held):
            return self._accepted(call, name, delivery_id)
        told = self._desk.told(held, by_name=False)
        await self._desk.replied(told)
        return self._answer(call, name, self._said(told))

    async def _listed(self, call: Call, name: str, cursor: str, limit: str) -> web.Response:
        first, poll = int(cursor), self._table.poll
        page = self._desk.page(first, int(limit))
        for held in page:
            await self._desk.replied(held)
        if poll is None:
            raise Misunderstood("Client", "this operation is not offered")
        rows: list[JsonValue] = [dict(self._said(held)) for held in page]
        return self._answer(call, name, {poll.rows: rows, poll.following: str(first + len(page))})

    def _said(self, held: Held) -> Mapping[str, JsonValue]:
        operation, wire = next(one for one in self._messages.values() if one[0].key == held.operation.key)
        return answered(self._table, operation, wire, orjson.loads(held.answer))

    def _answer(self, call: Call, name: str, fields: Mapping[str, JsonValue]) -> web.Response:
        fields = nested(fields)
        match self._table.argument:
            case XmlInString() as form:
                fields = {form.result: written(grown("RESPONSE", dict(fields)), form.inner_declaration)}
            case StringCutByBytes(result=XmlResult() as result):
                fields = {result.name: written(grown("RESPONSE", dict(fields)), result.inner_declaration)}
        if self._habits.contract is not None:
            # A rejection, and an answer to an enquiry, must hold what the WSDL wants too.
            fields = self._habits.contract.shaped(snake(name), fields, call.digest, keep=True)
            code = value_at(fields, self._system.result_field)
            if code is not None and not self._port.facets(name, self._system.result_field, reply=True).allows(
                str(code)
            ):
                return self._fault(call, "Client", "the WSDL lists no code for this")
        if self._table.argument is None:
            # A department says when, why and about what only where its WSDL has a place for that.
            asides = self._table.answer
            missing = {asides.operation, asides.happened_at, asides.reason_code, asides.wanted, asides.department_ref}
            missing -= self._port.reply_names(name)
            fields = {key: value for key, value in fields.items() if key not in missing}
        try:
            content = write_answer(self._table, call.message_id, lambda body: self._port.reply(name, fields, body))
        except PermanentError:
            # It lacks what the WSDL wants in every answer, a refusal and an enquiry included, or has no place for it there.
            told = (self._table.echo, self._system.result_field)
            whole = of_elements(self._port, name, told)(fields, random.Random(call.digest), True)  # noqa: S311 - no secret
            content = write_answer(self._table, call.message_id, lambda body: self._port.reply(name, whole, body))
        return self._response(content, 200)

    def _fault(self, call: Call | None, code: str, text: str) -> web.Response:
        return self._response(*write_fault(self._table, call.message_id if call else "", code, text))

    def _response(self, content: bytes, status: int) -> web.Response:
        return web.Response(body=content, status=status, headers={"Content-Type": self._content_type})

    @property
    def _content_type(self) -> str:
        return f"{_CONTENT[self._table.soap_version]}; charset={self._table.encoding}"

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator["SoapDepartment"]:
        """Listens until the block ends."""
        async with self.door.listening(host, port):
            yield self


def _utc_now() -> datetime:
    return datetime.now(UTC)


def soap_desk(
    system: SystemFile,
    habits: Habits,
    *,
    folder: Path,
    secret: Callable[[str], str],
    ledger: Ledger | None,
    dial: FaultDial | None,
) -> SoapDepartment:
    """The department without a socket: for a city in one process. Reads the WSDL. Raises ValueError when the system has no SOAP channel."""
    declared = next((channel for channel in system.channels if channel.soap is not None), None)
    if declared is None:
        raise ValueError(f"{system.key} has no SOAP channel")
    table = SoapTable.model_validate(dict(declared.soap or {}))
    bundle = bundle_of(folder, table.wsdl)
    return SoapDepartment(
        system, table, read_port(bundle, table), bundle, habits, secret=secret, ledger=ledger, dial=dial
    )


@asynccontextmanager
async def soap_department(
    system: SystemFile,
    *,
    folder: Path,
    secret: Callable[[str], str],
    host: str = "127.0.0.1",
    port: int = 0,
    ledger: Ledger | None = None,
    dial: FaultDial | None = None,
    seed: int = 0,
    reply_delay_seconds: float = 0.0,
    slow_seconds: float = 1.0,
    now: Callable[[], datetime] = _utc_now,
    shares: Mapping[ResultKind, float] = SHARES,
    code_lists: Mapping[str, CodeList] | None = None,
    contract: ContractAnswers | None = None,
) -> AsyncIterator[SoapDepartment]:
    """The department behind the system's SOAP channel, serving until the block ends.

    ``folder``: the department's, where its WSDL lies. ``secret``: values by name, as the hub has them. ``ledger`` None and ``dial``
    None is the plain, fast mode for benchmarks. ``now``: the civil clock that dates the answers. Raises ValueError when the
    system has no SOAP channel.
    """
    declared = next((channel for channel in system.channels if channel.soap is not None), None)
    habits = Habits(
        seed=seed,
        shares=shares,
        code_lists=code_lists or {},
        reply_delay_seconds=reply_delay_seconds,
        slow_seconds=slow_seconds,
        resend_is_safe=declared is not None and declared.resend_is_safe,
        now=now,
        contract=contract,
    )
    department = await asyncio.to_thread(
        partial(soap_desk, system, habits, folder=folder, secret=secret, ledger=ledger, dial=dial)
    )
    async with department.serving(host, port):
        yield department
