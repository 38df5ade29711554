"""Statements about files: those that came in, those that went out with their members, and days that are closed."""

from typing import Any
from uuid import UUID

from hub.store.connection import Connection, Row


def taken(connection: Connection, region: str, system: str, name: str, digest: str) -> list[Row]:
    """Files that count and share the content, or else the name."""
    return connection.rows(
        "SELECT digest, name FROM exchanged_file WHERE region = :region AND system = :system AND digest = :digest"
        " AND state = 'taken' UNION ALL"
        " SELECT digest, name FROM exchanged_file WHERE region = :region AND system = :system AND name = :name"
        " AND state = 'taken' AND digest != :digest",
        {"region": region, "system": system, "name": name, "digest": digest},
    )


def enter(connection: Connection, row: dict[str, Any]) -> bool:
    """Enter a file; one that was there before is counted, and what it was then stays. Returns whether it is new."""
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    found = connection.row(
        f"INSERT INTO exchanged_file ({columns}) VALUES ({values})"  # noqa: S608 - names of our own columns
        " ON CONFLICT (region, system, name, digest) DO UPDATE SET times = exchanged_file.times + 1, last_at = :last_at"
        " RETURNING times",
        row,
    )
    return found is not None and found["times"] == 1


def open_members(connection: Connection, region: str, batch: str) -> list[UUID]:
    """Deliveries that still wait for what becomes of a batch."""
    rows = connection.rows(
        "SELECT id FROM delivery WHERE region = :region AND batch = :batch AND settled_at IS NULL"
        " ORDER BY created_at, id",
        {"region": region, "batch": batch},
    )
    return [UUID(row["id"]) for row in rows]


def numbered(connection: Connection, region: str, system: str) -> list[Row]:
    """Files that came in with a number that must be without gaps, in its order."""
    return connection.rows(
        "SELECT scope, sequence, min(day) AS day, min(name) AS name FROM exchanged_file"
        " WHERE region = :region AND system = :system AND sequence IS NOT NULL"
        " GROUP BY scope, sequence ORDER BY scope, sequence",
        {"region": region, "system": system},
    )


def came_in(connection: Connection, region: str, system: str, day: str) -> list[Row]:
    """Files that first came in on a day."""
    return connection.rows(
        "SELECT * FROM exchanged_file WHERE region = :region AND system = :system AND day = :day ORDER BY first_at, name",
        {"region": region, "system": system, "day": day},
    )


def arrivals(connection: Connection, region: str, system: str, since: int) -> list[int]:
    """When (ms) result files that count came in, oldest first."""
    rows = connection.rows(
        "SELECT first_at FROM exchanged_file WHERE region = :region AND system = :system AND first_at >= :since"
        " AND kind = 'result' AND state = 'taken' ORDER BY first_at",
        {"region": region, "system": system, "since": since},
    )
    return [row["first_at"] for row in rows]


def went_out(connection: Connection, region: str, system: str, start: int, end: int) -> list[Row]:
    """Batches of files that were sealed from ``start`` until before ``end`` (ms), with the attempts that belong to each."""
    return connection.rows(
        "SELECT b.*, (SELECT count(DISTINCT a.delivery) FROM attempt a WHERE a.region = b.region AND a.batch = b.id) AS tried"
        " FROM batch b WHERE b.region = :region AND b.system = :system AND b.situation = 'file_drop'"
        " AND b.sealed_at >= :start AND b.sealed_at < :end ORDER BY b.sequence",
        {"region": region, "system": system, "start": start, "end": end},
    )


def members(connection: Connection, region: str, batch: str) -> list[Row]:
    """The deliveries of a batch that travelled with a file for the first time: ``id``, ``case_no``, ``state``, ``error_code``."""
    return connection.rows(
        "SELECT DISTINCT d.id, d.case_no, d.state, d.error_code FROM attempt a"
        " JOIN delivery d ON d.region = a.region AND d.id = a.delivery"
        " WHERE a.region = :region AND a.batch = :batch AND NOT EXISTS (SELECT 1 FROM attempt e"
        " WHERE e.region = a.region AND e.delivery = a.delivery AND e.number < a.number AND e.batch IS NOT NULL"
        " AND e.batch != a.batch) ORDER BY d.id",
        {"region": region, "batch": batch},
    )


def odd_replies(connection: Connection, region: str, system: str, start: int, end: int) -> list[Row]:
    """Replies that moved nothing because nobody asked, or because another one counts."""
    return connection.rows(
        "SELECT delivery, digest, verdict FROM reply WHERE region = :region AND system = :system"
        " AND verdict IN ('unknown_delivery', 'contradiction') AND recorded_at >= :start AND recorded_at < :end"
        " ORDER BY recorded_at, delivery, digest",
        {"region": region, "system": system, "start": start, "end": end},
    )


def explanations(connection: Connection, region: str, system: str, day: str) -> dict[str, str]:
    """The differences of a day that somebody has explained, and how."""
    rows = connection.rows(
        "SELECT difference, reason FROM explanation WHERE region = :region AND system = :system AND day = :day",
        {"region": region, "system": system, "day": day},
    )
    return {row["difference"]: row["reason"] for row in rows}


def closing(connection: Connection, region: str, system: str, day: str) -> Row | None:
    """How a day was closed."""
    return connection.row(
        "SELECT * FROM day_closing WHERE region = :region AND system = :system AND day = :day",
        {"region": region, "system": system, "day": day},
    )
