"""The hub dies at every labelled place, is started again, and nothing is lost or doubled.

The labels are found by reading the code, so that a new one without a way to reach it fails the suite. Two cities live side by
side; in each the hub dies at one label after the other, under a load that covers all three situations and a join, and at the
end lives on until every case has come to its end.
"""

import asyncio
import itertools
import os
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from simulators.faults import Fault
from simulators.hub_process import KILLED_AT_A_CRASH_POINT
from tests.crash_labels import labels_in_the_code
from tests.fast_city import FastCity, fast_city, found_by, short_folder, write_canaries
from tests.scanned_pages import blank, encoded

Way = Callable[[FastCity], Awaitable[object]]
CIVIL_ZONE = ZoneInfo("Asia/Shanghai")


async def nothing(_: FastCity) -> None:
    """It happens by itself."""


def a_case_of(item: str) -> Way:
    """A new case is enough."""

    async def hand_in(city: FastCity) -> None:
        await city.taken(item)

    return hand_in


async def an_event(city: FastCity) -> None:
    """A case is received, and accepted by a message of its own."""
    case_no = await city.taken("MZ006", accepted=False)
    await city.counter.event(f"accept-{case_no}", case_no, {"event": "accept", "by": "staff-2"})


async def a_second_try(city: FastCity) -> None:
    """The first try is handed over from memory; one that was turned away comes back through the outbox."""
    city.world.dials["DA-archive"].probabilities = {Fault.UNAVAILABLE_503: 1.0}
    await city.taken("DA001")
    await asyncio.sleep(60)


async def an_upload(city: FastCity) -> None:
    """A scan is uploaded, however often the hub dies over it."""
    headers = {"Authorization": f"Bearer {await city.world.key()}", "Content-Type": "application/pdf"}
    async with aiohttp.ClientSession(headers=headers) as http:
        while True:
            with suppress(aiohttp.ClientError):
                async with http.post(f"{city.world.hub.url}/v1/materials", data=b"%PDF-1.7 sample") as answer:
                    if answer.status < 300:
                        return
            await asyncio.sleep(0.1)


WIDTHS = itertools.count(300)
"""No two scans alike: the same file again would be the same scan."""


async def a_scan(city: FastCity) -> None:
    """A blank page comes from the scanner, however often the hub dies over it."""
    headers = {"Authorization": f"Bearer {await city.world.key()}", "Content-Type": "image/png"}
    page = encoded(blank(next(WIDTHS), 400))
    async with aiohttp.ClientSession(headers=headers) as http:
        while True:
            with suppress(aiohttp.ClientError):
                async with http.post(f"{city.world.hub.url}/v1/scans", data=page) as answer:
                    if answer.status < 300:
                        return
            await asyncio.sleep(0.1)


async def an_answer_that_is_overdue(city: FastCity) -> None:
    """The clerk leaves the sheet lying: the answer on paper comes when it is overdue."""
    city.world.dials["clerk"].probabilities = {Fault.DELAY: 1.0}
    await city.taken("WJ004")
    await asyncio.sleep(60)


async def a_batch_that_does_not_get_through(city: FastCity) -> None:
    """The exchange refuses the connection, so that the sealed batch must go again."""
    city.world.dials["WJ-family"].probabilities = {Fault.REFUSE: 1.0}
    await city.taken("JY004")
    await asyncio.sleep(60)


async def a_foreign_file_under_the_next_name(city: FastCity) -> None:
    """Somebody else has put a file under the name that the next batch will have."""
    ((last,),) = rows(city, "SELECT coalesce(max(sequence), 0) FROM batch WHERE system = 'WJ-family'")
    ((resend,),) = rows(city, "SELECT count(*) FROM batch WHERE state = 'sealed'")
    today = city.world.clock.now().astimezone(CIVIL_ZONE)
    for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
        for number in range(last - resend + 1, last + 8):
            path = foreign_folder(city) / f"WJ_{day:%Y%m%d}_{number:03d}.txt"
            if not (path.exists() or (path.parent.parent / "taken" / path.name).exists()):
                path.write_text(FOREIGN)
    await city.taken("JY004")
    await asyncio.sleep(60)


