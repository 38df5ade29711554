"""Scanned pages: what was read on each is matched with its sheet and attached, or waits for a person.

A scan never moves a task: a person confirms, with the page beside the form. What happens to a file is journaled on a chain of its
own, ``scan:<id>``; what happens to a sheet, also on the chain of its case. A page that was taken once is not taken again.
"""

from collections.abc import Sequence

from contracts.handover import HANDOVER_NUMBER
from contracts.paper_api import Difference, ScanVerdict
from contracts.records import record
from contracts.task_sheet import SheetCode, parse_sheet_code
from hub import states
from hub.city import City
from hub.journal import Chain
from hub.numbers import BadNumber, read_sheet_number
from hub.results.casework import Casework
from hub.results.errors import NotAllowed, NotFoundHere
from hub.results.handovers import came_back, code_fault, sheet_row
from hub.states import DeliveryState, Machine, ScanPageState, ScanState, TaskState
from hub.store import scans
from hub.store.connection import Connection, Row

ATTACHED = frozenset({ScanVerdict.MATCHED, ScanVerdict.BAR_ONLY, ScanVerdict.FILED})
NEVER_ATTACHED = frozenset({ScanVerdict.ALTERED, ScanVerdict.OUTDATED, ScanVerdict.HANDOVER_LIST})
_HERE = frozenset({*ATTACHED, ScanVerdict.WITHDRAWN, ScanVerdict.DONE_ELSEWHERE, ScanVerdict.OUTDATED})
"""With these verdicts the paper is known to be in the house again."""

_FAULTS = {Difference.OUTDATED: ScanVerdict.OUTDATED, Difference.ALTERED: ScanVerdict.ALTERED}


@record
class ReadPage:
    """A page as it was read: its place from 1, its picture in the blob store, format and text of each code."""

    page: int
    image: str
    codes: Sequence[tuple[str, str]]


def add(connection: Connection, city: City, row: Row) -> tuple[str, bool]:
    """Keep a file that was dropped in; returns its id and whether it was there before."""
    before = scans.same(connection, city.region, row["blob"], row["centre"], row["sheet_no"])
    if before is not None:
        return str(before["id"]), True
    connection.insert("scan", {**row, "region": city.region, "state": ScanState.RECEIVED.value, "pages": 0})
    _log(connection, city, row["id"], row["created_at"], row["by"], ("scan", row["id"], None, ScanState.RECEIVED))
    return str(row["id"]), False


def take_page(connection: Connection, city: City, scan: Row, total: int, page: ReadPage, at: int) -> ScanVerdict | None:
    """Match a page with its sheet. None when it was taken before."""
    if scans.page(connection, city.region, scan["id"], page.page) is not None:
        return None
    verdict, read, sheet = _judge(connection, city, scan, page.codes)
    state = ScanPageState.MATCHED if verdict in ATTACHED else ScanPageState.ODD
    states.check(Machine.SCAN_PAGE, ScanPageState.READ, state)
    number = read.number if read else None
    connection.insert(
        "scan_page",
        {
            "region": city.region,
            "scan": scan["id"],
            "page": page.page,
            "state": state.value,
            "verdict": verdict.value,
            "image": page.image,
            "centre": scan["centre"],
            "sheet_no": number,
            "sheet_version": read.version if read else None,
            "case_no": sheet["case_no"] if sheet else None,
            "by": "hub",
            "created_at": at,
        },
    )
    connection.update("scan", {"region": city.region, "id": scan["id"]}, {"pages": total})
    change = ("scan_page", str(page.page), ScanPageState.READ, state)
    _log(connection, city, scan["id"], at, "hub", change, verdict=verdict.value, sheet=number)
    if sheet is not None:
        _tell_case(connection, city, sheet, scan["id"], page.page, verdict, at, "hub")
    return verdict


