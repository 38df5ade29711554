"""A proxy between a gateway and any department with an API, which can do wrong what departments and networks do wrong.

It stands on loopback, forwards byte by byte, and counts. While ``doing`` is in force every message meets that misbehaviour; requests for
a token pass untouched.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from contracts.records import record

_LONGEST_HEAD = 64 * 1024


@record
class Arrival:
    """A request as it came in. ``head`` holds the request line and the headers."""

    method: str
    target: str
    head: bytes
    body: bytes


@dataclass(slots=True)
class Call:
    """A request at the proxy, and the two ends of its way."""

    arrival: Arrival
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    proxy: "HttpProxy"

    async def forwarded(self) -> "HttpReply":
        """Hand the request to the department; its whole answer."""
        return await self.proxy.forward(self.arrival)

    async def say(self, content: bytes) -> None:
        """Bytes to the gateway."""
        self.writer.write(content)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def wait_for_the_end(self) -> None:
        """Until the gateway hangs up."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()

    def reset(self) -> None:
        """Cut the connection so that the other side sees a reset and not an end."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def hang_up(self) -> None:
        """End the connection in an orderly way."""
        self.writer.close()


Act: TypeAlias = Callable[[Call], Awaitable[None]]
"""What is done with a call instead of forwarding it and handing back the answer."""


@record
class HttpReply:
    """An answer in its parts. ``headers`` without Content-Length, Connection and Transfer-Encoding."""

    status: str
    headers: tuple[str, ...]
    body: bytes

    def bytes(self, *, body: bytes | None = None) -> bytes:
        """As it travels."""
        content = self.body if body is None else body
        lines = [f"HTTP/1.1 {self.status}", *self.headers, f"Content-Length: {len(content)}"]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


@dataclass
class HttpProxy:
    """One proxy. ``url``: where the gateway finds it; ``arrivals``: the requests that reached it; ``first_bytes``: connections on which anything came."""

    upstream: str
    tls: ssl.SSLContext | None = None
    url: str = ""
    arrivals: list[Arrival] = field(default_factory=list)
    _act: Act | None = None
    _at_once: bool = False
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def messages(self) -> list[Arrival]:
        """The arrivals without requests for a token."""
        return [one for one in self.arrivals if not _asks_for_token(one)]

    @contextmanager
    def doing(self, act: Act, *, at_once: bool = False) -> Iterator[None]:
        """Every message meets ``act``; ``at_once``: before anything of it was read."""
        self._act, self._at_once = act, at_once
        try:
            yield
        finally:
            self._act, self._at_once = None, False

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Nobody listens. Kept connections are cut, and the gateway is given a moment to see it: a message sent into one would be lost."""
        await self._close()
        await asyncio.sleep(0.05)
        try:
            yield
        finally:
            await self._listen(int(self.url.rpartition(":")[2].partition("/")[0]))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["HttpProxy"]:
        """Listens on a free port until the block ends."""
        await self._listen(0)
        try:
            yield self
        finally:
            await self._close()

    async def forward(self, arrival: Arrival) -> HttpReply:
        """To the department and back, on a connection of its own. Raises ConnectionError, OSError."""
        parts = urlsplit(self.upstream)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        tls = (self.tls or True) if parts.scheme == "https" else None
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
        try:
            line, _, rest = arrival.head.partition(b"\r\n")
            kept = [
                one for one in rest.split(b"\r\n") if one and one.split(b":")[0].lower() not in {b"host", b"connection"}
            ]
            host = parts.netloc.rpartition("@")[2].encode()
            head = b"\r\n".join([line, b"Host: " + host, *kept, b"Connection: close"])
            writer.write(head + b"\r\n\r\n" + arrival.body)
            await writer.drain()
            return await _reply(reader)
        finally:
            # A TLS connection that is closed waits for the other side's farewell, which may not come for half a minute.
            if tls is None:
                writer.close()
            else:
                writer.transport.abort()

    async def _listen(self, port: int) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, limit=_LONGEST_HEAD, reuse_address=True
        )
        found = self._server.sockets[0].getsockname()[1]
        path = urlsplit(self.upstream).path.rstrip("/")
        self.url = f"http://127.0.0.1:{found}{path}"

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        while self._open:  # noqa: ASYNC110 - the tasks of the server end at the next turns of the loop
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while not writer.is_closing():
                if self._act is not None and self._at_once:
                    await reader.read(1)
                    await self._act(Call(Arrival(method="", target="", head=b"", body=b""), reader, writer, self))
                    return
                arrival = await _arrival(reader)
                if arrival is None:
                    return
                await self._answer(Call(arrival, reader, writer, self))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, call: Call) -> None:
        self.arrivals.append(call.arrival)
        if self._act is not None and not _asks_for_token(call.arrival):
            await self._act(call)
            return
        try:
            await call.say((await call.forwarded()).bytes())
        except (OSError, asyncio.IncompleteReadError):
            # The department itself cut the connection: so does its proxy.
            call.reset()


def _asks_for_token(arrival: Arrival) -> bool:
    return b"grant_type=" in arrival.body


async def _arrival(reader: asyncio.StreamReader) -> Arrival | None:
    """One whole request, None at the end of the connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
        body = await _body(reader, _headers(head))
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    return Arrival(method=method, target=target, head=head, body=body or b"")


async def _reply(reader: asyncio.StreamReader) -> HttpReply:
    """A whole answer. Raises IncompleteReadError."""
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    headers = _headers(head)
    body = await _body(reader, headers)
    if body is None:
        body = await reader.read()
    kept = [f"{name}: {value}" for name, value in headers if name not in _FRAMING]
    status = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
    return HttpReply(status=status, headers=tuple(kept), body=body)


_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive"})


def _headers(head: bytes) -> list[tuple[str, str]]:
    lines = [line.decode("latin-1").partition(":") for line in head.split(b"\r\n")[1:]]
    return [(name.strip().lower(), value.strip()) for name, _, value in lines]


async def _body(reader: asyncio.StreamReader, headers: list[tuple[str, str]]) -> bytes | None:
    """None where neither length nor chunks are stated."""
    named = dict(headers)
    if "chunked" in named.get("transfer-encoding", "").lower():
        found = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            found += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return found
    length = named.get("content-length")
    return await reader.readexactly(int(length)) if length is not None else None