FOREIGN = "nobody knows this file"


def foreign_folder(city: FastCity) -> Path:
    return city.world.folder / "files" / "WJ-family" / "out"


async def a_name_that_the_file_cannot_carry(city: FastCity) -> None:
    """The separator of the file's columns in a name."""
    await city.taken("WJ002", name="样例|!二")


async def a_wrong_key(city: FastCity) -> None:
    """The department does not know our key any more."""
    secret_file(city).write_text("wrong")
    await city.taken("MZ012")


def secret_file(city: FastCity) -> Path:
    return city.world.folder / "keys" / "secrets" / "mz_marriage_token"


async def a_release(city: FastCity) -> None:
    """An operator has put the key right and releases the lane."""
    secret_file(city).write_text(city.world.rest["MZ-marriage"].doorkeeper._values[0])
    connector = aiohttp.UnixConnector(str(city.world.folder / "data" / "onedoor.sock"))
    async with aiohttp.ClientSession(connector=connector) as http:
        while True:
            with suppress(aiohttp.ClientError):
                async with http.post("http://hub/admin/lanes/MZ-marriage/release") as answer:
                    assert answer.status == 200
                    return
            await asyncio.sleep(0.1)


async def ordered(city: FastCity, path: str, order: Mapping[str, Any]) -> Any:
    """What the hub answers an operator on its local socket; None while it does not live."""
    connector = aiohttp.UnixConnector(str(city.world.folder / "data" / "onedoor.sock"))
    with suppress(aiohttp.ClientError):
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.post(f"http://hub/admin/deliveries/{path}", json=order) as answer,
        ):
            return await answer.json() if answer.status == 200 else None
    return None


def an_order_about(state: str, way: Way, what: str, order: Mapping[str, Any]) -> Way:
    """Cases go a way, and an operator does something about every delivery that rests in a state, until the hub dies of it.

    More than one case: what rests for moments only may have gone on before the operator sees it.
    """

    async def about_each(city: FastCity) -> None:
        while True:
            await way(city)
            for _ in range(20):
                found = await ordered(city, "find", {"states": [state]})
                for one in found["deliveries"] if found else ():
                    await ordered(city, f"{one['id']}/{what}", {"by": "operator-1", **order})
                await asyncio.sleep(0.05)

    return about_each


async def a_replay(city: FastCity) -> None:
    """A dead letter is sent again, as often as it takes."""
    await a_name_that_the_file_cannot_carry(city)
    while True:
        await ordered(city, "replay", {"by": "operator-1", "question": {}})
        await asyncio.sleep(0.05)


async def a_stop_with_a_full_desk(city: FastCity) -> None:
    """The hub is asked to end while more is claimed than it may send at once."""
    city.world.dials["DA-archive"].probabilities = {Fault.DELAY: 1.0}
    for _ in range(8):
        city.hand_in("DA001")
    query = "SELECT id FROM delivery WHERE system = 'DA-archive' AND state = 'claimed' AND claimed_by = 'hub-{}'"
    await until(lambda: city.world.hub.running and rows(city, query.format(city.world.hub.pid)))
    os.kill(city.world.hub.pid, signal.SIGTERM)


async def until(happened: Callable[[], object]) -> None:
    """Look again and again; whoever waits says for how long."""
    while not happened():  # noqa: ASYNC110 - what is waited for happens in another process
        await asyncio.sleep(0.05)


def rows(city: FastCity, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{city.world.database}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


async def asked(city: FastCity, path: str, body: Mapping[str, Any]) -> Any:
    """What the hub answers on its local socket about files; None while it does not live, or refuses."""
    connector = aiohttp.UnixConnector(str(city.world.folder / "data" / "onedoor.sock"))
    with suppress(aiohttp.ClientError):
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.post(f"http://hub{path}", json=body) as answer,
        ):
            return await answer.json() if answer.status == 200 else None
    return None