def end(connection: Connection, city: City, scan: Row, error: str | None, at: int) -> None:
    """A file is read to its end, or refused for a reason. Raises IllegalTransition."""
    state = ScanState.REFUSED if error else ScanState.READ
    states.check(Machine.SCAN, scan["state"], state)
    key = {"region": city.region, "id": scan["id"]}
    connection.update("scan", key, {"state": state.value, "error": error, "ended_at": at})
    _log(connection, city, scan["id"], at, "hub", ("scan", scan["id"], scan["state"], state), why=error)


def assign(
    connection: Connection, city: City, scan: str, page: int, sheet_no: str, at: int, by: str, reach: frozenset[str]
) -> None:
    """A person says whose page it is. ``reach``: centres, all if empty. Said again it has no effect.

    Raises NotFoundHere; NotAllowed for a page that must not be attached, or that was settled otherwise.
    """
    row = _page(connection, city, scan, page)
    try:
        number = read_sheet_number(sheet_no, city.keys.sheet_number_mac)
    except BadNumber as error:
        raise NotAllowed(str(error), "unknown") from error
    if row["state"] == ScanPageState.MATCHED and row["sheet_no"] == number:
        return
    _require_odd(row)
    sheet = sheet_row(connection, city, number)
    if sheet is None or (reach and sheet["centre"] not in reach):
        raise NotFoundHere(f"there is no task sheet {number} here: check the number on the paper")
    if row["verdict"] in NEVER_ATTACHED:
        raise NotAllowed(
            "this page must not be attached: print the sheet again, or tell the supervisor", row["verdict"]
        )
    changes = {"sheet_no": number, "sheet_version": sheet["version"], "case_no": sheet["case_no"]}
    _settle(connection, city, row, ScanPageState.MATCHED, at, by, **changes)
    _tell_case(connection, city, sheet, scan, page, ScanVerdict.MATCHED, at, by)


def dismiss(connection: Connection, city: City, scan: str, page: int, at: int, by: str, reason: str | None) -> None:
    """A page needs nothing more. Said again it has no effect. Raises NotFoundHere, NotAllowed."""
    row = _page(connection, city, scan, page)
    if row["state"] == ScanPageState.DISMISSED:
        return
    _require_odd(row)
    _settle(connection, city, row, ScanPageState.DISMISSED, at, by, reason=reason)


def _judge(
    connection: Connection, city: City, scan: Row, codes: Sequence[tuple[str, str]]
) -> tuple[ScanVerdict, SheetCode | None, Row | None]:
    """The verdict, the code that counts, and the sheet if there is one."""
    if any(HANDOVER_NUMBER.fullmatch(text) for _, text in codes):
        return ScanVerdict.HANDOVER_LIST, None, None
    read = [code for _, text in codes if (code := _ours(city, text)) is not None]
    if not read and scan["sheet_no"]:
        # Added to its sheet by hand, by somebody who may: a page without a code is taken at his word.
        number = scan["sheet_no"]
        return ScanVerdict.BAR_ONLY, SheetCode(number=number, version=0, mac=None), sheet_row(connection, city, number)
    if len({code.number for code in read}) != 1:
        none = ScanVerdict.UNKNOWN if codes else ScanVerdict.UNREADABLE
        return (ScanVerdict.SEVERAL if read else none), None, None
    best = next((code for code in read if code.mac is not None), read[0])
    sheet = sheet_row(connection, city, best.number)
    if sheet is None:
        return ScanVerdict.UNKNOWN, best, None
    if scan["sheet_no"] not in ("", best.number):
        return ScanVerdict.SEVERAL, best, None
    return _of_sheet(connection, city, scan, sheet, read, best), best, sheet


