"""Statements on seals and on entries that no seal covers yet. Entries are found in the order of writing, by ``rowid``."""

import orjson

from hub.store.connection import Connection, Row

_HEX = 8
"""Hex digits of a fingerprint in ``covers``."""


def last(connection: Connection, region: str) -> Row | None:
    """The newest seal."""
    return connection.row("SELECT * FROM seal WHERE region = :region ORDER BY number DESC LIMIT 1", {"region": region})


def find(connection: Connection, region: str, number: int) -> Row | None:
    """A seal."""
    return connection.row(
        "SELECT * FROM seal WHERE region = :region AND number = :number", {"region": region, "number": number}
    )


def newer(connection: Connection, region: str, than: tuple[int, int], limit: int) -> list[Row]:
    """Seals beyond an epoch and a number, oldest first."""
    return connection.rows(
        "SELECT * FROM seal WHERE region = :region AND (epoch > :epoch OR epoch = :epoch AND number > :number)"
        " ORDER BY number LIMIT :limit",
        {"region": region, "epoch": than[0], "number": than[1], "limit": limit},
    )


def place(connection: Connection, region: str) -> int:
    """Up to which place of writing everything is sealed; -1 when that cannot be told, and each entry must be looked at.

    A database that was compacted numbers its places anew: then the place of the last seal holds another entry.
    """
    seal = last(connection, region)
    if seal is None:
        return 0
    row = connection.row("SELECT chain, seq FROM journal WHERE rowid = :place", {"place": seal["place"]})
    if row is not None:
        for chain, first, prints in orjson.loads(seal["covers"]):
            if chain == row["chain"] and first <= row["seq"] < first + len(prints) // _HEX:
                return int(seal["place"])
    return -1


def unsealed(connection: Connection, region: str, since: int, limit: int | None) -> list[Row]:
    """Entries after a place (see ``place``) in the order of writing: chain, seq, hash, mark, place."""
    key = {"region": region, "since": since, "limit": -1 if limit is None or since < 0 else limit}
    rows = connection.rows(
        "SELECT rowid AS place, chain, seq, hash, mark FROM journal WHERE rowid > :since AND region = :region"
        " ORDER BY rowid LIMIT :limit",
        key,
    )
    if since >= 0:
        return rows
    covered = _covered(connection, region)
    return [row for row in rows if row["seq"] > covered.get(row["chain"], 0)]


def _covered(connection: Connection, region: str) -> dict[str, int]:
    """By chain, the last entry that a seal covers."""
    found: dict[str, int] = {}
    for seal in connection.rows("SELECT covers FROM seal WHERE region = :region", {"region": region}):
        for chain, first, prints in orjson.loads(seal["covers"]):
            found[chain] = max(found.get(chain, 0), first + len(prints) // _HEX - 1)
    return found
