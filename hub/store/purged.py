"""Statements for purging chains of the journal."""

from hub.store.connection import Connection


def chains_before(connection: Connection, region: str, status: str, before: int) -> list[str]:
    """Chains of cases in a status that have no entry since a time, in their order; never one that was purged in part."""
    rows = connection.rows(
        "SELECT case_file.case_no AS chain FROM case_file JOIN journal"
        " ON journal.region = case_file.region AND journal.chain = case_file.case_no"
        " WHERE case_file.region = :region AND case_file.status = :status"
        " GROUP BY case_file.case_no HAVING max(journal.at) < :before AND min(journal.seq) = 1 ORDER BY case_file.case_no",
        {"region": region, "status": status, "before": before},
    )
    return [row["chain"] for row in rows]


def last_run(connection: Connection, region: str) -> int:
    """The number of the last purge, 0 for none."""
    row = connection.row("SELECT max(run) AS run FROM journal_purged WHERE region = :region", {"region": region})
    return int(row["run"] or 0) if row else 0


def take(connection: Connection, region: str, chain: str, run: int) -> bytes:
    """Delete a whole chain and keep its hashes, 32 bytes an entry; returns them."""
    key = {"region": region, "chain": chain}
    rows = connection.rows("SELECT hash FROM journal WHERE region = :region AND chain = :chain ORDER BY seq", key)
    hashes = b"".join(bytes.fromhex(row["hash"]) for row in rows)
    connection.run("DELETE FROM journal WHERE region = :region AND chain = :chain", key)
    connection.insert("journal_purged", {**key, "first": 1, "run": run, "hashes": hashes})
    return hashes
