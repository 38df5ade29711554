"""Whether the database file still makes sense: SQLite's own check of every page, on a connection that remembers nothing."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

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
