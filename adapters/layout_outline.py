"""A record layout as a table: what a department's file specification says, one row a column.

    record,part,name,type,width,required,label,codes
    apply,request,XM,string,40,yes,姓名,
    apply,request,SFZH,string,18,yes,身份证号,
    apply,reply,JGDM,string,2,yes,结果代码,00|01|99

``record``: the operation; ``part``: request or reply; ``type``: as in department.toml, string where it is empty; ``width``: bytes,
in every row for a fixed-width file, in none for a delimited one; ``codes``: the values, separated by ``|``.
"""

import csv
from pathlib import Path
from typing import get_args

from adapters.contract_outline import Outline, OutlineField, OutlineOperation, OutlineRefused
from contracts.catalogue import FieldType
from contracts.near_names import meant

_TYPES = frozenset(get_args(FieldType))
_NEEDED = frozenset({"record", "part", "name"})
_KNOWN = _NEEDED | {"type", "width", "required", "label", "codes"}


def outline(file: Path) -> Outline:
    """Every record of the layout. Raises OutlineRefused naming the row."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            columns = set(reader.fieldnames or ())
            if missing := _NEEDED - columns:
                raise OutlineRefused(f"{file.name}: its first row must name the columns {', '.join(sorted(missing))}")
            if strange := columns - _KNOWN:
                one = min(strange)
                raise OutlineRefused(f"{file.name}: no column {one} is known{meant(one, _KNOWN)}")
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise OutlineRefused(f"{file.name} is no CSV in UTF-8: save it as that") from error
    parts: dict[str, dict[str, list[OutlineField]]] = {}
    for number, row in enumerate(rows, 2):
        record = parts.setdefault((row["record"] or "").strip(), {"request": [], "reply": []})
        if row["part"] not in record:
            raise OutlineRefused(f"{file.name}, row {number}: part must be request or reply")
        record[row["part"]].append(_field(file, number, row))
    widths = [one.width_bytes for record in parts.values() for part in record.values() for one in part]
    if any(widths) and not all(widths):
        raise OutlineRefused(f"{file.name}: give a width in every row (fixed width) or in none (delimited)")
    operations = tuple(
        OutlineOperation(name=name, request=record["request"], reply=record["reply"], later=True)
        for name, record in parts.items()
    )
    facts = {"format": "fixed" if any(widths) else "csv"}
    return Outline(protocol="file_drop", title=file.stem, base_path="", operations=operations, facts=facts)


def _field(file: Path, number: int, row: dict[str, str]) -> OutlineField:
    kind = (row.get("type") or "string").strip()
    if kind not in _TYPES:
        raise OutlineRefused(f"{file.name}, row {number}: no type {kind}{meant(kind, _TYPES)}")
    width = (row.get("width") or "").strip()
    if width and not width.isdigit():
        raise OutlineRefused(f"{file.name}, row {number}: width is a number of bytes")
    found: FieldType = kind  # type: ignore[assignment] # one of its words, as was just checked
    return OutlineField(
        name=row["name"].strip(),
        type=found,
        required=(row.get("required") or "").strip().lower() in {"yes", "true", "1", "y", "是"},
        label=(row.get("label") or "").strip(),
        width_bytes=int(width) if width else None,
        codes=tuple(one for one in (row.get("codes") or "").split("|") if one),
    )
