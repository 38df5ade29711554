"""An SFTP server on loopback: paramiko's server side over a folder on disk, one account a department.

It keeps the two promises that the file exchange stands on, as OpenSSH does: a plain rename never replaces a file, and
``fsync@openssh.com`` brings a file to the disk. It can also write slowly, stand still, be shut and opened again, and do wrong what its
dial says at the door and during an upload (``simulators.faults``).
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_INIT,
    CMD_MKDIR,
    CMD_OPEN,
    CMD_OPENDIR,
    CMD_READ,
    CMD_REMOVE,
    CMD_RENAME,
    CMD_VERSION,
    CMD_WRITE,
    SFTP_FAILURE,
    SFTP_FLAG_WRITE,
    SFTP_OK,
)

from contracts.records import record
from simulators.dial import NOTHING, FaultDial, Met
from simulators.faults import Fault, Place

if TYPE_CHECKING:
    from typing_extensions import Buffer

FSYNC = "fsync@openssh.com"
POSIX_RENAME = "posix-rename@openssh.com"
_ON_A_HANDLE: Mapping[int, str] = {CMD_WRITE: "write", CMD_READ: "read", CMD_CLOSE: "close"}
_ON_A_PATH: Mapping[int, str] = {CMD_REMOVE: "remove", CMD_OPENDIR: "list", CMD_MKDIR: "mkdir"}
_HALF_CHUNK = 1024
"""Bytes that still go to a disk before it is full."""


@record
class Account:
    """Who may come in, and the folder that is ``/`` for them. ``authorized_key``: a public key, ``ssh-ed25519 AAAA...``."""

    username: str
    password: str
    root: Path
    authorized_key: str = ""


class SftpServer:
    """A running server. ``host_key`` is what a client pins; ``connections`` counts those that got past the door, ``logins`` the proofs
    that were tried.

    ``watch`` is told of every request before it is served, by a word (``open`` to read, ``create`` to write, ``write``, ``read``, ``close``,
    ``rename``, ``remove``, ``list``, ``mkdir``, ``sync``, ``other``) and its paths; what it returns instead of SFTP_OK is the answer.
    """

    def __init__(
        self, accounts: Sequence[Account], *, key: paramiko.PKey, dial: FaultDial | None, delay_seconds: float
    ) -> None:
        self.accounts = {account.username: account for account in accounts}
        self.key = key
        self.host_key = f"{key.get_name()} {key.get_base64()}"
        self.host = "127.0.0.1"
        self.port = 0
        self.connections = 0
        self.logins = 0
        self.watch: Callable[[str, tuple[str, ...]], int] | None = None
        self.write_pause_seconds = 0.0
        self.moving = threading.Event()
        self.moving.set()
        self._dial = dial
        self._delay_seconds = delay_seconds
        self._transports: list[paramiko.Transport] = []
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody listens."""
        return self._listener is not None

    @cached_property
    def _other_key(self) -> paramiko.PKey:
        return paramiko.ECDSAKey.generate()

    def open(self) -> None:
        """Listen, on the same port each time. Raises OSError when somebody else has taken it meanwhile."""
        if self._listener is not None:
            return
        self._listener = socket.create_server((self.host, self.port))
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._accepting.start()

    def shut(self) -> None:
        """Nobody listens any more: connections are refused, those that are open are cut."""
        listener, self._listener = self._listener, None
        if listener is None or self._accepting is None:
            return
        # Closing alone does not wake a thread that waits in accept.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        self._accepting.join(5)
        self.cut()

    def stand_still(self) -> None:
        """Accept everything and answer nothing, like a stopped process, until ``go_on``."""
        self.moving.clear()

    def go_on(self) -> None:
        """End ``stand_still``."""
        self.moving.set()

    def cut(self) -> None:
        """Break every connection there is."""
        transports, self._transports = self._transports, []
        for transport in transports:
            transport.close()
            transport.join(5)

    def meet(self, place: Place) -> Met:
        """What the dial has for the next connection, or upload."""
        return self._dial.meet(place) if self._dial else NOTHING

    def _accept(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            met = self.meet(Place.CONNECTION)
            if met.fault in (Fault.REFUSE, Fault.RESET):
                if met.fault is Fault.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection, met), daemon=True).start()

    def _serve(self, connection: socket.socket, met: Met) -> None:
        if met.fault is Fault.DELAY:
            time.sleep(self._delay_seconds if met.seconds is None else met.seconds)
        self.connections += 1
        transport = paramiko.Transport(connection)
        self._transports.append(transport)
        transport.add_server_key(self._other_key if met.fault is Fault.CHANGED_HOST_KEY else self.key)
        transport.set_subsystem_handler("sftp", _Sftp, _Folder, self, transport)
        accounts = {} if met.fault is Fault.LOGIN_REFUSED else self.accounts
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(event=threading.Event(), server=_Door(accounts, self._tried))

    def _tried(self) -> None:
        self.logins += 1


