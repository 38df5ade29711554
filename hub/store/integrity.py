"""Whether the database file still makes sense: SQLite's own check of every page, on a connection that remembers nothing."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from hub.store.connection import Connection

MOST = 5
"""Findings that are told: one is enough to stop."""


def damage(database: Path) -> tuple[str, ...]:
    """What is wrong, at most ``MOST`` findings; nothing when all is well. Reads the whole file: minutes where it is large. Blocks."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, timeout=30)
        try:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({MOST})")]
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        return (str(error),)
    return tuple(one for one in found if one != "ok")[:MOST]


def is_empty(database: Path) -> bool:
    """Whether there is not one table: a file that was made and never filled, or one that was copied without its log. Blocks."""
    connection = sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None
    finally:
        connection.close()


def touch(connection: Connection) -> None:
    """Change one page: a transaction that changes nothing would be committed on a full or read-only disk too.

    The page is the file's first; the number in it is free for applications and used for nothing else.
    """
    found = connection.rows("PRAGMA user_version")[0]["user_version"]
    connection.run(f"PRAGMA user_version={(int(found) + 1) % 1_000_000}")
