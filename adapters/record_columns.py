"""Which values stand in a channel's records, by the table and the operations: names, types, widths."""

from collections.abc import Mapping, Sequence

from adapters.file_drop_table import FileDropTable, Role
from adapters.record_layout import Cell, Columns
from contracts.catalogue import Operation, ReplyField, RequestField
from contracts.site import SystemFile
from contracts.situation import Situation

HAPPENED_AT_COLUMN = "CLSJ"
WANTED_COLUMN = "BZXM"
"""Names of the two columns that few departments send: 处理时间, 补正项目."""


_OPERATION_AT = {"dbf": "operation_column", "ini": "operation_key"}


def operation_place(table: FileDropTable) -> str | None:
    """The name under which records tell their operation; None where they do not."""
    told = table.record
    if table.format == "csv":
        return table.operation_column
    if table.format == "zip_csv":
        return "operation" if "{operation}" in str(told.get("inner_name", "{operation}.csv")) else None
    if table.format == "fixed":
        code = told.get("operation_code")
        return str(code.get("name")) if isinstance(code, dict) else None
    name = told.get(_OPERATION_AT.get(table.format, "operation_attribute"))
    return str(name) if name is not None else None


def request_columns(table: FileDropTable, operations: Sequence[Operation]) -> Columns:
    """Of records that go out: reference, operation code, request fields."""
    place = operation_place(table)
    lead = [Cell(name=table.reference.name, width=table.reference.width)]
    if place is not None:
        lead.append(_operation_cell(place, table, operations))
    shapes = {code_of(one): tuple(_cell(field) for field in one.request) for one in operations}
    return Columns(lead=tuple(lead), shapes=shapes, operation_at=None if place is None else 1)


def reply_columns(system: SystemFile, table: FileDropTable, operations: Sequence[Operation]) -> Columns:
    """Of records that come back: what ``back.record`` lists, then the reply fields. Raises ValueError where a code has no room."""
    known = {code for one in operations for code in one.result_codes.get(Situation.FILE_DROP, {})}
    if table.format == "fixed" and (cut := sorted(code for code in known if len(code) > table.back.code_width)):
        raise ValueError(f"the result code {cut[0]} is longer than back.code_width, which is {table.back.code_width}")
    roles = [role for role in table.back.record if role != "fields"]
    cells: Mapping[Role, Cell] = {
        "reference": Cell(name=table.reference.name, width=table.reference.width),
        "operation": _operation_cell(operation_place(table) or "", table, operations),
        "code": Cell(name=system.result_field, width=table.back.code_width),
        "happened_at": Cell(name=HAPPENED_AT_COLUMN, width=14),
        "wanted": Cell(name=WANTED_COLUMN, width=table.back.wanted_width),
    }
    shapes = {code_of(one): tuple(_cell(field) for field in one.reply) for one in operations}
    told = "operation" in roles
    return Columns(
        lead=tuple(cells[role] for role in roles),
        shapes=shapes,
        operation_at=roles.index("operation") if told else None,
    )


def code_of(operation: Operation) -> str:
    """The operation's code in records. Raises ValueError where it has none."""
    code = operation.wire[Situation.FILE_DROP].get("operation_code")
    if not isinstance(code, str) or not code:
        raise ValueError(f"{operation.key}: wire.file_drop needs an operation_code")
    return code


def _operation_cell(name: str, table: FileDropTable, operations: Sequence[Operation]) -> Cell:
    """As wide as is declared, else as the longest code."""
    declared = table.record.get("operation_code")
    width = declared.get("width") if isinstance(declared, dict) else None
    longest = max((len(code_of(one)) for one in operations), default=1)
    return Cell(name=name, width=width if isinstance(width, int) else longest)


def _cell(field: RequestField | ReplyField) -> Cell:
    return Cell(name=field.name, kind=field.type, width=field.width_bytes)
