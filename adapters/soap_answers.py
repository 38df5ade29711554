"""What a SOAP answer of a department means. Neither a 200 nor an envelope is a success before it has proved whose answer it is.

An answer is a flat element with the reference (our delivery id), the system's result field and the reply fields. With the names
that a table has if it says nothing:

    <LSH>...</LSH><JGDM>1</JGDM><decision_no>...</decision_no>      settled, as the operation's result codes say
    <LSH>...</LSH><JGDM>3</JGDM><THYY>..</THYY><BZXM>M01;M02</BZXM>   a correction is wanted
    <LSH>...</LSH><JGDM>5</JGDM><SLBH>...</SLBH>                     accepted: the result comes later
    <LSH>...</LSH><JGDM>4</JGDM>                                     to an enquiry: never received
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from adapters.field_map import FieldMap, ValueForm, as_code, field_map, outcome_of, value_at
from adapters.polling import PollTimes
from adapters.rest_table import Verdict
from adapters.soap_envelope import Fault, safe_code
from adapters.soap_table import CompactDates, SoapPoll, SoapTable, SoapWire, StringCutByBytes
from contracts.catalogue import Answers, Column, Operation, ReplyField
from contracts.delivery import AwaitingReply, Lookup, NotFound, Outcome, Reply
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.records import Fields, record
from contracts.site import SystemFile
from contracts.situation import Situation


@record
class SoapOperation:
    """An operation on this channel: its name in the WSDL, and its map."""

    operation: Operation
    wire: SoapWire
    map: FieldMap


def soap_operations(system: SystemFile, table: SoapTable) -> Mapping[str, SoapOperation]:
    """Those operations that have a ``wire.api``, by key. Raises ValueError for a bad field map, a code that means two things, a
    string argument that leaves a field out, and for an operation that answers later over a channel without a way back."""
    one_way = table.later_replies == "none" and table.enquire_operation is None
    form = ValueForm(date="%Y%m%d", month="%Y%m") if table.has(CompactDates) else ValueForm()
    found: dict[str, SoapOperation] = {}
    for operation in system.operations:
        if Situation.API in operation.wire:
            if one_way and operation.answers is Answers.LATER:
                raise ValueError(f"{operation.key} answers later: declare later_replies or enquire_operation")
            wire = SoapWire.model_validate(dict(operation.wire[Situation.API]))
            _check(operation, wire, table)
            rows = field_map(operation, request=wire.request, reply=wire.reply, form=form)
            found[operation.key] = SoapOperation(operation=operation, wire=wire, map=rows)
    return found


def _check(operation: Operation, wire: SoapWire, table: SoapTable) -> None:
    own = {table.answer.accepted, table.answer.not_received} & set(operation.result_codes.get(Situation.API, {}))
    if own:
        raise ValueError(
            f"{operation.key}: the code {min(own)} is a result, so answer.accepted and not_received need others"
        )
    if isinstance(table.argument, StringCutByBytes) and not wire.request:
        carried = {segment.name for segment in table.argument.segments if segment.source == "request"}
        left_out = {field.name for field in operation.request if field.required} - carried
        if left_out:
            raise ValueError(f"{operation.key}: the string argument has no segment for {', '.join(sorted(left_out))}")


def check_echo(
    table: SoapTable, answer: Fields, relates_to: UUID | None, delivery_id: UUID, message_id: UUID | None = None
) -> None:
    """The answer names our delivery in its echo element, or our message in wsa:RelatesTo; a contradiction is no echo.

    ``message_id``: that of the question, the delivery id if nothing is said. Raises OutcomeUnknownError.
    """
    if table.reference.place == "connection":
        return
    said = value_at(answer, table.echo)
    agrees = [_as_id(said) == delivery_id] if said is not None and said != "" else []
    if relates_to is not None:
        agrees.append(relates_to == (message_id or delivery_id))
    if not agrees:
        raise OutcomeUnknownError("echo_missing", "the answer does not say which delivery it belongs to")
    if not all(agrees):
        raise OutcomeUnknownError("echo_mismatch", "the answer belongs to another delivery")


def _as_id(text: JsonValue) -> UUID:
    try:
        return UUID(str(text).strip())
    except ValueError as error:
        raise OutcomeUnknownError("echo_mismatch", "the answer names something that is no delivery") from error


def settled(
    system: SystemFile, table: SoapTable, found: SoapOperation, answer: Fields
) -> Outcome | NotFound | DeliveryError:
    """What the answer says. Raises OutcomeUnknownError when it says nothing we know."""
    code = value_at(answer, system.result_field)
    if not isinstance(code, str) or not code.strip():
        raise OutcomeUnknownError("result_missing", f"the answer carries no {system.result_field}")
    code, names = code.strip(), table.answer
    if code == names.accepted:
        if table.reference.place == "connection":
            raise OutcomeUnknownError(
                "not_at_once", "a later answer could not be matched: this channel knows no reference"
            )
        return AwaitingReply(department_ref=as_code(answer.get(names.department_ref)))
    if code == names.not_received:
        return NotFound(what=Lookup.NOT_RECEIVED)
    wanted = _text(answer.get(names.wanted))
    return outcome_of(
        found.operation,
        Situation.API,
        code,
        found.map.from_wire(_shaped(found, answer, table)),
        wanted=[name.strip() for name in wanted.split(table.separator)] if wanted else (),
        reason_code=_text(answer.get(names.reason_code)),
    )


def _text(value: JsonValue) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _shaped(found: SoapOperation, answer: Fields, table: SoapTable) -> dict[str, JsonValue]:
    """The answer with the fields that need no row in the shape of their type."""
    plain = {
        field.name: _typed(answer[field.name], field, table)
        for field in found.operation.reply
        if field.name not in found.map.reply_rows and field.name in answer
    }
    return {**answer, **plain}


def _typed(value: JsonValue, field: ReplyField | Column, table: SoapTable) -> JsonValue:
    """What XML says of a value is text and nesting; an empty element says nothing, whatever its type."""
    columns = field.columns if isinstance(field, ReplyField) else ()
    match field.type:
        case "table":
            return [_row(row, columns, table) for row in _entries(value, {column.name for column in columns})]
        case "codes" if not isinstance(value, str):
            return [*_entries(value, set())]
        case "object":
            return _row(value, columns, table)
        case _:
            return _plain(value, field.type, table.separator) if isinstance(value, str) else value


def _plain(text: str, kind: str, separator: str) -> JsonValue:
    bare = text if kind in {"string", "text"} else text.strip()
    if not bare:
        return None
    if kind == "codes":
        return [*bare.split(separator)]
    # The two other spellings of xsd:boolean.
    return {"1": "true", "0": "false"}.get(bare, bare) if kind == "bool" else bare


def _row(row: JsonValue, columns: Sequence[Column], table: SoapTable) -> JsonValue:
    if not isinstance(row, dict):
        return row
    known = {column.name: column for column in columns}
    return {name: _typed(cell, known[name], table) if name in known else cell for name, cell in row.items()}


def _entries(value: JsonValue, columns: set[str]) -> Sequence[JsonValue]:
    """The rows of a list: repeated elements, or one element around them. One row alone looks like an object."""
    match value:
        case None | "":
            return ()
        case list():
            return value
        case dict() if len(value) == 1 and not columns & set(value):
            inner = next(iter(value.values()))
            return inner if isinstance(inner, list) else () if inner is None or inner == "" else (inner,)
        case _:
            return (value,)


_FAULTS: Mapping[str, Verdict] = {
    "Client": Verdict.PERMANENT,
    "Sender": Verdict.PERMANENT,
    "Server": Verdict.UNKNOWN,
    "Receiver": Verdict.UNKNOWN,
    "MustUnderstand": Verdict.PERMANENT,
    "VersionMismatch": Verdict.PERMANENT,
    "DataEncodingUnknown": Verdict.PERMANENT,
    "Client.Authentication": Verdict.CREDENTIALS,
    "FailedAuthentication": Verdict.CREDENTIALS,
    "FailedCheck": Verdict.CREDENTIALS,
    "InvalidSecurity": Verdict.CREDENTIALS,
    "InvalidSecurityToken": Verdict.CREDENTIALS,
    "UnsupportedSecurityToken": Verdict.CREDENTIALS,
    "UnsupportedAlgorithm": Verdict.CREDENTIALS,
    "SecurityTokenUnavailable": Verdict.CREDENTIALS,
    "MessageExpired": Verdict.CREDENTIALS,
    "ActionNotSupported": Verdict.PERMANENT,
    "DestinationUnreachable": Verdict.PERMANENT,
    "InvalidAddressingHeader": Verdict.PERMANENT,
    "EndpointUnavailable": Verdict.TEMPORARY,
}
"""SOAP 1.1 section 4.4.1, SOAP 1.2 part 1 section 5.4.6, WS-Security 1.1 section 12, WS-Addressing SOAP binding section 6.4."""


def fault_error(
    system: SystemFile,
    table: SoapTable,
    found: SoapOperation | None,
    fault: Fault,
    delivery_id: UUID,
    message_id: UUID | None = None,
) -> DeliveryError:
    """The error for a fault: the department's own code where its detail proves whose it is, else what the fault code means.

    Never a success. ``found``: None where the fault answers no delivery.
    """
    said = _said(system, table, found, fault, delivery_id, message_id) if found is not None else None
    if said is not None:
        return said
    code = f"fault_{safe_code(fault.codes[0] if fault.codes else '')}"
    meanings = [one for name in fault.codes if (one := table.faults.get(name) or _FAULTS.get(name)) is not None]
    match meanings[0] if meanings else Verdict.UNKNOWN:
        case Verdict.TEMPORARY:
            return TemporaryError(code, "the department is not taking messages now")
        case Verdict.CREDENTIALS:
            return CredentialsError(code, "the department refused our credentials; check user, password, key and clock")
        case Verdict.PERMANENT:
            return PermanentError(
                code, "the department rejected the message; correct its content or the channel's table"
            )
        case _:
            return OutcomeUnknownError(code, "the department failed and may have acted before")


def _said(
    system: SystemFile, table: SoapTable, found: SoapOperation, fault: Fault, delivery_id: UUID, message_id: UUID | None
) -> DeliveryError | None:
    """The detail's own code; None where there is none, where it does not prove whose it is, or says nothing we know."""
    detail = dict[str, JsonValue](fault.detail)
    if value_at(detail, system.result_field) is None:
        return None
    try:
        check_echo(table, detail, fault.relates_to, delivery_id, message_id)
        said = settled(system, table, found, detail)
    except OutcomeUnknownError as error:
        return error if error.code == "echo_mismatch" else None
    if isinstance(said, OutcomeUnknownError):
        return None
    if isinstance(said, DeliveryError):
        return said
    return OutcomeUnknownError("fault_with_result", "the department failed and claims a result at once")


