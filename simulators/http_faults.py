"""What a department with an API does to a message, or to its own answer, where its dial says so."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from contracts.catalogue import Operation
from contracts.records import record
from simulators.dial import NOTHING, FaultDial, Met
from simulators.faults import Fault, place_of

LOGIN_PAGE: Final = """<!DOCTYPE html>
<html lang="zh"><head><meta charset="utf-8"><title>统一身份认证</title></head>
<body><h1>统一身份认证</h1><form method="post"><input name="user"><input name="password" type="password"><button>登录</button></form></body>
</html>
"""


@record
class Turned:
    """How a message is turned away: status, note in the ledger."""

    status: int
    note: str
    retry_after: bool = False


TURNED_AWAY: Final[Mapping[Fault, Turned]] = {
    Fault.ERROR_500: Turned(status=500, note="500"),
    Fault.BAD_GATEWAY_502: Turned(status=502, note="502"),
    Fault.UNAVAILABLE_503: Turned(status=503, note="503", retry_after=True),
    Fault.TOO_MANY_429: Turned(status=429, note="429", retry_after=True),
    Fault.UNAUTHORISED_401: Turned(status=401, note="401"),
    Fault.FORBIDDEN_403: Turned(status=403, note="403"),
    Fault.HTML_PAGE: Turned(status=200, note="html page"),
    Fault.FAULT_IN_200: Turned(status=200, note="fault in 200"),
}
"""Faults after which nothing has been done, although the message stands in the ledger as one that came."""

REPLY_NOTE: Final[Mapping[Fault, str]] = {
    Fault.LOST_REPLY: "lost",
    Fault.RESET_MID_BODY: "reset",
    Fault.EMPTY_ANSWER: "empty",
    Fault.TRUNCATED_ANSWER: "truncated",
    Fault.SWAPPED_REPLIES: "swapped",
}
"""What the ledger adds to a reply that did not arrive as it was meant."""

UNSAID: Final = frozenset({Fault.ERROR_AFTER_EFFECT_500, Fault.GATEWAY_TIMEOUT_504})
"""Faults after which the department has acted and has not answered: an enquiry is the first to hear of it."""


def turning(met: Met) -> Turned | None:
    """How the message is turned away, if it is."""
    return None if met.fault is None else TURNED_AWAY.get(met.fault)


def note_of(met: Met) -> str:
    """For the reply in the ledger."""
    return "" if met.fault is None else REPLY_NOTE.get(met.fault, "")


def turned_away(turned: Turned, met: Met, body: bytes, content_type: str) -> web.Response:
    """The answer to a message that is turned away. ``body``: how this department writes an error; what stands in front of it has its own words."""
    if met.fault is Fault.HTML_PAGE:
        return web.Response(text=LOGIN_PAGE, content_type="text/html")
    headers: dict[str, str] = {}
    if turned.retry_after:
        headers["Retry-After"] = str(round(met.seconds or 1))
    if turned.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if turned.status in (200, 500):
        return web.Response(status=turned.status, body=body, headers={**headers, "Content-Type": content_type})
    return web.Response(status=turned.status, text=turned.note, headers=headers)


async def _spoilt(request: web.BaseRequest, answer: web.Response, met: Met, slow_seconds: float) -> web.StreamResponse:
    body = bytes(answer.body) if isinstance(answer.body, bytes | bytearray) else b""
    kind = answer.headers.get("Content-Type", "application/octet-stream")
    if met.fault is Fault.SLOW_LORIS:
        pause = slow_seconds / 10 if met.seconds is None else met.seconds
        return await _dripped(request, answer.status, body, kind, pause)
    if met.fault is Fault.RESET_MID_BODY:
        return await _reset_half_way(request, answer.status, body, kind)
    match met.fault:
        case Fault.LOST_REPLY:
            return cut(request)
        case Fault.EMPTY_ANSWER:
            answer = web.Response(status=200, headers={"Content-Type": kind})
        case Fault.TRUNCATED_ANSWER:
            answer = web.Response(status=answer.status, body=body[: len(body) // 2], headers={"Content-Type": kind})
        case Fault.GATEWAY_TIMEOUT_504:
            answer = web.Response(status=504, text="gateway timeout")
    return answer


def cut(request: web.BaseRequest) -> web.Response:
    """End the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def reset(request: web.BaseRequest) -> web.Response:
    """The same, and whoever reads is told of a reset (RST) instead of an end."""
    found = request.transport.get_extra_info("socket") if request.transport is not None else None
    if found is not None:
        # Lingering for no time is what makes a close a reset.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return cut(request)


async def _begun(request: web.BaseRequest, status: int, body: bytes, kind: str) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Type": kind})
    response.content_length = len(body)
    await response.prepare(request)
    return response


