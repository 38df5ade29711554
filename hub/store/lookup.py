"""Statements behind ``onedoor cases``: lists of cases, and what a number that somebody has in hand belongs to."""

from typing import Any

from hub.store.connection import Connection, Row


def cases(connection: Connection, region: str, wanted: dict[str, str], limit: int) -> list[Row]:
    """The newest cases, at most ``limit``. ``wanted``: values of status, item, accepting_centre; those not named do not count."""
    conditions = "".join(
        f" AND {column} = :{column}" for column in ("status", "item", "accepting_centre") if column in wanted
    )
    parameters: dict[str, Any] = {"region": region, "limit": limit, **wanted}
    return connection.rows(
        "SELECT case_no, item, item_version, status, flags, accepting_centre, received_at, due_at FROM case_file"  # noqa: S608 - columns come from the tuple above
        f" WHERE region = :region{conditions} ORDER BY received_at DESC, case_no DESC LIMIT :limit",
        parameters,
    )


def belongs_to(connection: Connection, region: str, number: str) -> list[Row]:
    """Every row that the number names: kind, number, case_no, state."""
    return [
        {"kind": kind, **row}
        for kind, statement in _BY_NUMBER.items()
        for row in connection.rows(statement, {"region": region, "number": number})
    ]


_BY_NUMBER = {
    "case": "SELECT case_no AS number, case_no, status AS state FROM case_file WHERE region = :region AND case_no = :number",
    "message": "SELECT id AS number, case_no, status AS state FROM inbox WHERE region = :region AND id = :number",
    "sheet": "SELECT sheet.number, delivery.case_no, delivery.state FROM sheet"
    " JOIN delivery ON delivery.region = sheet.region AND delivery.id = sheet.delivery"
    " WHERE sheet.region = :region AND sheet.number = :number",
    "delivery": "SELECT id AS number, case_no, state FROM delivery WHERE region = :region AND id = :number",
    "task": "SELECT id AS number, case_no, state FROM task WHERE region = :region AND id = :number",
    "batch": "SELECT batch AS number, case_no, state FROM delivery WHERE region = :region AND batch = :number",
}
