"""Mutants that misjudge what departments and networks do wrong."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from contracts.delivery import Delivery, Outcome
from contracts.errors import DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import HttpAnswer, HttpRequest
from tests.conformance.fronts import Front, Reading, client, misjudging
from tests.conformance.reference import Mutant

_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def temporary() -> DeliveryError:
    return TemporaryError("busy", "the department is busy")


def permanent() -> DeliveryError:
    return PermanentError("rejected", "the department rejected the message")


def unknown() -> DeliveryError:
    return OutcomeUnknownError("unknown", "nobody knows")


class _Following(Reading):
    """Goes wherever it is sent."""

    async def answer(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if answer.status == 307:
            return await self.inner.send(replace(request, url=answer.headers["location"]))
        return answer


class _Greedy(Reading):
    """Has no limit."""

    def request(self, request: HttpRequest) -> HttpRequest:
        return replace(request, max_bytes=10**9)


class _SelfAssured(Reading):
    """Knows whose answer it is. ``heard``: ids that it has sent."""

    def __init__(self, inner: Any, runtime: Any) -> None:
        super().__init__(inner, runtime)
        self.heard: set[bytes] = set()

    def request(self, request: HttpRequest) -> HttpRequest:
        self.heard.add(request.headers.get("X-Delivery-Id", "").encode())
        return request

    def wrong(self, own: bytes, said: list[bytes]) -> bool:
        raise NotImplementedError

    async def answer(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        own = request.headers.get("X-Delivery-Id", "").encode()
        if request.method == "POST" and answer.status < 300 and self.wrong(own, _ID.findall(answer.body)):
            if said := _ID.findall(answer.body):
                return replace(answer, body=answer.body.replace(said[0], own))
            return replace(answer, body=answer.body.replace(b'"delivery_id":""', b'"delivery_id":"%s"' % own))
        return answer


class _Renaming(_SelfAssured):
    """An id that nobody has heard of must be its own."""

    def wrong(self, own: bytes, said: list[bytes]) -> bool:
        return bool(said) and said[0] not in self.heard


class _Swapping(_SelfAssured):
    """An id of a neighbour must be its own."""

    def wrong(self, own: bytes, said: list[bytes]) -> bool:
        return bool(said) and said[0] != own and said[0] in self.heard


class _Presuming(_SelfAssured):
    """No id must be its own."""

    def wrong(self, own: bytes, said: list[bytes]) -> bool:
        return not said


class _Surplus:
    """An HTTP client of its own, which takes what is left of an answer for the next one."""

    def __init__(self, inner: Any, runtime: Any) -> None:
        self.inner = inner
        self._left = b""

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """POST by its own means. Raises TemporaryError, OutcomeUnknownError."""
        if request.method != "POST" or b"grant_type" in request.body:
            return await self.inner.send(request)  # type: ignore[no-any-return]
        parts = urlsplit(request.url)
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError as error:
            raise TemporaryError("connect_failed", "nobody listens") from error
        head = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(request.body)}"]
        head += [f"{name}: {value}" for name, value in request.headers.items()]
        try:
            writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + request.body)
            async with asyncio.timeout(self.inner.longest_seconds or request.total_seconds):
                return await self._answer(reader)
        except (OSError, EOFError, TimeoutError) as error:
            raise OutcomeUnknownError("connection_lost", "no whole answer came back") from error
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> HttpAnswer:
        content, self._left = self._left, b""
        while b"\r\n\r\n" not in content:
            content += await _more(reader)
        head, _, rest = content.partition(b"\r\n\r\n")
        lines = [line.decode("latin-1").partition(": ") for line in head.split(b"\r\n")[1:]]
        headers = {name.lower(): value for name, _, value in lines}
        if "content-length" not in headers or "content-encoding" in headers:
            raise OutcomeUnknownError("unreadable_answer", "an answer of this kind is not read")
        length = int(headers["content-length"])
        while len(rest) < length:
            rest += await _more(reader)
        self._left = rest[length:]
        return HttpAnswer(status=int(head.split(b" ")[1]), headers=headers, body=rest[:length])


async def _more(reader: asyncio.StreamReader) -> bytes:
    found = await reader.read(65536)
    if not found:
        raise EOFError
    return found


class _Hasty(Front):
    """Has no pause where the department names none."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        try:
            return await self.inner.deliver(delivery)  # type: ignore[no-any-return]
        except TemporaryError as error:
            raise TemporaryError(error.code, error.detail, retry_after=error.retry_after or 0.0) from error


