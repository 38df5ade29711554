"""Tax 税务 wants a seal in every message: HMAC-SM3 over its fields, sorted, under the query token. No table can say that."""

from collections.abc import Awaitable

import orjson
from cryptography.hazmat.primitives import hashes, hmac

from adapters.rest import RestGateway
from contracts.delivery import Delivery, NotFound, Outcome
from contracts.plugin import Gateway, Runtime


class Sealing:
    """The REST gateway, with ``seal`` added to what it maps. The seal is stored with the message and sent again as it is."""

    def __init__(self, inner: RestGateway, runtime: Runtime) -> None:
        self._inner = inner
        self._runtime = runtime
        self.deliver, self.check = inner.deliver, inner.check

    def prepare(self, delivery: Delivery, /) -> bytes:
        """Canonical JSON with its seal. Raises PermanentError, CredentialsError."""
        message = self._inner.prepare(delivery)
        seal = hmac.HMAC(self._runtime.secret("sw_tax_token").encode(), hashes.SM3())
        seal.update(message)
        return orjson.dumps({**orjson.loads(message), "seal": seal.finalize().hex()}, option=orjson.OPT_SORT_KEYS)

    def enquire(self, delivery: Delivery, /) -> Awaitable[Outcome | NotFound]:
        """As the adapter does."""
        return self._inner.enquire(delivery)


def gateway(inner: Gateway, runtime: Runtime) -> Gateway:
    """What the channel puts in front of the adapter's gateway."""
    assert isinstance(inner, RestGateway)
    return Sealing(inner, runtime)
