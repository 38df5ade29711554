"""What a record says: a delivery as a record that goes out, a line that came back as a reply. Pure."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from adapters.field_map import RECORD_FORM, FieldMap, field_map, outcome_of
from adapters.file_drop_table import FileDropTable, Role, secrets_of
from adapters.file_totals import proves_whole
from adapters.record_columns import code_of, operation_place, reply_columns, request_columns
from adapters.record_files import layout
from adapters.record_layout import Columns, Format
from adapters.record_verdicts import Line, NotEncodable, RecordRefused
from adapters.text_encodings import is_encodable
from contracts.catalogue import Operation
from contracts.delivery import Delivery, Outcome, Reply
from contracts.errors import NEEDS_PAPER, DeliveryError, OutcomeUnknownError, PermanentError
from contracts.records import record
from contracts.site import SystemFile
from contracts.situation import Situation

_PLACES = "operation_column of a csv or, in its record table, of a dbf, operation_code of fixed, operation_attribute of xml, operation_key of ini"

HAPPENED_AT_FORM = "%Y%m%d%H%M%S"


@record
class Carried:
    """An operation that the channel carries; ``code`` stands in its records."""

    operation: Operation
    code: str
    fields: FieldMap


@record
class Exchange:
    """A channel's table, checked against its system and compiled once. ``secrets``: what sealing a file needs to know.

    ``ends_itself``: a file that comes back proves by its own last record that nothing is missing.
    """

    system: SystemFile
    table: FileDropTable
    carried: Mapping[str, Carried]
    by_code: Mapping[str, Carried]
    outgoing: Format
    incoming: Format
    tells_operation: bool
    secrets: tuple[str, ...]
    ends_itself: bool


def exchange(system: SystemFile, table: FileDropTable) -> Exchange:
    """Raises ValueError where the table and the system's operations do not fit, ValidationError for a wrong record table."""
    carried = {
        operation.key: Carried(
            operation=operation, code=code_of(operation), fields=field_map(operation, form=RECORD_FORM)
        )
        for operation in system.operations
        if Situation.FILE_DROP in operation.wire
    }
    by_code = {one.code: one for one in carried.values()}
    if len(by_code) != len(carried):
        raise ValueError(f"two operations of {system.key} share an operation_code")
    place = operation_place(table)
    roles = table.back.record
    if len(carried) > 1 and (place is None or "operation" not in roles):
        raise ValueError(f"{system.key} has several operations: say where its records carry the code ({_PLACES})")
    if roles[:1] != ("reference",) or roles[-1:] != ("fields",) or "code" not in roles or len(set(roles)) != len(roles):
        raise ValueError("back.record begins with reference, ends with fields and holds code, each once")
    if place is None and "operation" in roles:
        raise ValueError(f"back.record holds the operation, which no record carries ({_PLACES})")
    framing = {"fee_cents_per_row": table.fee_cents_per_row}
    out = {"header": table.header, "trailer": table.trailer, **framing}
    back = {"header": table.back.header or table.header, "trailer": table.back.trailer or table.trailer, **framing}
    return Exchange(
        system=system,
        table=table,
        carried=carried,
        by_code=by_code,
        outgoing=_layout(table, request_columns(table, [one.operation for one in carried.values()]), out),
        incoming=_layout(table, reply_columns(system, table, [one.operation for one in carried.values()]), back),
        tells_operation=place is not None,
        secrets=secrets_of(table),
        ends_itself=proves_whole(table.back.trailer or table.trailer),
    )


def record_of(spec: Exchange, delivery: Delivery) -> bytes:
    """The record of one delivery. Raises PermanentError where the layout cannot carry its fields."""
    one = spec.carried.get(delivery.operation)
    if one is None:
        raise PermanentError("operation_not_carried", f"{delivery.operation} has no record on this channel")
    cells = one.fields.to_wire(delivery.fields)
    values = [substituted(str(cells.get(field.name, "")), spec.table) for field in one.operation.request]
    reference = str(delivery.id) if spec.table.reference.width == 36 else delivery.id.hex
    try:
        return spec.outgoing.record([reference, *([one.code] if spec.tells_operation else []), *values])
    except NotEncodable as error:
        code = NEEDS_PAPER if spec.table.on_unencodable == "paper" else "not_encodable"
        raise PermanentError(code, str(error)) from error
    except RecordRefused as error:
        raise PermanentError("not_expressible", str(error)) from error


def substituted(value: str, table: FileDropTable) -> str:
    """The value with the declared substitutes of the characters that the encoding lacks; those without one stay and are refused."""
    if table.on_unencodable != "substitute" or is_encodable(value, table.encoding):
        return value
    lacking = {char: new for char, new in table.substitutes.items() if not is_encodable(char, table.encoding)}
    return "".join(lacking.get(char, char) for char in value)


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
        one = _carried(spec, line, told)
        outcome = _outcome(one, line, told, line.values[len(roles) :])
    except DeliveryError as error:
        return Reply(delivery_id=delivery_id, outcome=error, happened_at=now)
    operation = one.operation.key if "operation" in told else ""
    return Reply(delivery_id=delivery_id, outcome=outcome, happened_at=happened_at, operation=operation)


def _carried(spec: Exchange, line: Line, told: Mapping[Role, str]) -> Carried:
    one = spec.by_code.get(told.get("operation", "")) if "operation" in spec.table.back.record else _only(spec)
    if one is None:
        raise _unreadable(line, "operation")
    return one


def _outcome(one: Carried, line: Line, told: Mapping[Role, str], cells: Sequence[str]) -> Outcome | DeliveryError:
    columns = [field.name for field in one.operation.reply]
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


def _layout(table: FileDropTable, columns: Columns, framing: Mapping[str, object]) -> Format:
    declared = {key: value for key, value in framing.items() if value is not None}
    return layout(table.format, table.encoding, columns, table.record, declared)
