"""A department that has not answered yet is asked ever more rarely, each delivery by its own count."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from adapters.polling import PollTimes

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("longest", "waits"),
    [(None, [60, 120, 240, 480, 480]), (200.0, [60, 120, 200, 200, 200]), (10.0, [60, 60, 60, 60, 60])],
)
def test_intervals_double_up_to_the_longest(longest: float | None, waits: list[float]) -> None:
    times, one, other = PollTimes(60.0, longest), uuid4(), uuid4()
    assert [(times.following(one, NOON) - NOON).total_seconds() for _ in waits] == waits
    assert (times.following(other, NOON) - NOON).total_seconds() == 60
