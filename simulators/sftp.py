"""An SFTP department for test teams: the server and the department behind it, in one block."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import paramiko

from contracts.catalogue import CodeList, ResultKind
from contracts.records import record
from contracts.site import SystemFile
from simulators.dial import FaultDial
from simulators.file_department import FileDepartment, habits
from simulators.ledger import Ledger
from simulators.plausible import SHARES
from simulators.sftp_server import Account, SftpServer, sftp_server


@record
class SftpDepartment:
    """A department that works: ``place`` is what the hub's settings need to reach it, secrets apart."""

    host: str
    port: int
    host_key: str
    username: str
    root: Path
    server: SftpServer
    department: FileDepartment

    @property
    def place(self) -> Mapping[str, str | int]:
        """The settings of the place of installation."""
        return {"host": self.host, "port": self.port, "username": self.username, "host_key": self.host_key}


@contextmanager
def sftp_department(
    system: SystemFile,
    *,
    root: Path,
    port: int = 0,
    ledger: Ledger | None = None,
    dial: FaultDial | None = None,
    seed: int = 0,
    result_delay_seconds: float = 0.2,
    username: str = "onedoor",
    password: str = "onedoor",  # noqa: S107 - a simulator on loopback
    key: paramiko.PKey | None = None,
    shares: Mapping[ResultKind, float] = SHARES,
    code_lists: Mapping[str, CodeList] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    secret: Callable[[str], str] = str,
) -> Iterator[SftpDepartment]:
    """Serve and work until the block ends. Files lie under ``root``; the dial may use refuse, delay and the three file faults.

    ``secret`` opens a secret that the layout names (the password of an archive). Several departments share a server by ``sftp_server`` with several accounts and a ``FileDepartment.working`` for each.
    """
    root.mkdir(parents=True, exist_ok=True)
    behaviour = habits(
        seed=seed, result_delay_seconds=result_delay_seconds, shares=shares, code_lists=code_lists, now=now
    )
    department = FileDepartment(system, root, behaviour, ledger=ledger, dial=dial, secret=secret)
    account = Account(username=username, password=password, root=root)
    with sftp_server([account], port=port, key=key, dial=dial) as server, department.working():
        yield SftpDepartment(
            host=server.host,
            port=server.port,
            host_key=server.host_key,
            username=username,
            root=root,
            server=server,
            department=department,
        )
