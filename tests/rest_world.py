"""What the tests of the REST channel share: a small system, a runtime of the real world, and servers that misbehave by script."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from uuid import UUID, uuid4

from adapters import rest
from contracts.delivery import Delivery, Document
from contracts.errors import CredentialsError
from contracts.plugin import Http, RemoteFiles
from contracts.records import adapter
from contracts.site import SystemFile

P = ParamSpec("P")
T = TypeVar("T")

SECRETS = {"key": "a key of the tests", "token": "a token", "id": "hub", "secret": "s:ecret/ü"}
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_CODES = {
    "GRANTED": {"outcome": "completed.granted", "name_zh": "准予", "name_en": "granted"},
    "REFUSED": {"outcome": "completed.refused", "name_zh": "不予", "name_en": "refused"},
    "RETURNED": {"outcome": "returned", "name_zh": "退回", "name_en": "returned"},
    "BUSY": {"outcome": "temporary", "name_zh": "繁忙", "name_en": "busy"},
    "INVALID": {"outcome": "permanent", "name_zh": "有误", "name_en": "invalid"},
    "AGAIN": {"outcome": "permanent", "name_zh": "重复", "name_en": "duplicate record", "duplicate": True},
}


def operation(key: str, answers: str, **wire: Any) -> dict[str, Any]:
    """An operation with a field of each common kind."""
    return {
        "key": key,
        "name_zh": key,
        "name_en": key,
        "purpose": "decide",
        "answers": answers,
        "request": [
            {"name": "name", "source": "applicant.name", "type": "string", "required": True, "max_length": 50},
            {"name": "born_on", "source": "form.born_on", "type": "date"},
            {"name": "income", "source": "form.income", "type": "money"},
        ],
        "reply": [
            {"name": "decision_no", "type": "string"},
            {"name": "amount", "type": "money"},
            {"name": "valid_to", "type": "date"},
        ],
        "result_codes": {"api": _CODES},
        "wire": {"api": {"path": f"/{key}", **wire}},
    }


def system(operations: list[dict[str, Any]] | None = None, *, resend_is_safe: bool = True, **table: Any) -> SystemFile:
    """A system with one REST channel; ``table``: keys of ``[systems.channels.rest]``."""
    channel = {"situation": "api", "resend_is_safe": resend_is_safe}
    later = [operation("later", "later")] if table.get("later_replies", "none") != "none" else []
    defaults = {"base_path": "/api", "timeouts": {"connect_seconds": 1, "total_seconds": 2}}
    return adapter(SystemFile).validate_python(
        {
            "key": "XX-test",
            "name_zh": "样例系统",
            "name_en": "Sample system",
            "channels": [{**channel, "rest": {**defaults, **table}}],
            "operations": operations or [operation("now", "at_once"), *later],
        }
    )


class World:
    """``contracts.plugin.Runtime`` on real time and real sockets."""

    def __init__(self, secrets: Mapping[str, str] = SECRETS, http: Http | None = None) -> None:
        self.random = random.Random(1)
        self.at: datetime | None = None
        self._secrets = secrets
        self._http = http

    def now(self) -> datetime:
        return self.at or datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)

    def secret(self, name: str) -> str:
        if name not in self._secrets:
            raise CredentialsError("secret_missing", name)
        return self._secrets[name]

    async def material(self, document: Document) -> bytes:
        raise NotImplementedError

    def http(self) -> Http | None:
        return self._http

    def files(self) -> RemoteFiles | None:
        return None


def delivery(key: str = "now", **changes: Any) -> Delivery:
    """A delivery of the sample system."""
    values: dict[str, Any] = {
        "id": uuid4(),
        "system": "XX-test",
        "operation": key,
        "round": 1,
        "case_no": "C1",
        "item": "X001",
        "item_version": 1,
        "step": "s1",
        "centre": "Z1",
        "attempt": 1,
        "send_before": datetime.now(UTC) + timedelta(minutes=1),
        "fields": {"name": "样例一", "born_on": "1960-01-31", "income": 1200.5},
    }
    return Delivery(**{**values, **changes})


@asynccontextmanager
async def gateway(of: SystemFile, url: str, world: World | None = None) -> AsyncIterator[rest.RestGateway]:
    """The open channel of a system."""
    channel = rest.make(of, of.channels[0])
    async with channel.open({"url": url}, world or World()) as opened:
        assert isinstance(opened, rest.RestGateway)
        yield opened


class ScriptedServer:
    """A server that does with every request what its script says; ``arrivals`` are the requests read, as bytes."""

    def __init__(self, script: Callable[[int], bytes | Script | None]) -> None:
        self.arrivals: list[bytes] = []
        self.connections = 0
        self.url = ""
        self._script = script

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await read_request(reader)) is not None:
                self.arrivals.append(request)
                step = self._script(len(self.arrivals))
                if step is None:
                    writer.transport.abort()
                    return
                if callable(step):
                    await step(reader, writer)
                    return
                writer.write(step)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["ScriptedServer"]:
        """Listen on a free port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes | None:
    """One whole request, None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
    except asyncio.IncompleteReadError:
        return None


def http_answer(body: bytes, status: str = "200 OK", *headers: str, length: bool = True) -> bytes:
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def granted(delivery_id: UUID | str) -> bytes:
    """A good answer."""
    return f'{{"delivery_id":"{delivery_id}","result_code":"GRANTED","decision_no":"样例1","amount":"12.50"}}'.encode()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that another task does, five seconds at most."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - the other task is a server that knows nothing of this test
            await asyncio.sleep(0.005)
