"""CSV files in a zip archive, with pyzipper."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence

import pyzipper

from simulators.file_forms.csv_form import csv_rows, csv_text
from simulators.file_forms.form import CODECS, Form, Request, Result, Sending, digest, request_of


def read_zip(form: Form, content: bytes) -> Iterator[Request]:
    table, told = form.table, form.table.record
    summary_name = told.get("summary_name")
    files = _unzipped(content, _password(form))
    summary = files.pop(str(summary_name), b"").decode()
    said = [line.split(str(told.get("summary_delimiter", "|!"))) for line in summary.splitlines()]
    inner = {form.inner_name().format(operation=code): code for code in form.operations}
    counts: dict[str, int] = {}
    for name, one in files.items():
        code = inner[name]
        rows = csv_rows(told, one.decode(CODECS[table.encoding]))
        fields = [table.reference.name, *(field.name for field in form.operations[code].request)]
        if told.get("header_row") and rows.pop(0) != fields:
            raise ValueError("titles")
        counts[name] = len(rows)
        for row in rows:
            yield request_of(form, code, dict(zip(fields, row, strict=True)))
    true = [[name, str(counts[name]), digest("md5", one)] for name, one in files.items()]
    if summary_name and sorted(said) != sorted(true):
        raise ValueError("summary")


def write_zip(form: Form, results: Sequence[Result], sending: Sending) -> bytes:
    table, told = form.table, form.table.record
    files: dict[str, bytes] = {}
    summary: list[list[str]] = []
    roles = {role: name for role, name in form.back().items() if role != "operation"}
    for code, operation in form.operations.items():
        own = [result for result in results if result.operation == code]
        if not own:
            continue
        titles = [*roles.values(), *(field.name for field in operation.reply)]
        rows = [
            [*(one.lead[role] for role in roles), *(one.fields.get(field.name, "") for field in operation.reply)]
            for one in own
        ]
        content = csv_text(told, [titles, *rows] if told.get("header_row") else rows).encode(CODECS[table.encoding])
        name = form.inner_name().format(operation=code)
        files[name] = content
        summary.append([name, str(len(own)), digest("md5", content)])
    if told.get("summary_name"):
        delimiter = str(told.get("summary_delimiter", "|!"))
        files[str(told["summary_name"])] = "".join(f"{delimiter.join(line)}\r\n" for line in summary).encode()
    return _zipped(files, _password(form))


def _password(form: Form) -> bytes | None:
    told = form.table.record.get("zip_password")
    return form.secret(str(told["secret"])).encode() if isinstance(told, dict) else None


def _unzipped(content: bytes, password: bytes | None) -> dict[str, bytes]:
    try:
        with pyzipper.AESZipFile(io.BytesIO(content)) as archive:
            archive.setpassword(password)
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, pyzipper.BadZipFile, RuntimeError) as error:
        raise ValueError("not an archive of this department") from error


def _zipped(files: Mapping[str, bytes], password: bytes | None) -> bytes:
    target = io.BytesIO()
    with pyzipper.AESZipFile(target, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        if password is not None:
            archive.setpassword(password)
            archive.setencryption(pyzipper.WZ_AES, nbits=256)
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()
