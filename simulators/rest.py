"""A REST department, built from a system's channel table: what a department's own software would be.

It checks who calls and what the message holds, acts once for a delivery id, and answers at once or later (by callback, or when it
is asked). What it receives, does and answers is in its ledger before anybody hears of it. What its dial can make it do wrong is told
in ``simulators.faults``; a message that is refused or reset stands in no ledger, one that is turned away stands there as one that came.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from pydantic import JsonValue

from adapters.field_map import nested, value_at
from adapters.rest_table import RestTable, RestWire
from contracts.catalogue import Answers, CodeList, Operation, ResultKind
from contracts.site import SystemFile
from contracts.situation import Situation
from simulators.callbacks import Caller
from simulators.contract_answers import ContractAnswers
from simulators.dial import NOTHING, FaultDial, Met
from simulators.doorkeeper import Doorkeeper
from simulators.faults import Fault
from simulators.http_door import HttpDoor
from simulators.http_faults import UNSAID, Conduct, cut, note_of, reset, turned_away, turning
from simulators.ledger import Ledger
from simulators.plausible import SHARES
from simulators.rest_desk import Desk, Habits, Held


class RestDepartment:
    """One simulated system. ``url`` is its address; ``calls`` counts messages, those it refused included."""

    def __init__(
        self,
        system: SystemFile,
        table: RestTable,
        habits: Habits,
        *,
        secret: Callable[[str], str],
        ledger: Ledger | None,
        dial: FaultDial | None,
        hub_url: str | None,
    ) -> None:
        self.door = HttpDoor(self.handle)
        self.calls = 0
        self.doorkeeper = Doorkeeper(table, secret)
        self.caller: Caller | None = None
        if table.later_replies == "callback":
            name = (table.callback.secret if table.callback else None) or table.auth.secrets[0]
            self.caller = Caller(system.key, table, secret(name), hub_url)
        self._system = system
        self._table = table
        self._habits = habits
        self._conduct = Conduct(dial, habits.slow_seconds)
        self._desk = Desk(system, table.reference.echo, habits, ledger, self._conduct.keeps_place)
        # A gateway of its own may add to the message what no table says, such as a seal.
        self._takes_more = any(channel.rest is not None and channel.gateway for channel in system.channels)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._messages = _routes(system, table)
        self._templates = [
            (method, re.compile(re.sub(r"\\{[^/]*?\\}", "[^/]+", re.escape(path))), found)
            for (method, path), found in self._messages.items()
            if "{" in path
        ]
        self._enquiries = table.base_path + table.enquire_path.split("{")[0] if table.enquire_path else None
        self._list = table.base_path + table.poll.path if table.poll and table.poll.path else None

    @property
    def url(self) -> str:
        """Its address."""
        return self.door.url

    def forget(self) -> None:
        """Hold nothing of what was: as a department whose database was set up anew."""
        self._desk.forget()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        found = self._messages.get((request.method, request.path)) or self._below(request)
        met = NOTHING
        if found is not None:
            self.calls += 1
            met = self._conduct.meet(found[0], calls_back=self.caller is not None)
            if met.fault is Fault.REFUSE:
                return cut(request)
            if met.fault is Fault.RESET:
                return reset(request)
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.path == self._table.auth.token_path:
            token = self.doorkeeper.token(headers, body)
            return _json(dict(token)) if token else _json({"error": "invalid_client"}, 401)
        if not self.doorkeeper.admits(request.method, request.path_qs, headers, body):
            return _json({"error": "unauthorised"}, 401)
        if found is not None:
            return await self._receive(request, *found, body, met)
        return await self._asked(request)

    def _below(self, request: web.BaseRequest) -> tuple[Operation, RestWire] | None:
        """An operation whose path has places for values."""
        for method, path, found in self._templates:
            if method == request.method and path.fullmatch(request.path):
                return found
        return None

    async def _asked(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET" and self._enquiries and request.path.startswith(self._enquiries):
            return await self._enquired(request.path.removeprefix(self._enquiries))
        if request.method == "GET" and self._table.poll and request.path == self._list:
            return await self._listed(request.query.get(self._table.poll.cursor, "0"), request.query["limit"])
        return _json({"error": "no such path"}, 404)

    async def _receive(
        self, request: web.BaseRequest, operation: Operation, wire: RestWire, body: bytes, met: Met
    ) -> web.StreamResponse:
        message = _object(body)
        delivery_id = self._reference(request, message)
        if message is None or not delivery_id:
            return _json({"error": "not readable"}, 400)
        digest = hashlib.sha256(body).hexdigest()
        if turned := turning(met):
            await self._desk.arrived(operation, delivery_id, digest, turned.note)
            return turned_away(turned, met, orjson.dumps({"error": turned.note}), "application/json")
        await self._conduct.wait(operation, met)
        if mistake := _mistake(operation, wire, message, self._table, takes_more=self._takes_more):
            await self._desk.arrived(operation, delivery_id, digest, mistake)
            return _json(self._rejection(operation, delivery_id), 422)
        late = self._conduct.late_seconds(met)
        polled = operation.answers is Answers.LATER and self.caller is None
        alone = self._conduct.alone_seconds(met) if polled else None
        held = await self._desk.act(operation, wire.reply, delivery_id, digest, late_seconds=late, alone_seconds=alone)
        if held.digest != digest:
            return _json(self._rejection(operation, delivery_id), 409)
        if operation.answers is Answers.LATER:
            return await self._accept(request, held, met)
        return await self._settle(request, held, met)

    async def _settle(self, request: web.BaseRequest, held: Held, met: Met) -> web.StreamResponse:
        if met.fault is Fault.ERROR_AFTER_EFFECT_500:
            return _json({"error": "something failed"}, 500)
        body, met = await self._conduct.exchanged(held.answer, held.operation, met)
        if met.fault not in UNSAID:
            await self._desk.replied(held, note_of(met))
        contract = self._habits.contract
        status = contract.statuses.get(held.operation.key, 200) if contract else 200
        return await self._conduct.spoilt(request, _answer(body, status), met)

    def _reference(self, request: web.BaseRequest, message: Mapping[str, JsonValue] | None) -> str:
        reference = self._table.reference
        if reference.place == "connection":
            # Without a reference every message is a new one.
            return hashlib.sha256(f"{self._system.key}/{self.calls}".encode()).hexdigest()
        if reference.place == "header":
            return request.headers.get(reference.name, "")
        told = str((message or {}).get(reference.name, ""))
        return told if told or self._habits.contract is None else hashlib.sha256(str(self.calls).encode()).hexdigest()

    def _rejection(self, operation: Operation, delivery_id: str) -> dict[str, JsonValue]:
        codes = operation.result_codes[Situation.API].items()
        code = next((code for code, found in codes if found.outcome is ResultKind.PERMANENT), None)
        return nested({self._table.reference.echo: delivery_id, **({self._system.result_field: code} if code else {})})

    async def _accept(self, request: web.BaseRequest, held: Held, met: Met) -> web.StreamResponse:
        answer = _json(nested({self._table.reference.echo: held.delivery_id, "status": "accepted"}), 202)
        if self.caller is not None:
            if met.fault is not Fault.LOST_REPLY:
                self._start(self._call_back(self.caller, held, met))
            if met.fault in _OF_THE_CALLBACK:
                return answer
        if met.fault is Fault.ERROR_AFTER_EFFECT_500:
            return _json({"error": "something failed"}, 500)
        return await self._conduct.spoilt(request, answer, met)

    async def _call_back(self, caller: Caller, held: Held, met: Met) -> None:
        late = self._conduct.late_seconds(met)
        await asyncio.sleep(self._habits.later(late) - asyncio.get_running_loop().time())
        async with self._conduct.in_turn(held.operation, met):
            if held.replied or (self._session is None and caller.post is None):
                return
            await self._desk.replied(held)
            for _ in range(2 if met.fault is Fault.DUPLICATE_REPLY else 1):
                await caller.call(self._session, held.answer)

    async def _enquired(self, delivery_id: str) -> web.StreamResponse:
        held = self._desk.held(delivery_id)
        if held is None:
            return _json(nested({self._table.reference.echo: delivery_id, "status": "not_received"}), 404)
        if not self._desk.is_ready(held):
            return _json(nested({self._table.reference.echo: delivery_id, "status": "accepted"}))
        told = self._desk.told(held, by_name=False)
        await self._desk.replied(told)
        return _answer(told.answer)

    async def _listed(self, cursor: str, limit: str) -> web.StreamResponse:
        first = int(cursor)
        page = self._desk.page(first, int(limit))
        for held in page:
            await self._desk.replied(held)
        return _json({"results": [orjson.loads(held.answer) for held in page], "next": str(first + len(page))})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator["RestDepartment"]:
        """Listens until the block ends; callbacks under way are dropped then, as when a department is switched off."""
        timeout = aiohttp.ClientTimeout(total=10)
        async with self.door.listening(host, port), aiohttp.ClientSession(timeout=timeout) as self._session:
            yield self
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


_OF_THE_CALLBACK = frozenset({Fault.LOST_REPLY, Fault.DUPLICATE_REPLY, Fault.SWAPPED_REPLIES, Fault.LATE_REPLY})
"""Faults of the later answer: the message itself is taken as ever."""


def _routes(system: SystemFile, table: RestTable) -> Mapping[tuple[str, str], tuple[Operation, RestWire]]:
    routes: dict[tuple[str, str], tuple[Operation, RestWire]] = {}
    for operation in system.operations:
        if Situation.API in operation.wire:
            wire = RestWire.model_validate(dict(operation.wire[Situation.API]))
            routes[wire.method, table.base_path + wire.path] = (operation, wire)
    return routes


def _object(body: bytes) -> dict[str, JsonValue] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _mistake(
    operation: Operation, wire: RestWire, message: Mapping[str, JsonValue], table: RestTable, *, takes_more: bool
) -> str:
    """What a careful department finds wrong: a field it never asked for, or one that is missing. Blank: nothing."""
    names = {field.name for field in operation.request}
    places = {name: place for place, name in wire.request.items()} or {name: name for name in names}
    if not names >= places.keys():
        # Rows that compute something cannot be turned round.
        return ""
    asked = {place.partition(".")[0] for place in places.values()} | {table.reference.name}
    required = [field.name for field in operation.request if field.required and field.name in places]
    missing = [name for name in required if places[name] not in message and value_at(message, places[name]) is None]
    surplus = [] if takes_more else sorted(set(message) - asked)
    return f"missing {missing[0]}" if missing else f"not asked for: {surplus[0]}" if surplus else ""


def _json(value: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return _answer(orjson.dumps(value), status, headers)


def _answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def rest_desk(
    system: SystemFile,
    habits: Habits,
    *,
    secret: Callable[[str], str],
    ledger: Ledger | None,
    dial: FaultDial | None,
    hub_url: str | None = None,
) -> RestDepartment:
    """The department without a socket: for a city in one process. Raises ValueError when the system has no REST channel."""
    declared = next((channel for channel in system.channels if channel.rest is not None), None)
    if declared is None:
        raise ValueError(f"{system.key} has no REST channel")
    table = RestTable.model_validate(dict(declared.rest or {}))
    return RestDepartment(system, table, habits, secret=secret, ledger=ledger, dial=dial, hub_url=hub_url)


@asynccontextmanager
async def rest_department(
    system: SystemFile,
    *,
    secret: Callable[[str], str],
    host: str = "127.0.0.1",
    port: int = 0,
    ledger: Ledger | None = None,
    dial: FaultDial | None = None,
    hub_url: str | None = None,
    seed: int = 0,
    reply_delay_seconds: float = 0.0,
    slow_seconds: float = 1.0,
    now: Callable[[], datetime] = _utc_now,
    shares: Mapping[ResultKind, float] = SHARES,
    code_lists: Mapping[str, CodeList] | None = None,
    contract: ContractAnswers | None = None,
) -> AsyncIterator[RestDepartment]:
    """The department behind the system's REST channel, serving until the block ends.

    ``secret``: values by name, as the hub has them. ``ledger`` None and ``dial`` None is the plain, fast mode for benchmarks.
    ``hub_url``: scheme, host and port of the hub; may be set later as ``department.caller.hub_url``. ``now``: the civil clock
    that dates the answers. Raises ValueError when the system has no REST channel.
    """
    declared = next((channel for channel in system.channels if channel.rest is not None), None)
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
    department = rest_desk(system, habits, secret=secret, ledger=ledger, dial=dial, hub_url=hub_url)
    async with department.serving(host, port):
        yield department
