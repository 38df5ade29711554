"""The keyed signature on a message between machines, the same in both directions.

    X-Timestamp: 1795466555            Unix seconds of the signer's machine clock
    X-Nonce: 0f6c...                   never used twice by one signer
    X-Signature: 9b1e...               lower-case hex of HMAC(key, signed text)

    signed text = METHOD LF path LF timestamp LF nonce LF body

The time is that of the machines (NTP), not the civil clock of the hub: a demonstration may run its days in minutes, while a
captured message must stay useless in real minutes. Algorithms: HMAC-SHA256, and HMAC-SM3 (GB/T 32905, GB/T 15852.2).
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from adapters.rest_table import Algorithm

SIGNATURE_HEADER = "X-Signature"
TIMESTAMP_HEADER = "X-Timestamp"
NONCE_HEADER = "X-Nonce"
_REMEMBERED = 100_000


class ForgedError(Exception):
    """A message that must not be believed; its text is a short code: ``unsigned``, ``stale``, ``forged`` or ``replayed``."""


def signature(key: bytes, algorithm: Algorithm, method: str, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    """Lower-case hex."""
    signed = f"{method}\n{path}\n{timestamp}\n{nonce}\n".encode() + body
    if algorithm == "hmac-sha256":
        return hmac.new(key, signed, hashlib.sha256).hexdigest()
    mac = HMAC(key, hashes.SM3())
    mac.update(signed)
    return mac.finalize().hex()


def signed_headers(
    key: bytes,
    algorithm: Algorithm,
    method: str,
    path: str,
    body: bytes,
    *,
    at: float,
    nonce: str,
    header: str = SIGNATURE_HEADER,
) -> dict[str, str]:
    """The three headers of one message; ``at`` in Unix seconds."""
    timestamp = str(int(at))
    return {
        TIMESTAMP_HEADER: timestamp,
        NONCE_HEADER: nonce,
        header: signature(key, algorithm, method, path, timestamp, nonce, body),
    }


class Verifier:
    """Checks the messages of one signer and remembers its nonces for as long as a message can be fresh."""

    def __init__(
        self,
        key: bytes,
        algorithm: Algorithm,
        *,
        header: str = SIGNATURE_HEADER,
        window_seconds: float = 300.0,
        take_replays: bool = False,
    ) -> None:
        """``window_seconds``: how far the two machine clocks may be apart, the journey included."""
        self._key = key
        self._algorithm: Algorithm = algorithm
        self._header = header.lower()
        self._window = window_seconds
        self._take_replays = take_replays
        self._nonces: OrderedDict[str, float] = OrderedDict()

    def verify(self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, at: float) -> None:
        """``headers`` by lower-case name; ``at``: now, in Unix seconds. Raises ForgedError."""
        given, timestamp, nonce = (
            headers.get(name, "") for name in (self._header, TIMESTAMP_HEADER.lower(), NONCE_HEADER.lower())
        )
        if not given or not re.fullmatch(r"[0-9]{1,11}", timestamp, re.ASCII) or not 8 <= len(nonce) <= 128:
            raise ForgedError("unsigned")
        expected = signature(self._key, self._algorithm, method, path, timestamp, nonce, body)
        if not hmac.compare_digest(expected.encode(), given.lower().encode()):
            raise ForgedError("forged")
        if abs(at - int(timestamp)) > self._window:
            raise ForgedError("stale")
        # Only genuine nonces are remembered: a stranger cannot fill the memory or spoil a nonce before its owner uses it.
        if not self._take_replays:
            self._remember(nonce, at)

    def _remember(self, nonce: str, at: float) -> None:
        while self._nonces and (len(self._nonces) >= _REMEMBERED or next(iter(self._nonces.values())) < at):
            self._nonces.popitem(last=False)
        if nonce in self._nonces:
            raise ForgedError("replayed")
        # A message stamped at the far edge of the future stays fresh for two windows.
        self._nonces[nonce] = at + 2 * self._window
