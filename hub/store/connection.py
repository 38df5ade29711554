"""The database, opened as the delivery rule needs it, and the few ways to speak to it.

Hot paths use text statements on the driver itself: an ORM costs several times the statement (measured). Statements name
their parameters ``:like_this`` and use only SQL that SQLite and PostgreSQL share.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from contracts.errors import OnedoorError

Row: TypeAlias = dict[str, Any]
"""One row by column name."""

Afterwards: TypeAlias = tuple[Callable[[], None], Callable[[], None]]
"""What to call after the commit, and what when the unit was undone."""

REQUIRED: dict[str, str | int] = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
"""WAL with synchronous=FULL (2): NORMAL loses acknowledged rows at a power cut. Asserted at every start."""


CHECKPOINT_PAGES = 10_000
"""A checkpoint syncs the database itself and holds up commits: every 40 MB of log instead of every 4."""

STATEMENTS = 512
"""Statements kept compiled: more than the hub has."""


class StoreUnavailable(OnedoorError):
    """The database cannot take a write now (disk full, locked, read-only, failed sync). Intake answers 503."""


class StoreRefused(OnedoorError):
    """The database must not be used: another process has it, a wrong key, a wrong setting. The text says what to do."""


class Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        """Open ``path``. Raises StoreUnavailable, or StoreRefused when a required setting does not hold."""
        self._afterwards: list[Afterwards] = []
        self._names: dict[str, tuple[str, ...]] = {}
        try:
            self._raw = sqlite3.connect(
                path, timeout=5.0, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS
            )
            for name, wanted in REQUIRED.items():
                if writable or name != "journal_mode":
                    self._raw.execute(f"PRAGMA {name}={wanted}")
            self._raw.execute("PRAGMA secure_delete=ON")
            # A savepoint's old pages would else lie in a file of the system's folder for temporary ones.
            self._raw.execute("PRAGMA temp_store=MEMORY")
            self._raw.execute("PRAGMA busy_timeout=5000")
            self._raw.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            if not writable:
                self._raw.execute("PRAGMA query_only=ON")
            for name, wanted in REQUIRED.items():
                found = self.rows(f"PRAGMA {name}")[0][name]
                if found != wanted:
                    raise StoreRefused(
                        f"the database setting {name} is {found}, it must be {wanted}: check {path.name}"
                    )
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database {path} cannot be opened: {error}") from error

    def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Execute; returns how many rows it changed."""
        return self._raw.execute(statement, parameters or {}).rowcount

    def run_many(self, statement: str, parameters: Iterable[Mapping[str, Any]]) -> None:
        """Execute once for each set of parameters."""
        self._raw.executemany(statement, parameters)

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows."""
        cursor = self._raw.execute(statement, parameters or {})
        names = self._columns(statement, cursor)
        return [dict(zip(names, values, strict=True)) for values in cursor]

    def row(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """The first row, if any."""
        cursor = self._raw.execute(statement, parameters or {})
        values = cursor.fetchone()
        return None if values is None else dict(zip(self._columns(statement, cursor), values, strict=True))

    def _columns(self, statement: str, cursor: sqlite3.Cursor) -> tuple[str, ...]:
        found = self._names.get(statement)
        if found is None or len(found) != len(cursor.description):
            if len(self._names) >= STATEMENTS:
                self._names.clear()  # as many as the driver keeps prepared: texts with lists of any length would pile up
            found = self._names[statement] = tuple(column[0] for column in cursor.description)
        return found

    def insert(self, table: str, values: Mapping[str, Any]) -> None:
        """Insert one row of named columns."""
        self._raw.execute(_insert(table, tuple(values)), tuple(values.values()))

    def insert_many(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Insert rows that all name the same columns in the same order."""
        if rows:
            self._raw.executemany(_insert(table, tuple(rows[0])), [tuple(row.values()) for row in rows])

    def update(self, table: str, key: Mapping[str, Any], changes: Mapping[str, Any]) -> int:
        """Set ``changes`` where ``key`` matches exactly; returns how many rows changed."""
        values = (*changes.values(), *key.values())
        return self._raw.execute(_update(table, tuple(key), tuple(changes)), values).rowcount

    def afterwards(self, committed: Callable[[], None], undone: Callable[[], None]) -> None:
        """Have one of the two called when it is known what became of the unit that runs now."""
        self._afterwards.append((committed, undone))

    def take_afterwards(self) -> "list[Afterwards]":
        """What was asked for since the last time; the writer sees to it."""
        found, self._afterwards = self._afterwards, []
        return found

    def changes(self) -> int:
        """Rows changed since the connection was opened."""
        return self._raw.total_changes

    def close(self) -> None:
        """Close it."""
        self._raw.close()


@cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})"  # noqa: S608 - names come from our own code


@cache
def _update(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = ?" for name in columns)
    where = " AND ".join(f"{name} = ?" for name in key)
    return f"UPDATE {table} SET {changes} WHERE {where}"  # noqa: S608 - names come from our own code


def cannot_open(database: Path, error: OSError) -> StoreUnavailable:
    """What a person reads and does when the system refuses the file."""
    return StoreUnavailable(
        f"the database {database} cannot be opened: {error.strerror}: the data folder and what lies in it must be writable"
        " and belong to the user that runs the hub"
    )


def lock_file(database: Path) -> int:
    """Make this process the only hub on the file; returns the lock's descriptor, held until the process ends.

    Raises StoreRefused when another hub has it.
    """
    try:
        descriptor = os.open(database.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise cannot_open(database, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreRefused(
            f"another hub is already running on {database}: stop it first, or give this one a data folder of its own"
        ) from error
    return descriptor
