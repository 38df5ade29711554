"""dBase III tables by their published structure."""

import struct
from collections.abc import Iterator, Sequence

from simulators.file_forms.fixed_form import slices
from simulators.file_forms.form import (
    CODECS,
    Form,
    Request,
    Result,
    Sending,
    back_values,
    lead_width,
    number,
    request_of,
)


def read_dbf(form: Form, content: bytes) -> Iterator[Request]:
    version, count, start, size = struct.unpack("<B3xIHH", content[:12])
    if version != 3 or len(content) != start + count * size + 1 or content[-1] != 0x1A:
        raise ValueError("not a table")
    columns: list[tuple[str, int]] = []
    at = 32
    while content[at] != 0x0D:
        columns.append((content[at : at + 11].rstrip(b"\0").decode("ascii"), content[at + 16]))
        at += 32
    for begin in range(start, start + count * size, size):
        row = content[begin : begin + size]
        if row[:1] == b"*":
            continue
        pieces = slices(row, [1, *(width for _, width in columns)])[1:]
        texts = [piece.decode(CODECS[form.table.encoding]).strip(" ") for piece in pieces]
        values = dict(zip((name for name, _ in columns), texts, strict=True))
        code = values[(form.operation_name() or "").upper()] if form.operation_name() else form.only()
        names = {one.name.upper()[:10]: one.name for one in form.operations[code].request}
        names[form.table.reference.name.upper()] = form.table.reference.name
        yield request_of(form, code, {names[name]: value for name, value in values.items() if name in names})


def write_dbf(form: Form, results: Sequence[Result], sending: Sending) -> bytes:
    columns = _dbf_columns(form)
    rows = []
    for result in results:
        values = back_values(form, result)
        row = b" "
        for name, kind, width in columns:
            value = values.get(name, "")
            if kind == b"L" and value:
                value = "T" if value == "1" else "F"
            content = value.encode(CODECS[form.table.encoding])
            row += content.rjust(width) if kind == b"N" else content.ljust(width)
        rows.append(row)
    size = 1 + sum(width for _, _, width in columns)
    page = form.table.record.get("code_page_byte", 0)
    page_byte = int(page, 16) if isinstance(page, str) else number(page)
    day = bytes([sending.at.year - 1900, sending.at.month, sending.at.day])
    head = struct.pack("<B3sIHH17xBxx", 3, day, len(rows), 33 + 32 * len(columns), size, page_byte)
    described = [
        name.upper()[:10].encode().ljust(11, b"\0") + kind + bytes(4) + bytes([width]) + bytes(15)
        for name, kind, width in columns
    ]
    if any(len(row) != size for row in rows):
        raise ValueError("a value of this department is wider than its column")
    return b"".join([head, *described, b"\r", *rows, b"\x1a"])


def _dbf_columns(form: Form) -> list[tuple[str, bytes, int]]:
    columns = {name: (b"C", lead_width(form, role)) for role, name in form.back().items()}
    kinds = {"date": (b"D", 8), "bool": (b"L", 1)}
    for operation in form.operations.values():
        for one in operation.reply:
            letter = b"N" if one.type in {"int", "money"} else b"C"
            kind, width = kinds.get(one.type, (letter, one.width_bytes or 0))
            columns[one.name] = (kind, max(width, columns.get(one.name, (kind, 0))[1]))
    return [(name, kind, width) for name, (kind, width) in columns.items()]
