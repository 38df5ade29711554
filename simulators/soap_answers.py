"""What a simulated department decided, in the words of its SOAP channel."""

from collections.abc import Mapping

from pydantic import JsonValue

from adapters.soap_table import CompactDates, SoapTable, SoapWire
from contracts.catalogue import Operation


def answered(
    table: SoapTable, operation: Operation, wire: SoapWire, decided: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """``decided``: as the desk holds it. Names and dates become those of the channel."""
    names = {
        "reason_code": table.answer.reason_code,
        "operation": table.answer.operation,
        "happened_at": table.answer.happened_at,
    }
    types = {wire.reply.get(field.name, field.name): field.type for field in operation.reply}
    compact = table.has(CompactDates)
    said: dict[str, JsonValue] = {}
    for name, value in decided.items():
        shown = str(value).replace("-", "") if compact and types.get(name) in {"date", "month"} else value
        said[names.get(name, name) if name not in types else name] = shown
    return said | {table.answer.operation: wire.operation}
