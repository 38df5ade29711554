"""Fixed width by slicing bytes."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from adapters.file_drop_table import FileDropTable
from adapters.file_totals import Totals
from simulators.file_forms.form import (
    CODECS,
    NUMBERS,
    Form,
    Request,
    Result,
    Sending,
    lead_width,
    number,
    request_of,
    totals_texts,
)


def read_fixed(form: Form, content: bytes) -> Iterator[Request]:
    table = form.table
    eol = b"\n" if table.record.get("eol") == "LF" else b"\r\n"
    *lines, end = content.split(eol)
    if end:
        raise ValueError("no line end")
    count = len(lines) - (table.header is not None) - (table.trailer is not None)
    for totals, place in ((table.header, 0), (table.trailer, -1)):
        if totals:
            line = lines.pop(place)
            cells = slices(line[len(totals.record_type) :], [field.width or 0 for field in totals.fields])
            texts = [cell.decode() for cell in cells]
            before = content[: content.rfind(line)]
            if texts != totals_texts(table, totals, count, before, None, texts):
                raise ValueError("header or trailer")
    for line in lines:
        yield _read_fixed_line(form, line)


def _read_fixed_line(form: Form, line: bytes) -> Request:
    table, told = form.table, form.table.record
    kind, code_cell = told.get("record_type"), told.get("operation_code")
    widths: list[int] = [table.reference.width]
    names = [table.reference.name]
    if isinstance(kind, dict):
        value = str(kind["value"]).encode()
        if not line.startswith(value):
            raise ValueError("record type")
        line = line[number(kind.get("width", 1)) :]
    code = form.only() if not isinstance(code_cell, dict) else ""
    if isinstance(code_cell, dict):
        at, width = table.reference.width, number(code_cell["width"])
        code = line[at : at + width].decode().rstrip()
        widths.append(width)
        names.append(str(code_cell["name"]))
    fields = form.operations[code].request
    pieces = slices(line, [*widths, *(field.width_bytes or 0 for field in fields)])
    texts = [piece.decode(CODECS[table.encoding]).strip(" ") for piece in pieces]
    return request_of(form, code, dict(zip([*names, *(field.name for field in fields)], texts, strict=True)))


def write_fixed(form: Form, results: Sequence[Result], sending: Sending) -> bytes:
    table, told = form.table, form.table.record
    eol = b"\n" if told.get("eol") == "LF" else b"\r\n"
    kind = told.get("record_type")
    mark = str(kind["value"]).ljust(number(kind.get("width", 1))).encode() if isinstance(kind, dict) else b""
    header, trailer = table.back.header or table.header, table.back.trailer or table.trailer
    lines = [_fixed_totals(table, header, len(results), b"", sending) + eol] if header else []
    for result in results:
        lead = [result.lead[role].encode().ljust(lead_width(form, role)) for role in form.back()]
        fields = form.operations[result.operation].reply
        cells = [_fixed(table, result.fields.get(one.name, ""), one.type, one.width_bytes or 0) for one in fields]
        lines.append(mark + b"".join([*lead, *cells]) + eol)
    content = b"".join(lines)
    return content + (_fixed_totals(table, trailer, len(results), content, sending) + eol if trailer else b"")


def _fixed(table: FileDropTable, value: str, kind: str, width: int) -> bytes:
    content = value.encode(CODECS[table.encoding])
    padded = content.rjust(width, b"0") if kind in NUMBERS and value else content.ljust(width)
    if len(padded) != width:
        raise ValueError("a value of this department is wider than its column")
    return padded


def _fixed_totals(table: FileDropTable, totals: Totals, rows: int, before: bytes, sending: Sending) -> bytes:
    return (totals.record_type + "".join(totals_texts(table, totals, rows, before, sending, ()))).encode()


def slices(line: bytes, widths: Sequence[int]) -> list[bytes]:
    ends = [0]
    for width in widths:
        ends.append(ends[-1] + width)
    if len(line) != ends[-1]:
        raise ValueError("the length of a line")
    return [line[start:end] for start, end in pairwise(ends)]
