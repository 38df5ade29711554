"""Recording an exchange of files: a folder of real ones, read by their layout, comes out as the same files about nobody.

Records stay records: the same columns and widths, in the same layout and encoding, under the same name where the layout makes it; counts,
digests and control files are made anew. Of a file that cannot be read as declared nothing is written but that it was there.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from adapters.file_drop_table import ControlFile, FileDropTable
from adapters.file_records import Exchange, exchange
from adapters.file_totals import FileFacts
from adapters.record_layout import Cell
from adapters.record_verdicts import FileRejected, RecordRefused
from adapters.text_encodings import CODECS
from contracts.records import record
from contracts.site import SystemFile
from simulators.department_files import control_path, control_text
from simulators.file_department import file_drop_table
from simulators.recording.sifting import Sieve
from simulators.recording.tape import RecordingRefused

Row = tuple[str, ...]
"""The values of a record; the first one is the delivery id."""

_PLAIN: dict[str, str] = {"int": "1", "money": "100", "decimal": "1.0", "date": "", "month": "", "bool": "1"}
"""What stands where no made-up value fits its column."""


@record
class RecordedFile:
    """A file that was written. ``rows``: its records; ``problem``: why it was left out, blank for none."""

    name: str
    folder: str
    rows: int = 0
    problem: str = ""


def record_files(
    system: SystemFile, folder: Path, to: Path, sieve: Sieve, secret: Callable[[str], str] = str
) -> Sequence[RecordedFile]:
    """Every file of ``out`` and ``back`` below ``folder``, or of the folder itself where it has neither. ``secret``: opens what archives
    are locked with; the recording's own are locked with the secret's name. Raises RecordingRefused."""
    table = file_drop_table(system)
    spec = exchange(system, table)
    found: list[RecordedFile] = []
    for name, part, control in _parts(table, folder):
        files = sorted(one for one in part.iterdir() if one.is_file() and not is_control(one, control))
        for place, path in enumerate(files, 1):
            found.append(_one(spec, control, path, to / name, place, sieve, secret))
    return found


def _parts(table: FileDropTable, folder: Path) -> Iterator[tuple[str, Path, ControlFile | None]]:
    out, back = folder / table.out.dir.lstrip("/"), folder / table.back.dir.lstrip("/")
    if not folder.is_dir():
        raise RecordingRefused(f"{folder} is no folder: give the one that holds the exchanged files")
    if out.is_dir() or back.is_dir():
        if out.is_dir():
            yield "out", out, table.control_file
        if back.is_dir():
            yield "back", back, table.back.control_file
    else:
        yield "out", folder, table.control_file


def is_control(path: Path, control: ControlFile | None) -> bool:
    """Whether that is the control file of another one."""
    return control is not None and path.name.endswith(control.suffix)


def _one(
    spec: Exchange,
    control: ControlFile | None,
    path: Path,
    to: Path,
    place: int,
    sieve: Sieve,
    secret: Callable[[str], str],
) -> RecordedFile:
    name = path.name if _is_declared(spec.table, path.name) else f"file-{place:03d}{_suffix(spec.table, path)}"
    is_back = to.name == "back"
    try:
        rows = read_rows(spec, path.read_bytes(), is_back=is_back, secret=secret)
        made = [_made_up(spec, row, sieve, is_back=is_back) for row in rows]
        content = written_rows(spec, made, is_back=is_back, name=name)
    except (FileRejected, ValueError, LookupError):
        return RecordedFile(name=name, folder=to.name, problem="cannot be read by its layout")
    to.mkdir(parents=True, exist_ok=True)
    (to / name).write_bytes(content)
    if control is not None:
        control_path(to / name, control).write_bytes(control_text(control, name, content, len(made)))
    return RecordedFile(name=name, folder=to.name, rows=len(made))


def read_rows(spec: Exchange, content: bytes, *, is_back: bool, secret: Callable[[str], str] = str) -> list[Row]:
    """Every record that can be read. Raises FileRejected, ValueError, LookupError where the file is not as declared."""
    layout = spec.incoming if is_back else spec.outgoing
    lines = layout.lines(content, whole=True, facts=FileFacts(secret=secret))
    if lines and all(line.bad for line in lines):
        raise FileRejected("records", "no record can be read")
    return [line.values for line in lines if not line.bad]


def written_rows(spec: Exchange, rows: Sequence[Row], *, is_back: bool, name: str) -> bytes:
    """The file that holds the records. Raises RecordRefused where one does not fit."""
    layout = spec.incoming if is_back else spec.outgoing
    facts = FileFacts(name=name, sequence=1, day_sequence=1, at=datetime.now(UTC))
    return layout.file([layout.record(row) for row in rows], facts)


def _made_up(spec: Exchange, row: Row, sieve: Sieve, *, is_back: bool) -> Row:
    """The record about nobody, within the widths of its columns; a value that the layout would not take is left out."""
    columns = (spec.incoming if is_back else spec.outgoing).columns
    made = list(row)
    for at, (cell, value) in enumerate(zip(columns.cells(row), row, strict=True)):
        if at != columns.operation_at:
            made[at] = _fitted(sieve.text(cell.name, value), cell, spec)
    try:
        (spec.incoming if is_back else spec.outgoing).record(made)
    except RecordRefused:
        made = [
            value if at == columns.operation_at or value == row[at] else _PLAIN.get(cell.kind, "样例")
            for at, (cell, value) in enumerate(zip(columns.cells(row), made, strict=True))
        ]
    return tuple(made)


def _fitted(value: str, cell: Cell, spec: Exchange) -> str:
    """What is made up may be a byte or two too long for its column."""
    codec = CODECS[spec.table.encoding]
    while cell.width is not None and len(value.encode(codec, "replace")) > cell.width:
        value = value[:-1]
    return value


def _is_declared(table: FileDropTable, name: str) -> bool:
    """Whether a name is one that the layout makes: then nobody's data are in it."""
    for pattern in (table.out.pattern, table.back.pattern):
        form = re.sub(r"\\\{[^{}]*\\\}", r"[0-9]{1,14}", re.escape(pattern))
        if re.fullmatch(form, name):
            return True
    return False


def _suffix(table: FileDropTable, path: Path) -> str:
    return path.suffix if path.suffix in {Path(table.out.pattern).suffix, Path(table.back.pattern).suffix} else ""
