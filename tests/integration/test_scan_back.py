"""Scan-back over real sockets: files of scanned pages come in, each page finds its sheet, and what is strange waits for a person."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from PIL import Image

from adapters.sheet_codes import qr_svg
from contracts.task_sheet import sheet_code
from hub import results, scan_folder, scans
from hub.client import LOCAL
from hub.results import NotAllowed
from hub.store import erased, reading
from tests import scanned_pages as scan
from tests.front_door import OTHER, XUHUI, FrontDoor, front_door
from tests.paper_desk import DEPARTMENT, completed, dropped, moves, paper, printed, read_to_the_end, sheet, verdicts
from tests.paper_world import words_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path_factory.mktemp("hub")) as opened:
        yield opened


async def settle(door: FrontDoor, scanned: dict[str, Any], page: int, **told: Any) -> tuple[int, Any]:
    path = f"/v1/scans/{scanned['id']}/pages/{page}"
    status, body, _ = await door.call("POST", path, json={"by": "clerk-1", **told})
    return status, body


def the_page(scanned: dict[str, Any], page: int = 1) -> dict[str, Any]:
    return dict(scanned["found"][page - 1])


async def test_a_stack_of_bad_pages_finds_every_sheet(door: FrontDoor) -> None:
    """Sheets, turned, skewed, thin, noisy, one with its code torn off, as one PDF from the feeder, its backs between them."""
    tasks = [await sheet(door) for _ in range(6)]
    straight = await paper(door, *tasks)
    rule = random.Random(20261125)
    ways: tuple[Callable[[Image.Image], Image.Image], ...] = (
        lambda page: scan.rotated(page, rule.choice((90, 180, 270))),
        lambda page: scan.rotated(page, rule.uniform(-8, 8)),
        scan.skewed,
        lambda page: scan.noisy(page, 7),
        lambda page: page.resize((1240, 1754)),
        scan.stained_code,
    )
    pages: list[Image.Image] = []
    for way, page in zip(ways, straight, strict=True):
        pages += [way(page), scan.blank()]
    scanned = await dropped(door, pages)

    assert (scanned["state"], scanned["pages"], scanned["read"], scanned["matched"], scanned["odd"]) == (
        "read",
        12,
        12,
        6,
        6,
    )
    assert verdicts(scanned)[0::2] == ["matched"] * 5 + ["bar_only"]
    assert verdicts(scanned)[1::2] == ["unreadable"] * 6
    assert [page["sheet_no"] for page in scanned["found"][0::2]] == [task["sheet_no"] for task in tasks]
    assert [page["case_no"] for page in scanned["found"][0::2]] == [task["case_no"] for task in tasks]
    for task in tasks:
        assert ["scan", task["sheet_no"], None, "attached"] in [change[:4] for change in moves(door, task["case_no"])]


async def test_a_scan_alone_never_completes_a_task(door: FrontDoor) -> None:
    task = await sheet(door)
    before = await door.case(task["case_no"])
    await dropped(door, await paper(door, task))
    after = await door.case(task["case_no"])

    assert [one["state"] for one in after["tasks"]] == [one["state"] for one in before["tasks"]]
    assert after["status"] == before["status"]
    assert (await completed(door, task))[0] == 200


async def test_a_sheet_scanned_twice_has_one_effect(door: FrontDoor) -> None:
    """D06: the same file, and the same paper in another file."""
    task = await sheet(door)
    pages = await paper(door, task)
    content = scan.stack(pages)
    first = await dropped(door, content)
    again = await dropped(door, content)
    other = await dropped(door, [scan.rotated(pages[0], 180)])

    assert again["id"] == first["id"]
    assert verdicts(first) == ["matched"]
    assert (verdicts(other), the_page(other)["state"]) == (["duplicate"], "odd")
    attached = [change for change in moves(door, task["case_no"]) if change[3] == "attached"]
    assert len(attached) == 1
    refused = [change for change in moves(door, task["case_no"]) if change[0] == "refused"]
    assert refused[-1][4]["why"] == "duplicate"
    assert (await settle(door, other, 1, reason_code="scanned_before"))[0] == 200
    assert (await completed(door, task))[0] == 200
    assert (await completed(door, task, by="clerk-2"))[0] == 409


async def test_a_sheet_of_a_withdrawn_case_gets_a_clear_word_and_a_journal_row(door: FrontDoor) -> None:
    """D07."""
    task = await sheet(door)
    pages = await paper(door, task)
    assert (await door.event(task["case_no"], event="withdraw"))[0] == 202
    scanned = await dropped(door, pages)

    assert verdicts(scanned) == ["withdrawn"]
    assert [change[4]["why"] for change in moves(door, task["case_no"]) if change[0] == "refused"] == ["withdrawn"]
    assert (await completed(door, task))[0] == 409
    assert "overtaken" in [change[4]["why"] for change in moves(door, task["case_no"]) if change[0] == "refused"]


async def test_an_outdated_print_is_told_and_cannot_be_attached(door: FrontDoor) -> None:
    """D07: the sheet was issued again with another content."""
    task = await sheet(door)
    pages = await paper(door, task)
    connection = door.hub.writer
    await connection.run(lambda c: c.run("UPDATE sheet SET version = 2 WHERE number = :n", {"n": task["sheet_no"]}))
    scanned = await dropped(door, pages)

    assert verdicts(scanned) == ["outdated"]
    status, body = await settle(door, scanned, 1, sheet_no=task["sheet_no"])
    assert (status, "must not be attached" in body["detail"]) == (409, True)
    status, body = await completed(door, task)
    assert (status, "outdated" in body["detail"]) == (409, True)


async def test_the_sheet_of_another_centre_gets_a_clear_word_and_a_journal_row(door: FrontDoor) -> None:
    """D08: at the scanner, and at the counter where somebody keys its number."""
    task = await sheet(door)
    foreign = (await door.client(centres=[OTHER])).key
    scanned = await dropped(door, await paper(door, task), foreign)

    assert (verdicts(scanned), scanned["centre"]) == (["wrong_desk"], OTHER)
    status, body, _ = await door.call("POST", f"/v1/tasks/{task['sheet_no']}/print", foreign)
    assert (status, "take the sheet to the centre it names" in body["detail"]) == (404, True)
    refused = [change[4]["why"] for change in moves(door, task["case_no"]) if change[0] == "refused"]
    assert refused == ["wrong_desk", "wrong_desk"]
    assert (await door.call("GET", f"/v1/scans/{scanned['id']}", (await door.client(centres=[XUHUI])).key))[0] == 404


async def test_a_forged_code_is_refused_at_the_scanner_and_at_the_form(door: FrontDoor) -> None:
    """D16: a genuine number with a MAC that was not made here."""
    task = await sheet(door)
    (genuine,) = await paper(door, task)
    forged_code = sheet_code(task["sheet_no"], 1, bytes(16))
    scanned = await dropped(door, [forged(genuine, forged_code)])

    assert verdicts(scanned) == ["altered"]
    assert (await settle(door, scanned, 1, sheet_no=task["sheet_no"]))[0] == 409
    status, body = await completed(door, task, sheet_code=forged_code, sheet_no=None, sheet_version=None)
    assert (status, "not made here" in body["detail"]) == (409, True)
    assert "altered" in [change[4]["why"] for change in moves(door, task["case_no"]) if change[0] == "refused"]


def forged(page: Image.Image, text: str) -> Image.Image:
    """The page with another QR code pasted over its own."""
    svg = qr_svg(text)
    modules = int(svg.split('viewBox="0 0 ')[1].split()[0])
    code = Image.new("L", (modules, modules), 255)
    for run in svg.split('d="')[1].split('"')[0].split("M")[1:]:
        place, length = run.split("h")[0], int(run.split("h")[1].split("v")[0])
        column, line = map(int, place.split())
        for offset in range(length):
            code.putpixel((column + offset, line), 0)
    side = round(28 / 25.4 * 200)
    pasted = page.copy()
    pasted.paste(255, (0, 0, round(page.width * 0.24), round(page.height * 0.14)))
    pasted.paste(code.resize((side, side), Image.Resampling.NEAREST), (round(14 / 25.4 * 200), round(10 / 25.4 * 200)))
    return pasted


async def test_two_sheets_on_one_page_are_left_to_a_person(door: FrontDoor) -> None:
    tasks = [await sheet(door), await sheet(door)]
    pages = await paper(door, *tasks)
    scanned = await dropped(door, [scan.two_on_one(*pages)])

    assert (verdicts(scanned), the_page(scanned)["sheet_no"]) == (["several"], None)
    status, settled = await settle(door, scanned, 1, sheet_no=tasks[1]["sheet_no"].lower())
    assert (status, the_page(settled)["state"], the_page(settled)["sheet_no"]) == (200, "matched", tasks[1]["sheet_no"])
    assert (await settle(door, scanned, 1, sheet_no=tasks[1]["sheet_no"]))[0] == 200, "said twice, done once"
    assert (await settle(door, scanned, 1, sheet_no=tasks[0]["sheet_no"]))[0] == 409
    assert (await settle(door, scanned, 1))[0] == 409


async def test_strange_pages_are_told_apart(door: FrontDoor) -> None:
    """A code that is none of ours, a sheet of another hub, a handover list, a page without anything."""
    task = await sheet(door)
    (genuine,) = await paper(door, task)
    _, made, _ = await door.call(
        "POST",
        "/v1/handovers",
        json={"centre": XUHUI, "department": DEPARTMENT, "by": "c", "sheets": [task["sheet_no"]]},
    )
    _, listed, _ = await door.call("POST", f"/v1/handovers/{made['summary']['number']}/print")
    pages = [
        forged(scan.blank(1654, 2339), "https://example.org/"),
        forged(scan.blank(1654, 2339), sheet_code("ABCDEFGHJKMN", 1, bytes(16))),
        scan.rendered(listed),
        scan.blank(),
        genuine,
    ]
    scanned = await dropped(door, pages)

    assert verdicts(scanned) == ["unknown", "unknown", "handover_list", "unreadable", "matched"]
    _, odd, _ = await door.call("GET", "/v1/scans?odd=true&limit=1")
    assert odd["scans"][0]["id"] == scanned["id"]
    for page in (1, 2, 3, 4):
        for _ in range(2):
            assert (await settle(door, scanned, page, reason_code="not_ours"))[0] == 200
    _, odd, _ = await door.call("GET", "/v1/scans?odd=true")
    assert scanned["id"] not in [one["id"] for one in odd["scans"]]
    assert (await settle(door, scanned, 9))[0] == 404
    assert (await settle(door, scanned, 1, sheet_no="?"))[0] == 409


async def test_what_was_keyed_first_is_filed_and_what_a_system_answered_is_told(door: FrontDoor) -> None:
    keyed, answered = await sheet(door), await sheet(door)
    pages = await paper(door, keyed, answered)
    assert (await completed(door, keyed))[0] == 200
    await door.hub.writer.run(
        lambda c: c.run("UPDATE task SET state = 'obsolete' WHERE sheet_no = :n", {"n": answered["sheet_no"]})
    )
    scanned = await dropped(door, pages)

    assert verdicts(scanned) == ["filed", "done_elsewhere"]
    assert [page["state"] for page in scanned["found"]] == ["matched", "odd"]


async def test_a_scanned_sheet_is_back_from_its_courier(door: FrontDoor) -> None:
    task = await sheet(door)
    pages = await paper(door, task)
    told = {"centre": XUHUI, "department": DEPARTMENT, "by": "clerk-1", "sheets": [task["sheet_no"]]}
    _, made, _ = await door.call("POST", "/v1/handovers", json=told)
    number = made["summary"]["number"]
    await door.call("POST", f"/v1/handovers/{number}/out", json={"by": "clerk-1", "taken_by": "courier-7"})
    await dropped(door, pages)
    _, view, _ = await door.call("GET", f"/v1/handovers/{number}")

    assert (view["summary"]["state"], view["lines"][0]["back_by"]) == ("closed", "hub")


async def test_a_page_added_to_its_sheet_by_hand_needs_no_code(door: FrontDoor) -> None:
    task, other = await sheet(door), await sheet(door)
    (foreign,) = await paper(door, other)
    hub = door.hub
    row = await hub.read(lambda c: reading.task_row(c, hub.city.region, task["id"]))
    assert row is not None
    kept = await scans.attach(hub, LOCAL, row, scan.stack([scan.blank(), foreign]), "application/pdf", "clerk-1")
    scanned = await read_to_the_end(door, kept.id)
    assert verdicts(scanned) == ["bar_only", "several"]
    assert [page.page for page in await scans.attached(hub, task["sheet_no"])] == [1]
    (centre_task, *_) = (await door.case(await door.received()))["tasks"]
    bare = await hub.read(lambda c: reading.task_row(c, hub.city.region, centre_task["id"]))
    assert bare is not None
    with pytest.raises(NotAllowed):
        await scans.attach(hub, LOCAL, bare, scan.stack([scan.blank()]), "", "clerk-1")


# --- what is kept, and how it is served -----------------------------------------------------------------------------


async def test_what_was_dropped_in_goes_out_as_an_attachment_and_pages_only_as_our_own_pictures(
    door: FrontDoor,
) -> None:
    """D17."""
    task = await sheet(door)
    html = b"<html><script>alert(1)</script></html>"
    content = scan.stack(await paper(door, task)) + html
    scanned = await dropped(door, content)
    for path, media_type in (("file", "application/pdf"), ("pages/1", "image/jpeg")):
        status, body, headers = await door.call("GET", f"/v1/scans/{scanned['id']}/{path}")
        assert (status, headers["Content-Type"]) == (200, media_type)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Disposition"].startswith('attachment; filename="scan-')
        assert "sandbox" in headers["Content-Security-Policy"]
        assert (html in body) == (path == "file"), "the picture is drawn anew"
    stored = [path for path in (door.hub.settings.data / "blobs").rglob("*") if path.is_file()]
    assert stored
    assert all(html not in path.read_bytes() for path in stored), (
        "encrypted, named by a keyed hash, outside anything served"
    )
    assert (await door.call("GET", f"/v1/scans/{scanned['id']}/pages/7"))[0] == 404
    assert (await door.call("GET", f"/v1/scans/{uuid4()}/file"))[0] == 404
    stranger = (await door.client(centres=[OTHER])).key
    assert (await door.call("GET", f"/v1/scans/{scanned['id']}/pages/1", stranger))[0] == 404
    colleague = (await door.client(centres=[XUHUI])).key
    assert (await door.call("GET", f"/v1/scans/{scanned['id']}/file", colleague))[0] == 404, (
        "the stack is another desk's"
    )
    assert (await door.call("GET", f"/v1/scans/{scanned['id']}/pages/1", colleague))[0] == 200, (
        "his sheet's page is his"
    )


@pytest.mark.parametrize(
    ("content", "declared", "status"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml", 415),
        (b"<html><script>alert(1)</script>", "application/pdf", 415),
        (b"GIF89a", "image/gif", 415),
        (b"\x89PNG\r\n\x1a\n", "application/pdf", 415),
        (b"", "application/pdf", 415),
    ],
    ids=["svg", "html as pdf", "gif", "png as pdf", "empty"],
)
async def test_what_is_no_scan_by_its_content_is_not_even_kept(
    door: FrontDoor, content: bytes, declared: str, status: int
) -> None:
    """D17."""
    answer = await door.call("POST", "/v1/scans", None, {"Content-Type": declared}, data=content)
    assert answer[0] == status


async def test_a_file_that_only_begins_like_one_is_kept_and_refused(door: FrontDoor) -> None:
    """D17: polyglots and halves; the reason is a code."""
    for content, reason in (
        (b"%PDF-1.7 <html><script>alert(1)</script></html>", "no_pdf"),
        (b"\xff\xd8\xff<svg onload='alert(1)'/>", "no_picture"),
    ):
        scanned = await dropped(door, content)
        assert (scanned["state"], scanned["error"], scanned["pages"]) == ("refused", reason, 0)


async def test_a_desk_is_named_where_it_is_not_clear(door: FrontDoor) -> None:
    content = scan.stack([scan.blank(90, 120)])
    two = (await door.client(centres=[XUHUI, OTHER])).key
    status, body, _ = await door.call("POST", "/v1/scans", two, data=content)
    assert (status, body["errors"][0]["pointer"]) == (422, "/centre")
    assert (await dropped(door, content, two, f"?centre={XUHUI}&by=clerk-3"))["by"] == "clerk-3"
    assert (await door.call("POST", "/v1/scans?centre=310000000", data=content))[0] == 422
    assert (
        await door.call("POST", f"/v1/scans?centre={OTHER}", (await door.client(centres=[XUHUI])).key, data=content)
    )[0] == 403
    assert (await door.call("POST", "/v1/scans?by=a+name", data=content))[0] == 422
    assert (await door.call("POST", "/v1/scans", (await door.client(may=["submit"])).key, data=content))[0] == 403
    for wrong in ("odd=x", "limit=0", "colour=red"):
        assert (await door.call("GET", f"/v1/scans?{wrong}"))[0] == 400


async def test_a_person_of_a_department_sees_only_what_he_dropped_in(door: FrontDoor) -> None:
    mine = await door.client(departments=[DEPARTMENT])
    other = await door.client(departments=["MZ"])
    task = await sheet(door)
    scanned = await dropped(door, await paper(door, task), mine.key)
    assert (await door.call("GET", f"/v1/scans/{scanned['id']}", other.key))[0] == 404
    _, listed, _ = await door.call("GET", "/v1/scans", mine.key)
    assert [one["id"] for one in listed["scans"]] == [scanned["id"]]
    assert (await door.call("POST", f"/v1/tasks/{task['id']}/print", other.key))[0] == 404


async def test_what_is_erased_with_its_case_is_not_there_any_more(door: FrontDoor) -> None:
    task, other = await sheet(door), await sheet(door)
    scanned = await dropped(door, await paper(door, task, other))
    told = {"centre": XUHUI, "department": DEPARTMENT, "by": "clerk-1", "sheets": [task["sheet_no"]]}
    _, made, _ = await door.call("POST", "/v1/handovers", json=told)
    hub = door.hub
    for blob in await hub.read(lambda c: erased.blobs(c, hub.city.region, task["case_no"])):
        hub.blobs.delete(blob)
    await hub.writer.run(
        lambda c: c.run("UPDATE case_file SET sealed_key = x'' WHERE case_no = :n", {"n": task["case_no"]})
    )
    assert [
        (await door.call("GET", f"/v1/scans/{scanned['id']}/{path}"))[0] for path in ("pages/1", "file", "pages/2")
    ] == [404, 404, 200]
    _, view, _ = await door.call("GET", f"/v1/handovers/{made['summary']['number']}")
    assert view["lines"][0]["applicant"] == ""


# --- bulk print, folder, restart ------------------------------------------------------------------------------------


async def test_many_sheets_are_printed_as_one_file_all_or_none(door: FrontDoor) -> None:
    tasks = [await sheet(door), await sheet(door)]
    other = await sheet(door, "veterans/samples/TY003_parents.json")
    pdf = await printed(door, *tasks, other)
    pages = words_of(pdf)
    assert len(pages) == 9
    for place, task in enumerate((*tasks, other)):
        shown = "-".join(task["sheet_no"][start : start + 4] for start in (0, 4, 8))
        assert all(shown in page for page in pages[3 * place : 3 * place + 3])
    assert (await completed(door, tasks[1]))[0] == 200
    status, body, _ = await door.call("POST", "/v1/tasks/print", json={"tasks": [task["id"] for task in tasks]})
    assert (status, "settled" in body["detail"]) == (409, True)
    _, _, headers = await door.call("POST", f"/v1/tasks/{tasks[0]['id']}/print")
    assert headers["X-Print-Number"] == "2", "the refused bulk print counted none"
    assert (await door.call("POST", "/v1/tasks/print", json={"tasks": []}))[0] == 422
    assert (await door.call("POST", "/v1/tasks/print", None, {"Content-Type": "text/plain"}, data=b"x"))[0] == 415


async def test_a_scanner_leaves_its_files_in_the_folder_of_its_centre(door: FrontDoor, tmp_path: Path) -> None:
    task = await sheet(door)
    content = scan.stack(await paper(door, task))
    for centre in (XUHUI, "nowhere"):
        (tmp_path / centre).mkdir()
    (tmp_path / XUHUI / "a.pdf").write_bytes(content)
    (tmp_path / XUHUI / ".hidden.pdf").write_bytes(content)
    (tmp_path / XUHUI / "film.mov").write_bytes(b"no scan")
    (tmp_path / "nowhere" / "b.pdf").write_bytes(content)
    watching = asyncio.create_task(scan_folder.watch(door.hub, tmp_path, 0.05))
    try:
        for _ in range(400):
            if (tmp_path / XUHUI / "done/a.pdf").exists() and (tmp_path / "nowhere/refused/b.pdf").exists():
                break
            await asyncio.sleep(0.05)
        (tmp_path / XUHUI / "a.pdf").write_bytes(content)
        for _ in range(400):
            if (tmp_path / XUHUI / "done/a-2.pdf").exists() and (tmp_path / XUHUI / "refused/film.mov").exists():
                break
            await asyncio.sleep(0.05)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert (tmp_path / XUHUI / "refused/film.mov").exists()
    assert (tmp_path / XUHUI / "done/a-2.pdf").exists()
    _, listed, _ = await door.call("GET", "/v1/scans", (await door.client(centres=[XUHUI])).key)
    assert [one["by"] for one in listed["scans"]].count("scan-folder") == 1, "the same file again is the same scan"


async def test_a_file_received_before_a_crash_is_read_after_it(tmp_path: Path) -> None:
    async with front_door(tmp_path) as first:
        task = await sheet(first)
        content = scan.stack(await paper(first, task))
        row = {
            "id": str(uuid4()),
            "blob": first.hub.blobs.put(content),
            "size": len(content),
            "media_type": "application/pdf",
            "centre": "",
            "sheet_no": "",
            "by": "clerk-1",
            "created_at": first.hub.now_ms(),
        }
        # As a hub leaves it that dies right after the commit: nobody is told of the file.
        await first.hub.commit("scan", lambda c: results.add_scan(c, first.hub.city, row))
    async with front_door(tmp_path) as second:
        scanned = await read_to_the_end(second, str(row["id"]))
        assert verdicts(scanned) == ["matched"]


async def test_a_database_that_cannot_be_read_for_a_while_does_not_end_the_reading(tmp_path: Path) -> None:
    async with front_door(tmp_path) as opened:
        writer = opened.hub.writer
        await writer.run(lambda c: c.run("ALTER TABLE scan RENAME TO scan_away"))
        opened.hub.scan_dropped.set()
        await asyncio.sleep(0.3)
        await writer.run(lambda c: c.run("ALTER TABLE scan_away RENAME TO scan"))
        assert verdicts(await dropped(opened, scan.encoded(scan.blank(200, 300)))) == ["unreadable"]
