"""Sections of keys with Python's own configparser."""

import configparser
from collections.abc import Iterator, Sequence

from simulators.file_forms.form import CODECS, Form, Request, Result, Sending, back_values, request_of, totals_texts


def read_ini(form: Form, content: bytes) -> Iterator[Request]:
    table, told = form.table, form.table.record
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=(";", "#"), empty_lines_in_values=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read_string(content.decode(CODECS[table.encoding]))
    sections = parser.sections()
    head = sections.pop(0) if table.header else ""
    end = str(told.get("end", "END"))
    if end and (sections.pop() != end or parser.options(end)):
        raise ValueError("end")
    if table.header:
        texts = [parser.get(head, field.name) for field in table.header.fields]
        if head != table.header.record_type or texts != totals_texts(
            table, table.header, len(sections), b"", None, texts
        ):
            raise ValueError("header")
    for number, name in enumerate(sections, 1):
        if name != f"{told.get('section', 'ROW')}{number}":
            raise ValueError("section")
        values = dict(parser.items(name))
        code = values.pop(form.operation_name() or "", "") if form.operation_name() else form.only()
        names = [table.reference.name, *(field.name for field in form.operations[code].request)]
        if set(values) - set(names):
            raise ValueError("key")
        yield request_of(form, code, {one: values.get(one, "") for one in names})


def write_ini(form: Form, results: Sequence[Result], sending: Sending) -> bytes:
    table, told = form.table, form.table.record
    eol = "\n" if told.get("eol") == "LF" else "\r\n"
    header = table.back.header or table.header
    lines: list[str] = []
    if header:
        texts = totals_texts(table, header, len(results), b"", sending, ())
        lines += [
            f"[{header.record_type}]",
            *(f"{one.name}={text}" for one, text in zip(header.fields, texts, strict=True)),
        ]
    for number, result in enumerate(results, 1):
        lines.append(f"[{told.get('section', 'ROW')}{number}]")
        lines += [f"{name}={value}" for name, value in back_values(form, result).items() if value]
    end = str(told.get("end", "END"))
    lines += [f"[{end}]"] if end else []
    return "".join(line + eol for line in lines).encode(CODECS[table.encoding])
