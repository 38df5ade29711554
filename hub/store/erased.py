"""Statements for erasing a case: what lies in the blob store on its account, and the pages that the log still holds."""

import time
from pathlib import Path

from hub.store.connection import Connection


def blobs(connection: Connection, region: str, case_no: str) -> tuple[str, ...]:
    """Files in which the case travelled, and its scanned pages. A batch that was sent is never sent again.

    A stack of scans goes as a whole when one of its pages is the case's: the pictures of the other pages stay.
    """
    rows = connection.rows(
        "SELECT DISTINCT batch.blob FROM attempt JOIN batch ON batch.region = attempt.region AND batch.id = attempt.batch"
        " JOIN delivery ON delivery.region = attempt.region AND delivery.id = attempt.delivery"
        " WHERE delivery.region = :region AND delivery.case_no = :case_no AND batch.state <> 'sealed'",
        {"region": region, "case_no": case_no},
    )
    pages = connection.rows(
        "SELECT scan_page.image, scan.blob FROM scan_page"
        " JOIN scan ON scan.region = scan_page.region AND scan.id = scan_page.scan"
        " WHERE scan_page.region = :region AND scan_page.case_no = :case_no",
        {"region": region, "case_no": case_no},
    )
    return tuple(dict.fromkeys([row["blob"] for row in rows] + [blob for row in pages for blob in row.values()]))


def open_deliveries(connection: Connection, region: str, case_no: str) -> bool:
    """Whether a delivery of the case is under way. A dead one is not: nobody can send it again without the key."""
    row = connection.row(
        "SELECT 1 AS one FROM delivery WHERE region = :region AND case_no = :case_no AND settled_at IS NULL"
        " AND state <> 'dead' LIMIT 1",
        {"region": region, "case_no": case_no},
    )
    return row is not None


def forget_uploads(connection: Connection, region: str, keys: list[str]) -> None:
    """Delete the rows of uploads."""
    for key in keys:
        connection.run("DELETE FROM material WHERE region = :region AND key = :key", {"region": region, "key": key})


def empty_log(database: Path, seconds: float = 5.0) -> bool:
    """Move the write-ahead log into the database and cut it to nothing, so that it keeps no page of before. Blocks.

    False where somebody was reading all the time: the next checkpoint does it.
    """
    connection = Connection(database, writable=True)
    until = time.monotonic() + seconds
    try:
        while True:
            (row,) = connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            if not row["busy"] or time.monotonic() > until:
                return not row["busy"]
            time.sleep(0.05)
    finally:
        connection.close()
