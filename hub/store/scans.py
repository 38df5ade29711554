"""Statements on scanned files and their pages."""

from typing import Any

from hub.store.connection import Connection, Row

_COUNTED = (
    "SELECT scan.*, (SELECT count(*) FROM scan_page WHERE scan_page.region = scan.region AND scan_page.scan = scan.id) AS read,"
    " (SELECT count(*) FROM scan_page WHERE scan_page.region = scan.region AND scan_page.scan = scan.id"
    "  AND scan_page.state = 'matched') AS matched,"
    " (SELECT count(*) FROM scan_page WHERE scan_page.region = scan.region AND scan_page.scan = scan.id"
    "  AND scan_page.state = 'odd') AS odd FROM scan WHERE scan.region = :region"
)


def find(connection: Connection, region: str, scan: str) -> Row | None:
    """A scanned file with how many of its pages are read, matched and odd."""
    return connection.row(_COUNTED + " AND scan.id = :scan", {"region": region, "scan": scan})


def same(connection: Connection, region: str, blob: str, centre: str, sheet_no: str) -> Row | None:
    """The file that was dropped at this desk, or added to this sheet, with the same content."""
    return connection.row(
        "SELECT * FROM scan WHERE region = :region AND blob = :blob AND centre = :centre AND sheet_no = :sheet_no",
        {"region": region, "blob": blob, "centre": centre, "sheet_no": sheet_no},
    )


def listed(
    connection: Connection, region: str, centres: frozenset[str], *, by: str | None, odd: bool, limit: int
) -> list[Row]:
    """Files, the newest first; ``odd``: only those with a page that needs a person. ``centres`` empty: of all;

    ``by``: only what this person dropped in.
    """
    values: dict[str, Any] = {"region": region, "limit": limit}
    conditions = ""
    if centres:
        named = {f"centre_{place}": centre for place, centre in enumerate(sorted(centres))}
        conditions += f" AND scan.centre IN ({', '.join(f':{name}' for name in named)})"
        values.update(named)
    if by is not None:
        conditions, values["by"] = conditions + " AND scan.by = :by", by
    if odd:
        conditions += (
            " AND (scan.state = 'refused' OR EXISTS (SELECT 1 FROM scan_page WHERE scan_page.region = scan.region"
            " AND scan_page.scan = scan.id AND scan_page.state = 'odd'))"
        )
    return connection.rows(f"{_COUNTED}{conditions} ORDER BY scan.created_at DESC, scan.id DESC LIMIT :limit", values)


def waiting(connection: Connection, region: str) -> list[Row]:
    """Files that nobody has read to the end, the oldest first."""
    return connection.rows(
        "SELECT * FROM scan WHERE region = :region AND state = 'received' ORDER BY created_at, id", {"region": region}
    )


def pages(connection: Connection, region: str, scan: str) -> list[Row]:
    """The pages of a file in their order."""
    return connection.rows(
        "SELECT * FROM scan_page WHERE region = :region AND scan = :scan ORDER BY page",
        {"region": region, "scan": scan},
    )


def page(connection: Connection, region: str, scan: str, place: int) -> Row | None:
    """One page."""
    return connection.row(
        "SELECT * FROM scan_page WHERE region = :region AND scan = :scan AND page = :page",
        {"region": region, "scan": scan, "page": place},
    )


def attached(connection: Connection, region: str, sheet_no: str) -> list[Row]:
    """The pages that are attached to a sheet, oldest first."""
    return connection.rows(
        "SELECT * FROM scan_page WHERE region = :region AND sheet_no = :sheet_no AND state = 'matched'"
        " ORDER BY created_at, scan, page",
        {"region": region, "sheet_no": sheet_no},
    )


def odd_pages(connection: Connection, region: str) -> list[Row]:
    """Per desk, how many pages wait for a person."""
    return connection.rows(
        "SELECT centre, count(*) AS number FROM scan_page WHERE region = :region AND state = 'odd' GROUP BY centre",
        {"region": region},
    )
