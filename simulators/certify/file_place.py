"""Where a file channel is certified: a simulated SFTP department, and what is done to its server and its files."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.records import Fields
from simulators.certify.subject import Subject
from simulators.file_department import file_drop_table
from simulators.ledger import Ledger
from simulators.sftp import SftpDepartment, sftp_department


@dataclass(slots=True)
class FilePlace:
    """``settings`` open the channel; ``department``: server, folder and habits; ``ledger``: what it did."""

    settings: Fields
    department: SftpDepartment
    ledger: Ledger

    @property
    def effects(self) -> int:
        """How often the department has acted."""
        return self.ledger.counts["effect"]


@contextmanager
def simulated(subject: Subject, folder: Path, secret: Callable[[str], str], seed: int) -> Iterator[FilePlace]:
    """The bundled simulator of the system. Raises ValueError where the system has no table to build one from."""
    if subject.file is None:
        raise ValueError("there is no table to build a simulator from")
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(folder / f"{subject.system.name}.jsonl", synced=False))
        password = file_drop_table(subject.file).auth.password
        department = stack.enter_context(
            sftp_department(
                subject.file,
                root=folder / "files",
                ledger=ledger,
                seed=seed,
                result_delay_seconds=0.0,
                password=secret(password) if password else "",
                shares={},
                code_lists=subject.site.code_lists,
                secret=secret,
            )
        )
        yield FilePlace(settings=dict(department.place), department=department, ledger=ledger)
