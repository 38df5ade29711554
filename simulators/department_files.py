"""How a simulated department reads and writes its files: a witness of its own.

It parses with Python's csv module and its own reading of the control file, never with the code under test; only the declaration
of the layout is shared.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from pydantic import JsonValue

from adapters.file_drop_table import ControlFile, FileDropTable
from contracts.catalogue import Operation

_CODECS = {"GB18030": "gb18030", "GBK": "gbk", "UTF-8": "utf-8"}


def read_rows(table: FileDropTable, content: bytes) -> Sequence[Sequence[str]]:
    """The records of a file that came in, without the header row."""
    delimiter, quote = str(table.record.get("delimiter", ",")), table.record.get("quote")
    text = content.decode(_CODECS[table.encoding])
    rows: list[list[str]]
    if len(delimiter) > 1:
        rows = [line.split(delimiter) for line in text.replace("\r\n", "\n").split("\n") if line]
    elif quote:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=str(quote)))
    else:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_NONE))
    return rows[1:] if table.record.get("header_row") else rows


def write_rows(table: FileDropTable, header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A result file."""
    delimiter, quote = str(table.record.get("delimiter", ",")), table.record.get("quote")
    eol = "\n" if table.record.get("eol") == "LF" else "\r\n"
    every = [header, *rows] if header else rows
    if quote and len(delimiter) == 1:
        target = io.StringIO(newline="")
        csv.writer(target, delimiter=delimiter, quotechar=str(quote), lineterminator=eol).writerows(every)
        text = target.getvalue()
    else:
        text = "".join(delimiter.join(row) + eol for row in every)
    return text.encode(_CODECS[table.encoding])


def result_header(table: FileDropTable, code_column: str, operations: Sequence[Operation]) -> Sequence[str]:
    """The header row of a result file; empty where the layout has none."""
    if not table.record.get("header_row"):
        return ()
    names = {
        "reference": table.reference.name,
        "operation": table.operation_column or "",
        "code": code_column,
        "happened_at": "CLSJ",
        "wanted": "BZXM",
    }
    replies = dict.fromkeys(field.name for operation in operations for field in operation.reply)
    return [*(names[role] for role in table.back.record if role != "fields"), *replies]


def ledger_id(reference: str) -> str:
    """The delivery id as ledgers write it: a layout may have room for 32 characters only."""
    try:
        return str(UUID(reference))
    except ValueError:
        return reference


def control_path(path: Path, control: ControlFile) -> Path:
    """The control file beside ``path``."""
    return path.with_suffix("").with_name(path.with_suffix("").name + control.suffix)


def control_text(control: ControlFile, name: str, content: bytes, rows: int) -> bytes:
    """What the control file says."""
    facts = {
        "name": name,
        "bytes": str(len(content)),
        "rows": str(rows),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return "".join(f"{item}={facts[item]}\r\n" for item in control.content).encode()


def disagreement(told: str, name: str, content: bytes, rows: int) -> str:
    """The first item on which a control file does not agree with its file; empty: none."""
    everything = ControlFile(suffix=".x", content=("name", "bytes", "rows", "md5", "sha256"))
    true = dict(line.split("=") for line in control_text(everything, name, content, rows).decode().split())
    said = dict(line.split("=") for line in told.split())
    return next((item for item, value in said.items() if true.get(item) != value), "")


def appear(path: Path, content: bytes) -> None:
    """Write beside, then rename: under its name the file is whole from the first moment."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.rename(path)


def cell_text(value: JsonValue, kind: str) -> str:
    """The department's own way of writing a value into a record."""
    if value is None:
        return ""
    if kind in _CELLS:
        return _CELLS[kind](value)
    return str(value)


_CELLS: Mapping[str, Callable[[JsonValue], str]] = {
    "bool": lambda value: "1" if value else "0",
    "money": lambda value: str(value).replace(".", "").lstrip("0") or "0",
    "date": lambda value: str(value).replace("-", ""),
    "month": lambda value: str(value).replace("-", ""),
    "codes": lambda value: ";".join(str(code) for code in value) if isinstance(value, list) else str(value),
    "table": lambda value: json.dumps(value, ensure_ascii=False),
    "object": lambda value: json.dumps(value, ensure_ascii=False),
}
