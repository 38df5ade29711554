"""The state tables: what the design names is there, all else is refused, and the docs draw nothing else."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.envelope import CaseEventKind
from hub import states
from hub.case_states import CASE_STATES, CASE_TRANSITIONS, GUARD_TEXT, CaseState, Clock, Event, Guard, case_transitions
from hub.state_diagrams import document
from hub.states import INITIAL, STATES, TRANSITIONS, Cause, IllegalTransition, Machine, check, is_final, is_legal

DOCS = Path(__file__).parents[2] / "docs" / "states.md"

# The design's tables, written once more by hand: a slip in the product's tables has to be made twice to pass.
DESIGN = {
    Machine.DELIVERY: """
        due: claimed held cancelled waiting done returned dead
        claimed: sending due waiting done returned dead
        sending: waiting done returned due held unknown dead
        unknown: waiting done returned due dead cancelled
        waiting: done returned dead due unknown cancelled
        held: due cancelled waiting done returned dead
        dead: due done returned cancelled
    """,
    Machine.ATTEMPT: "started: completed awaiting returned temporary permanent credentials unknown bug",
    Machine.STEP: """
        blocked: open skipped cancelled
        open: done returned cancelled
        returned: open cancelled
    """,
    Machine.TASK: """
        ready: reserved skipped obsolete
        reserved: ready completed to_confirm skipped obsolete
        to_confirm: completed ready obsolete
    """,
    Machine.BATCH: """
        open: sealed
        sealed: sent
        sent: acknowledged rejected
        acknowledged: closed rejected
    """,
    Machine.HANDOVER: """
        open: out cancelled
        out: closed
    """,
    Machine.HANDOVER_LINE: """
        listed: out left_behind
        out: back lost
        lost: back
    """,
    Machine.SCAN: "received: read refused",
    Machine.SCAN_PAGE: """
        read: matched odd
        odd: matched dismissed
    """,
    Machine.CASE: """
        10: 11 12 13 20
        11: 10 13
        12: 80
        13: 80
        20: 13 30 52
        30: 13 31 32 40 50 51 52 53
        31: 13 30 40 52
        32: 11 13 30 52 53
        40: 13 31 32 50 51 52
        50: 60 70
        51: 70
        52: 80
        53: 80
        60: 70
        70: 80
    """,
}


def pairs(machine: Machine) -> set[tuple[str, str]]:
    rows = (line.split(":") for line in DESIGN[machine].strip().splitlines())
    return {(from_.strip(), to) for from_, targets in rows for to in targets.split()}


@pytest.fixture
def seen() -> Iterator[list[tuple[str, str, str, str]]]:
    found: list[tuple[str, str, str, str]] = []
    states.observed = lambda *move: found.append(move)
    yield found
    states.observed = None


@pytest.mark.parametrize("machine", Machine)
def test_a_move_is_legal_exactly_where_the_design_has_it(machine: Machine) -> None:
    legal = pairs(machine)
    for from_, to in itertools.product(STATES[machine], repeat=2):
        assert is_legal(machine, from_, to) is ((from_, to) in legal)
        if (from_, to) in legal:
            check(machine, from_, to)
        else:
            with pytest.raises(IllegalTransition):
                check(machine, from_, to)
    assert {(row.from_, row.to) for row in TRANSITIONS[machine]} == legal


@pytest.mark.parametrize("machine", Machine)
def test_every_state_is_reached_and_only_final_ones_lead_nowhere(machine: Machine) -> None:
    reached = {str(INITIAL[machine])}
    while more := {row.to for row in TRANSITIONS[machine] if row.from_ in reached} - reached:
        reached |= more
    assert reached == set(STATES[machine])
    leaving = {row.from_ for row in TRANSITIONS[machine]}
    assert {str(state) for state in STATES[machine] if is_final(machine, state)} == set(STATES[machine]) - leaving


@pytest.mark.parametrize("machine", Machine)
def test_a_new_row_begins_in_one_state_only(machine: Machine) -> None:
    check(machine, None, INITIAL[machine])
    for state in STATES[machine]:
        if state != INITIAL[machine]:
            with pytest.raises(IllegalTransition, match="from nothing"):
                check(machine, None, state)


def test_a_state_stored_as_plain_text_is_checked_like_the_enum() -> None:
    check(Machine.DELIVERY, "due", "claimed")
    with pytest.raises(IllegalTransition) as caught:
        check(Machine.DELIVERY, "done", "due")
    assert (caught.value.machine, caught.value.from_, caught.value.to) == (Machine.DELIVERY, "done", "due")


def test_a_cause_must_be_one_that_the_pair_has() -> None:
    check(Machine.DELIVERY, "waiting", "due", Cause.CHANNEL_CHANGE)
    check(Machine.DELIVERY, "sending", "unknown", Cause.OUTCOME)
    with pytest.raises(IllegalTransition, match="by replay"):
        check(Machine.DELIVERY, "waiting", "due", Cause.REPLAY)
    with pytest.raises(IllegalTransition):
        check(Machine.CASE, CaseState.RECEIVED, CaseState.ACCEPTED, Event.DISPATCH)


def test_every_reason_that_the_design_puts_in_parentheses_is_a_cause() -> None:
    causes = {(row.from_, row.to): row.causes for row in TRANSITIONS[Machine.DELIVERY]}
    assert causes["due", "waiting"] == ("reply",)
    assert causes["due", "held"] == ("paused", "credentials")
    assert causes["claimed", "due"] == ("lease_lost",)
    assert causes["unknown", "due"] == ("possible_duplicate",)
    assert causes["waiting", "due"] == ("temporary_reply", "channel_change")
    # An answer that nobody can read leaves it open what the department did.
    assert causes["waiting", "unknown"] == ("overdue", "forgotten", "reply")
    assert causes["dead", "due"] == ("replay",)
    used = {cause for rows in TRANSITIONS.values() for row in rows for cause in row.causes}
    assert used == set(Cause) | (set(Event) - {Event.SUBMIT})


def test_a_reply_is_legal_in_every_state_of_a_delivery_that_is_not_final() -> None:
    for state in STATES[Machine.DELIVERY]:
        if not is_final(Machine.DELIVERY, state):
            check(Machine.DELIVERY, state, "done")
            check(Machine.DELIVERY, state, "returned")


def test_an_observer_sees_legal_moves_and_nothing_else(seen: list[tuple[str, str, str, str]]) -> None:
    check(Machine.TASK, "ready", "reserved")
    check(Machine.CASE, "10", "20", "accept")
    check(Machine.TASK, None, "ready")
    with pytest.raises(IllegalTransition):
        check(Machine.TASK, "completed", "ready")
    assert seen == [("task", "ready", "reserved", ""), ("case", "10", "20", "accept")]


def test_a_case_has_sixteen_states_and_forty_four_transitions() -> None:
    assert len(CASE_STATES) == len(CaseState) == 16
    assert len(CASE_TRANSITIONS) == len(set(CASE_TRANSITIONS)) == 44
    assert [state for state, info in CASE_STATES.items() if info.terminal] == [CaseState.ARCHIVED]


@pytest.mark.parametrize(
    ("clock", "codes"),
    [
        (Clock.RUNNING, {"20", "30", "32", "40"}),
        (Clock.PAUSED, {"10", "11", "31"}),
        (Clock.STOPPED, {"12", "13", "50", "51", "52", "53", "60", "70", "80"}),
    ],
)
def test_the_clock_of_each_state_is_the_law_s(clock: Clock, codes: set[str]) -> None:
    assert {str(state) for state, info in CASE_STATES.items() if info.clock is clock} == codes


def test_a_stopped_clock_never_starts_again() -> None:
    for row in TRANSITIONS[Machine.CASE]:
        if CASE_STATES[CaseState(row.from_)].clock is Clock.STOPPED:
            assert CASE_STATES[CaseState(row.to)].clock is Clock.STOPPED


def test_an_event_leads_to_one_state_except_resume_which_goes_back_to_where_the_case_was() -> None:
    doubles = {(row.from_, row.event) for row in CASE_TRANSITIONS if len(case_transitions(row.from_, row.event)) > 1}
    assert doubles == {(CaseState.SUSPENDED, Event.RESUME)}
    assert [row.to for row in case_transitions(CaseState.SUSPENDED, "resume")] == ["30", "40"]
    assert case_transitions(CaseState.ARCHIVED, "accept") == ()
    assert case_transitions(None, Event.SUBMIT)[0].to is CaseState.RECEIVED


def test_every_event_that_a_message_may_carry_is_in_the_table() -> None:
    assert {str(kind) for kind in CaseEventKind} <= {str(event) for event in Event}


def test_every_guard_has_a_text_and_a_use() -> None:
    assert set(GUARD_TEXT) == set(Guard) == {row.guard for row in CASE_TRANSITIONS} - {None}


def test_the_states_page_is_what_the_tables_draw() -> None:
    assert DOCS.read_text(encoding="utf-8") == document(), "run: python -m hub.state_diagrams > docs/states.md"
