"""A queue of any length, made of real cases: what the hub has stored of some is repeated, with numbers, ids and journal of its own each.

Handing in a million cases over HTTP takes half an hour; a copy is a row in each table that a waiting case has. The journal is not
copied but computed anew, entry by entry, and sealed, so that it verifies.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from contracts.site import load_site
from hub import keyring, seals
from hub.app import site_folder
from hub.journal import EMPTY, Journal
from hub.keys import Keys, read_key
from hub.numbers import case_number, time_ordered_uuid
from hub.settings import Settings
from hub.store import sealed
from hub.store.connection import Connection, Row
from hub.store.schema import DATABASE

FIRST_DAY = date(2020, 1, 1)
"""Case numbers of copies are of this day and the days after it, which no real case of the run has."""

A_DAY = 900_000
"""Cases that a centre numbers in a day, at most a million."""

CHUNK = 20_000
"""Copies that share a commit."""

SEALED_AT_ONCE = 5_000
MOST_TEMPLATES = 200
TABLES = ("inbox", "case_file", "case_step", "case_index", "delivery")


@dataclass
class Opened:
    """The database of a hub that does not run."""

    connection: Connection
    region: str
    keys: Keys
    settings: Settings


def opened(settings: Settings) -> Opened:
    """Open it for writing."""
    region = load_site(site_folder(settings)).region
    connection = Connection(settings.data / DATABASE, writable=True)
    master = read_key(settings.key_file, demo=settings.allow_demo_keys, suite=settings.suite)
    connection.run("BEGIN IMMEDIATE")
    keys = keyring.unlock(connection, region, master)
    connection.run("COMMIT")
    return Opened(connection, region, keys, settings)


@dataclass
class Template:
    """A case that waits with its one delivery, and the journal of it."""

    case_no: str
    delivery: str
    rows: dict[str, list[Row]]
    entries: list[Row]


def templates(file: Opened, system: str) -> list[Template]:
    """Cases of which a delivery to ``system`` was never tried."""
    connection, region = file.connection, file.region
    found = []
    for row in connection.rows(
        "SELECT id, case_no FROM delivery WHERE region = :region AND system = :system AND state = 'due' AND fence = 0"
        " LIMIT :most",
        {"region": region, "system": system, "most": MOST_TEMPLATES},
    ):
        key = {"region": region, "case_no": row["case_no"]}
        rows = {
            name: connection.rows(f"SELECT * FROM {name} WHERE region = :region AND case_no = :case_no", key)
            for name in TABLES
        }
        entries = connection.rows("SELECT * FROM journal WHERE region = :region AND chain = :case_no ORDER BY seq", key)
        found.append(Template(row["case_no"], row["id"], rows, entries))
    return found


def fill(file: Opened, system: str, number: int, first: int = 0) -> None:
    """Make the copies from ``first`` up to ``number``, all due, one a millisecond. Raises ValueError where there is nothing to repeat."""
    of = templates(file, system)
    if not of:
        raise ValueError(f"no delivery to {system} waits that was never tried")
    journal = file.keys.journal(file.region)
    due_from = int(time.time() * 1000) - number - 60_000
    made = (copied(of[place % len(of)], place, due_from + place, journal) for place in range(first, number))
    while chunk := list(islice(made, CHUNK)):
        file.connection.run("BEGIN IMMEDIATE")
        for name in (*TABLES, "journal"):
            file.connection.insert_many(name, [row for one in chunk for row in one[name]])
        file.connection.run("COMMIT")
    seal(file)
    file.connection.run("PRAGMA wal_checkpoint(TRUNCATE)")


def copied(of: Template, place: int, due_at: int, journal: Journal) -> dict[str, list[Row]]:
    """The rows of one copy, by table."""
    centre = of.case_no[:9]
    number = case_number(centre, FIRST_DAY + timedelta(days=place // A_DAY), place % A_DAY + 1)
    delivery = str(time_ordered_uuid(due_at))
    made = {name: [{**row, "case_no": number} for row in rows] for name, rows in of.rows.items()}
    for row in made["delivery"]:
        row.update(id=delivery, next_at=due_at, created_at=due_at)
    for row in made["inbox"]:
        row.update(id=f"copy-{place}")
    made["journal"] = list(_entries(of, number, delivery, journal))
    return made


def _entries(of: Template, number: str, delivery: str, journal: Journal) -> Iterator[Row]:
    before = EMPTY
    for row in of.entries:
        changes = row["changes"].replace(of.case_no, number).replace(of.delivery, delivery)
        before = journal.hash(before, (journal.region, number, row["seq"], row["at"], row["by"], changes))
        mark = journal.mark(number, row["seq"], before)
        yield {**row, "chain": number, "changes": changes, "hash": before, "mark": mark}


def seal(file: Opened) -> None:
    """Put everything that is not sealed under seals, as the hub would have done meanwhile."""
    connection, region, at = file.connection, file.region, int(time.time() * 1000)
    while rows := sealed.unsealed(connection, region, sealed.place(connection, region), SEALED_AT_ONCE):
        connection.run("BEGIN IMMEDIATE")
        seals.add(connection, region, file.keys, seals.draft(file.keys.suite, rows, at))
        connection.run("COMMIT")


def counted(connection: Connection, region: str, system: str) -> dict[str, int]:
    """Deliveries of a system by state."""
    rows = connection.rows(
        "SELECT state, count(*) AS number FROM delivery WHERE region = :region AND system = :system GROUP BY state",
        {"region": region, "system": system},
    )
    return {row["state"]: row["number"] for row in rows}


def copies_there(connection: Connection, region: str) -> int:
    """Copies whose case, step and delivery are all there, by the numbers that only copies have."""
    first = f"{FIRST_DAY:%Y%m%d}"
    last = f"{FIRST_DAY + timedelta(days=366):%Y%m%d}"
    row = connection.row(
        "SELECT count(DISTINCT delivery.id) AS number FROM delivery"
        " JOIN case_file ON case_file.region = delivery.region AND case_file.case_no = delivery.case_no"
        " JOIN case_step ON case_step.region = delivery.region AND case_step.case_no = delivery.case_no"
        " AND case_step.step = delivery.step WHERE delivery.region = :region"
        " AND substr(delivery.case_no, 10, 8) BETWEEN :first AND :last",
        {"region": region, "first": first, "last": last},
    )
    return int(row["number"]) if row else 0


def now_ms() -> int:
    """Milliseconds UTC."""
    return int(datetime.now(UTC).timestamp() * 1000)
