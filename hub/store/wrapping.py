"""Statements for wrapping case keys anew, in the order of the cases."""

from collections.abc import Mapping

from hub.store.connection import Connection, Row


def case_keys(connection: Connection, region: str, after: str, limit: int) -> list[Row]:
    """Number and wrapped key of cases that have one, after a number."""
    return connection.rows(
        "SELECT case_no, sealed_key FROM case_file WHERE region = :region AND case_no > :after"
        " AND length(sealed_key) > 0 ORDER BY case_no LIMIT :limit",
        {"region": region, "after": after, "limit": limit},
    )


def set_case_keys(connection: Connection, region: str, wrapped: Mapping[str, bytes]) -> None:
    """Put these in place of the old ones."""
    connection.run_many(
        "UPDATE case_file SET sealed_key = :wrapped WHERE region = :region AND case_no = :case_no",
        [{"region": region, "case_no": case_no, "wrapped": key} for case_no, key in wrapped.items()],
    )
