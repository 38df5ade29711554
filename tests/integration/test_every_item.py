"""Every item of the sample city on every path: order of its steps, branches, joins, and both ends."""

from collections import Counter
from collections.abc import Iterator

import pytest

from contracts.delivery import Decision
from contracts.site import load_site
from contracts.situation import Situation
from hub import routing
from hub.states import StepState
from plugins.toml_departments import sample_site
from tests.small_city import START
from tests.whole_city import Way, WholeCity, lead_to_the_end, paths

SITE = load_site(sample_site())
PATHS = list(paths(SITE))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeCity]:
    """One database for all paths: what a case leaves behind must not touch the next one."""
    city = WholeCity(tmp_path_factory.mktemp("city"), sample_site())
    yield city
    city.close()


@pytest.fixture
def city(whole: WholeCity) -> WholeCity:
    whole.now = START
    return whole


def test_every_condition_of_the_catalogue_falls_out_both_ways() -> None:
    skipped = {(path.item.code, step) for path in PATHS for step in path.skipped}
    conditional = {(item.code, step.id) for item in SITE.items for step in item.steps if step.when is not None}
    taken = {(path.item.code, step) for path in PATHS for step in {one.id for one in path.item.steps} - path.skipped}
    assert skipped == conditional
    assert conditional <= taken
    assert {path.item.code for path in PATHS} == {item.code for item in SITE.items}


@pytest.mark.parametrize("decision", [Decision.GRANTED, Decision.REFUSED], ids=lambda one: one.value)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_case_goes_down_its_path_to_its_end(city: WholeCity, path: Way, decision: Decision) -> None:
    at_counter = decision is Decision.GRANTED and path.item.tongban != "city_split"
    case_no = city.hand_in(path.application, accepted=at_counter)
    assert city.status(case_no) == ("10" if not at_counter else city.status(case_no))
    lead_to_the_end(city, path, case_no, decision)
    case = city.case(case_no)
    assert (case["status"], case["decision"]) == ("70", decision.value)
    assert_order(city, path, case_no)
    assert_branches(city, path, case_no, decision)
    assert_once(city, path, case_no)


def assert_order(city: WholeCity, path: Way, case_no: str) -> None:
    """No step opens before all that it comes after has passed; nothing decides before the case is accepted."""
    rows = {
        row["step"]: row for row in city.connection.rows("SELECT * FROM case_step WHERE case_no = :n", {"n": case_no})
    }
    accepted = city.case(case_no)["accepted_at"]
    early = routing.before_clock(path.item)
    for step in path.item.steps:
        opened = rows[step.id]["opened_at"]
        if opened is None:
            continue
        assert all(rows[name]["closed_at"] is not None and rows[name]["closed_at"] <= opened for name in step.after)
        assert (opened <= accepted) if step.id in early else (opened >= accepted)


def assert_branches(city: WholeCity, path: Way, case_no: str, decision: Decision) -> None:
    """Skipped is what the conditions say, cancelled what a refusal left behind; neither reached a department."""
    states = city.steps(case_no)
    asked = {row["step"] for row in city.deliveries(case_no)}
    after_decision = {
        step.id
        for step in path.item.steps
        if path.item.decides in routing.before(path.item, step.id) and not routing.serving(step)
    }
    cancelled = {name for name, state in states.items() if state == StepState.CANCELLED}
    assert cancelled == (after_decision if decision is Decision.REFUSED else set())
    assert {name for name, state in states.items() if state == StepState.SKIPPED} == path.skipped - cancelled
    assert not asked & (path.skipped | path.person | cancelled)
    rest = states.keys() - cancelled - path.skipped
    assert all(states[name] == StepState.DONE for name in rest)


def assert_once(city: WholeCity, path: Way, case_no: str) -> None:
    """Each step opened once and ended once, and one message went for each row that it has to ask about."""
    moves = Counter(city.changes(case_no, "step"))
    assert set(moves.values()) == {1}
    rounds = Counter((row["step"], row["subject"]) for row in city.deliveries(case_no))
    assert set(rounds.values()) <= {1}
    members = path.application.form.get("members")
    for row in city.deliveries(case_no):
        expected = len(members) if row["subject"] and isinstance(members, list) else 1
        assert sum(step == row["step"] for step, _ in rounds) == expected


@pytest.mark.parametrize(
    "path", [path for path in PATHS if path.item.case_type == "instant"], ids=lambda path: path.name
)
def test_an_instant_case_is_decided_in_the_same_call_and_has_no_due_date(city: WholeCity, path: Way) -> None:
    decider = next(step for step in path.item.steps if step.id == path.item.decides)
    assert city.city.system(str(decider.system)).sending is Situation.API
    case_no = city.hand_in(path.application, accepted=True)
    lead_to_the_end(city, path, case_no, Decision.GRANTED)
    assert (city.case(case_no)["due_at"], bool(city.case(case_no)["due_open"])) == (None, False)
    assert "40" not in {to for _, _, to in city.changes(case_no, "case")}