def _of_sheet(
    connection: Connection, city: City, scan: Row, sheet: Row, read: Sequence[SheetCode], best: SheetCode
) -> ScanVerdict:
    """The verdict on a page that says this sheet: at another desk, with a bad code, or as its task stands."""
    if scan["centre"] and sheet["centre"] != scan["centre"]:
        return ScanVerdict.WRONG_DESK
    faults = [fault for code in read if (fault := code_fault(city, sheet, code)) is not None]
    if faults:
        return _FAULTS[Difference.ALTERED if Difference.ALTERED in faults else faults[0]]
    return _standing(connection, city, scan, sheet, best)


def _standing(connection: Connection, city: City, scan: Row, sheet: Row, read: SheetCode) -> ScanVerdict:
    """The verdict on a genuine sheet, by what became of its task."""
    if sheet["voided_at"] is not None:
        return ScanVerdict.WITHDRAWN
    if sheet["task_state"] in (TaskState.OBSOLETE, TaskState.SKIPPED):
        delivery = connection.row(
            "SELECT state FROM delivery WHERE region = :region AND id = :id",
            {"region": city.region, "id": sheet["delivery"]},
        )
        gone = delivery is None or delivery["state"] == DeliveryState.CANCELLED
        return ScanVerdict.WITHDRAWN if gone else ScanVerdict.DONE_ELSEWHERE
    others = scans.attached(connection, city.region, sheet["number"])
    if not scan["sheet_no"] and any(other["scan"] != scan["id"] for other in others):
        return ScanVerdict.DUPLICATE  # of files that somebody adds to the sheet by hand, each is a further page
    if sheet["task_state"] == TaskState.COMPLETED:
        return ScanVerdict.FILED
    return ScanVerdict.MATCHED if read.mac is not None else ScanVerdict.BAR_ONLY


def _ours(city: City, text: str) -> SheetCode | None:
    """A code that this hub may have printed; None for any other."""
    try:
        code = parse_sheet_code(text)
        read_sheet_number(code.number, city.keys.sheet_number_mac)
    except (ValueError, BadNumber):
        return None
    return code


def _tell_case(
    connection: Connection, city: City, sheet: Row, scan: str, page: int, verdict: ScanVerdict, at: int, by: str
) -> None:
    """The case's own journal: a page was attached, or a sheet of the case was refused; and the paper is no longer out."""
    work = Casework.load(connection, city, sheet["case_no"], at, by)
    if verdict in ATTACHED:
        work.log("scan", sheet["number"], None, "attached", scan=scan, page=page, verdict=verdict.value)
    else:
        work.log("refused", sheet["number"], sheet["task_state"], sheet["task_state"], scan=scan, why=verdict.value)
    work.save()
    if verdict in _HERE:
        came_back(connection, city, sheet["number"], at, by)


def _page(connection: Connection, city: City, scan: str, page: int) -> Row:
    row = scans.page(connection, city.region, scan, page)
    if row is None:
        raise NotFoundHere("there is no such page: it may still be read, look again")
    return row


def _require_odd(row: Row) -> None:
    if row["state"] != ScanPageState.ODD:
        raise NotAllowed("this page was settled already: see what it says", "settled")


def _settle(
    connection: Connection, city: City, row: Row, state: ScanPageState, at: int, by: str, **changes: object
) -> None:
    states.check(Machine.SCAN_PAGE, row["state"], state, states.Cause.PERSON)
    reason = changes.pop("reason", None)
    key = {"region": city.region, "scan": row["scan"], "page": row["page"]}
    connection.update("scan_page", key, {"state": state.value, "by": by, **changes})
    change = ("scan_page", str(row["page"]), row["state"], state)
    _log(connection, city, row["scan"], at, by, change, sheet=changes.get("sheet_no"), why=reason)


def _log(
    connection: Connection,
    city: City,
    scan: str,
    at: int,
    by: str,
    change: tuple[str, str, str | None, str],
    **codes: object,
) -> None:
    chain = Chain(city.journal, f"scan:{scan}", at)
    chain.add(*change, {name: str(value) for name, value in codes.items() if value is not None})
    chain.write(connection, by)