async def a_difference_that_is_explained(city: FastCity) -> None:
    """The partner's file disagrees with its control file; somebody says why that is none."""
    back = city.world.folder / "files" / "WJ-family" / "back"
    while True:
        today = city.world.clock.now().astimezone(CIVIL_ZONE)
        name = f"WJ_JG_{today:%Y%m%d}_{next(_FOREIGN_NUMBERS)}"
        (back / f"{name}.txt").write_text(name)
        (back / f"{name}.ok").write_text("rows=7\r\nmd5=0\r\n")
        for day in (today - timedelta(days=1), today):
            found = await asked(city, "/admin/files/reconcile", {"day": f"{day:%Y-%m-%d}", "system": "WJ-family"})
            for one in found[0]["differences"] if found else ():
                told = {
                    "system": "WJ-family",
                    "day": f"{day:%Y-%m-%d}",
                    "difference": one["key"],
                    "reason": "test_file",
                }
                await asked(city, "/admin/files/explain", told)
        await asyncio.sleep(0.3)


_FOREIGN_NUMBERS = iter(range(700, 100_000))


async def a_day_that_is_closed(city: FastCity) -> None:
    """A day of long ago, on which nothing went and nothing came."""
    while True:
        await asked(city, "/admin/files/close", {"day": "2026-01-05", "system": "WJ-family"})
        await asyncio.sleep(0.1)


async def a_breaker_that_stays_open(city: FastCity) -> None:
    """The relief system refuses every connection, longer than its fallback rule allows."""
    city.world.dials["MZ-relief"].probabilities = {Fault.REFUSE: 1.0}
    await asyncio.gather(*(city.taken("MZ004") for _ in range(6)))
    await asyncio.sleep(60)


async def a_delivery_that_runs_out_of_time(city: FastCity) -> None:
    """Nobody may send, and the date comes near."""
    await a_wrong_key(city)
    while True:
        with closing(sqlite3.connect(city.world.database, timeout=5)) as connection, suppress(sqlite3.OperationalError):
            connection.execute(
                "UPDATE delivery SET send_before = created_at + 2 WHERE system = 'MZ-marriage' AND state = 'held'"
                " AND coalesce(cause, '') != 'deadline'"
            )
            connection.commit()
        await asyncio.sleep(0.1)


def both(commit: str, way: Way) -> dict[str, Way]:
    """The two labels of a commit."""
    return {f"{commit}.before_commit": way, f"{commit}.after_commit": way}


INSTANT, EVERYTHING = a_case_of("DA001"), a_case_of("JY004")

FIRST_CITY: dict[str, Way] = {
    **both("recover", nothing),
    "started": nothing,
    **both("receive", INSTANT),
    **both("writer", INSTANT),
    **both("seal", INSTANT),
    **both("upload", an_upload),
    **both("scan", a_scan),
    **both("scan_page", a_scan),
    **both("claim", INSTANT),
    **both("begin_attempt", a_second_try),
    "send.before": EVERYTHING,
    "send.after": EVERYTHING,
    **both("end_attempt", EVERYTHING),
    **both("event", an_event),
    **both("callback", a_case_of("MZ006")),
    **both("enquired", a_case_of("DA002")),
    **both("complete", a_case_of("MZ004")),
    **both("print", a_case_of("JY003")),
    **both("lapsed", an_answer_that_is_overdue),
    **both("time_passed", INSTANT),
    **both("give_back", a_stop_with_a_full_desk),
    **both("hold_lane", a_wrong_key),
    **both("hold_due", a_wrong_key),
    **both("hand_over", a_delivery_that_runs_out_of_time),
    **both("release_lane", a_release),
    **both("auto_fallback", a_breaker_that_stays_open),
    **both("switch_channel", an_order_about("waiting", a_case_of("MZ004"), "channel", {"to": "paper"})),
    **both("enquire_now", an_order_about("waiting", a_case_of("DA002"), "enquire", {})),
}

