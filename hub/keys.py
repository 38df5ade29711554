"""Keys and what is done with them: one master key, a key for every purpose, a key for every case.

Erasing a case key (kept only wrapped, in the case's row) makes all that was sealed under it unreadable for good.
Sealing is AES-256-GCM with a random 96-bit nonce; keyed hashes are HMAC-SHA-256.
"""

import base64
import hmac
import os
from collections import OrderedDict
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contracts.errors import OnedoorError
from contracts.task_sheet import SHEET_ALPHABET

DEMO_MARK = "demo"
_NONCE = 12


class KeyRefused(OnedoorError):
    """No key, a wrong key, or a demo key where real cases would be kept. The text says what to do."""


class CaseKey:
    """The key of one case. ``wrapped`` is what may be stored."""

    __slots__ = ("_cipher", "_raw", "wrapped")

    def __init__(self, raw: bytes, wrapped: bytes) -> None:
        self._raw = raw
        self._cipher = AESGCM(raw)
        self.wrapped = wrapped

    def seal(self, content: bytes, what: str) -> bytes:
        """Encrypt; ``what`` names the use, so that one sealed column cannot be passed off as another."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, what.encode())

    def unseal(self, sealed: bytes, what: str) -> bytes:
        """Decrypt. Raises KeyRefused when the content was changed or the key is another one."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], what.encode())
        except InvalidTag as error:
            raise KeyRefused(
                f"a sealed {what} cannot be opened: it was changed, or sealed under another key"
            ) from error

    def commit(self, content: bytes) -> str:
        """A commitment for the journal: proves the content later, tells nothing about it, dies with the key."""
        return hmac.digest(self._raw, content, "sha256").hex()


class Keys:
    """All keys, derived from the master key."""

    def __init__(self, master: bytes) -> None:
        """``master``: 32 bytes."""
        self._wrap = AESGCM(_derive(master, "wrap case keys"))
        self._files = AESGCM(_derive(master, "seal blobs"))
        self._digest = _derive(master, "message digests")
        self._clients = _derive(master, "client keys")
        self._blobs = _derive(master, "blob names")
        self._sheets = _derive(master, "sheet codes")
        self._check = _derive(master, "key check")
        self._opened: OrderedDict[bytes, CaseKey] = OrderedDict()

    def new_case_key(self) -> CaseKey:
        """A fresh random key."""
        raw = os.urandom(32)
        nonce = os.urandom(_NONCE)
        return CaseKey(raw, nonce + self._wrap.encrypt(nonce, raw, b"case key"))

    def case_key(self, wrapped: bytes) -> CaseKey:
        """Unwrap; the most recent ones are kept at hand. Raises KeyRefused."""
        found = self._opened.get(wrapped)
        if found is None:
            try:
                raw = self._wrap.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], b"case key")
            except InvalidTag as error:
                raise KeyRefused(
                    "a case key cannot be unwrapped: the master key is not the one it was made with"
                ) from error
            found = self._opened[wrapped] = CaseKey(raw, wrapped)
            while len(self._opened) > 2048:
                self._opened.popitem(last=False)
        return found

    def seal_blob(self, content: bytes) -> bytes:
        """Encrypt a file for the blob store."""
        nonce = os.urandom(_NONCE)
        return nonce + self._files.encrypt(nonce, content, b"blob")

    def unseal_blob(self, sealed: bytes) -> bytes:
        """Decrypt a file of the blob store. Raises KeyRefused."""
        try:
            return self._files.decrypt(sealed[:_NONCE], sealed[_NONCE:], b"blob")
        except InvalidTag as error:
            raise KeyRefused("a stored file cannot be opened: it was changed, or sealed under another key") from error

    def message_digest(self, canonical: bytes) -> str:
        """Keyed digest of a message (R1): equal content, equal digest; tells nothing without the key."""
        return hmac.digest(self._digest, canonical, "sha256").hex()

    def client_hash(self, key: str) -> str:
        """How a sender's key is stored and looked up."""
        return hmac.digest(self._clients, key.encode(), "sha256").hex()

    def blob_name(self, content: bytes) -> str:
        """Content address that cannot be guessed from the content."""
        return hmac.digest(self._blobs, content, "sha256").hex()

    def sheet_mac(self, number: str, version: int, content_hash: str) -> bytes:
        """16 bytes of MAC over number, version and content: what a sheet's QR code proves."""
        return hmac.digest(self._sheets, f"{number}:{version}:{content_hash}".encode(), "sha256")[:16]

    def sheet_number_mac(self, random_part: str) -> str:
        """The last three characters of a sheet number."""
        value = int.from_bytes(hmac.digest(self._sheets, random_part.encode(), "sha256")[:2], "big")
        return "".join(SHEET_ALPHABET[(value >> shift) & 31] for shift in (10, 5, 0))

    def proof(self) -> str:
        """What the key-check row holds."""
        return hmac.digest(self._check, b"onedoor", "sha256").hex()


def _derive(master: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(master)


def write_key(path: Path, *, demo: bool = False) -> None:
    """Make a master key file, readable by its owner only. Raises KeyRefused when there is one already."""
    line = (f"{DEMO_MARK}:" if demo else "") + base64.b64encode(os.urandom(32)).decode() + "\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyRefused(
            f"{path} exists already: a new key would make everything under the old one unreadable"
        ) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_key(path: Path, *, demo: bool = False) -> Keys:
    """Read a master key file. Raises KeyRefused for a missing, readable-by-others or demo key (unless ``demo``)."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise KeyRefused(
            f"no master key at {path}: run `onedoor init`, or name the key file in the settings"
        ) from error
    if mode & 0o077:
        raise KeyRefused(f"{path} can be read by others: run `chmod 600 {path}`")
    is_demo = text.startswith(f"{DEMO_MARK}:")
    if is_demo and not demo:
        raise KeyRefused(f"{path} is a demo key: run `onedoor init` to make one for real cases")
    try:
        master = base64.b64decode(text.removeprefix(f"{DEMO_MARK}:"), validate=True)
    except ValueError as error:
        raise KeyRefused(f"{path} holds no key: restore it from its backup") from error
    if len(master) != 32:
        raise KeyRefused(f"{path} holds {len(master)} bytes instead of 32: restore it from its backup")
    return Keys(master)
