"""One SFTP session on paramiko: what its client leaves out, and what it would offer but must not.

paramiko has no fsync, forgets which extensions the server offered, leaves folders open when a listing is abandoned and dies of
one file name that is not UTF-8.
"""

import base64
import binascii
import io
import stat
import struct
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import paramiko
from paramiko.sftp import CMD_CLOSE, CMD_EXTENDED, CMD_HANDLE, CMD_INIT, CMD_OPENDIR, CMD_READDIR, CMD_VERSION

from contracts.errors import CredentialsError

FSYNC = "fsync@openssh.com"
WEAK_ALGORITHMS = {
    "ciphers": ["3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc"],
    "macs": ["hmac-md5", "hmac-md5-96", "hmac-sha1", "hmac-sha1-96"],
}
"""paramiko still offers them; an attacker on the line must not be able to choose them."""


class SftpSession(paramiko.SFTPClient):
    """What paramiko's client leaves out: the server's extensions, fsync, and a listing that stops and tidies up."""

    extensions: frozenset[str] = frozenset()

    if TYPE_CHECKING:  # inherited; the stubs leave the protocol's own calls out

        def _send_packet(self, kind: int, packet: paramiko.Message) -> None: ...
        def _read_packet(self) -> tuple[int, bytes]: ...
        def _request(self, kind: int, *arguments: object) -> tuple[int, paramiko.Message]: ...

    def _send_version(self) -> int:
        hello = paramiko.Message()
        hello.add_int(3)
        self._send_packet(CMD_INIT, hello)
        kind, data = self._read_packet()
        if kind != CMD_VERSION:
            raise paramiko.SFTPError("not an SFTP server")
        answer = paramiko.Message(data)
        version = int(answer.get_int())
        names = []
        while len(answer.get_remainder()) >= 4:
            names.append(answer.get_string().decode("utf-8", "replace"))
            answer.get_string()
        self.extensions = frozenset(names)
        return version

    def sync(self, file: paramiko.SFTPFile) -> None:
        """Ask the server to bring the file to its disk, where it offers that; one that offers and refuses it has none."""
        if FSYNC in self.extensions:
            with suppress(PermissionError):
                self._request(CMD_EXTENDED, FSYNC, file.handle)

    def names(self, folder: str, limit: int) -> Generator[tuple[str, paramiko.SFTPAttributes], None, None]:
        """Plain files with readable names, at most ``limit``; the handle is given back in any case."""
        kind, answer = self._request(CMD_OPENDIR, folder)
        if kind != CMD_HANDLE:
            raise paramiko.SFTPError("no handle")
        handle = answer.get_string()
        try:
            while limit > 0:
                _, answer = self._request(CMD_READDIR, handle)
                for _ in range(answer.get_int()):
                    name = answer.get_string()
                    answer.get_string()
                    attributes = _attributes(answer)
                    # Names in another encoding cannot be ours; paramiko's own listing dies of them.
                    with suppress(UnicodeDecodeError):
                        if stat.S_ISREG(attributes.st_mode or 0):
                            limit -= 1
                            yield name.decode("utf-8"), attributes
        except EOFError:
            pass
        finally:
            self._request(CMD_CLOSE, handle)

    def is_file(self, path: str) -> bool:
        """Whether a plain file, no link to one, has that name."""
        try:
            return stat.S_ISREG(self.lstat(path).st_mode or 0)
        except FileNotFoundError:
            return False


def _attributes(answer: paramiko.Message) -> paramiko.SFTPAttributes:
    parse = paramiko.SFTPAttributes._from_msg  # type: ignore[attr-defined]  # noqa: SLF001 - the one parser there is
    attributes: paramiko.SFTPAttributes = parse(answer)
    return attributes


def parse_host_key(line: str) -> paramiko.PKey:
    """The key of a ``known_hosts`` style line without host. Raises ValueError."""
    kind, _, rest = line.strip().partition(" ")
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(rest.split(" ")[0], validate=True))
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, binascii.Error, ValueError, struct.error) as error:
        raise ValueError("a host key looks like 'ssh-ed25519 AAAA...', as ssh-keyscan prints it") from error


def prefer_key_type(transport: paramiko.Transport, pinned: paramiko.PKey) -> None:
    """A server with several host keys must be asked for the one that is pinned."""
    options = transport.get_security_options()
    wanted = ("rsa-sha2-512", "rsa-sha2-256") if pinned.get_name() == "ssh-rsa" else (pinned.get_name(),)
    options.key_types = (*wanted, *(kind for kind in options.key_types if kind not in wanted))


def parse_private_key(text: str, passphrase: str) -> paramiko.PKey:
    """A private key as ssh-keygen writes it. Raises CredentialsError."""
    kinds: Sequence[type[paramiko.PKey]] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    for kind in kinds:
        with suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(io.StringIO(text), passphrase or None)
    raise CredentialsError("private_key", "the private key, or its passphrase, cannot be read")
