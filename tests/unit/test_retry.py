"""When to try again, and when a person takes over."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.delivery import Lookup
from contracts.errors import CredentialsError, DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.situation import OpeningHours
from hub import clock
from hub.clock import calendar
from hub.retry import ErrorClass, History, Next, Policy, Why, after_attempt, after_enquiry, backoff_seconds, classify
from hub.states import DeliveryState, Machine, check

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
FAR = NOW + timedelta(days=30)


class Means(TypedDict):
    """What a channel offers when bytes may have arrived."""

    resend_is_safe: bool
    can_enquire: bool


SAFE: Means = {"resend_is_safe": True, "can_enquire": False}
ASKABLE: Means = {"resend_is_safe": False, "can_enquire": True}
NEITHER: Means = {"resend_is_safe": False, "can_enquire": False}
ERRORS: list[Exception | None] = [
    None,
    TemporaryError("refused"),
    TemporaryError("http_429", retry_after=30),
    OutcomeUnknownError("timeout"),
    PermanentError("http_422"),
    DuplicateError("03"),
    CredentialsError("http_401"),
    KeyError("a bug"),
]


def history(
    *,
    resend_is_safe: bool = True,
    can_enquire: bool = False,
    attempts: int = 1,
    bugs: int = 0,
    without_outcome: int = 0,
    enquiries: int = 0,
    possible_duplicate: bool = False,
    send_before: datetime = FAR,
    hand_over_at: datetime | None = None,
) -> History:
    return History(
        attempts=attempts,
        bugs=bugs,
        without_outcome=without_outcome,
        enquiries=enquiries,
        possible_duplicate=possible_duplicate,
        resend_is_safe=resend_is_safe,
        can_enquire=can_enquire,
        send_before=send_before,
        hand_over_at=hand_over_at,
    )


def after(error: Exception | None, past: History, seed: int = 1) -> Next:
    return after_attempt(error, past, NOW, random.Random(seed))


HISTORIES = st.builds(
    history,
    resend_is_safe=st.booleans(),
    can_enquire=st.booleans(),
    attempts=st.integers(1, 40),
    bugs=st.integers(0, 5),
    without_outcome=st.integers(0, 5),
    enquiries=st.integers(0, 40),
    possible_duplicate=st.booleans(),
    send_before=st.datetimes(datetime(2026, 3, 1), datetime(2026, 3, 5), timezones=st.just(UTC)),  # noqa: DTZ001
    hand_over_at=st.none() | st.datetimes(datetime(2026, 2, 27), datetime(2026, 3, 5), timezones=st.just(UTC)),  # noqa: DTZ001
)
FOUND = st.sampled_from(
    [*Lookup, TemporaryError("refused"), OutcomeUnknownError("timeout"), CredentialsError("http_401")]
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TemporaryError("refused"), ErrorClass.TEMPORARY),
        (OutcomeUnknownError("timeout"), ErrorClass.UNKNOWN),
        (PermanentError("http_422"), ErrorClass.PERMANENT),
        (DuplicateError("03"), ErrorClass.DUPLICATE),
        (CredentialsError("http_401"), ErrorClass.CREDENTIALS),
        (ValueError("anything else"), ErrorClass.BUG),
        (SystemExit(1), ErrorClass.BUG),
    ],
)
def test_the_class_of_an_error_decides(error: BaseException, kind: ErrorClass) -> None:
    assert classify(error) is kind


def test_a_temporary_error_backs_off_and_is_due_again() -> None:
    found = after(TemporaryError("refused"), history())
    assert (found.state, found.why, found.possible_duplicate) == (DeliveryState.DUE, Why.BACKOFF, False)
    assert found.at is not None
    assert NOW <= found.at <= NOW + timedelta(seconds=2)


def test_the_bound_of_the_wait_doubles_up_to_its_cap() -> None:
    policy = Policy(first_seconds=1, longest_seconds=60)
    longest = [
        max(backoff_seconds(tries, policy, random.Random(seed)) for seed in range(300)) for tries in range(1, 12)
    ]
    for tries, found in enumerate(longest, 1):
        bound = min(2.0 ** (tries - 1), 60)
        assert 0.9 * bound < found <= bound
    assert backoff_seconds(100_000, policy, random.Random(1)) <= 60


def test_the_jitter_is_full_so_that_no_second_gets_a_crowd() -> None:
    policy = Policy(first_seconds=100, longest_seconds=100)
    source = random.Random(7)
    seconds = [int(backoff_seconds(1, policy, source)) for _ in range(10_000)]
    assert len(set(seconds)) == 100
    assert max(seconds.count(second) for second in set(seconds)) < 150


def test_the_same_seed_gives_the_same_time() -> None:
    assert after(TemporaryError("refused"), history(), seed=5) == after(TemporaryError("refused"), history(), seed=5)
    assert after(TemporaryError("refused"), history(), seed=5) != after(TemporaryError("refused"), history(), seed=6)


@pytest.mark.parametrize(
    ("retry_after", "least", "why"),
    [
        (30.0, 30, Why.RETRY_AFTER),
        (0.0, 0, Why.BACKOFF),
        (-5.0, 0, Why.BACKOFF),
        (1e9, 3600, Why.RETRY_AFTER),
        (math.inf, 3600, Why.RETRY_AFTER),
        (math.nan, 0, Why.BACKOFF),
        (None, 0, Why.BACKOFF),
    ],
)
def test_what_the_department_asks_for_is_honoured_within_reason(
    retry_after: float | None, least: float, why: Why
) -> None:
    found = after(TemporaryError("http_429", retry_after=retry_after), history())
    assert found.at is not None
    assert timedelta(seconds=least) <= found.at - NOW <= timedelta(seconds=least + 2)
    assert found.why is why


def test_those_who_were_turned_away_at_once_do_not_come_back_at_once() -> None:
    times = {after(TemporaryError("http_429", retry_after=30), history(), seed).at for seed in range(50)}
    assert len(times) == 50


def test_a_permanent_error_spends_no_retry() -> None:
    assert after(PermanentError("http_422"), history()) == Next(state=DeliveryState.DEAD, at=None, why=Why.PERMANENT)


def test_credentials_hold_the_delivery_until_staff_act() -> None:
    assert after(CredentialsError("http_401"), history()) == Next(
        state=DeliveryState.HELD, at=None, why=Why.CREDENTIALS
    )


def test_too_many_attempts_end_in_dead_letters() -> None:
    assert after(TemporaryError("refused"), history(attempts=11)).state is DeliveryState.DUE
    assert after(TemporaryError("refused"), history(attempts=12)).why is Why.MAX_ATTEMPTS
    last = after(OutcomeUnknownError("timeout"), history(attempts=12))
    assert (last.state, last.why, last.possible_duplicate) == (DeliveryState.DEAD, Why.MAX_ATTEMPTS, True)


@pytest.mark.parametrize(
    ("means", "state", "why"),
    [
        (SAFE, DeliveryState.DUE, Why.RESEND),
        (ASKABLE, DeliveryState.UNKNOWN, Why.ENQUIRE),
        (NEITHER, DeliveryState.UNKNOWN, Why.PERSON),
        ({"resend_is_safe": True, "can_enquire": True}, DeliveryState.UNKNOWN, Why.ENQUIRE),
    ],
)
@pytest.mark.parametrize(
    "error", [OutcomeUnknownError("timeout"), KeyError("a bug"), None], ids=["unknown", "bug", "crash"]
)
def test_where_bytes_may_have_arrived_the_channel_decides(
    error: Exception | None, means: Means, state: DeliveryState, why: Why
) -> None:
    found = after(error, history(**means))
    assert (found.state, found.why) == (state, why)
    assert found.possible_duplicate
    assert (found.at is None) is (why is Why.PERSON)


def test_a_bug_gets_few_tries() -> None:
    assert after(KeyError("x"), history(attempts=2, bugs=2)).state is DeliveryState.DUE
    assert after(KeyError("x"), history(attempts=3, bugs=3)).why is Why.BUG
    assert after(KeyError("x"), history(attempts=9, bugs=1)).state is DeliveryState.DUE, (
        "other errors before it are no bugs"
    )


def test_a_message_that_kills_the_process_three_times_is_poison() -> None:
    assert after(None, history(attempts=2, without_outcome=2)).state is DeliveryState.DUE
    found = after(None, history(attempts=3, without_outcome=3))
    assert (found.state, found.why, found.possible_duplicate) == (DeliveryState.DEAD, Why.POISON, True)


def test_a_duplicate_is_permanent_only_when_no_attempt_of_ours_can_have_left_it_there() -> None:
    error = DuplicateError("03")
    assert after(error, history()).state is DeliveryState.DEAD
    assert after(error, history(possible_duplicate=True)).why is Why.FIRST_RECORD
    assert after(error, history(possible_duplicate=True)).state is DeliveryState.WAITING
    assert after(error, history(possible_duplicate=True, can_enquire=True)).why is Why.ENQUIRE


def test_the_mark_of_a_possible_duplicate_stays_through_later_errors() -> None:
    for error in (TemporaryError("refused"), CredentialsError("http_401"), PermanentError("http_422")):
        assert after(error, history(possible_duplicate=True)).possible_duplicate


def test_a_person_gets_it_before_the_deadline_and_not_after() -> None:
    soon = NOW + timedelta(seconds=10)
    asked = after(TemporaryError("http_503", retry_after=10), history(send_before=soon))
    assert (asked.state, asked.why) == (DeliveryState.DEAD, Why.DEADLINE)
    unknown = after(OutcomeUnknownError("timeout"), history(send_before=NOW))
    assert (unknown.state, unknown.why, unknown.at) == (DeliveryState.UNKNOWN, Why.DEADLINE, None)


def test_a_person_has_the_declared_time_before_the_deadline() -> None:
    end = NOW + timedelta(days=3)
    late = history(attempts=11, send_before=end, hand_over_at=end - timedelta(days=3))
    assert after(TemporaryError("http_503"), late).why is Why.DEADLINE
    assert after(OutcomeUnknownError("timeout"), late).why is Why.DEADLINE
    with_time = history(attempts=11, send_before=end, hand_over_at=end - timedelta(days=2))
    assert after(TemporaryError("http_503"), with_time).state is DeliveryState.DUE


def test_a_wait_that_would_end_too_late_is_shortened_to_one_more_try() -> None:
    soon = NOW + timedelta(minutes=10)
    found = [after(TemporaryError("http_503"), history(attempts=11, send_before=soon), seed) for seed in range(50)]
    assert {one.state for one in found} == {DeliveryState.DUE}, "half an hour was the usual wait"
    assert all(one.at is not None and one.at < soon for one in found)


def test_what_the_department_asked_for_is_never_shortened() -> None:
    soon = NOW + timedelta(minutes=10)
    found = after(TemporaryError("http_429", retry_after=590), history(send_before=soon))
    assert found.at is None or found.at >= NOW + timedelta(seconds=590)
    assert after(TemporaryError("http_429", retry_after=601), history(send_before=soon)).why is Why.DEADLINE


def test_asking_goes_on_after_the_deadline_for_sending() -> None:
    found = after(OutcomeUnknownError("timeout"), history(can_enquire=True, send_before=NOW - timedelta(days=1)))
    assert found.why is Why.ENQUIRE


def test_a_time_outside_opening_hours_moves_to_the_next_opening() -> None:
    morning = NOW + timedelta(hours=15)
    found = after_attempt(TemporaryError("refused"), history(), NOW, random.Random(1), next_open=lambda _: morning)
    assert found.at == morning
    late = history(send_before=morning)
    found = after_attempt(TemporaryError("refused"), late, NOW, random.Random(1), next_open=lambda _: morning)
    assert found.why is Why.DEADLINE, "it opens too late"


@pytest.mark.parametrize(
    ("found", "means", "state", "why"),
    [
        (Lookup.NOT_RECEIVED, ASKABLE, DeliveryState.DUE, Why.RESEND),
        (Lookup.CANNOT_TELL, ASKABLE, DeliveryState.UNKNOWN, Why.PERSON),
        (Lookup.CANNOT_TELL, SAFE, DeliveryState.DUE, Why.RESEND),
        (TemporaryError("refused"), ASKABLE, DeliveryState.UNKNOWN, Why.ENQUIRE),
        (OutcomeUnknownError("timeout"), SAFE, DeliveryState.UNKNOWN, Why.ENQUIRE),
        (CredentialsError("http_401"), ASKABLE, DeliveryState.UNKNOWN, Why.CREDENTIALS),
    ],
)
def test_what_follows_an_enquiry(found: Lookup | Exception, means: Means, state: DeliveryState, why: Why) -> None:
    answer = after_enquiry(found, history(**means, enquiries=1), NOW, random.Random(1))
    assert (answer.state, answer.why, answer.possible_duplicate) == (state, why, True)


def test_enquiries_do_not_go_on_for_ever() -> None:
    found = after_enquiry(TemporaryError("refused"), history(**ASKABLE, enquiries=12), NOW, random.Random(1))
    assert (found.state, found.why, found.at) == (DeliveryState.UNKNOWN, Why.MAX_ATTEMPTS, None)


@settings(deadline=None)
@given(st.sampled_from(ERRORS), HISTORIES, st.integers())
def test_nothing_is_ever_sent_at_or_after_its_deadline(error: Exception | None, past: History, seed: int) -> None:
    found = after(error, past, seed)
    if found.state is DeliveryState.DUE:
        assert found.at is not None
        assert NOW <= found.at < past.last_moment <= past.send_before
        assert found.at - NOW <= timedelta(seconds=1800 + 3600)
        assert past.attempts < 12


@settings(deadline=None)
@given(HISTORIES, st.integers(), st.integers(0, 23), st.integers(1, 12))
def test_a_try_is_always_within_the_opening_hours_and_before_somebody_takes_over(
    past: History, seed: int, opens: int, hours: int
) -> None:
    table = calendar("Asia/Shanghai", {})
    window = OpeningHours(days="daily", start=f"{opens:02}:00", end=f"{(opens + hours) % 24:02}:00")

    def next_open(at: datetime) -> datetime:
        return clock.next_open(at, window, table)

    found = after_attempt(TemporaryError("refused"), past, NOW, random.Random(seed), next_open=next_open)
    if found.at is not None:
        assert next_open(found.at) == found.at
        assert found.at < past.last_moment


@settings(deadline=None)
@given(HISTORIES, st.integers(), st.sampled_from([PermanentError("http_422"), DuplicateError("03")]))
def test_a_permanent_error_never_spends_another_try(past: History, seed: int, error: PermanentError) -> None:
    assert after(error, past, seed).state is not DeliveryState.DUE


@settings(deadline=None)
@given(st.sampled_from(ERRORS), HISTORIES, st.integers())
def test_every_answer_is_a_legal_move_and_has_a_time_exactly_where_the_hub_acts_by_itself(
    error: Exception | None, past: History, seed: int
) -> None:
    found = after(error, past, seed)
    via_unknown = found.state is DeliveryState.DUE and found.why is Why.RESEND
    check(Machine.DELIVERY, "unknown" if via_unknown else "sending", found.state)
    assert (found.at is not None) is (found.state is DeliveryState.DUE or found.why is Why.ENQUIRE)


@settings(deadline=None)
@given(st.sampled_from(ERRORS), FOUND, HISTORIES, st.integers())
def test_a_try_after_bytes_may_have_arrived_always_carries_the_mark(
    error: Exception | None, found: Lookup | Exception, past: History, seed: int
) -> None:
    answer = after(error, past, seed)
    arrived = error is None or classify(error) in {ErrorClass.UNKNOWN, ErrorClass.BUG} or past.possible_duplicate
    assert answer.possible_duplicate or not arrived
    assert after_enquiry(found, past, NOW, random.Random(seed)).possible_duplicate


@settings(deadline=None)
@given(HISTORIES, st.integers(), FOUND)
def test_an_unsafe_channel_is_never_sent_to_again_without_an_answer_to_an_enquiry(
    past: History, seed: int, found: Lookup | Exception
) -> None:
    if not past.resend_is_safe:
        assert after(OutcomeUnknownError("timeout"), past, seed).state is not DeliveryState.DUE
        if found is not Lookup.NOT_RECEIVED:
            assert after_enquiry(found, past, NOW, random.Random(seed)).state is not DeliveryState.DUE
