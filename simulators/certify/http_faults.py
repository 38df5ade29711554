"""What a department with an API, or the network before it, does wrong: acts of the fault proxy."""

import asyncio
import contextlib
import gzip
import re
from collections.abc import Callable
from functools import cache

from simulators.certify.http_proxy import Act, Call, HttpReply

MOST_BYTES = 16_000_000
"""A gateway that reads so much of an answer has no limit."""

_ID = re.compile(rb"\b[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}\b")
"""A delivery id, with its hyphens or without."""
_OTHER_ID = rb"00000000\g<1>0000\g<1>4000\g<1>8000\g<1>000000000001"


def status(line: str, *headers: str, body: bytes = b"", kind: str = "text/plain") -> Act:
    """Answer with a status, without asking the department."""

    async def act(call: Call) -> None:
        lines = [f"HTTP/1.1 {line}", f"Content-Type: {kind}", *headers, f"Content-Length: {len(body)}"]
        await call.say("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return act


def changed(change: Callable[[HttpReply], HttpReply]) -> Act:
    """Hand the message on, and change the department's answer."""

    async def act(call: Call) -> None:
        await call.say(change(await call.forwarded()).bytes())

    return act


def rewritten(change: Callable[[bytes], bytes], line: str | None = None) -> Act:
    """The same for the body alone, and the status line where one is given."""

    def made(reply: HttpReply) -> HttpReply:
        return HttpReply(status=line or reply.status, headers=reply.headers, body=change(reply.body))

    return changed(made)


async def reset(call: Call) -> None:
    """Cut the connection; the department never hears of the message."""
    call.reset()


async def lose_reply(call: Call) -> None:
    """The department acts, and its answer never comes."""
    await call.forwarded()
    call.reset()


async def stay_silent(call: Call) -> None:
    """The department acts, and says nothing until the gateway hangs up."""
    await call.forwarded()
    await call.wait_for_the_end()


async def drip(call: Call) -> None:
    """A good answer, a byte at a time, for longer than anybody waits."""
    content = (await call.forwarded()).bytes()
    for byte in content[:-1]:
        await call.say(bytes([byte]))
        if call.writer.is_closing() or call.reader.at_eof():
            return
        await asyncio.sleep(0.05)
    await call.wait_for_the_end()


async def cut(call: Call) -> None:
    """Half of an answer that promised its whole length."""
    content = (await call.forwarded()).bytes()
    await call.say(content[:-8])
    call.hang_up()


async def cut_without_length(call: Call) -> None:
    """Half of an answer that promised nothing, so that its end looks like one."""
    reply = await call.forwarded()
    lines = [f"HTTP/1.1 {reply.status}", *reply.headers, "Connection: close"]
    await call.say("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + reply.body[: len(reply.body) // 2])
    call.hang_up()


async def redirect(call: Call) -> None:
    """The message is wanted elsewhere; elsewhere is this proxy, which counts."""
    head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {call.proxy.url}/elsewhere\r\nContent-Length: 0\r\n\r\n"
    await call.say(head.encode())


async def twice(call: Call) -> None:
    """The same answer two times on one connection."""
    content = (await call.forwarded()).bytes()
    await call.say(content + content)


class Flood:
    """An answer without end. ``sent``: bytes until the gateway hung up."""

    def __init__(self) -> None:
        self.sent = 0

    async def act(self, call: Call) -> None:
        """Chunk after chunk."""
        await call.forwarded()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with contextlib.suppress(ConnectionError):
            while self.sent < MOST_BYTES and not call.writer.is_closing():
                call.writer.write(chunk)
                await call.writer.drain()
                self.sent += 65536
        call.reset()


def packed(reply: HttpReply) -> HttpReply:
    """Sixteen kilobytes that unpack to as many megabytes."""
    return HttpReply(status=reply.status, headers=(*reply.headers, "Content-Encoding: gzip"), body=_bomb())


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * MOST_BYTES)


class Swap:
    """Two messages at once get each other's answer."""

    def __init__(self) -> None:
        self._first: asyncio.Future[tuple[Call, bytes]] | None = None

    async def act(self, call: Call) -> None:
        """The first waits for the second."""
        content = (await call.forwarded()).bytes()
        if self._first is None:
            self._first = asyncio.get_running_loop().create_future()
            waiting = self._first
            with contextlib.suppress(TimeoutError):
                other, theirs = await asyncio.wait_for(waiting, 10)
                await call.say(theirs)
                await other.say(content)
                return
            await call.say(content)
        elif not self._first.done():
            self._first.set_result((call, content))
        else:
            await call.say(content)


class FirstHang:
    """The first messages wait; those after them are answered. ``arrived``: all of the first are there."""

    def __init__(self, many: int) -> None:
        self._left = many
        self.arrived = asyncio.Event()

    async def act(self, call: Call) -> None:
        """Hold the first ones until the gateway hangs up."""
        self._left -= 1
        if self._left == 0:
            self.arrived.set()
        if self._left >= 0:
            await call.wait_for_the_end()
            return
        await call.say((await call.forwarded()).bytes())


def with_other_id(reply: HttpReply) -> HttpReply:
    """As if it answered another delivery."""
    headers = tuple(_ID.sub(_OTHER_ID, one.encode("latin-1")).decode("latin-1") for one in reply.headers)
    return HttpReply(status=reply.status, headers=headers, body=_ID.sub(_OTHER_ID, reply.body))


def without_id(reply: HttpReply) -> HttpReply:
    """It does not say whose answer it is."""
    headers = tuple(one for one in reply.headers if not _ID.search(one.encode("latin-1")))
    return HttpReply(status=reply.status, headers=headers, body=_ID.sub(b"", reply.body))


def with_bad_bytes(body: bytes) -> bytes:
    """Bytes in the middle that no encoding knows."""
    middle = len(body) // 2
    return body[:middle] + b"\xff\xff\xfe" + body[middle:]


def soap_fault(code: str, line: str = "500 Internal Server Error") -> Act:
    """A fault in the SOAP version of the message; ``code``: Client or Server."""

    async def act(call: Call) -> None:
        version = "1.2" if b"http://www.w3.org/2003/05/soap-envelope" in call.arrival.body else "1.1"
        await status(line, body=_fault(version, code), kind=_XML[version])(call)

    return act


_XML = {"1.1": "text/xml", "1.2": "application/soap+xml"}


def _fault(version: str, code: str) -> bytes:
    if version == "1.1":
        space = "http://schemas.xmlsoap.org/soap/envelope/"
        inner = f"<faultcode>s:{code}</faultcode><faultstring>sample fault</faultstring>"
    else:
        space = "http://www.w3.org/2003/05/soap-envelope"
        value = {"Client": "Sender", "Server": "Receiver"}[code]
        reason = '<s:Reason><s:Text xml:lang="en">sample fault</s:Text></s:Reason>'
        inner = f"<s:Code><s:Value>s:{value}</s:Value></s:Code>{reason}"
    return f'<s:Envelope xmlns:s="{space}"><s:Body><s:Fault>{inner}</s:Fault></s:Body></s:Envelope>'.encode()


def with_entities(body: bytes) -> bytes:
    """Entities that would grow to gigabytes, before the answer."""
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    content = body.partition(b"?>")[2] if body.startswith(b"<?xml") else body
    return f'<!DOCTYPE bomb [<!ENTITY a0 "sample">{levels}]>'.encode() + content


def in_other_version(body: bytes) -> bytes:
    """The envelope of the other SOAP."""
    old, new = b"http://schemas.xmlsoap.org/soap/envelope/", b"http://www.w3.org/2003/05/soap-envelope"
    return body.replace(old, new) if old in body else body.replace(new, old)