class _Door(paramiko.ServerInterface):
    """One connection's login."""

    def __init__(self, accounts: dict[str, Account], tried: Callable[[], None]) -> None:
        self._accounts = accounts
        self._tried = tried
        self.account: Account | None = None

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        account = self._accounts.get(username)
        return self._admit(account if account and account.password and account.password == password else None)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        account = self._accounts.get(username)
        shown = f"{key.get_name()} {key.get_base64()}"
        return self._admit(account if account and account.authorized_key == shown else None)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def _admit(self, account: Account | None) -> int:
        self._tried()
        self.account = account
        return AUTH_SUCCESSFUL if account else AUTH_FAILED


class _Sftp(paramiko.SFTPServer):
    """paramiko's server with fsync, which it lacks."""

    if TYPE_CHECKING:  # inherited; the stubs leave the protocol's own calls out
        server: Any

        def _send_packet(self, kind: int, packet: paramiko.Message) -> None: ...
        def _read_packet(self) -> tuple[int, bytes]: ...
        def _send_status(self, number: int, code: int) -> None: ...

    def _send_server_version(self) -> int:
        kind, _ = self._read_packet()
        if kind != CMD_INIT:
            raise paramiko.SFTPError("not an SFTP client")
        hello = paramiko.Message()
        hello.add_int(3)
        for name in (FSYNC, POSIX_RENAME):
            hello.add_string(name)
            hello.add_string("1")
        self._send_packet(CMD_VERSION, hello)
        return 3

    def _process(self, kind: int, number: int, message: paramiko.Message) -> None:
        self.server.stall()
        answer = self.server.asked(*self._wish(kind, message.get_remainder()))
        if answer != SFTP_OK:
            self._send_status(number, answer)
            return
        if kind == CMD_EXTENDED:
            rest = paramiko.Message(message.get_remainder())
            if rest.get_text() == FSYNC:
                self._send_status(number, self._synced(rest.get_binary()))
                return
        super()._process(kind, number, message)  # type: ignore[misc]  # the stubs leave it out

    def _wish(self, kind: int, rest: bytes) -> tuple[str, tuple[str, ...]]:
        """A request in a word, and the paths that it names."""
        told = paramiko.Message(rest)
        if kind == CMD_OPEN:
            path, flags = told.get_text(), told.get_int()
            return "create" if flags & SFTP_FLAG_WRITE else "open", (path,)
        if kind == CMD_RENAME:
            return "rename", (told.get_text(), told.get_text())
        if kind in _ON_A_PATH:
            return _ON_A_PATH[kind], (told.get_text(),)
        if kind in _ON_A_HANDLE:
            file = self.file_table.get(told.get_binary())
            return _ON_A_HANDLE[kind], (file.path,) if isinstance(file, _File) else ()
        extension = told.get_text() if kind == CMD_EXTENDED else ""
        if extension == POSIX_RENAME:
            return "rename", (told.get_text(), told.get_text())
        return "sync" if extension == FSYNC else "other", ()

    def _synced(self, handle: bytes) -> int:
        file = self.file_table.get(handle)
        if not isinstance(file, _File):
            return SFTP_FAILURE
        os.fsync(file.opened.fileno())
        return SFTP_OK


