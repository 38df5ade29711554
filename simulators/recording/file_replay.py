"""An SFTP department that answers as recorded: to each file that comes, the result files that came to the recorded one, in its order.

Who is meant is told by place: the first record of a live file stands for the first one of the recorded file, and result records carry its
delivery id. Records that the recording has no counterpart for are not answered.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.file_records import Exchange, exchange
from adapters.record_verdicts import FileRejected
from contracts.site import SystemFile
from simulators.department_files import appear, control_path, control_text, ledger_id
from simulators.file_department import file_drop_table
from simulators.ledger import Ledger
from simulators.recording.files import Row, is_control, read_rows, written_rows
from simulators.recording.tape import RecordingRefused

POLL_SECONDS = 0.05


@dataclass
class FileReplay:
    """Over the folder ``root`` that its SFTP account shows. ``answered``: result files written; ``strange``: files that were not readable, or came after the last recorded one.

    ``secret``: opens what archives are locked with.
    """

    system: SystemFile
    recording: Path
    root: Path
    ledger: Ledger
    secret: Callable[[str], str] = str
    answered: int = 0
    strange: list[str] = field(default_factory=list)
    _taken: int = 0

    def __post_init__(self) -> None:
        """Read the recording. Raises RecordingRefused."""
        self._table = file_drop_table(self.system)
        self._spec = exchange(self.system, self._table)
        self._asked = list(_files(self._spec, self.recording / "out", is_back=False))
        self._told = list(_files(self._spec, self.recording / "back", is_back=True))
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
            is_data = path.suffix != self._table.out.temporary_suffix and not is_control(path, control)
            if is_data and (control is None or control_path(path, control).exists()):
                self._answer(path)
                for one in (path, control_path(path, control)) if control else (path,):
                    one.rename(self.root / "taken" / one.name)

    def _answer(self, path: Path) -> None:
        try:
            live = read_rows(self._spec, path.read_bytes(), is_back=False, secret=self.secret)
        except (FileRejected, ValueError, LookupError):
            self.strange.append(path.name)
            return
        for row in live:
            self.ledger.write("arrival", self.system.key, ledger_id(row[0]), "replay")
        if self._taken >= len(self._asked):
            self.strange.append(path.name)
            return
        _, recorded = self._asked[self._taken]
        self._taken += 1
        who = dict(zip((row[0] for row in recorded), (row[0] for row in live), strict=False))
        for name, rows in self._told:
            if meant := [(who[row[0]], *row[1:]) for row in rows if row[0] in who]:
                self._write(name, meant)

    def _write(self, name: str, rows: Sequence[Row]) -> None:
        path = self._back / name
        while path.exists() or (self._back / "done" / path.name).exists():
            path = path.with_name(f"{path.stem}_{self.answered}{path.suffix}")
        content = written_rows(self._spec, rows, is_back=True, name=path.name)
        for row in rows:
            self.ledger.write("reply", self.system.key, ledger_id(row[0]), "replay")
        appear(path, content)
        control = self._table.back.control_file
        if control:
            appear(control_path(path, control), control_text(control, path.name, content, len(rows)))
        self.answered += 1


def _files(spec: Exchange, folder: Path, *, is_back: bool) -> Iterator[tuple[str, Sequence[Row]]]:
    control = spec.table.back.control_file if is_back else spec.table.control_file
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not is_control(path, control):
            try:
                yield path.name, read_rows(spec, path.read_bytes(), is_back=is_back)
            except (FileRejected, ValueError, LookupError) as error:
                raise RecordingRefused(
                    f"{path} cannot be read by its layout: was it recorded with another one?"
                ) from error
