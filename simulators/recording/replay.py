"""A department that answers as it was recorded: by operation and order, with the recorded status, body and time it took.

After the last recorded answer of an operation that one comes again. Where the recorded request and answer share a value of some length
(the delivery id above all), the answer carries what the live request has in that place.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from simulators.ledger import Ledger
from simulators.recording.bodies import Body, fields_of, operation_of, plain_body, written
from simulators.recording.proxy import MOST_BYTES, named
from simulators.recording.sifting import UUID_FORM
from simulators.recording.tape import Exchange

_SHORTEST: Final = 8
"""Signs of a value that is taken for an id."""


@dataclass
class Replay:
    """``counts``: calls by operation; ``strange``: those that the recording does not know. ``speed``: recorded seconds that pass in one of ours."""

    exchanges: Sequence[Exchange]
    ledger: Ledger | None = None
    speed: float = 1.0
    url: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Sort the exchanges by operation."""
        self._by_operation: defaultdict[str, list[Exchange]] = defaultdict(list)
        for one in self.exchanges:
            self._by_operation[one.operation].append(one)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The next recorded answer of the operation."""
        content = await request.read()
        live = plain_body(content, request.headers.get("Content-Type", ""))
        operation = named(request.method, request.path, operation_of(live))
        known = self._by_operation.get(operation)
        if not known:
            self.strange[operation] += 1
            return web.json_response({"error": f"the recording has no {operation}"}, status=404)
        exchange = known[min(self.counts[operation], len(known) - 1)]
        self.counts[operation] += 1
        replaced = _shared(exchange, live, request)
        if self.ledger is not None:
            delivery = next((one for one in replaced.values() if UUID_FORM.fullmatch(one)), "")
            await asyncio.to_thread(self.ledger.write, "arrival", "replay", delivery, operation)
        await asyncio.sleep(exchange.seconds / self.speed)
        if exchange.answer is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        answer = exchange.answer
        body = written(answer.body, answer.type).decode("latin-1")
        for old, new in replaced.items():
            body = body.replace(_latin(old, answer.type), _latin(new, answer.type))
        headers = {**answer.headers, **({"Content-Type": answer.type} if answer.type else {})}
        headers = {name: replaced.get(value, value) for name, value in headers.items() if name != "accept"}
        return web.Response(status=answer.status, headers=headers, body=body.encode("latin-1"))

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["Replay"]:
        """On loopback until the block ends."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()


def _shared(exchange: Exchange, live: Body, request: web.Request) -> Mapping[str, str]:
    """Recorded value -> live value, for what the recorded answer repeats of its request."""
    if exchange.answer is None:
        return {}
    said = [*fields_of(exchange.answer.body).values(), *exchange.answer.headers.values()]
    now = {**fields_of(live), **_segments(request.path)}
    asked = {**fields_of(exchange.request.body), **_segments(exchange.path)}
    found = {
        value: now[place]
        for place, value in asked.items()
        if len(value) >= _SHORTEST and place in now and any(value in one for one in said)
    }
    told = exchange.request.headers.get("x-delivery-id")
    if told and "X-Delivery-Id" in request.headers:
        found[told] = request.headers["X-Delivery-Id"]
    return found


def _segments(path: str) -> Mapping[str, str]:
    """The parts of a path by their places."""
    return {f"path.{number}": one for number, one in enumerate(path.partition("?")[0].split("/"))}


def _latin(text: str, content_type: str) -> str:
    charset = content_type.partition("charset=")[2].strip('"') or "utf-8"
    return text.encode(charset, "replace").decode("latin-1")


def ledger_in(folder: Path) -> Ledger:
    """The ledger of a replay."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Ledger(folder / "replay.jsonl")
