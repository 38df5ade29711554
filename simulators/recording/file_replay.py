"""An SFTP department that answers as recorded: to each file that comes, the result files that came to the recorded one, in its order.

Who is meant is told by place: the first record of a live file stands for the first one of the recorded file, and result records carry its
delivery id. Records that the recording has no counterpart for are not answered.
"""

import csv
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.file_drop_table import FileDropTable
from contracts.site import SystemFile
from simulators.department_files import appear, control_path, control_text, ledger_id
from simulators.file_department import file_drop_table
from simulators.ledger import Ledger
from simulators.recording.files import Row, read_rows, written_rows
from simulators.recording.tape import RecordingRefused

POLL_SECONDS = 0.05


@dataclass
class FileReplay:
    """Over the folder ``root`` that its SFTP account shows. ``answered``: result files written; ``strange``: files that were not readable, or came after the last recorded one."""

    system: SystemFile
    recording: Path
    root: Path
    ledger: Ledger
    answered: int = 0
    strange: list[str] = field(default_factory=list)
    _taken: int = 0

    def __post_init__(self) -> None:
        """Read the recording. Raises RecordingRefused."""
        self._table = file_drop_table(self.system)
        self._asked = list(_files(self.system, self._table, self.recording / "out", is_back=False))
        self._told = list(_files(self.system, self._table, self.recording / "back", is_back=True))
        if not self._asked or not self._told:
            raise RecordingRefused(
                f"{self.recording} has no out/ and back/ that could be replayed: record a folder that has both"
            )
        for folder in (self._out, self._back, self.root / "taken"):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def _out(self) -> Path:
        return self.root / self._table.out.dir.lstrip("/")

    @property
    def _back(self) -> Path:
        return self.root / self._table.back.dir.lstrip("/")

    @contextmanager
    def working(self) -> Iterator["FileReplay"]:
        """In a thread of its own until the block ends."""
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(POLL_SECONDS):
                self.take()

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            yield self
        finally:
            stop.set()
            worker.join(10)

    def take(self) -> None:
        """Every complete file in ``out``, once, in the order of their names."""
        control = self._table.control_file
        for path in sorted(self._out.iterdir()):
            is_data = path.suffix != self._table.out.temporary_suffix and not (
                control and path.suffix == control.suffix
            )
            if is_data and (control is None or control_path(path, control).exists()):
                self._answer(path)
                for one in (path, control_path(path, control)) if control else (path,):
                    one.rename(self.root / "taken" / one.name)

    def _answer(self, path: Path) -> None:
        try:
            live = _references(self._table, read_rows(self.system, self._table, path.read_bytes(), is_back=False))
        except (ValueError, LookupError, csv.Error):
            self.strange.append(path.name)
            return
        for one in live:
            self.ledger.write("arrival", self.system.key, ledger_id(one), "replay")
        if self._taken >= len(self._asked):
            self.strange.append(path.name)
            return
        _, recorded = self._asked[self._taken]
        self._taken += 1
        who = dict(zip(_references(self._table, recorded), live, strict=False))
        for name, rows in self._told:
            meant = [_meant(self._table, row, who) for row in rows]
            if any(_reference(self._table, row) for row in meant if row is not None):
                self._write(name, [row for row in meant if row is not None])

    def _write(self, name: str, rows: Sequence[Row]) -> None:
        content, count = written_rows(self._table, rows)
        path = self._back / name
        while path.exists() or (self._back / "done" / path.name).exists():
            path = path.with_name(f"{path.stem}_{self.answered}{path.suffix}")
        for row in rows:
            if found := _reference(self._table, row):
                self.ledger.write("reply", self.system.key, ledger_id(found), "replay")
        appear(path, content)
        control = self._table.back.control_file
        if control:
            appear(control_path(path, control), control_text(control, path.name, content, count))
        self.answered += 1


def _files(
    system: SystemFile, table: FileDropTable, folder: Path, *, is_back: bool
) -> Iterator[tuple[str, Sequence[Row]]]:
    control = table.back.control_file if is_back else table.control_file
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not (control and path.suffix == control.suffix):
            try:
                yield path.name, read_rows(system, table, path.read_bytes(), is_back=is_back)
            except (ValueError, LookupError, csv.Error) as error:
                raise RecordingRefused(
                    f"{path} cannot be read by its layout: was it recorded with another one?"
                ) from error


def _is_titles(row: Row) -> bool:
    return all(one.stays for one in row.columns)


def _reference(table: FileDropTable, row: Row) -> str:
    """The delivery id of a record; blank for titles."""
    if _is_titles(row):
        return ""
    return next(
        (cell for one, cell in zip(row.columns, row.cells, strict=True) if one.name == table.reference.name), ""
    )


def _references(table: FileDropTable, rows: Sequence[Row]) -> list[str]:
    return [found for row in rows if (found := _reference(table, row))]


def _meant(table: FileDropTable, row: Row, who: Mapping[str, str]) -> Row | None:
    """The record for whom it is now; None where nobody is."""
    if _is_titles(row):
        return row
    found = who.get(_reference(table, row))
    if found is None:
        return None
    cells = [
        found if one.name == table.reference.name else cell for one, cell in zip(row.columns, row.cells, strict=True)
    ]
    return replace(row, cells=cells)
