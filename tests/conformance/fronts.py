"""What mutants are made with: a gateway in front of the adapter's, a world around the kit's, and an HTTP client that reads as it likes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import orjson

from contracts.delivery import AwaitingReply, Delivery, Outcome
from contracts.errors import DeliveryError
from contracts.plugin import Http, HttpAnswer, HttpRequest, Runtime
from tests.conformance.reference import Mutant

CAPABILITIES = (
    "deliver",
    "check",
    "prepare",
    "enquire",
    "receive",
    "collect",
    "seal",
    "deliver_batch",
    "batch_name",
    "print_sheets",
    "print_handover",
    "confirm",
)


class Front:
    """Everything as the gateway behind it does, but for what a mutant overrides. It has the capabilities of that gateway and no others."""

    def __init__(self, inner: Any, runtime: Any) -> None:
        self.inner = inner
        self.runtime = runtime
        for name in CAPABILITIES:
            if hasattr(inner, name) and not hasattr(type(self), name):
                setattr(self, name, getattr(inner, name))


class Less(Front):
    """The same without capabilities that a mutant names in ``lacks``."""

    lacks: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inner: Any, runtime: Any) -> None:
        super().__init__(inner, runtime)
        for name in self.lacks:
            self.__dict__.pop(name, None)


class World:
    """The runtime that it stands around, but for what a mutant overrides."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Reading:
    """An HTTP client in front of the kit's: ``request`` changes what leaves, ``answer`` what came, ``failed`` what is raised."""

    def __init__(self, inner: Http, runtime: Runtime) -> None:
        self.inner = inner
        self.runtime = runtime

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """Requests for a token are left alone."""
        if b"grant_type" in request.body:
            return await self.inner.send(request)
        request = self.request(request)
        try:
            found = await self.inner.send(request)
        except DeliveryError as error:
            return self.failed(request, error)
        return await self.answer(request, found)

    def request(self, request: HttpRequest) -> HttpRequest:
        return request

    async def answer(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        return answer

    def failed(self, request: HttpRequest, error: DeliveryError) -> HttpAnswer:
        raise error


def client(reading: Callable[[Http, Runtime], Any]) -> Callable[[Runtime], World]:
    """A world whose HTTP client is such a one."""

    class _World(World):
        def __init__(self, inner: Any) -> None:
            super().__init__(inner)
            self._http = reading(inner.http(), inner)

        def http(self) -> Any:
            return self._http

    return _World


class _Noting(Reading):
    """Keeps the last answer, or what was raised instead, where the gateway finds it."""

    async def answer(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        self.runtime.last = answer  # type: ignore[attr-defined]
        return answer

    def failed(self, request: HttpRequest, error: DeliveryError) -> HttpAnswer:
        self.runtime.last = HttpAnswer(status=0, headers={}, body=b"")  # type: ignore[attr-defined]
        raise error


def misjudging(
    check: str,
    when: Callable[[HttpAnswer, DeliveryError], bool],
    becomes: Callable[[], Outcome | DeliveryError] = AwaitingReply,
    of: str = "AA-register",
) -> Mutant:
    """A gateway that takes an attempt which failed as ``when`` says for ``becomes``. The answer has status 0 where none came whole."""

    class _Misjudging(Front):
        async def deliver(self, delivery: Delivery, /) -> Outcome:
            try:
                return await self.inner.deliver(delivery)  # type: ignore[no-any-return]
            except DeliveryError as error:
                last = getattr(self.runtime.inner, "last", HttpAnswer(status=0, headers={}, body=b""))
                self.runtime.inner.last = HttpAnswer(status=0, headers={}, body=b"")
                if not when(last, error):
                    raise
                instead = becomes()
                if isinstance(instead, DeliveryError):
                    raise instead from error
                return instead

    return Mutant(check=check, of=of, world=client(_Noting), gateway=_Misjudging)


def rewriting(message: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """A JSON message with its fields changed."""
    return orjson.dumps(change(orjson.loads(message)), option=orjson.OPT_SORT_KEYS)


def mapped(change: Callable[[Delivery], Delivery]) -> type[Front]:
    """A gateway that maps another delivery than it was given."""

    class _Mapping(Front):
        def prepare(self, delivery: Delivery, /) -> bytes:
            return bytes(self.inner.prepare(change(delivery)))

    return _Mapping


def texts(change: Callable[[str], str]) -> type[Front]:
    """A gateway that changes every text of the fields before it maps them."""

    def of(delivery: Delivery) -> Delivery:
        fields = {name: change(one) if isinstance(one, str) else one for name, one in delivery.fields.items()}
        return replace(delivery, fields=fields)

    return mapped(of)


def delivered(change: Callable[[Delivery], Delivery]) -> type[Front]:
    """A gateway that delivers another delivery than it was given."""

    class _Delivering(Front):
        async def deliver(self, delivery: Delivery, /) -> Outcome:
            return await self.inner.deliver(change(delivery))  # type: ignore[no-any-return]

    return _Delivering
