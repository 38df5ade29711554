"""Runs the rows of the table whose departments speak HTTP: a real hub with a system for each row, each misbehaving at its own server,
and beside them a system that behaves."""

import asyncio
import contextlib
import re
import secrets
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from adapters import rest, soap
from adapters.signature import signed_headers
from contracts.plugin import Channel, Department, System
from contracts.records import record
from contracts.site import SystemFile
from hub.app import Hub, open_hub
from hub.store.connection import Row
from hub.systems import Registered
from hub.web.server import serving
from tests import rest_world, scripted, soap_world
from tests.misbehaviours import Case, Ends, answer_of, filled
from tests.small_city import SERVE, item, step

AT_ONCE = 12
"""Rows in hand at once: a machine under load must not turn a good answer into a timeout."""

PATIENCE_SECONDS = 60.0
SECRETS = {**rest_world.SECRETS, **soap_world.SECRETS}


@record
class Seen:
    """How a row ended. ``journalled`` attempts, ``arrivals`` at the department, ``stuck``: why it would rest for ever, if it would.
    ``called``: what the hub answered to the department's own calls."""

    state: str
    attempts: Sequence[Row]
    arrivals: int
    stuck: str | None
    called: Sequence[int]


@dataclass
class Misbehaving:
    """A department that does what its row says."""

    case: Case
    hub_port: int = 0
    arrivals: int = 0
    enquiries: int = 0
    called: list[int] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def protocol(self) -> str:
        """rest or soap."""
        return self.case.protocol

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            if self._step(message=True).get("act") == "reset at once":
                _reset(writer)
                return
            while (request := await _request(reader, self._step(message=True))) is not None:
                asks = self._asks(request)
                now = self._step(message=not asks)
                self.enquiries += asks
                self.arrivals += not asks
                if not await self._answer(now, request, reader, writer):
                    return
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _asks(self, request: bytes) -> bool:
        """An enquiry carries no message."""
        return b"/deliveries/" in request.split(b"\r\n", 1)[0] or b"QueryResult" in request

    def _step(self, *, message: bool) -> Mapping[str, Any]:
        """What to do with the next message, or the next enquiry."""
        steps = [one for one in self.case.inject if bool(one.get("enquiry")) is not message]
        number = self.arrivals if message else self.enquiries
        return steps[min(number, len(steps) - 1)] if steps else {"body": "@good@"}

    async def _answer(
        self, now: Mapping[str, Any], request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection goes on."""
        delivery = _delivery_of(request)
        for call in now.get("calls", []):
            await self._call(call, delivery)
        whole = (
            answer_of(now, self.protocol, delivery)
            if now.keys() - {"act", "reads", "calls", "calls_after", "enquiry"}
            else b""
        )
        match now.get("act", "answer"):
            case "reset":
                writer.write(whole)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                _reset(writer)
                return False
            case "close":
                writer.write(whole)
                await writer.drain()
                return False
            case "silence":
                writer.write(whole)
                await reader.read()
                return False
            case "drip":
                for byte in whole:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
            case "answer" | "speaks no TLS":
                writer.write(whole or answer_of({"body": "@good@"}, self.protocol, delivery))
                await writer.drain()
            case other:
                raise AssertionError(other)
        for call in now.get("calls_after", []):
            self.tasks.append(asyncio.create_task(self._call(call, delivery)))
        return now.get("then") != "close"

    async def _call(self, call: Mapping[str, Any], delivery: str) -> None:
        """A call of the department's own to the hub: ``body``, signed with ``key`` ``age`` seconds ago, ``times`` over; the same bytes
        where it is ``replayed``."""
        await asyncio.sleep(call.get("wait", 0))
        path = f"/v1/callbacks/{system_key(self.case)}"
        body = filled(call["body"], "rest", delivery).encode()
        nonce = secrets.token_hex(16)
        for _ in range(call.get("times", 1)):
            nonce = nonce if call.get("replayed") else secrets.token_hex(16)
            key = SECRETS["key"] if call.get("key", "right") == "right" else "somebody else's key"
            at = time.time() - call.get("age", 0)
            headers = signed_headers(key.encode(), "hmac-sha256", "POST", path, body, at=at, nonce=nonce)
            for name in call.get("without", []):
                del headers[name]
            async with (
                aiohttp.ClientSession() as http,
                http.post(
                    f"http://127.0.0.1:{self.hub_port}{path}",
                    data=body + call.get("tail", "").encode(),
                    headers=headers,
                ) as answer,
            ):
                self.called.append(answer.status)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset and not an end."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _request(reader: asyncio.StreamReader, now: Mapping[str, Any]) -> bytes | None:
    """A whole request; only as many bytes of it as the step takes before it does what it does."""
    if "reads" in now:
        return await reader.read(now["reads"]) or None
    return await rest_world.read_request(reader)


def _delivery_of(request: bytes) -> str:
    """The id that a request names; none where the connection is the reference, or only a part was read."""
    found = re.search(rb"(?i)x-delivery-id: *([0-9a-f-]{36})|LSH>([0-9a-f-]{36})<|/deliveries/([0-9a-f-]{36})", request)
    return next((part.decode() for part in found.groups() if part), "") if found else ""


def system_key(case: Case) -> str:
    """The system of a row."""
    return f"XX-{case.id}"


def _system(case: Case) -> SystemFile:
    """The usual system of the tests, with what the row says of its channel and its operation. A deadline is short where the row says so."""
    patient: dict[str, Any] = {"timeouts": {"connect_seconds": 10, "total_seconds": 20}}
    if case.protocol == "rest":
        answers = "later" if case.table.get("later_replies", "none") != "none" else "at_once"
        operation = rest_world.operation("now", answers, **case.operation)
        made = rest_world.system([operation], resend_is_safe=case.resend_is_safe, **{**patient, **case.table})
    else:
        patient["faults"] = {"Server.Busy": "temporary"}
        later = case.table.get("later_replies") == "poll"
        operation = soap_world.operation(answers="later" if later else "at_once", **case.operation)
        more = {"later": True} if later else {}
        made = soap_world.system([operation], resend_is_safe=case.resend_is_safe, **more, **{**patient, **case.table})
    # Whoever answers later is late after an hour: what waits for an answer must not wait for ever.
    channel = replace(made.channels[0], limits=replace(made.channels[0].limits, reply_within_hours=1.0))
    return replace(made, key=system_key(case), channels=(channel,))


def _channel(case: Case, made: SystemFile, folder: Path) -> Channel:
    if case.protocol == "rest":
        return rest.make(made, made.channels[0])
    own = folder / case.id
    soap_world.vendored(replace(made, key="XX-test"), own)
    return soap.make(made, made.channels[0], folder=own)


def _registered(cases: Sequence[Case], folder: Path) -> Registered:
    systems, items = [], []
    for number, case in enumerate(cases):
        made = _system(case)
        items.append(item(code_of(number), "s2", step("s2", ("s1",), made.key, "now"), SERVE))
        systems.append(
            System(
                name=made.key,
                department="XX",
                name_zh=made.name_zh,
                name_en=made.name_en,
                operations={one.key: one for one in made.operations},
                channels=(_channel(case, made, folder),),
            )
        )
    department = Department(code="XX", name_zh="样例", name_en="Sample", systems=systems, items=items)
    return Registered(departments=(department,), broken={})


def code_of(number: int) -> str:
    """The item whose only department step goes to the system of that row."""
    return f"XX{number:04d}"


@asynccontextmanager
async def _department(case: Case, known: dict[str, Misbehaving]) -> AsyncIterator[str]:
    """Its address."""
    running = known[case.id] = Misbehaving(case)
    first = case.inject[0].get("act")
    if first == "nobody listens":
        with socket.socket() as port:
            port.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{port.getsockname()[1]}"
        yield address
        return
    if first == "no such host":
        yield "http://nowhere.invalid"
        return
    if first == "never accepts":
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
            for _ in range(3):
                one = waiting.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            yield f"http://127.0.0.1:{full.getsockname()[1]}"
        return
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    scheme = "https" if first == "speaks no TLS" else "http"
    yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for task in running.tasks:
        task.cancel()


NEIGHBOUR = Case(
    id="neighbour",
    protocol="rest",
    rows=(),
    does="behaves",
    inject=({"body": "@good@"},),
    ends=Ends(state="done", attempt="completed"),
    table={},
    operation={},
    resend_is_safe=False,
)


async def play(
    cases: Sequence[Case], folder: Path, elsewhere: Callable[[Case], str] | None = None
) -> Mapping[str, Seen]:
    """How each row ended, by id. For every delivery to a row one goes to the neighbour; how all of those ended is under its id.

    ``elsewhere``: the address of a row's department, where somebody else plays it.
    """
    every = [*cases, NEIGHBOUR]
    for name, value in SECRETS.items():
        scripted.write_secret(folder, name, value)
    async with AsyncExitStack() as stack:
        known: dict[str, Misbehaving] = {}
        addresses = {case.id: await stack.enter_async_context(_department(case, known)) for case in every}
        if elsewhere is not None:
            addresses |= {case.id: elsewhere(case) for case in cases}
        places = {system_key(case): {"api": {"url": addresses[case.id]}} for case in every}
        settings = scripted.settings(folder, systems=places, port=0, max_waiting=10_000)
        hub = await stack.enter_async_context(open_hub(settings, registered=_registered(every, folder)))
        port = await stack.enter_async_context(serving(hub))
        for department in known.values():
            department.hub_port = port
        gate = asyncio.Semaphore(AT_ONCE)
        neighbours: list[str] = []

        async def one(number: int, case: Case) -> tuple[str, Seen]:
            async with gate:
                neighbours.append(await scripted.submit(hub, code_of(len(cases))))
                mine = await scripted.submit(hub, code_of(number))
                return case.id, await _ended(hub, known[case.id], mine)

        found = dict(await asyncio.gather(*(one(number, case) for number, case in enumerate(cases))))
        beside = [await _ended(hub, known[NEIGHBOUR.id], case_no) for case_no in neighbours]
        wrong = [seen for seen in beside if (seen.state, len(seen.attempts)) != ("done", 1)]
        arrivals = known[NEIGHBOUR.id].arrivals - (len(neighbours) - 1)
        found[NEIGHBOUR.id] = replace(wrong[0] if wrong else beside[0], arrivals=arrivals)
        return found


async def _ended(hub: Hub, department: Misbehaving, case_no: str) -> Seen:
    """Wait for the declared end, then look whether it lasts; whatever is there when patience ends."""
    ends = department.case.ends

    async def there() -> bool:
        (row,) = await scripted.rows(hub, "SELECT state, attempts FROM delivery WHERE case_no = :case", case=case_no)
        calls_made = all(task.done() for task in department.tasks)
        return row["state"] == ends.state and row["attempts"] >= ends.attempts and calls_made

    with contextlib.suppress(TimeoutError):
        await scripted.until(there, PATIENCE_SECONDS)
    await asyncio.sleep(0.2)
    (row,) = await scripted.rows(hub, "SELECT * FROM delivery WHERE case_no = :case", case=case_no)
    attempts = await scripted.rows(
        hub, "SELECT state, error_code FROM attempt WHERE case_no = :case ORDER BY number", case=case_no
    )
    stuck = await _stuck(hub, row, case_no)
    return Seen(
        state=row["state"], attempts=attempts, arrivals=department.arrivals, stuck=stuck, called=[*department.called]
    )


async def _stuck(hub: Hub, row: Row, case_no: str) -> str | None:
    """Why nobody and nothing would ever go on with a delivery; None where somebody or something will."""
    tasks = await scripted.rows(
        hub,
        "SELECT kind FROM task WHERE case_no = :case AND delivery = :id AND state = 'ready'",
        case=case_no,
        id=row["id"],
    )
    soon = hub.now_ms() + 2 * 3_600_000
    goes_on = {
        "done": True,
        "returned": True,
        "waiting": row["lapsed_at"] is not None,
        "unknown": row["lapsed_at"] is not None or bool(tasks),
        "dead": bool(tasks),
        "held": hub.lanes[row["system"]].held is not None,
        "due": row["next_at"] < soon,
    }
    return None if goes_on.get(row["state"], False) else f"{row['state']} with nobody to go on"
