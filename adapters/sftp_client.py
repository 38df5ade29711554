"""SFTP as ``RemoteFiles``: one pinned, kept connection, every call with a deadline, every failure with its class.

Nothing is ever acted on while a file has only a temporary name, so that all but a rename can fail without doubt:

    connect refused, lost, timed out         TemporaryError      nothing left
    list, read, exists, write, remove        TemporaryError      nothing is visible under a final name
    rename, answered by the server           TemporaryError      ``exists``, ``no_such_file``, ``permission_denied``, ``refused``
    rename, no answer                        OutcomeUnknownError the name may be there
    password, key, host key, algorithms      CredentialsError    never tried again by itself
"""

import errno
import io
import itertools
import socket
import struct
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import TypeVar

import paramiko

from adapters.sftp_session import WEAK_ALGORITHMS, SftpSession, parse_host_key, parse_private_key, prefer_key_type
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, TemporaryError
from contracts.records import record

T = TypeVar("T")

CHUNK = 32_768


@record
class SftpAddress:
    """Where and as whom; ``host_key`` is the pinned public key, ``ssh-ed25519 AAAA...``."""

    host: str
    port: int
    username: str
    host_key: str


@record
class SftpLogin:
    """Secrets. With a private key the password is not used."""

    password: str = ""
    private_key: str = ""
    passphrase: str = ""


@record
class SftpTimeouts:
    """Seconds. ``channel_seconds``: silence within one call; ``total_seconds``: one call altogether, connecting included."""

    connect_seconds: float = 10.0
    channel_seconds: float = 30.0
    total_seconds: float = 300.0


_LOST = (EOFError, OSError, paramiko.SSHException, paramiko.SFTPError, struct.error, ValueError)
"""What paramiko raises when a connection breaks or a server talks nonsense."""


