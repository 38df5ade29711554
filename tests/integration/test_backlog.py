"""A queue whose length is one more, one less or exactly what a buffer may hold is claimed, held, recovered and batched to the last (F05)."""

from pathlib import Path

import pytest

from hub import outbox, results
from tests.small_city import SmallCity

MOST = 1001


def queue_of(city: SmallCity, item: str) -> str:
    """``MOST`` deliveries that are due: one that was handed in, and the same once more under other numbers. Their system."""
    city.submit(item)
    connection = city.connection
    connection.run("BEGIN IMMEDIATE")
    for table, ids in (("case_file", ()), ("case_step", ()), ("delivery", ("id",))):
        names = [row["name"] for row in connection.rows(f"PRAGMA table_info({table})")]
        others = {"case_no": "printf('%024d', value)", **dict.fromkeys(ids, "printf('%036d', value)")}
        values = ", ".join(others.get(name, name) for name in names)
        connection.run(
            "WITH RECURSIVE number(value) AS (SELECT 2 UNION ALL SELECT value + 1 FROM number WHERE value < :most)"
            f" INSERT INTO {table} SELECT {values} FROM {table}, number",
            {"most": MOST},
        )
    connection.run("COMMIT")
    return str(connection.rows("SELECT DISTINCT system FROM delivery")[0]["system"])


def states(city: SmallCity) -> dict[str, int]:
    return {
        row["state"]: row["number"]
        for row in city.connection.rows("SELECT state, count(*) AS number FROM delivery GROUP BY state")
    }


def claimed(city: SmallCity, system: str, limit: int) -> list[str]:
    """Claim until nothing is due; the ids in order."""
    found: list[str] = []
    while rows := city.unit(lambda c: outbox.claim(c, city.city, system, limit, "lane", city.at, city.at + 1)).rows:
        assert len(rows) <= limit
        found += (row["id"] for row in rows)
    return found


@pytest.mark.parametrize("length", [999, 1000, 1001])
def test_f05_a_queue_of_any_length_is_claimed_held_and_recovered_to_the_last(tmp_path: Path, length: int) -> None:
    city = SmallCity(tmp_path)
    system = queue_of(city, "FILE1")
    gone = city.connection.run(
        "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery ORDER BY id LIMIT :gone)", {"gone": MOST - length}
    )
    assert (gone, states(city)) == (MOST - length, {"due": length})
    due = outbox.batch_due(city.connection, city.city, system, 1000, city.at)
    assert (due.full, due.oldest) == (length >= 1000, city.at)
    assert outbox.batch_due(city.connection, city.city, system, length, city.at).full
    assert not outbox.batch_due(city.connection, city.city, system, length + 1, city.at).full

    in_order = [row["id"] for row in city.connection.rows("SELECT id FROM delivery ORDER BY next_at, id")]
    assert claimed(city, system, 1000) == in_order
    assert states(city) == {"claimed": length}
    recovered = city.unit(lambda c: outbox.recover(c, city.city, city.plan, city.at))
    assert (recovered["claimed"], states(city)) == (length, {"due": length})

    held = city.unit(lambda c: results.hold_lane(c, city.city, system, "paused", "operator-1", city.at))
    while more := city.unit(lambda c: results.hold_due(c, city.city, system, "paused", city.at)):
        held += more
    assert (held, states(city)) == (length, {"held": length})
    released = 0
    while more := city.unit(lambda c: results.release_lane(c, city.city, system, "operator-1", city.at)):
        released += more
    assert (released, states(city)) == (length, {"due": length})
    assert sorted(claimed(city, system, 24)) == sorted(in_order)
