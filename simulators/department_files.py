"""What surrounds a simulated department's files: control files, names, whole appearance, the text of values.

The department reads control files its own way, never with the code under test; only the declaration is shared.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from uuid import UUID

from pydantic import JsonValue

from adapters.file_drop_table import ControlFile
from simulators.file_forms.form import digest


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
    facts = {"name": name, "bytes": str(len(content)), "rows": str(rows)} | {
        kind: digest(kind, content) for kind in ("md5", "sha256", "sm3")
    }
    return "".join(f"{item}={facts[item]}\r\n" for item in control.content).encode()


def disagreement(told: str, name: str, content: bytes, rows: int) -> str:
    """The first item on which a control file does not agree with its file; empty: none."""
    everything = ControlFile(suffix=".x", content=("name", "bytes", "rows", "md5", "sha256", "sm3"))
    true = dict(line.split("=") for line in control_text(everything, name, content, rows).decode().split())
    said = dict(line.split("=") for line in told.split())
    numbers = {"sequence", "day_sequence"}  # nobody but the sender knows what they must be
    return next(
        (item for item, value in said.items() if not (value.isdigit() if item in numbers else true.get(item) == value)),
        "",
    )


def numbered(name: str, number: int) -> str:
    """The name under which another content of the same name is kept: ``A~2.txt`` beside ``A.txt``, its control file beside it."""
    path = PurePath(name)
    return name if number == 1 else f"{path.stem}~{number}{path.suffix}"


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