class _File(paramiko.SFTPHandle):
    """An open file."""

    def __init__(
        self, path: Path, flags: int, pause_seconds: float, fault: Fault | None, line: paramiko.Transport
    ) -> None:
        super().__init__(flags)
        self.path = ""
        mode = "rb" if not flags & (os.O_WRONLY | os.O_RDWR) else "r+b"
        # Flags are the client's wish for creating and truncating; Python's modes cannot say all of them.
        self.opened = os.fdopen(os.open(path, flags, 0o644), mode)
        self._pause_seconds = pause_seconds
        self._fault, self._line = fault, line
        self.readfile = self.writefile = self.opened

    def write(self, offset: int, data: "Buffer") -> int:
        time.sleep(self._pause_seconds)
        if self._fault is not None:
            super().write(offset, bytes(data)[:_HALF_CHUNK])
            if self._fault is Fault.RESET_MID_BODY:
                self._line.close()
            # What OpenSSH makes of ENOSPC: version 3 of the protocol has no better word.
            return SFTP_FAILURE
        return super().write(offset, data)

    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.opened.fileno()))


class _Folder(paramiko.SFTPServerInterface):
    """The account's folder. Paths cannot leave it."""

    def __init__(self, door: _Door, server: SftpServer, line: paramiko.Transport) -> None:
        super().__init__(door)
        # Nobody opens a session before the login, which sets the account.
        self._root = door.account.root if door.account else Path(os.devnull)
        self._server = server
        self._line = line

    def stall(self) -> None:
        """Wait while the server stands still."""
        self._server.moving.wait()

    def asked(self, what: str, paths: tuple[str, ...]) -> int:
        """Tell whoever watches the server of a request; SFTP_OK lets it be served."""
        return self._server.watch(what, paths) if self._server.watch else SFTP_OK

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            with os.scandir(self._real(path)) as entries:
                return [found for found in map(_entry, entries) if found is not None]
        except OSError as error:
            return _refusal(error)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._real(path).stat())
        except OSError as error:
            return _refusal(error)

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._real(path).lstat())
        except OSError as error:
            return _refusal(error)

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        fault = self._server.meet(Place.TRANSFER).fault if flags & (os.O_WRONLY | os.O_RDWR) else None
        try:
            file = _File(self._real(path), flags, self._server.write_pause_seconds, fault, self._line)
        except OSError as error:
            return _refusal(error)
        file.path = os.path.normpath(f"/{path}")
        return file

    def remove(self, path: str) -> int:
        try:
            self._real(path).unlink()
        except OSError as error:
            return _refusal(error)
        return SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> int:
        try:
            # A hard link fails where the name is taken: the one rename that can neither replace nor race.
            os.link(self._real(oldpath), self._real(newpath), follow_symlinks=False)
            self._real(oldpath).unlink()
        except OSError as error:
            return _refusal(error)
        return SFTP_OK

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        try:
            self._real(oldpath).replace(self._real(newpath))
        except OSError as error:
            return _refusal(error)
        return SFTP_OK

    def _real(self, path: str) -> Path:
        return self._root / os.path.normpath(f"/{path}").lstrip("/")


def _entry(entry: os.DirEntry[str]) -> paramiko.SFTPAttributes | None:
    try:
        attributes = paramiko.SFTPAttributes.from_stat(entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None  # moved away since the folder was opened
    # Bytes as they are: names in GBK are part of the world.
    attributes.filename = os.fsencode(entry.name)  # type: ignore[assignment]
    return attributes


def _refusal(error: OSError) -> int:
    return paramiko.SFTPServer.convert_errno(error.errno or 0)


@contextmanager
def sftp_server(
    accounts: Sequence[Account],
    *,
    port: int = 0,
    key: paramiko.PKey | None = None,
    dial: FaultDial | None = None,
    delay_seconds: float = 1.0,
) -> Iterator[SftpServer]:
    """A server on 127.0.0.1 until the block ends. ``port`` 0 takes a free one; ``key`` None makes a new host key.

    ``delay_seconds``: what the dial's delay takes where its rule does not say.
    """
    server = SftpServer(accounts, key=key or paramiko.ECDSAKey.generate(), dial=dial, delay_seconds=delay_seconds)
    server.port = port
    server.open()
    try:
        yield server
    finally:
        server.go_on()
        server.shut()
