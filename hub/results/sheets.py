"""Task sheets 交办单: issuing, printing, and proving that a confirmed one is the sheet that counts."""

import hmac

import orjson

from contracts.records import adapter, record
from contracts.task_sheet import TaskSheet, content_hash, parse_sheet_code, sheet_code
from hub.city import City
from hub.numbers import sheet_number
from hub.results.casework import Casework
from hub.results.errors import NotAllowed, NotFoundHere
from hub.store.connection import Connection, Row

VOID = "this sheet is void: its message went another way; put it aside"


def issue_sheet(work: Casework, delivery: Row, content: TaskSheet) -> None:
    """Give a delivery its sheet and its task. The same delivery keeps its number; another content is a new version."""
    body = adapter(TaskSheet).dump_json(content)
    digest = content_hash(content)
    key = {"region": work.city.region, "delivery": delivery["id"]}
    found = work.connection.row("SELECT * FROM sheet WHERE region = :region AND delivery = :delivery", key)
    if found is None:
        number = sheet_number(work.city.keys.sheet_number_mac, work.city.random)
        sealed = work.key.seal(body, "sheet")
        work.connection.insert(
            "sheet",
            {
                **key,
                "number": number,
                "version": 1,
                "case_no": work.case_no,
                "content_hash": digest,
                "prints": 0,
                "sealed_content": sealed,
            },
        )
        work.log("sheet", number, None, "1", delivery=delivery["id"])
    else:
        number = found["number"]
        if found["content_hash"] != digest or found["voided_at"] is not None:
            changes = {
                "version": found["version"] + 1,
                "voided_at": None,
                "content_hash": digest,
                "sealed_content": work.key.seal(body, "sheet"),
                "prints_before": found["prints"],
            }
            work.connection.update("sheet", key, changes)
            work.log("sheet", number, str(found["version"]), str(found["version"] + 1), delivery=delivery["id"])
    if not any(task["sheet_no"] == number for task in work.open_tasks()):
        centre = work.row["paper_holder"]
        work.add_task(
            "sheet", delivery["step"], centre, system=delivery["system"], delivery=delivery["id"], sheet_no=number
        )


def find_sheet(connection: Connection, city: City, number: str) -> Row:
    """The row of a sheet. Raises NotFoundHere."""
    row = connection.row(
        "SELECT * FROM sheet WHERE region = :region AND number = :number", {"region": city.region, "number": number}
    )
    if row is None:
        raise NotFoundHere(f"there is no task sheet {number} here: check the number on the paper")
    return row


@record
class Print:
    """A counted print: everything that the page needs besides names from the catalogue. ``print_no``: of this version, from 1."""

    row: Row
    content: TaskSheet
    case: Row
    code: str
    print_no: int


def count_print(connection: Connection, city: City, number: str, at: int, by: str) -> Print:
    """Count a print before it leaves the house: a lost one is printed again and marked, never unknown. Raises NotAllowed for a void one."""
    row = find_sheet(connection, city, number)
    if row["voided_at"] is not None:
        raise NotAllowed(VOID)
    work = Casework.load(connection, city, row["case_no"], at, by)
    row["prints"] += 1
    connection.update("sheet", {"region": city.region, "number": number}, {"prints": row["prints"]})
    work.log("print", number, None, str(row["prints"]), version=row["version"])
    work.save()
    content = adapter(TaskSheet).validate_python(orjson.loads(work.key.unseal(row["sealed_content"], "sheet")))
    mac = city.keys.sheet_mac(number, row["version"], row["content_hash"])
    code = sheet_code(number, row["version"], mac)
    return Print(row=row, content=content, case=work.row, code=code, print_no=row["prints"] - row["prints_before"])


def prove(city: City, row: Row, code: str | None, number: str | None, version: int | None) -> None:
    """Refuse a void, forged, outdated or unidentified sheet. Raises NotAllowed."""
    if row["voided_at"] is not None:
        raise NotAllowed(VOID)
    if code is not None:
        try:
            read = parse_sheet_code(code)
        except ValueError as error:
            raise NotAllowed(str(error), "unreadable") from error
        if read.number != row["number"]:
            raise NotAllowed("this code belongs to another sheet: scan the sheet in your hand again", "other_sheet")
        if read.version != row["version"]:
            raise _outdated(row)
        wanted = city.keys.sheet_mac(row["number"], row["version"], row["content_hash"])
        if read.mac is None or not hmac.compare_digest(read.mac, wanted):
            told = "the code on this sheet was not made here: do not confirm it, tell the supervisor"
            raise NotAllowed(told, "altered")
        return
    if number is None or version is None:
        raise NotAllowed("scan the sheet's code, or key its number and version", "no_code")
    if version != row["version"]:
        raise _outdated(row)


def _outdated(row: Row) -> NotAllowed:
    return NotAllowed(f"this print is outdated: version {row['version']} counts, print it again", "outdated")
