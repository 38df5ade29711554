"""What those who run the hub see of deliveries that need somebody, and of the queues. What they do about them stands in ``hub.orders``.

Queries of a connection; every one takes a ``Scope``.
Nothing here shows what a resident wrote: requests and answers are masked.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import orjson
from pydantic import JsonValue

from contracts.api import AttemptView, JournalView
from contracts.records import record
from hub.city import City, milliseconds, moment
from hub.clients import Scope
from hub.keys import CaseKey, Keys
from hub.masking import masked
from hub.results.errors import NotFoundHere
from hub.states import DeliveryState
from hub.store import operating, reading
from hub.store.connection import Connection, Row
from hub.store.operating import Wanted
from hub.views import attempt_view, journal_lines


@record
class Question:
    """Which deliveries are meant; an empty set means all of that kind. ``since``: when they came to rest where they are."""

    states: frozenset[str] = frozenset()
    systems: frozenset[str] = frozenset()
    error_codes: frozenset[str] = frozenset()
    cases: frozenset[str] = frozenset()
    since: datetime | None = None
    limit: int = 100


@record
class DeliveryLine:
    """A delivery in a list. ``since``: when it came to rest in its state. ``next_at``: when the hub does something by itself."""

    id: UUID
    case_no: str
    item: str
    step: str
    subject: str | None
    round: int
    system: str
    operation: str
    state: str
    error_code: str | None
    attempts: int
    possible_duplicate: bool
    since: datetime
    next_at: datetime | None


@record
class Deliveries:
    """A list, oldest first; ``more``: it was cut off at the limit."""

    deliveries: tuple[DeliveryLine, ...]
    more: bool


@record
class Cause:
    """Deliveries of one system that rest for the same reason."""

    system: str
    error_code: str | None
    number: int
    oldest: datetime
    newest: datetime


@record
class AnswerView:
    """An answer as it was recorded: ``verdict`` says what became of it, ``times`` how often it came. ``content`` is masked."""

    kind: str
    verdict: str
    times: int
    happened_at: datetime
    recorded_at: datetime
    content: JsonValue


@record
class DeliveryLife:
    """Everything that one delivery has been through. ``request`` is what the department may see, masked; ``sent_bytes`` by channel."""

    line: DeliveryLine
    created_at: datetime
    send_before: datetime
    due_at: datetime | None
    supersedes: UUID | None
    batch: str | None
    department_ref: str | None
    request: JsonValue
    sent_bytes: Mapping[str, int]
    attempts: tuple[AttemptView, ...]
    answers: tuple[AnswerView, ...]
    journal: tuple[JournalView, ...]


@record
class Queue:
    """The queue of one system. ``held``: why it does not send; ``breaker`` is known of a running hub only."""

    system: str
    held: str | None
    breaker: str | None
    due: int
    in_hand: int
    waiting: int
    unknown: int
    dead: int
    held_deliveries: int
    due_since: datetime | None


def wanted(question: Question, scope: Scope) -> Wanted:
    """The question as the store understands it."""
    return Wanted(
        states=question.states,
        systems=question.systems,
        error_codes=question.error_codes,
        cases=question.cases,
        centres=scope.centres,
        items=scope.items,
        since=milliseconds(question.since) if question.since else None,
    )


def deliveries(connection: Connection, region: str, scope: Scope, question: Question) -> Deliveries:
    """Those that the question means."""
    rows = operating.find(connection, region, wanted(question, scope), question.limit + 1)
    return Deliveries(deliveries=tuple(_line(row) for row in rows[: question.limit]), more=len(rows) > question.limit)


def causes(connection: Connection, region: str, scope: Scope, question: Question) -> tuple[Cause, ...]:
    """The same, counted by system and error code."""
    return tuple(
        Cause(
            system=row["system"],
            error_code=row["error_code"],
            number=row["number"],
            oldest=moment(row["oldest"]),
            newest=moment(row["newest"]),
        )
        for row in operating.by_cause(connection, region, wanted(question, scope))
    )


def life(connection: Connection, region: str, keys: Keys, scope: Scope, delivery: str) -> DeliveryLife:
    """One delivery from its first day. Raises NotFoundHere also for one outside the scope."""
    row = operating.find_one(connection, region, delivery)
    if row is None or not scope.covers_case(row):
        raise NotFoundHere(f"there is no delivery {delivery} here: see `onedoor deliveries list`")
    key = keys.case_key(row["sealed_key"])
    content = orjson.loads(key.unseal(row["sealed_fields"], "fields"))
    return DeliveryLife(
        line=_line(row),
        created_at=moment(row["created_at"]),
        send_before=moment(row["send_before"]),
        due_at=moment(row["due_at"]) if row["due_at"] is not None else None,
        supersedes=UUID(row["supersedes"]) if row["supersedes"] else None,
        batch=row["batch"],
        department_ref=row["department_ref"],
        request=masked(content["fields"]),
        sent_bytes={
            one["situation"]: len(key.unseal(one["sealed_body"], "payload"))
            for one in operating.payloads(connection, region, delivery)
        },
        attempts=tuple(attempt_view(one) for one in operating.attempts(connection, region, delivery)),
        answers=tuple(_answer(one, key) for one in operating.replies(connection, region, delivery)),
        journal=tuple(
            line
            for entry in reading.journal(connection, region, row["case_no"])
            for line in journal_lines(entry)
            if line.subject.partition("/")[0] == delivery
        ),
    )


def queues(connection: Connection, city: City, breakers: Mapping[str, str]) -> tuple[Queue, ...]:
    """Every system of the site, and every other one that has deliveries here."""
    numbers: dict[str, dict[str, Row]] = {name: {} for name in city.systems}
    for row in operating.queues(connection, city.region):
        numbers.setdefault(row["system"], {})[row["state"]] = row
    held = {row["system"]: row["held"] for row in reading.held_lanes(connection, city.region)}
    return tuple(_queue(name, found, held.get(name), breakers.get(name)) for name, found in sorted(numbers.items()))


def _queue(name: str, found: Mapping[str, Row], held: str | None, breaker: str | None) -> Queue:
    def number(*states: str) -> int:
        return sum(found[state]["number"] for state in states if state in found)

    due = found.get("due")
    return Queue(
        system=name,
        held=held,
        breaker=breaker,
        due=number("due"),
        in_hand=number("claimed", "sending"),
        waiting=number("waiting"),
        unknown=number("unknown"),
        dead=number("dead"),
        held_deliveries=number("held"),
        due_since=moment(due["oldest"]) if due else None,
    )


def _line(row: Row) -> DeliveryLine:
    next_at = row["next_at"] if row["state"] == DeliveryState.DUE else row["lapsed_at"]
    return DeliveryLine(
        id=UUID(row["id"]),
        case_no=row["case_no"],
        item=row["item"],
        step=row["step"],
        subject=row["subject"] or None,
        round=row["round"],
        system=row["system"],
        operation=row["operation"],
        state=row["state"],
        error_code=row["error_code"],
        attempts=row["attempts"],
        possible_duplicate=bool(row["possible_duplicate"]),
        since=moment(row["rested_at"]),
        next_at=moment(next_at) if next_at is not None else None,
    )


def _answer(row: Row, key: CaseKey) -> AnswerView:
    content = orjson.loads(key.unseal(row["sealed_body"], "reply")) if row["sealed_body"] is not None else None
    return AnswerView(
        kind=row["kind"],
        verdict=row["verdict"],
        times=row["times"],
        happened_at=moment(row["happened_at"]),
        recorded_at=moment(row["recorded_at"]),
        content=masked(content.get("fields")) if isinstance(content, dict) else None,
    )
