"""Where a file channel is certified: an SFTP server that can be watched and made to fail, and the desk of the department behind it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.file_drop_table import Auth
from contracts.records import Fields
from simulators.certify.file_desk import FileDesk, desk_of
from simulators.certify.subject import Subject
from simulators.certify.verdict import Failed
from simulators.file_department import file_drop_table
from simulators.sftp_server import Account, SftpServer, sftp_server

_USER = "onedoor"


@dataclass(slots=True)
class FilePlace:
    """``settings`` open the channel; ``secrets`` are its login, by name. ``desk``: of the simulated department; None at a test endpoint.

    ``sequence``: of the last batch that was made.
    """

    settings: Fields
    secrets: Mapping[str, str]
    desk: FileDesk | None = None
    sequence: int = 0


@contextmanager
def simulated(subject: Subject, folder: Path, secret: Callable[[str], str], seed: int) -> Iterator[FilePlace]:
    """The simulated department of the system. Raises Failed where the system has no table to build one from."""
    if subject.file is None:
        raise Failed("there is no department.toml to build a simulator from: name a test endpoint with --endpoint")
    table = file_drop_table(subject.file)
    root = folder / "files"
    account, secrets = _login(table.auth, secret, root)
    with ExitStack() as stack:
        server = stack.enter_context(sftp_server([account]))
        desk = desk_of(
            subject.file, server=server, root=root, secret=secret, seed=seed, code_lists=subject.site.code_lists
        )
        settings: Fields = {"host": server.host, "port": server.port, "username": _USER, "host_key": server.host_key}
        yield FilePlace(settings=settings, secrets=secrets, desk=desk)


def endpoint(settings: Fields) -> FilePlace:
    """A test server of the department's own. Batches are numbered by the minute of the day, so that names seldom meet older ones."""
    now = datetime.now(UTC)
    return FilePlace(settings=settings, secrets={}, sequence=now.hour * 60 + now.minute)


def _login(auth: Auth, secret: Callable[[str], str], root: Path) -> tuple[Account, Mapping[str, str]]:
    """An account that the declared login opens, and the secrets that cannot be made up without one."""
    account = Account(username=_USER, password=secret(auth.password) if auth.password else "", root=root)
    if auth.private_key is None:
        return account, {}
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    sealed = (
        serialization.BestAvailableEncryption(secret(auth.passphrase).encode())
        if auth.passphrase
        else serialization.NoEncryption()
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, sealed).decode()
    return replace(account, authorized_key=public), {auth.private_key: private}


@contextmanager
def locked_out(server: SftpServer) -> Iterator[None]:
    """The login is refused until the block ends."""
    accounts = dict(server.accounts)
    server.accounts.clear()
    try:
        yield
    finally:
        server.accounts.update(accounts)
