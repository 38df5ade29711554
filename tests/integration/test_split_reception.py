"""Split reception 收受分离: any centre receives, the responsible centre accepts, and only then the clock starts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.envelope import CaseEventKind as Event
from contracts.site import load_site
from hub.city import moment
from hub.clock import due
from hub.results import NotAllowed, Overtaken
from hub.states import StepState
from plugins.toml_departments import sample_site
from tests.small_city import START
from tests.ways import Way, ways
from tests.whole_city import WholeCity

HERE, THERE = "310115901", "310104901"
SPLIT = [way for way in ways(load_site(sample_site())) if way.item.tongban == "city_split"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeCity]:
    city = WholeCity(tmp_path_factory.mktemp("city"), sample_site())
    yield city
    city.close()


@pytest.fixture
def city(whole: WholeCity) -> WholeCity:
    whole.now = START
    return whole


def received(city: WholeCity, way: Way) -> str:
    application = replace(way.application, receiving_centre=HERE, accepting_centre=THERE, paper_holder=None)
    return city.hand_in(application, accepted=False)


@pytest.mark.parametrize("way", SPLIT, ids=lambda way: way.name)
def test_one_centre_receives_another_accepts_and_the_clock_starts_there(city: WholeCity, way: Way) -> None:
    case_no = received(city, way)
    assert case_no.startswith(HERE)
    (at_counter,) = city.tasks(case_no)
    assert (at_counter["kind"], at_counter["centre"]) == ("receive", HERE)
    city.complete(at_counter["id"], decision="done")
    (elsewhere,) = city.tasks(case_no)
    assert (elsewhere["kind"], elsewhere["centre"]) == ("accept_elsewhere", THERE)
    case = city.case(case_no)
    assert (case["status"], case["accepted_at"], case["due_at"], case["paper_holder"]) == ("10", None, None, HERE)
    assert city.deliveries(case_no) == []
    city.now = datetime(2026, 3, 5, 2, 0, tzinfo=UTC)  # Thursday: the days in between do not count
    city.complete(elsewhere["id"], decision="done")
    case = city.case(case_no)
    assert moment(case["accepted_at"]) == city.now
    expected = due(city.now, way.item.promised_days, way.item.day_type, (), city.city.calendar).at
    assert expected is not None
    assert moment(case["due_at"]) == expected
    assert city.steps(case_no)[way.item.accepts] == StepState.DONE


def test_a_case_withdrawn_between_both_centres_never_starts_its_clock(city: WholeCity) -> None:
    case_no = received(city, SPLIT[0])
    (at_counter,) = city.tasks(case_no)
    city.complete(at_counter["id"], decision="done")
    (elsewhere,) = city.tasks(case_no)
    city.tell(case_no, Event.WITHDRAW)
    case = city.case(case_no)
    assert (case["status"], case["accepted_at"], case["due_at"]) == ("13", None, None)
    assert city.tasks(case_no) == []
    assert set(city.steps(case_no).values()) == {StepState.DONE, StepState.CANCELLED}
    with pytest.raises(Overtaken):
        city.complete(elsewhere["id"], decision="done")
    with pytest.raises(NotAllowed):
        city.tell(case_no, Event.ACCEPT)
    city.later(days=40)
    city.time_passes(case_no)
    assert city.status(case_no) == "80"


def test_a_case_that_the_responsible_centre_leaves_lying_is_accepted_as_of_its_receipt(city: WholeCity) -> None:
    case_no = received(city, SPLIT[0])
    at = city.at
    (at_counter,) = city.tasks(case_no)
    city.complete(at_counter["id"], decision="done")
    city.now = datetime(2026, 3, 10, 1, 0, tzinfo=UTC)  # the sixth working day after Monday, 2 March
    city.time_passes(case_no)
    assert city.case(case_no)["accepted_at"] == at
    assert city.tasks(case_no, "accept_elsewhere") == []


def test_what_the_responsible_centre_misses_is_asked_for_once_and_the_clock_waits(city: WholeCity) -> None:
    case_no = received(city, SPLIT[0])
    (at_counter,) = city.tasks(case_no)
    city.complete(at_counter["id"], decision="done")
    city.tell(case_no, Event.ASK_CORRECTION, wanted=("M0001",))
    city.later(days=9)
    city.tell(case_no, Event.CORRECTED)
    (elsewhere,) = city.tasks(case_no, "accept_elsewhere")
    city.complete(elsewhere["id"], decision="done")
    assert city.case(case_no)["accepted_at"] == city.at