class SftpFiles:
    """``contracts.plugin.RemoteFiles`` over SFTP. Connects at the first call, keeps the connection, replaces a broken one.

    One call at a time: another thread waits for the running call, whose own deadline bounds that.
    """

    def __init__(self, address: SftpAddress, login: Callable[[], SftpLogin], timeouts: SftpTimeouts) -> None:
        """Opens nothing; ``login`` is asked at every connect, so that a changed secret needs no restart.

        Raises ValueError for a host key that is none.
        """
        self._address = address
        self._login = login
        self._timeouts = timeouts
        self._pinned = parse_host_key(address.host_key)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._transport: paramiko.Transport | None = None
        self._sftp: SftpSession | None = None

    def list(self, folder: str, limit: int) -> Sequence[tuple[str, int, float]]:
        """As ``RemoteFiles.list``; names that are not UTF-8, folders, links and devices are left out."""

        def names(sftp: SftpSession) -> Sequence[tuple[str, int, float]]:
            return [
                (name, attributes.st_size or 0, float(attributes.st_mtime or 0))
                for name, attributes in sftp.names(folder, limit)
            ]

        return self._call(names)

    def pages(self, folder: str, size: int) -> Generator[Sequence[tuple[str, int, float]], None, None]:
        """As ``RemoteFiles.pages``: each page is a call with its own deadline; other calls may come in between."""
        session: SftpSession | None = None
        names: Generator[tuple[str, paramiko.SFTPAttributes], None, None] | None = None

        def page(sftp: SftpSession) -> Sequence[tuple[str, int, float]]:
            nonlocal session, names
            if session is None or names is None:
                session, names = sftp, sftp.names(folder, sys.maxsize)
            if session is not sftp:
                raise TemporaryError("connection_lost", "the connection broke while a folder was listed")
            return [
                (name, attributes.st_size or 0, float(attributes.st_mtime or 0))
                for name, attributes in itertools.islice(names, size)
            ]

        def close(sftp: SftpSession) -> None:
            if names is not None and session is sftp:
                names.close()

        try:
            while found := self._call(page):
                yield found
        finally:
            with suppress(DeliveryError):
                self._call(close)
            if names is not None:
                with suppress(*_LOST):
                    names.close()

    def read(self, path: str, max_bytes: int) -> bytes:
        """The whole file. TemporaryError with code ``too_large`` where it holds more than ``max_bytes``."""

        def content(sftp: SftpSession) -> bytes:
            with sftp.open(path, "rb") as file:
                parts = io.BytesIO()
                while part := file.read(CHUNK):
                    parts.write(part)
                    if parts.tell() > max_bytes:
                        raise TemporaryError("too_large", f"a file holds more than {max_bytes} bytes")
                return parts.getvalue()

        return self._call(content)

    def write(self, path: str, content: bytes) -> None:
        """Create or replace, sync where offered, and compare the size; meant for temporary names only."""

        def upload(sftp: SftpSession) -> None:
            with sftp.open(path, "wb") as file:
                for start in range(0, len(content), CHUNK):
                    file.write(content[start : start + CHUNK])
                sftp.sync(file)
                if file.stat().st_size != len(content):
                    raise TemporaryError("short_write", "the server holds another number of bytes than were sent")

        self._call(upload)

    def rename(self, old: str, new: str) -> None:
        """As ``RemoteFiles.rename``. Looks first, since some servers replace although the protocol forbids it."""

        def rename(sftp: SftpSession) -> None:
            try:
                sftp.rename(old, new)
            except TimeoutError:
                raise
            except OSError:
                if self._alive() and sftp.is_file(new):
                    raise TemporaryError("exists", "the new name is taken") from None
                raise

        if self.exists(new):
            raise TemporaryError("exists", "the new name is taken")
        self._call(rename, lost=OutcomeUnknownError)

    def exists(self, path: str) -> bool:
        """Whether a plain file has that name."""
        return self._call(lambda sftp: sftp.is_file(path))

    def remove(self, path: str) -> None:
        """Remove a plain file; one that is gone already is no error."""

        def remove(sftp: SftpSession) -> None:
            with suppress(FileNotFoundError):
                sftp.remove(path)

        self._call(remove)

    def close(self) -> None:
        """Give the connection back, ending a call that still runs; the next call would open another one."""
        self._hang_up()
        with self._lock:
            self._drop()

    def _call(self, action: Callable[[SftpSession], T], *, lost: type[DeliveryError] = TemporaryError) -> T:
        if not self._lock.acquire(timeout=self._timeouts.total_seconds):
            raise TemporaryError("busy", "an earlier call on this connection has not ended")
        expired = threading.Event()
        watchdog = threading.Timer(self._timeouts.total_seconds, self._expire, (expired,))
        watchdog.daemon = True
        watchdog.start()
        try:
            sftp = self._connected(expired)
            try:
                return action(sftp)
            except _LOST as error:
                raise self._failure(error, expired, lost) from error
        finally:
            watchdog.cancel()
            self._lock.release()

    def _expire(self, expired: threading.Event) -> None:
        """Some waits inside paramiko know no timeout; without its connection every one of them ends."""
        expired.set()
        self._hang_up()

    def _failure(self, error: Exception, expired: threading.Event, lost: type[DeliveryError]) -> DeliveryError:
        """An answer of the server leaves the connection as it is; anything else ends it."""
        if isinstance(error, OSError) and not isinstance(error, TimeoutError) and self._alive():
            codes = {errno.ENOENT: "no_such_file", errno.EACCES: "permission_denied"}
            return TemporaryError(codes.get(error.errno or 0, "refused"), "the server refused a file operation")
        self._drop()
        if expired.is_set() or isinstance(error, TimeoutError):
            return lost("timeout", "the server did not answer in time")
        return lost("connection_lost", "the connection broke during a file operation")

    def _alive(self) -> bool:
        sftp, transport = self._sftp, self._transport
        channel = sftp.get_channel() if sftp else None
        return bool(transport and transport.is_active() and channel and not channel.closed)

    def _connected(self, expired: threading.Event) -> SftpSession:
        if self._sftp is not None and self._alive():
            return self._sftp
        self._drop()
        try:
            self._sftp = self._connect()
        except DeliveryError:
            self._drop()
            raise
        except _LOST as error:
            self._drop()
            if expired.is_set() or isinstance(error, TimeoutError):
                raise TemporaryError("connect_timeout", "the server did not answer in time") from error
            if isinstance(error, ConnectionRefusedError):
                raise TemporaryError("connect_refused", "nobody listens at the address") from error
            raise TemporaryError("connect_failed", "no SFTP session could be opened") from error
        return self._sftp

    def _connect(self) -> SftpSession:
        address, seconds = self._address, self._timeouts
        self._socket = socket.create_connection((address.host, address.port), timeout=seconds.connect_seconds)
        self._transport = transport = paramiko.Transport(self._socket, disabled_algorithms=WEAK_ALGORITHMS)
        transport.banner_timeout = transport.handshake_timeout = seconds.connect_seconds
        transport.auth_timeout = transport.channel_timeout = seconds.channel_seconds
        prefer_key_type(transport, self._pinned)
        try:
            transport.start_client(timeout=seconds.connect_seconds)
        except paramiko.ssh_exception.IncompatiblePeer as error:
            raise CredentialsError(
                "no_common_algorithm", "the server offers no algorithm that is still safe"
            ) from error
        if transport.get_remote_server_key() != self._pinned:
            raise CredentialsError("host_key", "the server shows another host key than the pinned one")
        self._log_in(transport)
        channel = transport.open_session(timeout=seconds.channel_seconds)
        channel.settimeout(seconds.channel_seconds)
        channel.invoke_subsystem("sftp")
        return SftpSession(channel)

    def _log_in(self, transport: paramiko.Transport) -> None:
        username, login = self._address.username, self._login()
        try:
            if login.private_key:
                left = transport.auth_publickey(username, parse_private_key(login.private_key, login.passphrase))
            else:
                left = transport.auth_password(username, login.password)
        except paramiko.AuthenticationException as error:
            # paramiko says the same class for a refusal, for silence and for a server that died meanwhile.
            if not transport.is_active() or "timeout" in str(error).lower():
                raise TemporaryError("connect_failed", "the server did not answer the login") from error
            raise CredentialsError("login", "the server refused the login") from error
        if left:
            raise CredentialsError("login", "the server wants a further proof that is not configured")

    def _drop(self) -> None:
        self._hang_up()
        self._socket = self._transport = self._sftp = None

    def _hang_up(self) -> None:
        transport, sock = self._transport, self._socket
        if transport is not None:
            transport.close()
        if sock is not None:
            sock.close()
