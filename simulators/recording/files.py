"""Recording an exchange of files: a folder of real ones, read by their layout, comes out as the same files about nobody.

Records stay records: the same columns and widths, in the same encoding, under the same name where that is the layout's; control files are
counted anew. Of a file that cannot be read as declared nothing is written but that it was there.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from adapters.file_drop_table import ControlFile, FileDropTable
from contracts.catalogue import Operation
from contracts.records import record
from contracts.site import SystemFile
from contracts.situation import Situation
from simulators.department_files import control_path, control_text
from simulators.file_department import file_drop_table
from simulators.file_forms.csv_form import csv_rows, csv_text
from simulators.file_forms.form import CODECS, number
from simulators.recording.sifting import Sieve
from simulators.recording.tape import RecordingRefused

FORMATS = ("csv", "fixed")


@record
class RecordedFile:
    """A file that was written. ``rows``: its records, titles not counted; ``problem``: why it was left out, blank for none."""

    name: str
    folder: str
    rows: int = 0
    problem: str = ""


def record_files(system: SystemFile, folder: Path, to: Path, sieve: Sieve) -> Sequence[RecordedFile]:
    """Every file of ``out`` and ``back`` below ``folder``, or of the folder itself where it has neither. Raises RecordingRefused."""
    table = file_drop_table(system)
    if table.format not in FORMATS:
        raise RecordingRefused(f"{system.key} exchanges {table.format}: only {' and '.join(FORMATS)} can be recorded")
    if table.header or table.trailer or table.back.header or table.back.trailer:
        raise RecordingRefused(f"{system.key} has totals inside its files, which cannot be recorded yet")
    found: list[RecordedFile] = []
    for name, part, control in _parts(table, folder):
        for number_, path in enumerate(sorted(one for one in part.iterdir() if one.is_file()), 1):
            if control is None or path.suffix != control.suffix:
                found.append(_one(system, table, control, path, to / name, number_, sieve))
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
        yield ".", folder, table.control_file


def _one(
    system: SystemFile,
    table: FileDropTable,
    control: ControlFile | None,
    path: Path,
    to: Path,
    place: int,
    sieve: Sieve,
) -> RecordedFile:
    is_back = to.name == "back"
    name = path.name if _is_declared(table, path.name) else f"file-{place:03d}{_suffix(table, path)}"
    try:
        rows = read_rows(system, table, path.read_bytes(), is_back=is_back)
    except (ValueError, LookupError, csv.Error):
        return RecordedFile(name=name, folder=to.name, problem="cannot be read by its layout")
    sifted = [
        Row(
            cells=[_cell(sieve, one, cell) for one, cell in zip(row.columns, row.cells, strict=True)],
            columns=row.columns,
        )
        for row in rows
    ]
    content, count = written_rows(table, sifted)
    to.mkdir(parents=True, exist_ok=True)
    (to / name).write_bytes(content)
    if control is not None:
        control_path(to / name, control).write_bytes(control_text(control, name, content, count))
    return RecordedFile(name=name, folder=to.name, rows=count)


@record
class Column:
    """A column of a record. ``width``: bytes of a fixed one; ``stays``: titles and codes of operations."""

    name: str
    width: int | None = None
    stays: bool = False


@record
class Row:
    """A record, or the row of titles: as many cells as columns."""

    columns: Sequence[Column]
    cells: Sequence[str]


def _cell(sieve: Sieve, column: Column, cell: str) -> str:
    return cell if column.stays else sieve.text(column.name, cell)


def read_rows(system: SystemFile, table: FileDropTable, content: bytes, *, is_back: bool) -> list[Row]:
    """Every record, behind the row of titles where there is one. Raises ValueError, LookupError, csv.Error: not as declared."""
    operations = {
        str(one.wire[Situation.FILE_DROP]["operation_code"]): one
        for one in system.operations
        if Situation.FILE_DROP in one.wire
    }
    if table.format == "fixed":
        eol = b"\n" if table.record.get("eol") == "LF" else b"\r\n"
        return [_fixed(system, table, operations, line, is_back=is_back) for line in content.split(eol) if line]
    rows = csv_rows(table.record, content.decode(CODECS[table.encoding]))
    found: list[Row] = []
    titles = rows.pop(0) if table.record.get("header_row") and rows else None
    if titles is not None:
        known = {one.name for each in operations.values() for one in each.request}
        known |= {one.name for each in operations.values() for one in each.reply}
        known |= {table.reference.name, table.operation_column or "", system.result_field, "CLSJ", "BZXM"}
        if not set(titles) <= known:
            raise ValueError("titles that the layout does not declare")
        found.append(Row(columns=[Column(name=one, stays=True) for one in titles], cells=titles))
    for row in rows:
        columns = (
            [_named(table, one) for one in titles]
            if titles
            else _columns(system, table, operations, row, is_back=is_back)
        )
        if len(columns) != len(row):
            raise ValueError("another number of columns")
        if any(one.stays and cell.strip() not in operations for one, cell in zip(columns, row, strict=True)):
            raise ValueError("an operation that the layout does not declare")
        found.append(Row(columns=columns, cells=row))
    return found


def _named(table: FileDropTable, name: str) -> Column:
    return Column(name=name, stays=name == table.operation_column)


def _columns(
    system: SystemFile, table: FileDropTable, operations: Mapping[str, Operation], row: Sequence[str], *, is_back: bool
) -> list[Column]:
    """Of a record without titles: what comes before its fields, and the fields of its operation."""
    lead = _lead(system, table, is_back=is_back)
    place = next((at for at, one in enumerate(lead) if one.stays), None)
    code = row[place] if place is not None else next(iter(operations))
    fields = operations[code].reply if is_back else operations[code].request
    return [*lead, *(Column(name=one.name) for one in fields)]


def _lead(system: SystemFile, table: FileDropTable, *, is_back: bool) -> list[Column]:
    told = table.record.get("operation_code")
    code = Column(name="operation", stays=True, width=number(told["width"]) if isinstance(told, dict) else None)
    has_code = isinstance(told, dict) if table.format == "fixed" else table.operation_column is not None
    roles = {
        "reference": Column(name=table.reference.name, width=table.reference.width),
        "operation": code,
        "code": Column(name=system.result_field, width=table.back.code_width),
        "happened_at": Column(name="CLSJ", width=14),
        "wanted": Column(name="BZXM", width=table.back.wanted_width),
    }
    order = [one for one in table.back.record if one != "fields"] if is_back else ["reference", "operation"]
    return [roles[one] for one in order if one != "operation" or has_code]


def _fixed(
    system: SystemFile, table: FileDropTable, operations: Mapping[str, Operation], line: bytes, *, is_back: bool
) -> Row:
    lead = _lead(system, table, is_back=is_back)
    codec, at, cells = CODECS[table.encoding], 0, list[str]()
    code = next(iter(operations))
    for column in lead:
        cell = line[at : at + (column.width or 0)].decode(codec)
        cells.append(cell)
        at += column.width or 0
        code = cell.rstrip() if column.stays else code
    fields = operations[code].reply if is_back else operations[code].request
    columns = [*lead, *(Column(name=one.name, width=one.width_bytes) for one in fields)]
    for one in fields:
        cells.append(line[at : at + (one.width_bytes or 0)].decode(codec))
        at += one.width_bytes or 0
    if at != len(line):
        raise ValueError("the length of a line")
    return Row(columns=columns, cells=cells)


def written_rows(table: FileDropTable, rows: Sequence[Row]) -> tuple[bytes, int]:
    """The bytes, and how many records they hold."""
    codec = CODECS[table.encoding]
    if table.format == "fixed":
        eol = b"\n" if table.record.get("eol") == "LF" else b"\r\n"
        lines = [
            b"".join(_padded(cell, one.width or 0, codec) for one, cell in zip(row.columns, row.cells, strict=True))
            for row in rows
        ]
        return b"".join(line + eol for line in lines), len(rows)
    titles = int(bool(table.record.get("header_row")) and bool(rows))
    return csv_text(table.record, [list(row.cells) for row in rows]).encode(codec, "replace"), len(rows) - titles


def _padded(cell: str, width: int, codec: str) -> bytes:
    """The cell in its width: what is made up may be a byte or two longer or shorter."""
    content = cell.encode(codec, "replace")
    while len(content) > width:
        cell = cell[:-1]
        content = cell.encode(codec, "replace")
    return content.ljust(width)


def _is_declared(table: FileDropTable, name: str) -> bool:
    """Whether a name is one that the layout makes: then nobody's data are in it."""
    for pattern in (table.out.pattern, table.back.pattern):
        form = re.sub(r"\\\{[^{}]*\\\}", r"[0-9]{1,14}", re.escape(pattern))
        if re.fullmatch(form, name):
            return True
    return False


def _suffix(table: FileDropTable, path: Path) -> str:
    return path.suffix if path.suffix in {Path(table.out.pattern).suffix, Path(table.back.pattern).suffix} else ""
