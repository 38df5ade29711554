"""The largest item of the sample city: FG001, eighteen steps, nine sources at once; who may stay silent and who may not."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from contracts.delivery import Completed, Decision
from contracts.site import load_site
from hub.states import StepState
from plugins.toml_departments import sample_site
from tests.small_city import START
from tests.ways import Way, lead_to_the_end, ways
from tests.whole_city import WholeCity

SITE = load_site(sample_site())
ITEM = next(item for item in SITE.items if item.code == "FG001")
SOURCES = ("c_hukou", "c_marriage", "c_si", "c_tax", "c_fund", "c_vehicle", "c_house", "c_biz", "c_fin")
NOTHING: dict[str, JsonValue] = {"found": False}


@pytest.fixture(scope="module")
def way() -> Way:
    """Its only way: no step of it has a condition."""
    (found,) = [way for way in ways(SITE) if way.item.code == ITEM.code]
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeCity]:
    """One database for all of its cases."""
    city = WholeCity(tmp_path_factory.mktemp("city"), sample_site())
    yield city
    city.close()


@pytest.fixture
def city(whole: WholeCity) -> WholeCity:
    whole.now = START
    return whole


def sources_asked(city: WholeCity, way: Way) -> str:
    """A case that has come as far as its nine sources, all of them asked and none heard."""
    case_no = city.hand_in(way.application, accepted=True)
    (review,) = city.tasks(case_no)
    city.complete(review["id"], decision="done")
    (opening,) = city.due(case_no)
    city.deliver(opening, Decision.DONE)
    for delivery in city.due(case_no):
        city.deliver(delivery, Decision.DONE, answer=False)
    return case_no


def answer(city: WholeCity, case_no: str, step: str, **fields: JsonValue) -> None:
    """Every row of a source answers."""
    for delivery in city.deliveries(case_no):
        if delivery["step"] == step and delivery["state"] == "waiting":
            values = {**city.reply_fields(city.operation(delivery), delivery["id"]), **fields}
            city.reply(delivery["id"], Completed(decision=Decision.DONE, fields=values))


def all_but(city: WholeCity, case_no: str, *silent: str) -> None:
    for step in SOURCES:
        if step not in silent:
            answer(city, case_no, step)


def join_rows(city: WholeCity, case_no: str) -> dict[str, str]:
    """What the centre that makes the report is told: the status of each source."""
    (report,) = [row for row in city.deliveries(case_no) if row["step"] == "s4"]
    rows = city.fields(report)["source_rows"]
    assert isinstance(rows, list)
    assert [row["step"] for row in rows if isinstance(row, dict)] == list(SOURCES)
    return {str(row["step"]): str(row["status"]) for row in rows if isinstance(row, dict)}


def test_it_has_eighteen_steps_and_nine_sources_at_once() -> None:
    assert len(ITEM.steps) == 18
    join = next(step for step in ITEM.steps if step.id == "s4").join
    assert join is not None
    assert (join.not_answered_after_working_days, set(SOURCES) - set(join.mandatory)) == (8, {"c_fin"})


def test_nine_sources_are_asked_at_once_each_through_its_own_system(city: WholeCity, way: Way) -> None:
    case_no = sources_asked(city, way)
    asked = {row["step"]: row["system"] for row in city.deliveries(case_no) if row["step"] in SOURCES}
    assert len(asked) == len(set(asked.values())) == 9
    states = city.steps(case_no)
    assert all(states[step] == StepState.OPEN for step in SOURCES)
    assert states["s4"] == StepState.BLOCKED


@pytest.mark.parametrize("last", SOURCES)
def test_the_join_opens_once_whichever_source_is_the_last(city: WholeCity, way: Way, last: str) -> None:
    case_no = sources_asked(city, way)
    all_but(city, case_no, last)
    assert city.steps(case_no)["s4"] == StepState.BLOCKED
    answer(city, case_no, last)
    assert city.steps(case_no)["s4"] == StepState.OPEN
    assert set(join_rows(city, case_no).values()) == {"answered"}


def test_a_source_that_knows_nobody_is_none_found_and_one_that_knows_one_of_them_has_answered(
    city: WholeCity, way: Way
) -> None:
    case_no = sources_asked(city, way)
    all_but(city, case_no, "c_biz", "c_fund")
    answer(city, case_no, "c_biz", **NOTHING)
    first, *others = [row for row in city.deliveries(case_no) if row["step"] == "c_fund"]
    city.reply(first["id"], Completed(decision=Decision.DONE, fields={"found": True, "balance": "5.00"}))
    for row in others:
        city.reply(row["id"], Completed(decision=Decision.DONE, fields=NOTHING))
    rows = join_rows(city, case_no)
    assert (rows["c_biz"], rows["c_fund"], rows["c_tax"]) == ("none_found", "answered", "answered")


@pytest.mark.parametrize("decision", [Decision.GRANTED, Decision.REFUSED], ids=lambda one: one.value)
def test_an_optional_source_that_stays_silent_holds_nothing_up(city: WholeCity, way: Way, decision: Decision) -> None:
    case_no = sources_asked(city, way)
    all_but(city, case_no, "c_fin")
    city.now = datetime(2026, 3, 12, 15, 59, tzinfo=UTC)  # the eighth working day, 23:59 in Shanghai
    city.time_passes(case_no)
    assert city.steps(case_no)["s4"] == StepState.BLOCKED
    city.now = datetime(2026, 3, 12, 16, 1, tzinfo=UTC)
    city.time_passes(case_no)
    assert city.steps(case_no)["s4"] == StepState.OPEN
    assert join_rows(city, case_no)["c_fin"] == "not_answered"
    assert "blocked" not in city.case(case_no)["flags"]
    (report,) = city.due(case_no)
    city.deliver(report, Decision.DONE)
    assert city.status(case_no) == "31", "a public notice stops the clock, whoever is silent"
    lead_to_the_end(city, way, case_no, decision)
    assert (city.status(case_no), city.case(case_no)["decision"]) == ("70", decision.value)
    states = city.steps(case_no)
    after = {"s7", "s8"} if decision is Decision.REFUSED else set[str]()
    assert {step for step, state in states.items() if state == StepState.CANCELLED} == {"c_fin"} | after
    late = next(row for row in city.deliveries(case_no) if row["step"] == "c_fin")
    assert city.reply(late["id"], Completed(decision=Decision.DONE, fields={"found": True})).verdict == "late"
    assert city.steps(case_no) == states
    city.later(days=31)
    city.time_passes(case_no)
    assert city.status(case_no) == "80"


def test_a_late_answer_after_the_join_is_recorded_and_moves_nothing(city: WholeCity, way: Way) -> None:
    case_no = sources_asked(city, way)
    all_but(city, case_no, "c_fin")
    city.later(days=14)
    city.time_passes(case_no)
    before = city.steps(case_no)
    answer(city, case_no, "c_fin")
    assert city.steps(case_no) == {**before, "c_fin": StepState.DONE}
    assert len([row for row in city.deliveries(case_no) if row["step"] == "s4"]) == 1
    assert join_rows(city, case_no)["c_fin"] == "not_answered"


def test_of_a_household_that_was_half_answered_the_answers_are_kept(city: WholeCity, way: Way) -> None:
    case_no = sources_asked(city, way)
    all_but(city, case_no, "c_fin")
    asked = sorted(
        (row for row in city.deliveries(case_no) if row["step"] == "c_fin"), key=lambda row: int(row["subject"])
    )
    assert len(asked) > 1
    city.reply(asked[0]["id"], Completed(decision=Decision.DONE, fields={"found": True, "balance": "7.00"}))
    city.later(days=14)
    city.time_passes(case_no)
    (report,) = [row for row in city.deliveries(case_no) if row["step"] == "s4"]
    rows = city.fields(report)["source_rows"]
    assert isinstance(rows, list)
    last = rows[-1]
    assert isinstance(last, dict)
    assert last["status"] == "not_answered"
    assert last["reply"] == {
        "rows": [
            {"subject": "1", "status": "done", "reply": {"found": True, "balance": "7.00"}},
            *({"subject": str(number), "status": "not_answered", "reply": None} for number in range(2, len(asked) + 1)),
        ]
    }


@pytest.mark.parametrize("decision", [Decision.GRANTED, Decision.REFUSED], ids=lambda one: one.value)
def test_a_mandatory_source_that_stays_silent_blocks_the_case_and_the_clock_runs(
    city: WholeCity, way: Way, decision: Decision
) -> None:
    case_no = sources_asked(city, way)
    all_but(city, case_no, "c_house")
    due = city.case(case_no)["due_at"]
    for _ in range(8):
        city.later(days=12)
        city.time_passes(case_no)
        case = city.case(case_no)
        assert city.steps(case_no)["s4"] == StepState.BLOCKED
        assert (case["status"], case["due_at"], case["paused_at"], case["pauses"]) == ("30", due, None, "[]")
        assert case["flags"] == "blocked"
    assert city.at > due, "overdue, and nobody has pretended otherwise"
    answer(city, case_no, "c_house")
    assert city.case(case_no)["flags"] == ""
    assert join_rows(city, case_no)["c_house"] == "answered"
    lead_to_the_end(city, way, case_no, decision)
    assert (city.status(case_no), city.case(case_no)["decision"]) == ("70", decision.value)
