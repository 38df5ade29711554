"""What a simulated department decided, in the words of its SOAP channel."""

from collections.abc import Mapping

from pydantic import JsonValue

from adapters.soap_table import CompactDates, SoapTable, SoapWire
from contracts.catalogue import Column, Operation, ReplyField


def answered(
    table: SoapTable, operation: Operation, wire: SoapWire, decided: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """``decided``: as the desk holds it. Names and dates become those of the channel."""
    names = {
        "reason_code": table.answer.reason_code,
        "operation": table.answer.operation,
        "happened_at": table.answer.happened_at,
    }
    fields = {wire.reply.get(field.name, field.name): field for field in operation.reply}
    said: dict[str, JsonValue] = {}
    for name, value in decided.items():
        field = fields.get(name)
        if field is None:
            said[names.get(name, name)] = value
        else:
            said[name] = _compact(value, field) if table.has(CompactDates) else value
    return said | {table.answer.operation: wire.operation}


def _compact(value: JsonValue, field: ReplyField | Column) -> JsonValue:
    """Dates and months without hyphens, those of a table's cells too."""
    if isinstance(field, ReplyField) and isinstance(value, list) and field.columns:
        columns = {column.name: column for column in field.columns}
        return [
            {name: _compact(cell, columns[name]) for name, cell in row.items()}
            for row in value
            if isinstance(row, dict)
        ]
    return str(value).replace("-", "") if field.type in {"date", "month"} else value
