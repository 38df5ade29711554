"""Handover lists over real sockets: made, printed, scanned out and in, differences, what is overdue."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdf
import pytest
import pytest_asyncio

from contracts.handover import Courier
from contracts.paper_api import HandingOver
from hub import results
from hub.city import moment
from hub.results import NewHandover
from hub.store import handovers
from tests.front_door import OTHER, XUHUI, FrontDoor, front_door
from tests.integration.test_transitions import printed_sheet
from tests.paper_desk import DEPARTMENT, completed, moves, printed, sheet
from tests.small_city import CENTRE, SmallCity

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path_factory.mktemp("hub")) as opened:
        yield opened


async def call(door: FrontDoor, path: str, key: str | None = None, **told: Any) -> tuple[int, Any]:
    status, body, _ = await door.call("POST", f"/v1/handovers{path}", key, json=told)
    return status, body


async def a_list(door: FrontDoor, *tasks: dict[str, Any], **told: Any) -> dict[str, Any]:
    """Print the sheets and put them on a list."""
    if tasks:
        await printed(door, *tasks)
    sheets = [task["sheet_no"] for task in tasks]
    status, body = await call(door, "", centre=XUHUI, department=DEPARTMENT, by="clerk-1", sheets=sheets, **told)
    assert status == 201, body
    return dict(body)


def states(view: dict[str, Any]) -> list[str]:
    return [line["state"] for line in view["lines"]]


async def test_a_list_holds_every_printed_sheet_that_waits_and_nothing_else(door: FrontDoor) -> None:
    ready, unprinted = await sheet(door), await sheet(door)
    assert (await call(door, "", centre=XUHUI, department=DEPARTMENT, by="clerk-1"))[0] == 409, "nothing is printed"
    await printed(door, ready)
    status, made = await call(door, "", centre=XUHUI, department=DEPARTMENT, by="clerk-1")
    assert status == 201
    assert made["summary"]["number"].startswith(f"JJ{XUHUI}20260302")
    assert [line["sheet_no"] for line in made["lines"]] == [ready["sheet_no"]]
    (line,) = made["lines"]
    assert (line["case_no"], line["item"], line["state"], line["task"]) == (
        ready["case_no"],
        "JY003",
        "listed",
        "ready",
    )
    assert "*" in line["applicant"]
    assert (line["originals"], line["copies"], line["pages"]) == (1, 3, 2)
    # The department's courier comes at three on working days; it is Monday morning.
    assert made["summary"]["run_at"] == "2026-03-02T07:00:00Z"
    status, again = await call(
        door, "", centre=XUHUI, department=DEPARTMENT, by="clerk-1", sheets=[unprinted["sheet_no"]]
    )
    assert (status, unprinted["sheet_no"] in again["detail"]) == (409, True)
    assert (await call(door, "", centre=XUHUI, department=DEPARTMENT, by="clerk-1", sheets=[ready["sheet_no"]]))[
        0
    ] == 409


async def test_a_list_is_printed_counted_and_shows_no_whole_name(door: FrontDoor) -> None:
    made = await a_list(door, await sheet(door), await sheet(door))
    number = made["summary"]["number"]
    pdf = b""
    for place in ("1", "2"):
        status, pdf, headers = await door.call("POST", f"/v1/handovers/{number}/print")
        assert (status, headers["X-Print-Number"], headers["Content-Type"]) == (200, place, "application/pdf")
    pages = ["".join(page.extract_text().split()) for page in pypdf.PdfReader(BytesIO(pdf)).pages]
    assert len(pages) == 2
    assert number in pages[0]
    assert all(line["case_no"] in pages[0] and line["applicant"] in pages[0] for line in made["lines"])
    assert [change[0] for change in moves(door, f"handover:{number}")] == ["handover", "print", "print"]


async def test_what_was_not_scanned_stays_behind_and_goes_on_the_next_list(door: FrontDoor) -> None:
    goes, stays, foreign = await sheet(door), await sheet(door), await sheet(door)
    made = await a_list(door, goes, stays)
    number = made["summary"]["number"]
    bar = goes["sheet_no"] + "01"
    scanned = [bar, bar.lower(), "not a code", foreign["sheet_no"], stays["sheet_no"] + "07"]
    told: dict[str, Any] = {"by": "clerk-1", "taken_by": "courier-7", "scanned": scanned}
    status, left = await call(door, f"/{number}/out", **told)
    assert status == 200, left
    assert states(left) == ["out", "left_behind"]
    assert (left["handed_by"], left["taken_by"], left["summary"]["state"]) == ("clerk-1", "courier-7", "out")
    assert [(one["why"], one["place"]) for one in left["differences"]] == [
        ("unreadable", 3),
        ("not_listed", 4),
        ("altered", 5),
        ("not_scanned", None),
    ]
    status, again = await call(door, f"/{number}/out", **told)
    assert (status, states(again), again["differences"]) == (200, ["out", "left_behind"], []), "said twice, done once"
    next_list = await a_list(door, stays)
    assert [line["sheet_no"] for line in next_list["lines"]] == [stays["sheet_no"]]
    assert ["handover", goes["sheet_no"], "listed", "out"] in [change[:4] for change in moves(door, goes["case_no"])]


async def test_sheets_come_back_by_scan_of_whatever_list_and_the_list_closes_itself(door: FrontDoor) -> None:
    one, two = await sheet(door), await sheet(door)
    lists = [await a_list(door, task) for task in (one, two)]
    numbers = [made["summary"]["number"] for made in lists]
    for number in numbers:
        assert (await call(door, f"/{number}/out", by="clerk-1", taken_by="courier-7"))[0] == 200
    scanned = [one["sheet_no"], two["sheet_no"] + "01", two["sheet_no"], "ABCDEFGHJKMN", "?"]
    status, back = await call(door, "/in", by="clerk-2", scanned=scanned)
    assert (status, back["back"]) == (200, [one["sheet_no"], two["sheet_no"]])
    assert [(each["why"], each["place"]) for each in back["differences"]] == [("unknown", 4), ("unreadable", 5)]
    for number in numbers:
        _, view, _ = await door.call("GET", f"/v1/handovers/{number}")
        assert (view["summary"]["state"], states(view), view["lines"][0]["back_by"]) == ("closed", ["back"], "clerk-2")
    _, twice = await call(door, "/in", by="clerk-2", scanned=[one["sheet_no"]])
    assert (twice["back"], twice["differences"][0]["why"]) == ([], "not_out")


async def test_a_confirmed_sheet_is_back_without_a_scan_of_its_own(door: FrontDoor) -> None:
    task = await sheet(door)
    number = (await a_list(door, task))["summary"]["number"]
    await call(door, f"/{number}/out", by="clerk-1", taken_by="courier-7")
    assert (await completed(door, task))[0] == 200
    _, view, _ = await door.call("GET", f"/v1/handovers/{number}")
    assert (view["summary"]["state"], states(view)) == ("closed", ["back"])


async def test_a_lost_sheet_closes_its_line_is_printed_and_listed_again_and_may_turn_up(door: FrontDoor) -> None:
    task = await sheet(door)
    number = (await a_list(door, task))["summary"]["number"]
    assert (await call(door, f"/{number}/lost", by="clerk-1", sheet_no=task["sheet_no"]))[0] == 409, "it has not left"
    await call(door, f"/{number}/out", by="clerk-1", taken_by="courier-7")
    for _ in range(2):
        status, lost = await call(door, f"/{number}/lost", by="clerk-1", sheet_no=task["sheet_no"])
        assert (status, states(lost), lost["summary"]["state"]) == (200, ["lost"], "closed")
    again = await a_list(door, task)
    assert states(again) == ["listed"]
    _, found = await call(door, "/in", by="clerk-1", scanned=[task["sheet_no"]])
    assert found["back"] == [task["sheet_no"]]
    assert (await call(door, f"/{number}/lost", by="clerk-1", sheet_no="ABCDEFGHJKMN"))[0] == 404
    assert (await call(door, f"/{number}/lost", by="clerk-1"))[0] == 422
    assert (await call(door, f"/{number}/lost", by="clerk-1", sheet_no="?"))[0] == 422


async def test_a_list_that_has_not_left_can_be_cancelled_once(door: FrontDoor) -> None:
    task = await sheet(door)
    number = (await a_list(door, task))["summary"]["number"]
    for _ in range(2):
        status, gone = await call(door, f"/{number}/cancel", by="clerk-1")
        assert (status, gone["summary"]["state"], states(gone)) == (200, "cancelled", ["left_behind"])
    assert (await call(door, f"/{number}/out", by="clerk-1", taken_by="courier-7"))[0] == 409
    other = (await a_list(door, task))["summary"]["number"]
    await call(door, f"/{other}/out", by="clerk-1", taken_by="courier-7")
    assert (await call(door, f"/{other}/cancel", by="clerk-1"))[0] == 409


async def test_nothing_leaves_that_was_settled_meanwhile(door: FrontDoor) -> None:
    settled, open_ = await sheet(door), await sheet(door)
    number = (await a_list(door, settled, open_))["summary"]["number"]
    assert (await completed(door, settled))[0] == 200
    status, left = await call(door, f"/{number}/out", by="clerk-1", taken_by="courier-7")
    assert (status, states(left)) == (200, ["left_behind", "out"])
    assert [(one["why"], one["sheet_no"]) for one in left["differences"]] == [("settled", settled["sheet_no"])]
    nothing = (await a_list(door, await sheet(door)))["summary"]["number"]
    assert (await call(door, f"/{nothing}/out", by="clerk-1", taken_by="courier-7", scanned=[]))[0] == 409


async def test_a_list_of_another_centre_department_or_item_is_not_there(door: FrontDoor) -> None:
    number = (await a_list(door, await sheet(door)))["summary"]["number"]
    for scope in ({"centres": [OTHER]}, {"items": ["MZ004"]}, {"departments": ["MZ"]}):
        stranger = (await door.client(**scope)).key
        assert (await door.call("GET", f"/v1/handovers/{number}", stranger))[0] == 404
        assert (await call(door, f"/{number}/cancel", stranger, by="clerk-9"))[0] == 404
    assert (await door.call("GET", f"/v1/handovers/{number}", (await door.client(may=["submit"])).key))[0] == 403
    foreign = (await door.client(centres=[OTHER])).key
    assert (await call(door, "", foreign, centre=XUHUI, department=DEPARTMENT, by="clerk-9"))[0] == 403
    assert (await call(door, "", centre="310000000", department=DEPARTMENT, by="clerk-9"))[1]["errors"][0][
        "pointer"
    ] == "/centre"
    assert (await call(door, "", centre=XUHUI, department="XX", by="clerk-9"))[1]["errors"][0][
        "pointer"
    ] == "/department"
    _, elsewhere, _ = await door.call("GET", "/v1/handovers", foreign)
    assert elsewhere == {"lists": [], "more": False}
    task = await sheet(door)
    made = await a_list(door, task)
    await call(door, f"/{made['summary']['number']}/out", by="clerk-1", taken_by="courier-7")
    _, unknown = await call(door, "/in", foreign, by="clerk-9", scanned=[task["sheet_no"]])
    assert (unknown["back"], unknown["differences"][0]["why"]) == ([], "unknown")


async def test_lists_are_found_by_state_department_and_number(door: FrontDoor) -> None:
    made = await a_list(door, await sheet(door))
    _, open_, _ = await door.call("GET", f"/v1/handovers?state=open&department={DEPARTMENT}&limit=1")
    assert open_["lists"][0]["number"] == made["summary"]["number"]
    assert (await door.call("GET", "/v1/handovers?department=MZ"))[1]["lists"] == []
    assert (await door.call("GET", "/v1/handovers?overdue=true"))[1]["lists"] == []
    for wrong in ("state=x", "overdue=x", "limit=0", "colour=red"):
        assert (await door.call("GET", f"/v1/handovers?{wrong}"))[0] == 400
    digits = made["summary"]["number"][2:]
    assert (await door.call("GET", f"/v1/handovers/JJ{'0' * len(digits)}"))[0] == 404
    assert (await door.call("POST", "/v1/handovers", None, {"Content-Type": "text/plain"}, data=b"x"))[0] == 415


# --- the calendar -------------------------------------------------------------------------------------------------


async def test_an_unreturned_sheet_is_overdue_after_the_days_of_its_department_and_no_day_earlier(
    tmp_path: Path,
) -> None:
    city = SmallCity(tmp_path)
    facts = dict(city.city.systems)
    facts["CC-paper"] = replace(facts["CC-paper"], courier=Courier(remind_after_working_days=3))
    city.city = replace(city.city, systems=facts)
    numbers = [printed_sheet(city) for _ in range(2)]
    waiting = handovers.waiting_sheets(city.connection, "310000", CENTRE, frozenset({"CC-paper"}))
    new = NewHandover(centre=CENTRE, department="CC", run_at=None, by="staff-1", sheets=waiting)
    number = city.unit(lambda c: results.make_handover(c, city.city, new, city.at))
    told = HandingOver(by="staff-1", taken_by="courier-1")
    city.unit(lambda c: results.hand_out(c, city.city, number, told, city.at))

    def unreturned() -> int:
        return sum(row["number"] for row in handovers.unreturned(city.connection, "310000", city.at))

    # Handed out on Monday: Tuesday, Wednesday, Thursday are the three days.
    city.now = datetime(2026, 3, 5, 15, 59, tzinfo=UTC)
    assert unreturned() == 0
    city.now = datetime(2026, 3, 5, 16, 1, tzinfo=UTC)
    assert unreturned() == 2
    city.unit(lambda c: results.take_in(c, city.city, numbers[:1], city.at, "staff-1"))
    assert unreturned() == 1
    row = handovers.find(city.connection, "310000", number)
    assert row is not None
    assert (row["state"], moment(row["remind_at"]).date()) == ("out", date(2026, 3, 5))
    city.close()


async def test_a_centre_makes_at_most_999_lists_a_day(tmp_path: Path) -> None:
    city = SmallCity(tmp_path)
    printed_sheet(city)
    waiting = handovers.waiting_sheets(city.connection, "310000", CENTRE, frozenset({"CC-paper"}))
    new = NewHandover(centre=CENTRE, department="CC", run_at=None, by="staff-1", sheets=waiting)
    number = city.unit(lambda c: results.make_handover(c, city.city, new, city.at))
    city.connection.run("UPDATE handover SET number = :n", {"n": f"{number[:19]}9990"})
    with pytest.raises(results.NotAllowed, match="999"):
        city.unit(lambda c: results.make_handover(c, city.city, new, city.at))
    city.close()
