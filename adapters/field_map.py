"""Field maps and result codes: a delivery's fields as a department's message, and its answer as an outcome.

A map has rows both ways, JMESPath over named values (``adapters.values`` says what a value of a type looks like). What cannot
be expressed is a PermanentError before the first byte leaves; an answer that cannot be understood is an
OutcomeUnknownError, never a success.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import jmespath
from pydantic import JsonValue

from adapters.values import JSON_FORM, RECORD_FORM, BadValueError, ValueForm, read_value, wire_value
from contracts.catalogue import Operation, ResultCode, ResultKind
from contracts.delivery import Completed, Decision, Outcome, Returned
from contracts.envelope import CODE_PATTERN
from contracts.errors import DeliveryError, DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.records import Fields, record
from contracts.situation import Situation

__all__ = [
    "JSON_FORM",
    "RECORD_FORM",
    "BadValueError",
    "FieldMap",
    "ValueForm",
    "field_map",
    "nested",
    "outcome_of",
    "read_value",
    "value_at",
    "wire_value",
]


def value_at(answer: Fields, path: str) -> JsonValue:
    """The value under that name, else at that dotted path: ``head.retCode``. None where there is none."""
    if path in answer:
        return answer[path]
    found: JsonValue = dict(answer)
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def nested(values: Fields) -> dict[str, JsonValue]:
    """Values by dotted paths as objects that lie in each other; a value whose path lies inside a plain value goes without."""
    message: dict[str, JsonValue] = {}
    for path, value in values.items():
        *outer, last = path.split(".")
        place: JsonValue = message
        for name in outer:
            place = place.setdefault(name, {}) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[last] = value
    return message


class _Search(Protocol):
    """A compiled JMESPath expression."""

    def search(self, value: object) -> JsonValue: ...


@record
class FieldMap:
    """The rows of one operation on one channel, compiled once. Without rows a field keeps its name.

    A request row gives a target on the wire (a dot makes an object) and a JMESPath expression over the request fields
    as ``form`` writes them; a reply row gives a reply field and an expression over the department's answer.
    """

    operation: Operation
    form: ValueForm
    request_rows: tuple[tuple[tuple[str, ...], _Search], ...]
    reply_rows: Mapping[str, _Search]

    def to_wire(self, fields: Fields) -> dict[str, JsonValue]:
        """Exactly the operation's request fields. Raises PermanentError (``field_missing``, ``field_too_long``, ``bad_field``)."""
        values: dict[str, JsonValue] = {}
        for field in self.operation.request:
            value = fields.get(field.name)
            if value is None or value == "":
                if field.required:
                    raise PermanentError("field_missing", f"{field.name} is required by {self.operation.key}")
                if self.form.text:
                    values[field.name] = ""
                continue
            if field.max_length is not None and isinstance(value, str) and len(value) > field.max_length:
                raise PermanentError("field_too_long", f"{field.name} holds more than {field.max_length} characters")
            try:
                values[field.name] = wire_value(value, field.type, self.form, field.columns)
            except BadValueError as error:
                raise PermanentError("bad_field", f"{field.name}: {error}") from error
        return self._rearranged(values) if self.request_rows else values

    def _rearranged(self, values: dict[str, JsonValue]) -> dict[str, JsonValue]:
        message: dict[str, JsonValue] = {}
        for path, expression in self.request_rows:
            value = expression.search(values)
            if value is None:
                continue
            place = message
            for name in path[:-1]:
                inner = place.setdefault(name, {})
                if not isinstance(inner, dict):
                    raise PermanentError("bad_field_map", f"the target {'.'.join(path)} lies inside a plain value")
                place = inner
            place[path[-1]] = value
        return message

    def from_wire(self, answer: Fields) -> dict[str, JsonValue]:
        """The operation's reply fields that the answer has, nothing else of it. Raises OutcomeUnknownError (``bad_reply_field``)."""
        fields: dict[str, JsonValue] = {}
        for field in self.operation.reply:
            row = self.reply_rows.get(field.name)
            try:
                raw = answer.get(field.name) if row is None else row.search(answer)
                value = read_value(raw, field.type, self.form, field.columns)
            except BadValueError as error:
                raise OutcomeUnknownError("bad_reply_field", f"{field.name}: {error}") from error
            if value is not None:
                fields[field.name] = value
        return fields


def field_map(
    operation: Operation,
    *,
    request: Mapping[str, str] | None = None,
    reply: Mapping[str, str] | None = None,
    form: ValueForm = JSON_FORM,
) -> FieldMap:
    """Compile the rows. Raises ValueError for an expression that is no JMESPath or a reply row without such a reply field."""
    stray = set(reply or ()) - {field.name for field in operation.reply}
    if stray:
        raise ValueError(f"{operation.key} has no reply field {', '.join(sorted(stray))}")
    return FieldMap(
        operation=operation,
        form=form,
        request_rows=tuple(
            (tuple(target.split(".")), jmespath.compile(row)) for target, row in (request or {}).items()
        ),
        reply_rows={name: jmespath.compile(row) for name, row in (reply or {}).items()},
    )


_DECISIONS: Mapping[ResultKind, Decision] = {
    ResultKind.GRANTED: Decision.GRANTED,
    ResultKind.REFUSED: Decision.REFUSED,
    ResultKind.DONE: Decision.DONE,
}


def outcome_of(
    operation: Operation,
    situation: Situation,
    code: str,
    reply: Mapping[str, JsonValue],
    *,
    wanted: Sequence[str] = (),
    reason_code: str | None = None,
) -> Outcome | DeliveryError:
    """What a department's code means; errors are returned, so that one line of a file cannot spoil the others.

    ``reply``: fields as ``FieldMap.from_wire`` gives them. ``wanted`` and ``reason_code`` belong to a return (the code itself
    if there is no finer reason; ``other`` if it is no code: a sentence may name a resident). A code that the operation does not list is OutcomeUnknownError: never a success.
    """
    found = operation.result_codes.get(situation, {}).get(code)
    if found is None:
        return OutcomeUnknownError(
            "unknown_result_code", f"{operation.key} does not know the result code {_shown(code)}"
        )
    if found.duplicate:
        return DuplicateError(code, found.name_en)
    reason = (as_code(reason_code) or "other") if reason_code else code
    return _meaning(found, code, reply, wanted, reason)


def as_code(text: JsonValue) -> str | None:
    """A department's reason or reference, cut to 64 characters; None where it is no code: the journal has no room for sentences."""
    cut = text.strip()[:64] if isinstance(text, str) else ""
    return cut if re.fullmatch(CODE_PATTERN, cut) else None


def _meaning(
    found: ResultCode, code: str, reply: Fields, wanted: Sequence[str], reason_code: str
) -> Outcome | DeliveryError:
    match found.outcome:
        case ResultKind.RETURNED:
            return Returned(reason_code=reason_code, wanted=tuple(wanted))
        case ResultKind.TEMPORARY:
            return TemporaryError(code, found.name_en)
        case ResultKind.PERMANENT:
            return PermanentError(code, found.name_en)
        case _:
            # Departments leave the field out, or fill it as they like, when the code has said it already.
            nothing: Fields = {"found": False} if found.none_found else {}
            return Completed(decision=_DECISIONS[found.outcome], fields={**reply, **nothing})


def _shown(code: str) -> str:
    """A code fit for a log: what a broken partner puts in its place may be anything, a name included."""
    return code if re.fullmatch(r"[A-Za-z0-9_.-]{1,16}", code, re.ASCII) else "(unprintable)"
