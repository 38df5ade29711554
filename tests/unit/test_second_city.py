"""A second city is a folder and nothing else: no file of the first one, no line of code."""

import json
import re
from datetime import date, datetime
from pathlib import Path

import pytest

from contracts.envelope import CaseApplication
from contracts.records import adapter
from contracts.site import Site, load_site
from contracts.situation import ChannelStatus, Situation
from hub.catalogue import Catalogue
from hub.forms import Stage, compile_form
from hub.systems import register
from plugins.toml_departments import sample_site
from simulators.cases import sample_cases

ROOT = Path(__file__).parents[2] / "deploy/sites/xihu"
SAMPLES = sorted(ROOT.glob("*/samples/*.json"))


@pytest.fixture(scope="module")
def city() -> Site:
    return load_site(ROOT)


def test_it_has_a_region_centres_departments_and_situations_of_its_own(city: Site) -> None:
    first = load_site(sample_site())
    assert city.region != first.region
    assert not city.centres.keys() & first.centres.keys()
    keys = {system.key for department in city.departments for system in department.systems}
    assert not keys & {system.key for department in first.departments for system in department.systems}
    sending = [
        channel.situation
        for department in city.departments
        for system in department.systems
        for channel in system.channels
        if channel.status is ChannelStatus.SENDING
    ]
    assert sorted(sending) == sorted([Situation.API, Situation.API, Situation.FILE_DROP, Situation.PAPER])
    assert len(city.items) == 6


def test_it_holds_no_python_and_says_only_what_it_uses(city: Site) -> None:
    assert not list(ROOT.rglob("*.py"))
    text = "".join(path.read_text("utf-8") for path in ROOT.rglob("*.toml") if path.name != "codes.toml")
    used = set(re.findall(r'(?:code_list|list) = "(\w+)"', text)) | {"channel", "region6"}
    assert set(city.code_lists) == used
    assert set(city.field_groups) == {group for item in city.items for group in item.field_groups}


def test_all_its_items_can_be_received(city: Site) -> None:
    registered = register(ROOT, city.plugins)
    assert registered.broken == {}
    operations = {
        (system.name, key): operation
        for system in registered.systems.values()
        for key, operation in system.operations.items()
    }
    catalogue = Catalogue(
        {(item.code, item.version): item for item in registered.items},
        {item.code for item in registered.items},
        lambda system, operation: operations[system, operation],
        lambda item: compile_form(item, city.field_groups, city.code_lists),
    )
    assert catalogue.refusals() == {}


def test_the_generator_of_cases_knows_its_regions_and_centres(city: Site) -> None:
    for case in sample_cases(city, 60, seed=3, today=date(2026, 3, 2)):
        application = case.application
        assert application["receiving_centre"] in city.centres
        item = next(item for item in city.items if item.code == case.item)
        form = compile_form(item, city.field_groups, city.code_lists)
        assert (
            form.check(adapter(CaseApplication).validate_python(application), date(2026, 3, 2), Stage.RECEIPT)[1] == ()
        )


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_its_samples_are_cases_that_their_items_take(city: Site, path: Path) -> None:
    event = json.loads(path.read_text("utf-8"))
    case = adapter(CaseApplication).validate_python(event["data"])
    item = next(item for item in city.items if (item.code, item.version) == (case.item, case.item_version))
    form = compile_form(item, city.field_groups, city.code_lists)
    _, bad = form.check(case, datetime.fromisoformat(event["time"]).date(), Stage.ACCEPTANCE)
    assert bad == ()
    assert "样例" in path.read_text("utf-8")


def test_every_item_of_it_has_a_sample(city: Site) -> None:
    assert {json.loads(path.read_text("utf-8"))["data"]["item"] for path in SAMPLES} == {
        item.code for item in city.items
    }