async def _dripped(
    request: web.BaseRequest, status: int, body: bytes, kind: str, pause_seconds: float
) -> web.StreamResponse:
    response = await _begun(request, status, body, kind)
    try:
        for byte in body:
            await response.write(bytes([byte]))
            await asyncio.sleep(pause_seconds)
    except ConnectionError:
        return cut(request)  # whoever asked has gone
    return response


async def _reset_half_way(request: web.BaseRequest, status: int, body: bytes, kind: str) -> web.StreamResponse:
    response = await _begun(request, status, body, kind)
    await response.write(body[: len(body) // 2])
    # A reset overtakes what still lies in buffers: give the first half a moment to leave.
    await asyncio.sleep(0.05)
    reset(request)
    return response


class Crossing:
    """Where two answers are exchanged. For one event loop."""

    def __init__(self) -> None:
        self._waiting: tuple[bytes, asyncio.Future[bytes]] | None = None
        self._held_back: asyncio.Event | None = None

    async def exchanged(self, answer: bytes, seconds: float) -> bytes | None:
        """Somebody else's answer for this one; None when nobody came within the time."""
        if self._waiting is not None:
            (other, future), self._waiting = self._waiting, None
            future.set_result(answer)
            return other
        future = asyncio.get_running_loop().create_future()
        mine = self._waiting = (answer, future)
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return None
        finally:
            if self._waiting is mine:
                self._waiting = None

    async def overtaken(self, seconds: float) -> bool:
        """Wait until somebody who comes later has gone first; False: nobody came. For the later one see ``overtake``."""
        event = self._held_back = asyncio.Event()
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            if self._held_back is event:
                self._held_back = None
        return True

    def overtake(self) -> asyncio.Event | None:
        """To be set when this one has gone: another one waits for that. None: nobody waits."""
        event, self._held_back = self._held_back, None
        return event


class Conduct:
    """How a department with an API conducts itself towards each message, as its dial says; no dial: well. For one event loop."""

    def __init__(self, dial: FaultDial | None, slow_seconds: float) -> None:
        """``slow_seconds``: what takes its time takes so long where a rule does not say."""
        self._dial = dial
        self._slow_seconds = slow_seconds
        self._crossing = Crossing()

    def meet(self, operation: Operation, *, calls_back: bool = False) -> Met:
        """What the next message of the operation meets."""
        if self._dial is None:
            return NOTHING
        return self._dial.meet(place_of(operation, calls_back=calls_back), (operation.key,))

    def late_seconds(self, met: Met) -> float:
        """By how much a later answer comes late."""
        return self._seconds(met) if met.fault is Fault.LATE_REPLY else 0.0

    def alone_seconds(self, met: Met) -> float | None:
        """How long a result that is asked for later waits for another one, to change places with it; None: it keeps its place."""
        return self._seconds(met) if met.fault is Fault.SWAPPED_REPLIES else None

    async def wait(self, operation: Operation, met: Met) -> None:
        """As long as the operation takes, before anything is done."""
        seconds = self._dial.latency((operation.key,)) if self._dial is not None else 0.0
        if met.fault is Fault.DELAY:
            seconds += self._seconds(met)
        if seconds:
            await asyncio.sleep(seconds)

    async def exchanged(self, body: bytes, operation: Operation, met: Met) -> tuple[bytes, Met]:
        """The answer that leaves on this connection, and what remains to go wrong with it."""
        if met.fault is not Fault.SWAPPED_REPLIES:
            return body, met
        other = await self._crossing.exchanged(body, self._seconds(met))
        if other is not None:
            return other, met
        self.keeps_place(operation)
        return body, NOTHING

    @asynccontextmanager
    async def in_turn(self, operation: Operation, met: Met) -> AsyncIterator[None]:
        """A later answer is made inside; one that changes places waits for another to go first."""
        gone: asyncio.Event | None = None
        if met.fault is Fault.SWAPPED_REPLIES:
            gone = self._crossing.overtake()
            if gone is None and not await self._crossing.overtaken(self._seconds(met)):
                self.keeps_place(operation)
        try:
            yield
        finally:
            if gone is not None:
                gone.set()

    async def spoilt(self, request: web.BaseRequest, answer: web.Response, met: Met) -> web.StreamResponse:
        """The answer as it leaves."""
        return await _spoilt(request, answer, met, self._slow_seconds)

    def _seconds(self, met: Met) -> float:
        return self._slow_seconds if met.seconds is None else met.seconds

    def keeps_place(self, operation: Operation) -> None:
        """An answer that was to be exchanged is not, since no other came."""
        if self._dial is not None:
            self._dial.take_back(Fault.SWAPPED_REPLIES, operation.key)
