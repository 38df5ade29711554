"""Every item of a site on every way through it: order of its steps, branches, joins, and both ends. The sample city, and a second one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.delivery import Decision
from contracts.site import load_site
from contracts.situation import Situation
from plugins.toml_departments import sample_site
from tests.small_city import START
from tests.ways import Way, assert_ended, lead_to_the_end, ways
from tests.whole_city import WholeCity

ROOTS = {"sample": sample_site(), "xihu": Path(__file__).parents[2] / "deploy/sites/xihu"}
WAYS = [(name, way) for name, root in ROOTS.items() for way in ways(load_site(root))]
INSTANT = [(name, way) for name, way in WAYS if way.item.case_type == "instant"]


@pytest.fixture(scope="module")
def cities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, WholeCity]]:
    """One database a site for all ways: what a case leaves behind must not touch the next one."""
    found = {name: WholeCity(tmp_path_factory.mktemp(name), root) for name, root in ROOTS.items()}
    yield found
    for city in found.values():
        city.close()


def city_of(cities: dict[str, WholeCity], name: str) -> WholeCity:
    cities[name].now = START
    return cities[name]


@pytest.mark.parametrize("name", ROOTS)
def test_every_condition_of_the_catalogue_falls_out_both_ways(name: str) -> None:
    site = load_site(ROOTS[name])
    found = [way for of, way in WAYS if of == name]
    skipped = {(way.item.code, step) for way in found for step in way.skipped}
    taken = {(way.item.code, step) for way in found for step in {one.id for one in way.item.steps} - way.skipped}
    conditional = {(item.code, step.id) for item in site.items for step in item.steps if step.when is not None}
    assert skipped == conditional
    assert conditional <= taken
    assert {way.item.code for way in found} == {item.code for item in site.items}


@pytest.mark.parametrize("decision", [Decision.GRANTED, Decision.REFUSED], ids=lambda one: one.value)
@pytest.mark.parametrize(("name", "way"), WAYS, ids=[f"{name}-{way.name}" for name, way in WAYS])
def test_a_case_goes_its_way_to_its_end(cities: dict[str, WholeCity], name: str, way: Way, decision: Decision) -> None:
    city = city_of(cities, name)
    at_counter = decision is Decision.GRANTED and way.item.tongban != "city_split"
    case_no = city.hand_in(way.application, accepted=at_counter)
    assert (city.case(case_no)["accepted_at"] is not None) == at_counter
    lead_to_the_end(city, way, case_no, decision)
    assert_ended(city, way, case_no, decision)


@pytest.mark.parametrize(("name", "way"), INSTANT, ids=[f"{name}-{way.name}" for name, way in INSTANT])
def test_an_instant_case_is_decided_in_the_same_call_and_has_no_due_date(
    cities: dict[str, WholeCity], name: str, way: Way
) -> None:
    city = city_of(cities, name)
    decider = next(step for step in way.item.steps if step.id == way.item.decides)
    assert city.city.system(str(decider.system)).sending is Situation.API
    case_no = city.hand_in(way.application, accepted=True)
    lead_to_the_end(city, way, case_no, Decision.GRANTED)
    assert (city.case(case_no)["due_at"], bool(city.case(case_no)["due_open"])) == (None, False)
    assert "40" not in {to for _, _, to in city.changes(case_no, "case")}
