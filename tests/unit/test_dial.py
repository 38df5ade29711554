"""The fault dial: what each rule brings to which message, when, and that it does so again."""

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from statistics import quantiles

import pytest

from simulators.dial import FaultDial
from simulators.faults import KINDS, POSSIBLE, Fault, Place
from simulators.scenario import Latency, Rule, Spread, Weekday, steps_of

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""Nine o'clock in Shanghai."""


class Clock:
    """A civil clock that a test moves."""

    def __init__(self) -> None:
        self.at = MONDAY

    def now(self) -> datetime:
        return self.at

    def shanghai(self, text: str) -> None:
        """``2026-03-07 22:30``, local time."""
        self.at = datetime.fromisoformat(f"{text}+08:00").astimezone(UTC)


def dial(*rules: Rule, latencies: tuple[Latency, ...] = (), seed: int = 1, clock: Clock | None = None) -> FaultDial:
    found = FaultDial({}, seed, system="XX-test", now=(clock or Clock()).now)
    found.begin(rules, latencies, seed)
    return found


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def met(of: FaultDial, times: int, place: Place = Place.AT_ONCE, operation: str = "now") -> list[Fault | None]:
    return [of.meet(place, (operation,)).fault for _ in range(times)]


def test_a_sequence_is_met_message_by_message_and_ends_or_begins_again() -> None:
    told = "ok, ok, refuse, 503 x3, ok"
    steps = [None, None, Fault.REFUSE, *[Fault.UNAVAILABLE_503] * 3, None]
    assert list(steps_of(told)) == steps
    assert met(dial(Rule(sequence=told)), 9) == [*steps, None, None]
    assert met(dial(Rule(sequence=told, repeat=True)), 14) == steps * 2


def test_a_rule_counts_the_messages_of_its_operation_only() -> None:
    turned = dial(Rule(operation="one", sequence="ok, refuse"))
    assert met(turned, 3, operation="other") == [None] * 3
    assert met(turned, 2, operation="one") == [None, Fault.REFUSE]
    assert turned.by_operation == {("one", Fault.REFUSE): 1}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_and_messages_meet_the_same_faults_whatever_comes_in_between(seed: int) -> None:
    rules = (
        Rule(operation="one", fault=Fault.DELAY, probability=0.3),
        Rule(operation="two", fault=Fault.REFUSE, probability=0.4),
    )
    alone = met(dial(rules[0], seed=seed), 60, operation="one")
    both = dial(*rules, seed=seed)
    mixed = [(met(both, 1, operation="two"), met(both, 1, operation="one"))[1][0] for _ in range(60)]
    assert mixed == alone
    assert 8 <= Counter(alone)[Fault.DELAY] <= 30
    assert alone != met(dial(rules[0], seed=seed + 1), 60, operation="one")


def test_a_scenario_that_begins_again_brings_the_same_again() -> None:
    rules = (Rule(fault=Fault.DELAY, probability=0.5), Rule(sequence="ok, refuse", repeat=True))
    latencies = (Latency(lognormal=Spread(median=0.2, p99=3.0)),)
    turned = dial(*rules, latencies=latencies)
    first = met(turned, 30), [turned.latency(("now",)) for _ in range(30)]
    turned.begin(rules, latencies, 1)
    assert (met(turned, 30), [turned.latency(("now",)) for _ in range(30)]) == first


def test_turning_one_rule_leaves_the_others_where_they_were() -> None:
    kept = Rule(sequence="ok, ok, refuse")
    turned = dial(kept)
    met(turned, 2)
    turned.turn([Rule(operation="other", fault=Fault.DELAY), kept], [])
    assert met(turned, 1) == [Fault.REFUSE]


def test_the_first_rule_with_a_fault_wins_and_the_dice_of_the_others_go_on() -> None:
    turned = dial(Rule(sequence="reset, ok, ok"), Rule(sequence="refuse x2, ok"))
    assert met(turned, 3) == [Fault.RESET, Fault.REFUSE, None]