SECOND_CITY: dict[str, Way] = {
    **both("claim_batch", nothing),
    **both("claim_for_batch", EVERYTHING),
    **both("seal_batch", EVERYTHING),
    "batch.before": EVERYTHING,
    "put.before": EVERYTHING,
    "put.written": EVERYTHING,
    "put.renamed": EVERYTHING,
    "put.before_control": EVERYTHING,
    "put.after": EVERYTHING,
    "batch.after": EVERYTHING,
    **both("batch_sent", EVERYTHING),
    "collect.read": EVERYTHING,
    **both("collect_replies", EVERYTHING),
    "archive.before": EVERYTHING,
    "archive.moved": EVERYTHING,
    "archive.after": EVERYTHING,
    **both("file_taken", EVERYTHING),
    **both("receipt", EVERYTHING),
    **both("explain", a_difference_that_is_explained),
    **both("close_day", a_day_that_is_closed),
    **both("cut_off", nothing),
    **both("begin_again", a_batch_that_does_not_get_through),
    **both("begin_refused", a_name_that_the_file_cannot_carry),
    **both("batch_rejected", a_foreign_file_under_the_next_name),
    **both("replay", a_replay),
    **both("decide", an_order_about("dead", a_name_that_the_file_cannot_carry, "decide", {"verdict": "cancel"})),
}

BEFORE_ALL = ("first_cut_off.before_commit", "first_cut_off.after_commit")
"""A lane's very first look: only a hub that has never lived comes there."""


def test_every_crash_point_in_the_code_has_a_way_to_it() -> None:
    known = {*FIRST_CITY, *SECOND_CITY, *BEFORE_ALL}
    assert labels_in_the_code() - known == set(), (
        "name each new crash point in a table of this file, with a way to reach it"
    )
    assert known - labels_in_the_code() == set(), "these crash points are gone from the code"


async def _die(city: FastCity, label: str, way: Way) -> str:
    """What went wrong, if anything."""
    provoking = asyncio.ensure_future(way(city))
    try:
        code = await city.die_at(label)
        wrong = "" if code == KILLED_AT_A_CRASH_POINT else f"{label}: ended with code {code}"
    except TimeoutError:
        await city.world.hub.kill()
        wrong = f"{label}: never reached"
    if not provoking.done():
        provoking.cancel()
    (failure,) = await asyncio.gather(provoking, return_exceptions=True)
    for dial in city.world.dials.values():
        dial.probabilities = {}
    for path in foreign_folder(city).glob("*.txt"):
        if path.read_text(encoding="gb18030") == FOREIGN:
            path.unlink()
    return f"{label}: {failure!r}" if isinstance(failure, Exception) else wrong


async def _deaths_of_a_city(folder: Path, ways: dict[str, Way], **city_of: Any) -> tuple[list[str], dict[str, Any]]:
    """Die at each label, live on, settle, stop in order; what went wrong on the way, and what the oracle says."""
    async with fast_city(folder, replies_within={"WJ-office": 0.2}, **city_of) as city:
        canaries = write_canaries(city)
        await city.taken("WJ003")
        await city.world.hub.stop()
        wrong = [why for label, way in ways.items() if (why := await _die(city, label, way))]
        await city.world.start_hub()
        await city.all_acknowledged()
        await city.world.settled(60)
        assert await city.world.hub.stop() == 0
        logs = str(folder / "logs")
        _, report = await city.ask_the_oracle("--stopped", "--logs", logs, "--canaries", str(canaries))
        return wrong, report


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("unmeasured")
async def test_the_hub_dies_at_every_crash_point_and_loses_and_doubles_nothing() -> None:
    with short_folder() as first, short_folder() as second:
        reports = await asyncio.gather(
            _deaths_of_a_city(first, FIRST_CITY, first_deaths=BEFORE_ALL),
            # Without empty files at the cut-offs: one that cannot go out goes before all others.
            _deaths_of_a_city(second, SECOND_CITY, send_empty=False),
        )
    for wrong, report in reports:
        assert found_by(report) == {}
        assert wrong == []