def later_reply(
    system: SystemFile, table: SoapTable, operations: Mapping[str, SoapOperation], entry: Fields, now: datetime
) -> Reply:
    """An entry of a list of results: it names its delivery and, where the system has several, its operation.

    ``happened_at`` without a zone, or none, counts as ``now``. Raises OutcomeUnknownError when it cannot be matched or understood.
    """
    if not entry.get(table.echo):
        raise OutcomeUnknownError("echo_missing", "the reply does not say which delivery it belongs to")
    delivery_id = _as_id(entry[table.echo])
    name = _text(entry.get(table.answer.operation))
    candidates = [one for one in operations.values() if name is None or name in {one.wire.operation, one.operation.key}]
    if len(candidates) != 1:
        raise OutcomeUnknownError("unknown_operation", "the reply does not name an operation of this system")
    outcome = settled(system, table, candidates[0], entry)
    if isinstance(outcome, OutcomeUnknownError):
        raise outcome
    if isinstance(outcome, NotFound):
        raise OutcomeUnknownError("unreadable_answer", "a list of results holds something that never arrived")
    return Reply(
        delivery_id=delivery_id,
        outcome=outcome,
        happened_at=_when(entry.get(table.answer.happened_at), now),
        operation="" if name is None else candidates[0].operation.key,
    )


def _when(text: JsonValue, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(str(text).strip())
    except ValueError:
        return now
    return at if at.tzinfo else now


def rows_of(answer: Fields, table: SoapTable) -> Sequence[Fields]:
    """The entries of a list of results. Raises OutcomeUnknownError."""
    names = table.poll.rows if table.poll else ""
    if names not in answer:
        raise OutcomeUnknownError("unreadable_answer", f"the list of results has no {names}")
    return [row for row in _entries(answer[names], {table.echo}) if isinstance(row, dict)]


def poll_times(table: SoapTable) -> PollTimes | None:
    """When to enquire about accepted deliveries; None where a list of results brings the answer."""
    if (table.poll and table.poll.operation) or table.enquire_operation is None:
        return None
    poll = table.poll or SoapPoll()
    return PollTimes(poll.every_seconds, poll.longest_seconds)


def answer_of(outcome: Outcome | NotFound | DeliveryError) -> Outcome:
    """An outcome of a delivery. Raises the error that it is; a delivery that was just sent and 'not received' is a contradiction."""
    if isinstance(outcome, DeliveryError):
        raise outcome
    if isinstance(outcome, NotFound):
        raise OutcomeUnknownError("not_received", "the department denies what it has just been sent")
    return outcome
