"""Statements for those who run the hub: deliveries that need somebody, what they have been through, and the queues of the systems."""

from collections.abc import Sequence
from typing import Any

from contracts.records import record
from hub.store.connection import Connection, Row


@record
class Wanted:
    """Which deliveries are asked for; an empty set means all. ``since``: ms UTC, when they came to rest where they are."""

    states: frozenset[str] = frozenset()
    systems: frozenset[str] = frozenset()
    error_codes: frozenset[str] = frozenset()
    cases: frozenset[str] = frozenset()
    centres: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()
    since: int | None = None


_RESTED = (
    "coalesce((SELECT max(s.at) FROM ("
    "SELECT coalesce(a.ended_at, a.started_at) AS at FROM attempt a WHERE a.region = d.region AND a.delivery = d.id"
    " UNION ALL SELECT r.recorded_at AS at FROM reply r WHERE r.region = d.region AND r.system = d.system AND r.delivery = d.id"
    ") s), d.created_at)"
)
_IN_DOUBT = frozenset({"unknown", "dead"})

_CODE = "CASE WHEN d.error_code LIKE 'enquiry:%' THEN 'enquiry' ELSE d.error_code END"
"""Without how often it was asked."""

_TABLES = "delivery d JOIN case_file c ON c.region = d.region AND c.case_no = d.case_no"
_COLUMNS = (
    "d.id, d.case_no, d.step, d.subject, d.round, d.supersedes, d.system, d.operation, d.state, d.cause, d.possible_duplicate,"
    " d.next_at, d.send_before, d.due_at, d.attempts, d.batch, d.error_code, d.department_ref, d.lapsed_at, d.created_at,"
    " d.settled_at, d.claimed_by, c.item"
)


def find(connection: Connection, region: str, wanted: Wanted, limit: int) -> list[Row]:
    """At most ``limit`` deliveries with ``rested_at`` (ms), oldest first."""
    where, parameters = _where(region, wanted)
    return connection.rows(
        f"SELECT * FROM (SELECT {_COLUMNS}, {_RESTED} AS rested_at FROM {_TABLES} WHERE {where}) f"  # noqa: S608 - constant parts
        " WHERE f.rested_at >= :since ORDER BY f.id LIMIT :limit",
        {**parameters, "limit": limit},
    )


def ids(connection: Connection, region: str, wanted: Wanted) -> list[str]:
    """The ids of all of them, oldest first."""
    where, parameters = _where(region, wanted)
    rows = connection.rows(
        f"SELECT f.id FROM (SELECT d.id, {_RESTED} AS rested_at FROM {_TABLES} WHERE {where}) f"  # noqa: S608 - constant parts
        " WHERE f.rested_at >= :since ORDER BY f.id",
        parameters,
    )
    return [row["id"] for row in rows]


def dead_among(connection: Connection, region: str, deliveries: Sequence[str]) -> list[str]:
    """Those of the named ones that are dead letters, in the order given."""
    statement = "SELECT 1 AS one FROM delivery WHERE region = :region AND id = :id AND state = 'dead'"
    return [one for one in dict.fromkeys(deliveries) if connection.row(statement, {"region": region, "id": one})]


def by_cause(connection: Connection, region: str, wanted: Wanted) -> list[Row]:
    """How many by system and error code, with the first and the last time (ms) that it happened; the most frequent first."""
    where, parameters = _where(region, wanted)
    return connection.rows(
        "SELECT f.system, f.error_code, count(*) AS number, min(f.rested_at) AS oldest, max(f.rested_at) AS newest"  # noqa: S608 - constant parts
        f" FROM (SELECT d.system, {_CODE} AS error_code, {_RESTED} AS rested_at FROM {_TABLES} WHERE {where}) f"
        " WHERE f.rested_at >= :since GROUP BY f.system, f.error_code ORDER BY number DESC, f.system, f.error_code",
        parameters,
    )


def _where(region: str, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    parameters: dict[str, Any] = {"region": region, "since": wanted.since or 0}

    def among(column: str, values: frozenset[str]) -> str:
        names = {f"{column.replace('.', '_')}_{number}": value for number, value in enumerate(sorted(values))}
        parameters.update(names)
        return f"{column} IN ({', '.join(f':{name}' for name in names)})"

    columns = {
        "d.state": wanted.states,
        "d.system": wanted.systems,
        "d.error_code": wanted.error_codes,
        "d.case_no": wanted.cases,
        "c.item": wanted.items,
    }
    conditions = ["d.region = :region", *(among(column, values) for column, values in columns.items() if values)]
    if wanted.states and wanted.states <= _IN_DOUBT:
        conditions.append("d.state IN ('unknown', 'dead')")  # literally so: else their partial index is not used
    if wanted.centres:
        three = ("c.receiving_centre", "c.accepting_centre", "c.paper_holder")
        conditions.append(f"({' OR '.join(among(column, wanted.centres) for column in three)})")
    return " AND ".join(conditions), parameters


def attempts(connection: Connection, region: str, delivery: str) -> list[Row]:
    """Every try at a delivery, in order."""
    return connection.rows(
        "SELECT * FROM attempt WHERE region = :region AND delivery = :delivery ORDER BY number",
        {"region": region, "delivery": delivery},
    )


def replies(connection: Connection, region: str, delivery: str) -> list[Row]:
    """Every answer to a delivery, in the order in which they came."""
    return connection.rows(
        "SELECT * FROM reply WHERE region = :region AND delivery = :delivery ORDER BY recorded_at, digest",
        {"region": region, "delivery": delivery},
    )


def find_one(connection: Connection, region: str, delivery: str) -> Row | None:
    """One delivery with what ``find`` gives, its sealed fields, the key of its case and the centres that have to do with it."""
    return connection.row(
        f"SELECT {_COLUMNS}, {_RESTED} AS rested_at, d.sealed_fields, c.sealed_key, c.receiving_centre, c.accepting_centre,"  # noqa: S608 - constant parts
        f" c.paper_holder FROM {_TABLES} WHERE d.region = :region AND d.id = :id",
        {"region": region, "id": delivery},
    )


def payloads(connection: Connection, region: str, delivery: str) -> list[Row]:
    """The messages as they were sent, sealed, one a channel."""
    return connection.rows(
        "SELECT situation, sealed_body FROM payload WHERE region = :region AND delivery = :delivery ORDER BY situation",
        {"region": region, "delivery": delivery},
    )


def queues(connection: Connection, region: str) -> list[Row]:
    """Number of open deliveries by system and state, and since when (ms) the oldest of them is due."""
    return connection.rows(
        "SELECT system, state, count(*) AS number, min(next_at) AS oldest FROM delivery WHERE region = :region"
        " AND state NOT IN ('done', 'returned', 'cancelled') GROUP BY system, state",
        {"region": region},
    )
