"""The partner wants a checksum over the message, in a field of its own."""

import hashlib
from collections.abc import Awaitable

import orjson

from adapters.rest import RestGateway
from contracts.delivery import Delivery, NotFound, Outcome
from contracts.plugin import Gateway, Runtime


class Summed:
    """The REST gateway, with ``checksum`` added to what it maps."""

    def __init__(self, inner: RestGateway) -> None:
        self._inner = inner
        self.deliver, self.check = inner.deliver, inner.check

    def prepare(self, delivery: Delivery, /) -> bytes:
        """The adapter's message and its checksum; the same bytes for the same delivery."""
        message = self._inner.prepare(delivery)
        return orjson.dumps({**orjson.loads(message), "checksum": hashlib.sha256(message).hexdigest()})

    def enquire(self, delivery: Delivery, /) -> Awaitable[Outcome | NotFound]:
        """As the adapter does."""
        return self._inner.enquire(delivery)


def gateway(inner: Gateway, runtime: Runtime) -> Gateway:
    """What the channel puts in front of the adapter's gateway."""
    assert isinstance(inner, RestGateway)
    return Summed(inner)
