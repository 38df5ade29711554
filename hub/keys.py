"""Keys and what is done with them: a master key outside the database, a root key and a key for every case inside, wrapped by it.

Erasing a case key (kept only wrapped, in the case's row) makes all that was sealed under it unreadable for good. What
encrypts and hashes is the suite of the database (``hub.suites``); nonces are random, 96 bits.
"""

import base64
import hmac
import os
from collections import OrderedDict
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.errors import OnedoorError
from contracts.task_sheet import SHEET_ALPHABET
from hub.journal import Journal
from hub.suites import INTERNATIONAL, NONCE, Nonces, Suite

DEMO_MARK = "demo"

_nonce = Nonces()


class KeyRefused(OnedoorError):
    """No key, a wrong key, or a demo key where real cases would be kept. The text says what to do."""


class Erased(KeyRefused):
    """The person's data was erased: the key is gone, and nothing that was sealed under it can be read again."""


class CaseKey:
    """The key of one case. ``wrapped`` is what may be stored."""

    __slots__ = ("_cipher", "_raw", "_suite", "wrapped")

    def __init__(self, raw: bytes, wrapped: bytes, suite: Suite) -> None:
        self._raw = raw
        self._suite = suite
        self._cipher = suite.cipher(raw)
        self.wrapped = wrapped

    def seal(self, content: bytes, what: str) -> bytes:
        """Encrypt; ``what`` names the use, so that one sealed column cannot be passed off as another."""
        nonce = _nonce()
        return nonce + self._cipher.encrypt(nonce, content, what.encode())

    def unseal(self, sealed: bytes, what: str) -> bytes:
        """Decrypt. Raises KeyRefused when the content was changed or the key is another one."""
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], what.encode())
        except InvalidTag as error:
            raise KeyRefused(
                f"a sealed {what} cannot be opened: it was changed, or sealed under another key"
            ) from error

    def commit(self, content: bytes) -> str:
        """A commitment for the journal: proves the content later, tells nothing about it, dies with the key."""
        return self._suite.mac(self._raw, content).hex()


