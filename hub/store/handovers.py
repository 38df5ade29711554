"""Statements on handover lists and the sheets on them."""

from typing import Any

from hub.store.connection import Connection, Row


def find(connection: Connection, region: str, number: str) -> Row | None:
    """The row of a list."""
    return connection.row(
        "SELECT * FROM handover WHERE region = :region AND number = :number", {"region": region, "number": number}
    )


def lines(connection: Connection, region: str, number: str) -> list[Row]:
    """The lines of a list in their order."""
    return connection.rows(
        "SELECT * FROM handover_line WHERE region = :region AND list = :list ORDER BY seq",
        {"region": region, "list": number},
    )


def lines_shown(connection: Connection, region: str, number: str) -> list[Row]:
    """The lines of a list with item, key and applicant's data of the case and the state of the sheet's newest task."""
    return connection.rows(
        "SELECT handover_line.*, case_file.item, case_file.item_version, case_file.sealed_key, case_file.sealed_data,"
        " (SELECT task.state FROM sheet JOIN task ON task.region = sheet.region AND task.delivery = sheet.delivery"
        "  AND task.sheet_no = sheet.number WHERE sheet.region = handover_line.region"
        "  AND sheet.number = handover_line.sheet_no ORDER BY task.id DESC LIMIT 1) AS task_state"
        " FROM handover_line JOIN case_file ON case_file.region = handover_line.region"
        "  AND case_file.case_no = handover_line.case_no"
        " WHERE handover_line.region = :region AND handover_line.list = :list ORDER BY seq",
        {"region": region, "list": number},
    )


def lines_of_sheet(connection: Connection, region: str, sheet_no: str) -> list[Row]:
    """Every line that a sheet ever stood on, the newest list first."""
    return connection.rows(
        "SELECT handover_line.*, handover.made_at FROM handover_line"
        " JOIN handover ON handover.region = handover_line.region AND handover.number = handover_line.list"
        " WHERE handover_line.region = :region AND handover_line.sheet_no = :sheet_no"
        " ORDER BY handover.made_at DESC, handover_line.list DESC",
        {"region": region, "sheet_no": sheet_no},
    )


_WAITS = (
    "sheet.prints > sheet.prints_before AND sheet.voided_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM handover_line WHERE handover_line.region = sheet.region"
    "  AND handover_line.sheet_no = sheet.number AND handover_line.sheet_version = sheet.version"
    "  AND handover_line.state IN ('listed', 'out', 'back'))"
)
"""A sheet that is printed in its present version and that no list has taken along."""


def waiting_sheets(connection: Connection, region: str, centre: str, systems: frozenset[str]) -> list[Row]:
    """Printed sheets of the systems whose task is open at the centre and that no list has taken along in this version."""
    if not systems:
        return []
    named = {f"system_{place}": system for place, system in enumerate(sorted(systems))}
    return connection.rows(
        "SELECT sheet.*, task.system, case_file.item FROM task"  # noqa: S608 - numbered parameters
        " JOIN sheet ON sheet.region = task.region AND sheet.number = task.sheet_no"
        " JOIN case_file ON case_file.region = task.region AND case_file.case_no = task.case_no"
        " WHERE task.region = :region AND task.state IN ('ready', 'reserved') AND task.kind = 'sheet'"
        f" AND task.centre = :centre AND task.system IN ({', '.join(f':{name}' for name in named)})"
        f" AND {_WAITS} ORDER BY task.created_at, task.id",
        {"region": region, "centre": centre, **named},
    )


def waiting_counts(connection: Connection, region: str, centres: frozenset[str]) -> list[Row]:
    """Per centre and system, how many printed sheets wait for a list. ``centres`` empty: of all."""
    values: dict[str, Any] = {"region": region}
    condition = ""
    if centres:
        named = {f"centre_{place}": centre for place, centre in enumerate(sorted(centres))}
        condition = f" AND task.centre IN ({', '.join(f':{name}' for name in named)})"
        values.update(named)
    return connection.rows(
        "SELECT task.centre, task.system, count(*) AS number FROM task"  # noqa: S608 - numbered parameters
        " JOIN sheet ON sheet.region = task.region AND sheet.number = task.sheet_no"
        f" WHERE task.region = :region AND task.state IN ('ready', 'reserved') AND task.kind = 'sheet'{condition}"
        f" AND {_WAITS} GROUP BY task.centre, task.system",
        values,
    )


def last_number(connection: Connection, region: str, start: str) -> str | None:
    """The greatest list number that begins like this."""
    row = connection.row(
        "SELECT max(number) AS number FROM handover WHERE region = :region AND number >= :start AND number < :end",
        {"region": region, "start": start, "end": start + "~"},
    )
    return row["number"] if row else None


def still_out(connection: Connection, region: str, number: str) -> int:
    """How many sheets of a list have not come back."""
    row = connection.row(
        "SELECT count(*) AS number FROM handover_line WHERE region = :region AND list = :list AND state = 'out'",
        {"region": region, "list": number},
    )
    return int(row["number"]) if row else 0


_SUMMARY = (
    "SELECT handover.*, (SELECT count(*) FROM handover_line WHERE handover_line.region = handover.region"
    "  AND handover_line.list = handover.number) AS sheets,"
    " (SELECT count(*) FROM handover_line WHERE handover_line.region = handover.region"
    "  AND handover_line.list = handover.number AND handover_line.state = 'out') AS still_out FROM handover"
    " WHERE handover.region = :region"
)


def summary(connection: Connection, region: str, number: str) -> Row | None:
    """A list with how many sheets it has and how many are out."""
    return connection.row(_SUMMARY + " AND handover.number = :number", {"region": region, "number": number})


def summaries(
    connection: Connection,
    region: str,
    *,
    centres: frozenset[str],
    state: str | None,
    departments: frozenset[str],
    overdue_at: int | None,
    limit: int,
) -> list[Row]:
    """Lists, the newest first. ``centres``, ``departments`` empty: of all; ``overdue_at``: only those that were due back before (ms)."""
    values: dict[str, Any] = {"region": region, "limit": limit}
    conditions = ""
    for column, wanted in (("centre", centres), ("department", departments)):
        if wanted:
            named = {f"{column}_{place}": value for place, value in enumerate(sorted(wanted))}
            conditions += f" AND handover.{column} IN ({', '.join(f':{name}' for name in named)})"
            values.update(named)
    if state:
        conditions, values["state"] = conditions + " AND handover.state = :state", state
    if overdue_at is not None:
        conditions += " AND handover.state = 'out' AND handover.remind_at < :overdue_at"
        values["overdue_at"] = overdue_at
    return connection.rows(
        f"{_SUMMARY}{conditions} ORDER BY handover.made_at DESC, handover.number DESC LIMIT :limit", values
    )


def unreturned(connection: Connection, region: str, at: int) -> list[Row]:
    """Per department, how many sheets should be back by now (ms) and are not, though somebody still waits for them."""
    return connection.rows(
        "SELECT handover.department, count(*) AS number FROM handover"
        " JOIN handover_line ON handover_line.region = handover.region AND handover_line.list = handover.number"
        "  AND handover_line.state = 'out'"
        " JOIN sheet ON sheet.region = handover_line.region AND sheet.number = handover_line.sheet_no"
        " JOIN task ON task.region = sheet.region AND task.delivery = sheet.delivery AND task.sheet_no = sheet.number"
        "  AND task.state IN ('ready', 'reserved', 'to_confirm')"
        " WHERE handover.region = :region AND handover.state = 'out' AND handover.remind_at < :at"
        " GROUP BY handover.department",
        {"region": region, "at": at},
    )
