"""What the hub asks again and again reads the few rows that matter, however many wait: asked of the database's own planner."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.envelope import CaseEventKind
from hub import batches, outbox, results
from hub.store import file_book, reading
from hub.store.connection import Connection
from tests.small_city import SmallCity

WHOLE_REGION = re.compile(r"SCAN (\w+)|SEARCH (\w+) USING (?:COVERING )?INDEX sqlite_autoindex_\w+ \(region=\?\)$")
"""A plan that reads a whole table: every row is of the region."""

GROWING = {"delivery", "d", "attempt", "a", "case_file", "case_step", "journal", "inbox", "payload", "reply", "task"}


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[SmallCity, set[str]]]:
    city = SmallCity(tmp_path)
    statements: set[str] = set()
    for _ in range(3):
        city.submit("API1")
    city.connection._raw.set_trace_callback(statements.add)
    yield city, statements
    city.connection._raw.set_trace_callback(None)


def plans(connection: Connection, statements: set[str]) -> dict[str, list[str]]:
    asked = [text for text in statements if text.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))]
    assert asked
    return {text: [row["detail"] for row in connection.rows(f"EXPLAIN QUERY PLAN {text}")] for text in asked}


def test_no_query_of_the_running_hub_reads_a_whole_table(asked: tuple[SmallCity, set[str]]) -> None:
    city, statements = asked
    region = city.city.region
    row = city.claim("AA-api", 1)[0]
    city.unit(lambda c: outbox.give_back(c, city.city, [row], city.at))
    city.send("AA-api", results.LostProcess())
    city.unit(lambda c: results.hold_lane(c, city.city, "AA-api", "paused", "operator-1", city.at))
    city.unit(lambda c: results.hold_due(c, city.city, "AA-api", "paused", city.at))
    city.unit(lambda c: results.release_lane(c, city.city, "AA-api", "operator-1", city.at))
    city.unit(lambda c: outbox.recover(c, city.city, city.plan, city.at))
    outbox.lost_leases(city.connection, city.city, city.at)
    outbox.due_for_time(city.connection, city.city, city.at, 100, 0)
    outbox.batch_due(city.connection, city.city, "BB-file", 10, city.at)
    city.unit(lambda c: outbox.claim_batch(c, city.city, "BB-file", "lane", city.at, city.at))
    outbox.without_a_lane(city.connection, city.city)
    reading.running_late(city.connection, region, "AA-api", city.at, 10)
    reading.open_dates(city.connection, region)
    case = str(row["case_no"])
    for of_case in (reading.deliveries, reading.attempts, reading.steps, reading.tasks, reading.journal):
        of_case(city.connection, region, case)
    reading.readings(city.connection, region, f"read:{case}", "clerk-1", 0)
    reading.newest_entries(city.connection, region, f"read:{case}", 10)
    reading.returned_cases(city.connection, region, 10)
    batch = {
        "region": region,
        "id": "b1",
        "system": "BB-file",
        "situation": "file_drop",
        "sequence": 1,
        "state": "sealed",
    }
    batch |= {"digest": "", "blob": "", "members": 1, "sealed_at": city.at, "changed_at": city.at}
    city.unit(lambda c: c.insert("batch", batch))
    city.unit(lambda c: batches.answered(c, city.city, {**row, "batch": "b1"}, city.at))
    file_book.open_members(city.connection, region, "b1")
    city.tell(case, CaseEventKind.WITHDRAW)
    whole = {
        text: plan
        for text, plan in plans(city.connection, set(statements)).items()
        for step in plan
        if (found := WHOLE_REGION.search(step)) and (found[1] or found[2]) in GROWING
    }
    assert whole == {}


def test_f05_what_a_start_and_a_turn_of_a_file_lane_look_for_lies_in_small_indexes(
    asked: tuple[SmallCity, set[str]],
) -> None:
    """However many deliveries are due: none of these may be found by walking over the queue."""
    city, statements = asked
    statements.clear()
    city.unit(lambda c: outbox.recover(c, city.city, city.plan, city.at))
    outbox.without_a_lane(city.connection, city.city)
    city.unit(lambda c: outbox.claim_batch(c, city.city, "BB-file", "lane", city.at, city.at))
    outbox.batch_due(city.connection, city.city, "BB-file", 10, city.at)
    queue = re.compile(r"(delivery_due|delivery_held|delivery_by_date) \((region=\?)( AND system=\?)?\)$")
    walks = {
        text
        for text, plan in plans(city.connection, set(statements)).items()
        for step in plan
        if queue.search(step) and "min(system)" not in text and "OLD-api" not in text
    }
    assert walks == set()
    used = " ".join(step for plan in plans(city.connection, set(statements)).values() for step in plan)
    for index in ("delivery_apart", "delivery_claimed", "attempt_under_way", "case_file_flagged", "batch_sealed"):
        assert f"INDEX {index} " in used, index
