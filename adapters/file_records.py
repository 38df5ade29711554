"""What a record says: a delivery as a record that goes out, a line that came back as a reply. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from adapters.field_map import RECORD_FORM, FieldMap, field_map, outcome_of
from adapters.file_drop_table import FileDropTable, Role
from adapters.record_files import Format, Line, RecordRefused, layout
from contracts.catalogue import Operation
from contracts.delivery import Delivery, Outcome, Reply
from contracts.errors import DeliveryError, OutcomeUnknownError, PermanentError
from contracts.records import record
from contracts.site import SystemFile
from contracts.situation import Situation

HAPPENED_AT_COLUMN = "CLSJ"
WANTED_COLUMN = "BZXM"
"""Names in a header row for the two columns that few departments send: 处理时间, 补正项目."""

HAPPENED_AT_FORM = "%Y%m%d%H%M%S"


@record
class Carried:
    """An operation that the channel carries; ``code`` stands in its records."""

    operation: Operation
    code: str
    fields: FieldMap


@record
class Exchange:
    """A channel's table, checked against its system and compiled once."""

    system: SystemFile
    table: FileDropTable
    carried: Mapping[str, Carried]
    by_code: Mapping[str, Carried]
    outgoing: Format
    incoming: Format
    one_header: bool
    request_columns: tuple[str, ...]
    reply_columns: tuple[str, ...]


def exchange(system: SystemFile, table: FileDropTable) -> Exchange:
    """Raises ValueError where the table and the system's operations do not fit, ValidationError for a wrong record table."""
    carried = {
        operation.key: Carried(
            operation=operation, code=_code(operation), fields=field_map(operation, form=RECORD_FORM)
        )
        for operation in system.operations
        if Situation.FILE_DROP in operation.wire
    }
    by_code = {one.code: one for one in carried.values()}
    if len(by_code) != len(carried):
        raise ValueError(f"two operations of {system.key} share an operation_code")
    told_apart = table.operation_column is not None and "operation" in table.back.record
    if len(carried) > 1 and not told_apart:
        raise ValueError(f"{system.key} has several operations: give operation_column, and operation in back.record")
    roles = table.back.record
    if roles[:1] != ("reference",) or roles[-1:] != ("fields",) or "code" not in roles or len(set(roles)) != len(roles):
        raise ValueError("back.record begins with reference, ends with fields and holds code, each once")
    requests = _union(field.name for one in carried.values() for field in one.operation.request)
    replies = _union(field.name for one in carried.values() for field in one.operation.reply)
    lead = (table.reference.name, *([table.operation_column] if table.operation_column else []))
    back = tuple(_column(role, system, table) for role in roles if role != "fields")
    return Exchange(
        system=system,
        table=table,
        carried=carried,
        by_code=by_code,
        outgoing=layout(table.format, table.encoding, (*lead, *requests), table.record),
        incoming=layout(table.format, table.encoding, (*back, *replies), table.record),
        one_header=table.record.get("header_row") is True,
        request_columns=requests,
        reply_columns=replies,
    )


def record_of(spec: Exchange, delivery: Delivery) -> bytes:
    """The record of one delivery. Raises PermanentError where the layout cannot carry its fields."""
    one = spec.carried.get(delivery.operation)
    if one is None:
        raise PermanentError("operation_not_carried", f"{delivery.operation} has no record on this channel")
    cells = {name: str(value) for name, value in one.fields.to_wire(delivery.fields).items()}
    columns = spec.request_columns if spec.one_header else tuple(field.name for field in one.operation.request)
    reference = str(delivery.id) if spec.table.reference.width == 36 else delivery.id.hex
    lead = [reference, one.code] if spec.table.operation_column else [reference]
    try:
        return spec.outgoing.record([*lead, *(cells.get(column, "") for column in columns)])
    except RecordRefused as error:
        raise PermanentError("not_expressible", str(error)) from error


def reply_of(spec: Exchange, line: Line, now: datetime) -> Reply | None:
    """The verdict of one line; None where it does not even name a delivery. ``now`` stands in for a time it does not give."""
    delivery_id = _reference(line.first)
    if delivery_id is None:
        return None
    if line.bad:
        return Reply(delivery_id=delivery_id, outcome=_unreadable(line, line.bad), happened_at=now)
    roles = [role for role in spec.table.back.record if role != "fields"]
    told: dict[Role, str] = dict(zip(roles, line.values, strict=False))
    try:
        happened_at = _moment(told, line, spec.table.timezone) or now
        outcome = _outcome(spec, line, told, line.values[len(roles) :])
    except DeliveryError as error:
        return Reply(delivery_id=delivery_id, outcome=error, happened_at=now)
    return Reply(delivery_id=delivery_id, outcome=outcome, happened_at=happened_at)


def _outcome(spec: Exchange, line: Line, told: Mapping[Role, str], cells: Sequence[str]) -> Outcome | DeliveryError:
    one = spec.by_code.get(told.get("operation", "")) if "operation" in spec.table.back.record else _only(spec)
    if one is None:
        raise _unreadable(line, "operation")
    columns = spec.reply_columns if spec.one_header else tuple(field.name for field in one.operation.reply)
    if len(cells) != len(columns) or "code" not in told:
        raise _unreadable(line, "columns")
    fields = one.fields.from_wire(dict(zip(columns, cells, strict=True)))
    wanted = tuple(name for name in told.get("wanted", "").split(RECORD_FORM.separator) if name)
    return outcome_of(one.operation, Situation.FILE_DROP, told["code"], fields, wanted=wanted)


def _moment(told: Mapping[Role, str], line: Line, zone: str) -> datetime | None:
    text = told.get("happened_at")
    if not text:
        return None
    # strptime alone takes fewer digits than the form has.
    if re.fullmatch(r"\d{14}", text, re.ASCII):
        with suppress(ValueError):
            return datetime.strptime(text, HAPPENED_AT_FORM).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    raise _unreadable(line, "happened_at")


def _unreadable(line: Line, reason: str) -> OutcomeUnknownError:
    """The department has said something about this delivery that nobody can read: a person must look, nothing may be sent again."""
    return OutcomeUnknownError("unreadable_line", f"line {line.number} of a result file: {reason}")


def _reference(text: str) -> UUID | None:
    if not re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text.strip(), re.IGNORECASE):
        return None
    return UUID(text.strip())


def _only(spec: Exchange) -> Carried | None:
    return next(iter(spec.carried.values()), None)


def _code(operation: Operation) -> str:
    code = operation.wire[Situation.FILE_DROP].get("operation_code")
    if not isinstance(code, str) or not code:
        raise ValueError(f"{operation.key}: wire.file_drop needs an operation_code")
    return code


def _column(role: Role, system: SystemFile, table: FileDropTable) -> str:
    names: Mapping[str, str] = {
        "reference": table.reference.name,
        "operation": table.operation_column or "",
        "code": system.result_field,
        "happened_at": HAPPENED_AT_COLUMN,
        "wanted": WANTED_COLUMN,
    }
    return names[role]


def _union(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