class Keys:
    """All keys. The master key wraps; what must stay the same when it is rotated comes from the root key."""

    def __init__(self, master: bytes, root: bytes | None = None, suite: Suite = INTERNATIONAL) -> None:
        """``master``, ``root``: 32 bytes each. Without a root (before the database is unlocked) the master stands in for it."""
        root = root or master
        self.suite = suite
        self._master = master
        self._wrap = suite.cipher(suite.derive(master, "wrap case keys"))
        self._check = suite.derive(master, "key check")
        self._files = suite.cipher(suite.derive(root, "seal blobs"))
        self._digest = suite.keyed(suite.derive(root, "message digests"))
        self._clients = suite.derive(root, "client keys")
        self._blobs = suite.derive(root, "blob names")
        self._sheets = suite.derive(root, "sheet codes")
        self._index = suite.keyed(suite.derive(root, "blind index"))
        self._marks = suite.keyed(suite.derive(root, "journal marks"))
        self.seal_key = Ed25519PrivateKey.from_private_bytes(suite.derive(root, "journal seals"))
        self._accounts = suite.cipher(suite.derive(root, "seal accounts"))
        self._sign_in = suite.derive(root, "sessions and sign-ins")
        self._journals: dict[str, Journal] = {}
        self._opened: OrderedDict[bytes, CaseKey] = OrderedDict()

    def secret(self) -> bytes:
        """The master key itself, for wrapping."""
        return self._master

    def rooted(self, root: bytes) -> "Keys":
        """The same master key with the root key of a database."""
        return Keys(self._master, root, self.suite)

    def journal(self, region: str) -> Journal:
        """How entries of the region's journal are hashed and marked as ours."""
        found = self._journals.get(region)
        if found is None:
            found = self._journals[region] = Journal(region, self.suite, self._marks)
        return found

    def new_case_key(self) -> CaseKey:
        """A fresh random key."""
        raw = os.urandom(32)
        return self._at_hand(CaseKey(raw, self.wrap(raw, "case key"), self.suite))

    def case_key(self, wrapped: bytes) -> CaseKey:
        """Unwrap; the most recent ones are kept at hand. Raises Erased, KeyRefused."""
        found = self._opened.get(wrapped)
        if found is None:
            if not wrapped:
                raise Erased("this case was erased: what was handed in cannot be read any more")
            found = self._at_hand(CaseKey(self.unwrap(wrapped, "case key"), wrapped, self.suite))
        return found

    def _at_hand(self, key: CaseKey) -> CaseKey:
        self._opened[key.wrapped] = key
        while len(self._opened) > 2048:
            self._opened.popitem(last=False)
        return key

    def forget(self) -> None:
        """Drop the case keys that are at hand: one of them was erased."""
        self._opened.clear()

    def wrap(self, raw: bytes, what: str) -> bytes:
        """Encrypt a key under the master key; ``what`` names its use."""
        nonce = _nonce()
        return nonce + self._wrap.encrypt(nonce, raw, what.encode())

    def unwrap(self, wrapped: bytes, what: str) -> bytes:
        """The key again. Raises KeyRefused."""
        try:
            return self._wrap.decrypt(wrapped[:NONCE], wrapped[NONCE:], what.encode())
        except InvalidTag as error:
            raise KeyRefused(f"a {what} cannot be unwrapped: the master key is not the one it was made with") from error

    def seal_blob(self, content: bytes) -> bytes:
        """Encrypt a file for the blob store."""
        nonce = _nonce()
        return nonce + self._files.encrypt(nonce, content, b"blob")

    def unseal_blob(self, sealed: bytes) -> bytes:
        """Decrypt a file of the blob store. Raises KeyRefused."""
        try:
            return self._files.decrypt(sealed[:NONCE], sealed[NONCE:], b"blob")
        except InvalidTag as error:
            raise KeyRefused("a stored file cannot be opened: it was changed, or sealed under another key") from error

    def message_digest(self, canonical: bytes) -> str:
        """Keyed digest of a message (R1): equal content, equal digest; tells nothing without the key."""
        return self._digest(canonical).hex()

    def client_hash(self, key: str) -> str:
        """How a sender's key is stored and looked up."""
        return self.suite.mac(self._clients, key.encode()).hex()

    def seal_account(self, content: bytes, login: str, what: str) -> bytes:
        """Encrypt a column of an account; bound to its login and to its use."""
        nonce = _nonce()
        return nonce + self._accounts.encrypt(nonce, content, f"{what}:{login}".encode())

    def unseal_account(self, sealed: bytes, login: str, what: str) -> bytes:
        """Decrypt a column of an account. Raises KeyRefused."""
        try:
            return self._accounts.decrypt(sealed[:NONCE], sealed[NONCE:], f"{what}:{login}".encode())
        except InvalidTag as error:
            raise KeyRefused(f"the {what} of an account cannot be opened: it was changed") from error

    def sign_in_hash(self, purpose: str, text: str) -> str:
        """How a session's cookie, an address or a login is stored where it must be found again but not read."""
        return self.suite.mac(self._sign_in, f"{purpose}:{text}".encode()).hex()

    def blob_name(self, content: bytes) -> str:
        """Content address that cannot be guessed from the content."""
        return self.suite.mac(self._blobs, content).hex()

    def index_value(self, kind: str, plain: str) -> str:
        """Blind index: equal plain texts of one kind, equal values; a bare hash of an identity number would be guessed in a minute."""
        return self._index(f"{kind}:{plain}".encode())[:16].hex()

    def sheet_mac(self, number: str, version: int, content_hash: str) -> bytes:
        """16 bytes of MAC over number, version and content: what a sheet's QR code proves."""
        return self.suite.mac(self._sheets, f"{number}:{version}:{content_hash}".encode())[:16]

    def sheet_number_mac(self, random_part: str) -> str:
        """The last three characters of a sheet number."""
        value = int.from_bytes(self.suite.mac(self._sheets, random_part.encode())[:2], "big")
        return "".join(SHEET_ALPHABET[(value >> shift) & 31] for shift in (10, 5, 0))

    def proof(self) -> str:
        """What the key-check row holds."""
        return self.suite.mac(self._check, b"onedoor").hex()

    def is_proved_by(self, proof: str) -> bool:
        """Whether this is the master key that the row was made with."""
        return hmac.compare_digest(self.proof(), proof)


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


def read_key(path: Path, *, demo: bool = False, suite: Suite = INTERNATIONAL) -> Keys:
    """Read a master key file. Raises KeyRefused for a missing, readable-by-others or demo key (unless ``demo``).

    What it gives knows the master key only: ``hub.keyring.unlock`` adds what a database keeps.
    """
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
    return Keys(master, suite=suite)
