"""CSV with Python's own reader and writer, and plain splitting where the separator is longer."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from adapters.file_drop_table import FileDropTable
from simulators.file_forms.form import (
    CODECS,
    Form,
    Request,
    Result,
    Sending,
    back_values,
    request_of,
    totals_texts,
    union,
)


def read_csv(form: Form, content: bytes) -> Iterator[Request]:
    table = form.table
    rows = csv_rows(table.record, content.decode(CODECS[table.encoding]))
    rows = _without_totals(table, rows, content)
    names = rows.pop(0) if table.record.get("header_row") else None
    for row in rows:
        code = row[1] if form.operation_name() else form.only()
        lead = [table.reference.name, *([form.operation_name() or ""] if form.operation_name() else [])]
        columns = names or [*lead, *(field.name for field in form.operations[code].request)]
        yield request_of(form, code, dict(zip(columns, row, strict=True)))


def csv_rows(told: Mapping[str, object], text: str) -> list[list[str]]:
    delimiter, quote = str(told.get("delimiter", ",")), told.get("quote")
    if len(delimiter) > 1:
        return [line.split(delimiter) for line in text.replace("\r\n", "\n").split("\n") if line]
    lines = io.StringIO(text, newline="")
    if quote:
        return list(csv.reader(lines, delimiter=delimiter, quotechar=str(quote)))
    return list(csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))


def csv_text(told: Mapping[str, object], rows: Sequence[Sequence[str]]) -> str:
    delimiter, quote = str(told.get("delimiter", ",")), told.get("quote")
    eol = "\n" if told.get("eol") == "LF" else "\r\n"
    if quote and len(delimiter) == 1:
        target = io.StringIO(newline="")
        csv.writer(target, delimiter=delimiter, quotechar=str(quote), lineterminator=eol).writerows(rows)
        return target.getvalue()
    return "".join(delimiter.join(row) + eol for row in rows)


def _without_totals(table: FileDropTable, rows: list[list[str]], content: bytes) -> list[list[str]]:
    above = int(table.header is not None)
    titles = int(bool(table.record.get("header_row")))
    below = rows[above : len(rows) - 1] if table.trailer else rows[above:]
    count = len(below) - titles
    last = content[: content.rstrip().rfind(b"\n") + 1]
    for totals, row in ((table.header, rows[0]), (table.trailer, rows[-1])) if rows else ():
        if totals and row != [totals.record_type, *totals_texts(table, totals, count, last, None, row[1:])]:
            raise ValueError("header or trailer")
    return below


def write_csv(form: Form, results: Sequence[Result], sending: Sending) -> bytes:
    table = form.table
    names = union(form)
    rows: list[list[str]] = [names] if table.record.get("header_row") else []
    for result in results:
        values = back_values(form, result)
        rows.append([values.get(name, "") for name in names] if table.record.get("header_row") else [*values.values()])
    header, trailer = table.back.header or table.header, table.back.trailer or table.trailer
    if header:
        rows.insert(0, [header.record_type, *totals_texts(table, header, len(results), b"", sending, ())])
    content = csv_text(table.record, rows).encode(CODECS[table.encoding])
    if trailer:
        row = [trailer.record_type, *totals_texts(table, trailer, len(results), content, sending, ())]
        content += csv_text(table.record, [row]).encode(CODECS[table.encoding])
    return content
