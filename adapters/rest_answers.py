"""What a JSON answer of a department means. A 2xx is no success before its body has proved whose answer it is.

An answer is one object with the channel's echo field (our delivery id), the system's result field, and the reply fields:

    {"delivery_id": "...", "result_code": "GRANTED", "decision_no": "..."}      settled
    {"delivery_id": "...", "result_code": "RETURNED", "wanted": ["M01"]}        a correction is wanted
    {"delivery_id": "...", "status": "accepted", "department_ref": "..."}       the result comes later
"""

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from adapters.field_map import FieldMap, as_code, field_map, outcome_of, value_at
from adapters.polling import PollTimes
from adapters.rest_table import Poll, RestTable, RestWire
from contracts.catalogue import Answers, Operation
from contracts.delivery import AwaitingReply, Outcome, Reply
from contracts.errors import DeliveryError, OutcomeUnknownError
from contracts.records import record
from contracts.site import SystemFile
from contracts.situation import Situation

ACCEPTED = "accepted"


@record
class WireOperation:
    """An operation on this channel: where it goes, and its map."""

    operation: Operation
    wire: RestWire
    map: FieldMap


def wire_operations(system: SystemFile, table: RestTable) -> Mapping[str, WireOperation]:
    """Those operations that have a ``wire.api``, by key. Raises ValueError for a bad field map, and for an operation that
    answers later over a channel that has no way back."""
    one_way = table.later_replies == "none" and table.enquire_path is None
    found: dict[str, WireOperation] = {}
    for operation in system.operations:
        if Situation.API in operation.wire:
            if one_way and operation.answers is Answers.LATER:
                raise ValueError(f"{operation.key} answers later: declare later_replies or enquire_path")
            wire = RestWire.model_validate(dict(operation.wire[Situation.API]))
            rows = field_map(operation, request=wire.request, reply=wire.reply)
            found[operation.key] = WireOperation(operation=operation, wire=wire, map=rows)
    return found


def parsed(body: bytes, encoding: str) -> dict[str, JsonValue]:
    """One JSON object, strictly: no NaN, no name twice (which of the two would count?). Raises OutcomeUnknownError."""
    try:
        value: JsonValue = json.loads(body.decode(encoding), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise OutcomeUnknownError("unreadable_answer", "the answer is not the JSON that was agreed") from error
    if not isinstance(value, dict):
        raise OutcomeUnknownError("unreadable_answer", "the answer is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON")


def check_echo(
    table: RestTable, answer: Mapping[str, JsonValue], headers: Mapping[str, str], delivery_id: UUID
) -> None:
    """The answer names our delivery, in its body or in the reference header; a contradiction is no echo. Raises OutcomeUnknownError."""
    if table.reference.place == "connection":
        return
    echoes = [value_at(answer, table.reference.echo), headers.get(table.reference.name.lower())]
    given = [echo for echo in echoes if echo is not None]
    if not given:
        raise OutcomeUnknownError("echo_missing", "the answer does not say which delivery it belongs to")
    if any(not isinstance(echo, str) or echo.lower() != table.reference.written(delivery_id) for echo in given):
        raise OutcomeUnknownError("echo_mismatch", "the answer belongs to another delivery")


def settled(
    system: SystemFile, found: WireOperation, answer: Mapping[str, JsonValue], *, accepted: bool
) -> Outcome | DeliveryError:
    """What the answer says; ``accepted``: its status was 202. Raises OutcomeUnknownError when it says nothing we know."""
    code = value_at(answer, system.result_field)
    codes = found.operation.result_codes.get(Situation.API, {})
    said_accepted = (code is None and (accepted or answer.get("status") == ACCEPTED)) or (
        code == "ACCEPTED" and code not in codes
    )
    if said_accepted:
        return AwaitingReply(department_ref=as_code(answer.get("department_ref")))
    if isinstance(code, bool) or not isinstance(code, str | int):
        raise OutcomeUnknownError("result_missing", f"the answer carries no {system.result_field}")
    wanted = answer.get("wanted")
    reason = answer.get("reason_code")
    return outcome_of(
        found.operation,
        Situation.API,
        str(code),
        found.map.from_wire(answer),
        wanted=[name for name in wanted if isinstance(name, str)] if isinstance(wanted, list) else (),
        reason_code=reason if isinstance(reason, str) else None,
    )


def later_reply(
    system: SystemFile, table: RestTable, operations: Mapping[str, WireOperation], answer: JsonValue, now: datetime
) -> Reply:
    """A reply that came by itself: it names its delivery and, where the system has several, its operation.

    ``happened_at`` without a zone, or none, counts as ``now``. Raises OutcomeUnknownError when it cannot be matched or understood.
    """
    if not isinstance(answer, dict):
        raise OutcomeUnknownError("unreadable_answer", "a reply must be a JSON object")
    try:
        delivery_id = UUID(str(value_at(answer, table.reference.echo)))
    except ValueError as error:
        raise OutcomeUnknownError("echo_missing", "the reply does not say which delivery it belongs to") from error
    key = answer.get("operation")
    found = next(iter(operations.values())) if key is None and len(operations) == 1 else operations.get(str(key))
    if found is None:
        raise OutcomeUnknownError("unknown_operation", "the reply does not name an operation of this system")
    outcome = settled(system, found, answer, accepted=False)
    if isinstance(outcome, OutcomeUnknownError):
        raise outcome
    return Reply(
        delivery_id=delivery_id,
        outcome=outcome,
        happened_at=_when(answer.get("happened_at"), now),
        operation="" if key is None else found.operation.key,
    )


def _when(text: JsonValue, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return now
    return at if at.tzinfo else now


def poll_times(table: RestTable) -> PollTimes | None:
    """When to enquire about accepted deliveries; None where a callback or a list of results brings the answer."""
    if table.later_replies == "callback" or (table.poll and table.poll.path) or table.enquire_path is None:
        return None
    poll = table.poll or Poll()
    return PollTimes(poll.every_seconds, poll.longest_seconds)