def test_a_fault_comes_only_where_it_is_possible() -> None:
    for place in Place:
        turned = dial(*(Rule(fault=kind) for kind in Fault))
        found = turned.meet(place)
        assert found.fault in POSSIBLE[place]
    assert met(dial(Rule(fault=Fault.DUPLICATE_REPLY)), 2) == [None, None]
    assert met(dial(Rule(fault=Fault.DUPLICATE_REPLY)), 1, Place.CALLBACK) == [Fault.DUPLICATE_REPLY]
    barred = dial(Rule(fault=Fault.WRONG_COUNTS))
    assert barred.meet(Place.FILE, without=frozenset({Fault.WRONG_COUNTS})).fault is None


@pytest.mark.parametrize(
    ("rule", "on", "off"),
    [
        (
            Rule(fault=Fault.OUTAGE, daily=(time(22, 0), time(23, 30))),
            ["2026-03-02 22:00", "2026-03-05 23:29"],
            ["2026-03-02 21:59", "2026-03-02 23:30", "2026-03-02 09:00"],
        ),
        (
            Rule(fault=Fault.OUTAGE, daily=(time(20, 0), time(8, 0)), weekdays=(Weekday.SAT,)),
            ["2026-03-07 20:00", "2026-03-07 23:59", "2026-03-08 07:59"],
            ["2026-03-07 07:59", "2026-03-08 08:00", "2026-03-08 20:00", "2026-03-06 21:00"],
        ),
        (Rule(fault=Fault.OUTAGE, weekdays=(Weekday.SUN,)), ["2026-03-08 12:00"], ["2026-03-07 12:00"]),
        (
            Rule(fault=Fault.OUTAGE, between=(local("2026-03-02T09:30"), local("2026-03-02T10:00"))),
            ["2026-03-02 09:30"],
            ["2026-03-02 09:29", "2026-03-02 10:00", "2026-03-03 09:40"],
        ),
        (
            Rule(fault=Fault.OUTAGE, after=(60, 120)),
            ["2026-03-02 09:01", "2026-03-02 09:01:59"],
            ["2026-03-02 09:00:59", "2026-03-02 09:02"],
        ),
    ],
)
def test_a_rule_has_its_time_by_the_clock_of_the_city(rule: Rule, on: list[str], off: list[str]) -> None:
    clock = Clock()
    turned = dial(rule, clock=clock)
    for texts, expected in ((on, True), (off, False)):
        for text in texts:
            clock.shanghai(text)
            assert turned.is_out is expected, text


def test_messages_outside_of_a_rules_time_are_not_counted() -> None:
    clock = Clock()
    turned = dial(Rule(sequence="refuse, ok", after=(10, 20)), clock=clock)
    assert met(turned, 2) == [None, None]
    clock.at += timedelta(seconds=10)
    assert met(turned, 2) == [Fault.REFUSE, None]


def test_a_latency_is_as_its_distribution_says_and_the_most_special_one_counts() -> None:
    everywhere = Latency(constant=0.5)
    special = Latency(system="XX-test", operation="now", lognormal=Spread(median=0.3, p99=4.0))
    uniform = Latency(system="XX-test", uniform=(1.0, 2.0))
    turned = dial(latencies=(special, uniform, everywhere))
    drawn = [turned.latency(("now",)) for _ in range(4000)]
    hundredths = quantiles(drawn, n=100)
    assert 0.27 < hundredths[49] < 0.33
    assert 3.0 < hundredths[98] < 5.5
    assert all(1.0 <= turned.latency(("other",)) <= 2.0 for _ in range(50))
    assert dial(latencies=(everywhere,)).latency(("now",)) == 0.5
    assert dial().latency(("now",)) == 0.0


def test_what_was_injected_is_remembered_and_may_be_taken_back() -> None:
    turned = dial(Rule(fault=Fault.SWAPPED_REPLIES))
    met(turned, 2)
    turned.take_back(Fault.SWAPPED_REPLIES, "now")
    assert turned.counts[Fault.SWAPPED_REPLIES] == 1
    assert [(one.operation, one.fault) for one in turned.injected] == [("now", Fault.SWAPPED_REPLIES)]


def test_every_kind_is_in_the_table_with_words_in_both_languages() -> None:
    assert set(KINDS) == set(Fault)
    names = [name for kind in KINDS.values() for name in kind.name]
    assert len(set(names)) >= len(names) - 1  # 502 is 502
    for kind in KINDS.values():
        assert kind.places
        assert all(kind.does)