class _Lenient(Reading):
    """Reads JSON as most libraries do: of two values the last one counts."""

    async def answer(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        try:
            return replace(answer, body=orjson.dumps(orjson.loads(answer.body)))
        except orjson.JSONDecodeError:
            return answer


class _Stumbling(Reading):
    """Does not expect null."""

    async def answer(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if answer.body == b"null":
            raise TypeError("'NoneType' object is not subscriptable")
        return answer


def status(number: int) -> Callable[[HttpAnswer, DeliveryError], bool]:
    return lambda answer, error: answer.status == number and b"delivery_id" not in answer.body


def body(pattern: bytes, number: int = 200) -> Callable[[HttpAnswer, DeliveryError], bool]:
    return lambda answer, error: answer.status == number and re.search(pattern, answer.body) is not None


def code(name: str, detail: str = "") -> Callable[[HttpAnswer, DeliveryError], bool]:
    return lambda answer, error: answer.status == 0 and error.code == name and error.detail.startswith(detail)


def _half(answer: HttpAnswer, error: DeliveryError) -> bool:
    whole = answer.body
    return whole.startswith(b'{"') and not whole.endswith(b"}") and b"\xff" not in whole


MUTANTS = (
    misjudging("fault-refused", code("connect_failed"), unknown),
    misjudging("fault-lost-reply", code("connection_lost"), temporary),
    misjudging("fault-slow-answer", code("timeout"), temporary),
    Mutant(check="fault-503", edits=(("timeouts =", 'status = { 503 = "permanent" }\ntimeouts ='),)),
    Mutant(check="fault-odd-retry-after", gateway=_Hasty),
    misjudging("fault-401", status(401), permanent),
    Mutant(check="fault-redirect", world=client(_Following)),
    Mutant(check="fault-endless-answer", world=client(_Greedy)),
    Mutant(check="fault-other-delivery", world=client(_Renaming)),
    Mutant(check="fault-nobodys-answer", world=client(_Presuming)),
    Mutant(check="fault-swapped-answers", world=client(_Swapping)),
    Mutant(check="fault-answered-twice", world=client(_Surplus)),
    misjudging("fault-500", status(500), temporary),
    misjudging("fault-502", status(502), temporary),
    misjudging("fault-504", status(504), temporary),
    misjudging("fault-429", status(429), permanent),
    misjudging("fault-400", status(400), temporary),
    misjudging("fault-404", status(404), temporary),
    misjudging("fault-403", status(403), permanent),
    misjudging("fault-login-page", body(b"<html")),
    misjudging("fault-empty-answer", body(b"^$")),
    misjudging("fault-204", status(204)),
    misjudging("fault-half-a-body", _half),
    misjudging("fault-bad-bytes", lambda answer, error: b"\xff" in answer.body),
    misjudging("fault-cut-answer", code("unreadable_answer")),
    misjudging("fault-cut-without-length", code("answer_without_end")),
    misjudging("fault-success-in-500", body(b"delivery_id", 500)),
    misjudging("fault-packed-answer", code("answer_too_large", "the answer unpacks")),
    Mutant(check="fault-name-twice", world=client(_Lenient)),
    misjudging("fault-soap-client", body(b"s:Client<", 500), temporary, "CC-service"),
    misjudging("fault-soap-server", body(b"s:Server<", 500), temporary, "CC-service"),
    misjudging("fault-soap-in-200", body(b"s:Server<"), of="CC-service"),
    misjudging("fault-soap-entities", body(b"DOCTYPE"), of="CC-service"),
    misjudging("fault-soap-version", body(b"2003/05/soap-envelope"), of="CC-service"),
    Mutant(check="odd-answers-are-errors", world=client(_Stumbling)),
)
