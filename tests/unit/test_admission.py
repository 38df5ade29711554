"""Admission to one system: rate, breaker, retry budget, over a time that a test moves."""

import itertools
import random

from hub.admission import Breaker, BreakerState, Rate, RetryBudget


def test_no_second_ever_sees_more_than_the_rate_however_late_the_one_who_leaves_wakes_up() -> None:
    dice, rate, now = random.Random(1), Rate(per_second=7), 0.0
    left = []
    for _ in range(1000):
        now += rate.wait(now) + dice.choice((0.0, 0.0, 0.003, 0.4))
        assert rate.wait(now) == 0
        rate.took(now)
        left.append(now)
    # The hundredth of a millionth forgives the rounding of sums, nothing else.
    assert all(after - before >= 1.0 - 1e-8 for before, after in zip(left, left[7:], strict=False))


def test_without_a_rate_nobody_waits() -> None:
    rate = Rate(per_second=None)
    rate.took(1.0)
    assert rate.wait(1.0) == 0


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_probe_pass_a_cool_down() -> None:
    breaker = Breaker(failures=3, seconds=10)
    for _ in range(2):
        breaker.failed(0)
    breaker.succeeded()
    for _ in range(3):
        assert breaker.room(0, in_flight=5) is None
        breaker.failed(0)
    assert (breaker.state, breaker.room(9.9, 0), breaker.wait(4)) == (BreakerState.OPEN, 0, 6)
    assert breaker.room(10, in_flight=1) == 0  # what was on its way is not back yet
    assert breaker.room(10, in_flight=0) == 1
    assert breaker.room(10, in_flight=1) == 0  # the probe is on its way
    breaker.failed(11)
    assert (breaker.room(20.9, 0), breaker.room(21, 0)) == (0, 1)
    breaker.succeeded()
    assert breaker.room(21, in_flight=7) is None


def test_a_system_that_flaps_every_second_gets_one_probe_a_cool_down() -> None:
    breaker, now, probes = Breaker(failures=1, seconds=1.5), 0.0, []
    breaker.failed(now)
    while now < 60:
        now += 0.1
        if breaker.room(now, in_flight=0) == 1:
            probes.append(now)
            breaker.succeeded() if int(now) % 2 else breaker.failed(now)
        elif breaker.state is BreakerState.CLOSED:
            breaker.failed(now)  # down again with the very next one
    assert len(probes) > 20
    assert all(after - before >= 1.5 - 1e-6 for before, after in itertools.pairwise(probes))


def test_while_first_tries_wait_at_most_one_departure_in_ten_is_a_retry() -> None:
    budget, left = RetryBudget(), {True: 0, False: 0}
    for _ in range(5000):  # both always wait; retries go whenever they may
        retry = budget.may_retry()
        budget.left(retry=retry)
        left[retry] += 1
    assert left[True] <= left[False] * 0.1 + 10  # the reserve, once
    assert left[True] > left[False] * 0.09


def test_a_lane_with_little_to_do_has_a_reserve_of_retries() -> None:
    budget = RetryBudget()
    for _ in range(10):
        assert budget.may_retry()
        budget.left(retry=True)
    assert not budget.may_retry()
