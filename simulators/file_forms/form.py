"""A department's view of a file exchange, and what its layouts share."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SM3, Hash

from adapters.file_drop_table import FileDropTable
from adapters.file_totals import Totals
from contracts.catalogue import Operation
from contracts.records import record

CODECS = {"GB18030": "gb18030", "GBK": "gbk", "UTF-8": "utf-8"}
NUMBERS = {"int", "money", "decimal"}


@record
class Form:
    """A department's view of the exchange. ``operations`` by their code in records; ``back``: the names of what comes before
    the fields in a result, in their order."""

    table: FileDropTable
    operations: Mapping[str, Operation]
    code_column: str
    secret: Callable[[str], str]

    def back(self) -> Mapping[str, str]:
        """Role -> column of a result record, apart from the fields."""
        names = {
            "reference": self.table.reference.name,
            "operation": self.operation_name() or "",
            "code": self.code_column,
            "happened_at": "CLSJ",
            "wanted": "BZXM",
        }
        return {role: names[role] for role in self.table.back.record if role != "fields"}

    def operation_name(self) -> str | None:
        """Where records tell their operation; None where there is only one."""
        told, table = self.table.record, self.table
        match table.format:
            case "csv":
                return table.operation_column
            case "fixed":
                code = told.get("operation_code")
                return str(code["name"]) if isinstance(code, dict) else None
            case "dbf":
                found = told.get("operation_column")
            case "xml":
                found = told.get("operation_attribute")
            case "ini":
                found = told.get("operation_key")
            case _:
                found = "operation" if "{operation}" in self.inner_name() else None
        return None if found is None else str(found)

    def inner_name(self) -> str:
        """The pattern of names inside of a zip."""
        return str(self.table.record.get("inner_name", "{operation}.csv"))

    def only(self) -> str:
        """The code of the one operation that there is."""
        (code,) = self.operations
        return code


@record
class Request:
    """A record that came: its delivery, its operation's code, its values by name."""

    reference: str
    operation: str
    values: Mapping[str, str]


@record
class Result:
    """A record to be sent: what comes before the fields, by role, and the fields by name."""

    operation: str
    lead: Mapping[str, str]
    fields: Mapping[str, str]


@record
class Sending:
    """What a result file says of itself. ``surplus``: by how many records it overstates their number."""

    name: str
    at: datetime
    surplus: int = 0


def request_of(form: Form, code: str, values: Mapping[str, str]) -> Request:
    operation = form.operations[code]
    known = {field.name: field.type for field in operation.request}
    # A number that was padded with zeros is the same number; a text is not.
    plain = {
        name: str(int(text)) if known.get(name) in {"int", "money"} and text else text for name, text in values.items()
    }
    return Request(reference=values[form.table.reference.name], operation=code, values=plain)


def union(form: Form) -> list[str]:
    fields = [field.name for operation in form.operations.values() for field in operation.reply]
    return [*form.back().values(), *dict.fromkeys(fields)]


def back_values(form: Form, result: Result) -> dict[str, str]:
    values = {name: result.lead[role] for role, name in form.back().items()}
    return values | {field.name: result.fields.get(field.name, "") for field in form.operations[result.operation].reply}


def lead_width(form: Form, role: str) -> int:
    back = form.table.back
    code_cell = form.table.record.get("operation_code")
    longest = max(len(code) for code in form.operations)
    widths = {
        "reference": form.table.reference.width,
        "operation": number(code_cell["width"]) if isinstance(code_cell, dict) else longest,
        "code": back.code_width,
        "happened_at": 14,
        "wanted": back.wanted_width,
    }
    return widths[role]


def totals_texts(
    table: FileDropTable, totals: Totals, rows: int, before: bytes, sending: Sending | None, told: Sequence[str]
) -> list[str]:
    """What a header or trailer must say; of a file that came (``sending`` None), the date is taken as told."""
    texts: list[str] = []
    for place, field in enumerate(totals.fields):
        match field.name:
            case "rows":
                text = str(rows + (sending.surplus if sending else 0))
            case "amount_cents":
                text = str(rows * (table.fee_cents_per_row or 0))
            case "bytes":
                text = str(len(before))
            case "md5" | "sha256" | "sm3":
                text = digest(field.name, before)
            case "date" | "time":
                text = f"{sending.at:{'%Y%m%d' if field.name == 'date' else '%H%M%S'}}" if sending else told[place]
            case _:
                text = "1" if sending else told[place]
        texts.append(text.rjust(field.width or 0, "0"))
    return texts


def digest(kind: str, content: bytes) -> str:
    if kind != "sm3":
        return hashlib.new(kind, content, usedforsecurity=False).hexdigest()
    state = Hash(SM3())
    state.update(content)
    return state.finalize().hex()


def number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("a whole number is expected")
    return value
