"""A recording proxy: the hub calls it instead of the department's test endpoint, and notices nothing.

Bytes pass through unchanged both ways, but for a request that came packed by gzip, which goes on unpacked. What is written is what ``bodies`` and ``sifting`` leave of them; the rest of a message exists in
memory while it passes, in no file and in no log.
"""

import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from pydantic import JsonValue

from simulators.recording.bodies import operation_of, sifted
from simulators.recording.sifting import Sieve
from simulators.recording.tape import Answer, Exchange, Message, Tape

_OF_THE_CONNECTION: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "host"}
)
_MAY_STAY: Final = {
    "soapaction": re.compile(r'"?[A-Za-z0-9:/#._-]{0,200}"?'),
    "retry-after": re.compile(r"\d{1,6}"),
    "x-delivery-id": re.compile(r"[0-9a-fA-F-]{32,36}"),
    "accept": re.compile(r"[a-z*/+;,. =0-9-]{1,200}"),
}
_TYPE: Final = re.compile(r"([a-z]+/[a-z0-9.+-]+)(?:.*?charset=\"?([A-Za-z0-9_-]{1,20}))?", re.IGNORECASE)
_VALUE: Final = re.compile(
    r"\d{3}|[^\x00-\x7f]|\*|(?:\d\D+){2}\d|^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
)
"""Three digits on end or in three places, other than ASCII signs, a UUID: no word of a path."""
_LONG_DIGITS: Final = re.compile(r"\d{7}")
MOST_BYTES: Final = 64 * 1024 * 1024


class RecordingProxy:
    """One proxy in front of one place. ``url``: where the hub finds it; ``counts``: exchanges by operation; ``left_out``: those that could not be
    written, by the class of what went wrong.
    """

    def __init__(self, to: str, tape: Tape, sieve: Sieve, *, timeout_seconds: float = 300.0) -> None:
        """``to``: scheme, host and port of the department, with a path below which everything lies if there is one."""
        self.url = ""
        self.counts: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._to = to.rstrip("/")
        self._tape = tape
        self._sieve = sieve
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._http: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass one call on, and write down what may be written."""
        assert self._http is not None
        body, began = await request.read(), time.monotonic()
        headers = _passed_on(request.headers)
        # aiohttp has unpacked the body on its way in.
        headers.popall("Content-Encoding", None)
        try:
            async with self._http.request(
                request.method, self._to + request.raw_path, data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.read()
        except aiohttp.ClientConnectorError:
            return await self._failed(request, body, began, "refused")
        except TimeoutError:
            return await self._failed(request, body, began, "timeout")
        except aiohttp.ClientError:
            return await self._failed(request, body, began, "cut")
        self._write(request, body, began, answer, content)
        return web.Response(status=answer.status, headers=_passed_on(answer.headers), body=content)

    async def _failed(
        self, request: web.Request, body: bytes, began: float, how: Literal["refused", "timeout", "cut"]
    ) -> web.StreamResponse:
        """The hub sees what it would have seen: a connection that ends without an answer."""
        self._write(request, body, began, None, failed=how)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=502)

    def _write(
        self,
        request: web.Request,
        body: bytes,
        began: float,
        answer: aiohttp.ClientResponse | None,
        content: bytes = b"",
        failed: Literal["refused", "timeout", "cut"] | None = None,
    ) -> None:
        """One line of the recording. What cannot be sifted is counted and left out: traffic goes on whatever the recorder makes of it."""
        try:
            exchange = self._exchange(request, body, round(time.monotonic() - began, 4), answer, content, failed)
            self._tape.add(exchange)
        except Exception as error:  # noqa: BLE001 - a strange message must not become a failed delivery
            self.left_out[type(error).__name__] += 1
            return
        self.counts[exchange.operation] += 1

    def _exchange(
        self,
        request: web.Request,
        body: bytes,
        seconds: float,
        answer: aiohttp.ClientResponse | None,
        content: bytes,
        failed: Literal["refused", "timeout", "cut"] | None,
    ) -> Exchange:
        asked = Message(
            type=_type(request.headers), headers=_kept(request.headers), body=self._body(body, request.headers, "")
        )
        path = sifted_path(request.raw_path, self._sieve)
        return Exchange(
            operation=named(request.method, path, operation_of(asked.body)),
            method=request.method,
            path=path,
            request=asked,
            seconds=seconds,
            answer=None if answer is None else self._answer(answer, content),
            failed=failed,
        )

    def _answer(self, answer: aiohttp.ClientResponse, content: bytes) -> Answer:
        packed = answer.headers.get("Content-Encoding", "")
        return Answer(
            status=answer.status,
            type=_type(answer.headers),
            headers=_kept(answer.headers),
            body=self._body(content, answer.headers, packed),
        )

    def _body(self, content: bytes, headers: Mapping[str, str], encoding: str) -> Mapping[str, JsonValue]:
        return sifted(content, headers.get("Content-Type", ""), encoding, self._sieve)

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["RecordingProxy"]:
        """On loopback until the block ends."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with aiohttp.ClientSession(timeout=self._timeout, auto_decompress=False) as self._http:
                yield self
        finally:
            await runner.cleanup()


def _passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Everything but what belongs to a single connection; the length is counted anew."""
    found: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in _OF_THE_CONNECTION and name.lower() != "content-length":
            found.add(name, value)
    return found


def _kept(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The few headers that say nothing of anybody; no credentials, no cookies, no signatures."""
    return {
        name.lower(): value
        for name, value in headers.items()
        if (form := _MAY_STAY.get(name.lower())) and form.fullmatch(value) and not _is_long(name, value)
    }


def _is_long(name: str, value: str) -> bool:
    return name.lower() != "x-delivery-id" and _LONG_DIGITS.search(value) is not None


def _type(headers: Mapping[str, str]) -> str:
    found = _TYPE.match(headers.get("Content-Type", ""))
    if found is None or _LONG_DIGITS.search(found[0]):
        return ""
    return found[1].lower() + (f"; charset={found[2]}" if found[2] else "")


def sifted_path(raw: str, sieve: Sieve) -> str:
    """Path and query with their values replaced; words of the path stay."""
    parts = urlsplit(raw)
    path = "/".join(_segment(unquote(segment), sieve) for segment in parts.path.split("/"))
    if not parts.query:
        return path
    pairs = [pair.partition("=") for pair in parts.query.split("&")]
    query = "&".join(
        f"{sieve.key(unquote(name))}{sign}{sieve.text(unquote(name), unquote(value))}" for name, sign, value in pairs
    )
    return f"{path}?{query}"


def _segment(segment: str, sieve: Sieve) -> str:
    is_word = re.fullmatch(r"[A-Za-z_.~-][A-Za-z0-9_.~-]{0,63}", segment) and not re.search(r"\d{4}", segment)
    return segment if not segment or is_word else sieve.text("", segment)


def named(method: str, path: str, soap: str) -> str:
    """What a replay matches by: segments with digits in them are values."""
    plain = "/".join("*" if _VALUE.search(one) else one for one in path.partition("?")[0].split("/"))
    return f"{method} {plain}" + (f" {soap}" if soap else "")
