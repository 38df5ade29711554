"""The two sets of algorithms a hub may run on: the international one, and the national one of China (SM3, SM4).

A database keeps the one it was made with (its key-check row says which). Seals of the journal are Ed25519 under both: what must
be signed with SM2 is signed by a gateway or a security module outside.
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contracts.records import record

TAG = 16
"""Bytes of the tag that GCM puts behind what it encrypts."""


class Aead(Protocol):
    """Authenticated encryption under one key. ``decrypt`` raises ``cryptography.exceptions.InvalidTag``."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...


class Sm4Gcm:
    """SM4 (GB/T 32907) in Galois/Counter Mode, with the interface that AESGCM has."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        """``key``: 16 bytes."""
        self._cipher = SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Ciphertext and tag."""
        context = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        context.authenticate_additional_data(associated_data or b"")
        return context.update(data) + context.finalize() + context.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """The plain text. Raises InvalidTag."""
        if len(data) < TAG:
            raise InvalidTag
        context = Cipher(self._cipher, modes.GCM(nonce, data[-TAG:])).decryptor()
        context.authenticate_additional_data(associated_data or b"")
        return context.update(data[:-TAG]) + context.finalize()


class Mac:
    """HMAC (RFC 2104) under a key that stays: what depends on the key alone is hashed once, not with every content."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, hasher: Callable[[bytes], Any], key: bytes) -> None:
        """``key``: at most 64 bytes, the block of both suites' hashes."""
        block = key.ljust(_BLOCK, b"\0")
        self._inner = hasher(bytes(byte ^ 0x36 for byte in block))
        self._outer = hasher(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, content: bytes) -> bytes:
        """32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        found: bytes = outer.digest()
        return found


_BLOCK = 64


class Nonces:
    """Random nonces of 96 bits, drawn from the system many at a time: a nonce is no secret, a system call each is dear.

    Files are sealed in threads. Each nonce goes to one caller alone, since it is taken out of a list in one step.
    """

    __slots__ = ("_drawn",)

    def __init__(self) -> None:
        self._drawn: list[bytes] = []
        os.register_at_fork(after_in_child=self._drawn.clear)  # a child must not go on with the same ones

    def __call__(self) -> bytes:
        """The next one."""
        try:
            return self._drawn.pop()
        except IndexError:
            fresh = os.urandom(NONCE * 256)
            self._drawn.extend(fresh[at : at + NONCE] for at in range(NONCE, len(fresh), NONCE))
            return fresh[:NONCE]


NONCE = 12
"""Bytes of a nonce of GCM."""


@record
class Suite:
    """``hash_name``: as OpenSSL knows it. ``key_bytes``: how much of a 32-byte key the cipher takes."""

    name: str
    hash_name: str
    key_bytes: int
    kdf_hash: Callable[[], hashes.HashAlgorithm]
    aead: Callable[[bytes], Aead]
    hasher: Callable[[bytes], Any]

    def cipher(self, key: bytes) -> Aead:
        """The cipher under a key of 32 bytes."""
        return self.aead(key[: self.key_bytes])

    def digest(self, content: bytes) -> str:
        """The hash, lower-case hex."""
        found: str = self.hasher(content).hexdigest()
        return found

    def mac(self, key: bytes, content: bytes) -> bytes:
        """HMAC, 32 bytes."""
        return hmac.digest(key, content, self.hash_name)

    def keyed(self, key: bytes) -> Mac:
        """The same under a key that is used again and again."""
        return Mac(self.hasher, key)

    def derive(self, master: bytes, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose (HKDF)."""
        return HKDF(algorithm=self.kdf_hash(), length=32, salt=None, info=purpose.encode()).derive(master)


def _sm3(content: bytes) -> Any:
    return hashlib.new("sm3", content)


INTERNATIONAL = Suite(
    name="aes-sha256", hash_name="sha256", key_bytes=32, kdf_hash=hashes.SHA256, aead=AESGCM, hasher=hashlib.sha256
)
NATIONAL = Suite(name="sm4-sm3", hash_name="sm3", key_bytes=16, kdf_hash=hashes.SM3, aead=Sm4Gcm, hasher=_sm3)
SUITES = {suite.name: suite for suite in (INTERNATIONAL, NATIONAL)}
