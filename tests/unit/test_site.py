"""The sample city is right, and so are its samples."""

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import cast

import pluggy
import pytest

from adapters.text_encodings import Encoding, EncodingRefused, to_bytes, to_text
from contracts.catalogue import StepKind
from contracts.envelope import CASE_TYPE, CaseApplication
from contracts.plugin import Hooks
from contracts.records import adapter
from contracts.site import Site, load_site, protocol_of, with_items
from contracts.situation import ChannelStatus, Situation
from hub.forms import Stage, compile_form
from plugins import toml_departments
from plugins.toml_departments import register_departments, sample_site

FOLDERS = sorted(path.parent for path in sample_site().glob("*/department.toml"))
SAMPLES = sorted(sample_site().glob("*/samples/*.json"))


@pytest.fixture(scope="module")
def city() -> Site:
    return load_site(sample_site())


# --- the sample city ---


def test_the_sample_city_is_loaded_checked_and_its_forms_compiled_well_under_two_seconds() -> None:
    started = time.process_time()
    city = load_site(sample_site())
    register_departments(str(sample_site()))
    for item in city.items:
        compile_form(item, city.field_groups, city.code_lists)
    assert time.process_time() - started < 2


def test_the_sample_city_has_all_that_it_says(city: Site) -> None:
    assert (city.region, city.timezone, sorted(city.calendars)) == ("310000", "Asia/Shanghai", [2025, 2026])
    kinds = [centre.kind for centre in city.centres.values()]
    assert (
        kinds.count("centre"),
        kinds.count("sub_centre"),
        len({centre.district for centre in city.centres.values()}),
    ) == (211, 11, 16)
    assert len(city.departments) == len(FOLDERS) == len({department.code for department in city.departments})
    systems = [system for department in city.departments for system in department.systems]
    operations = [operation for system in systems for operation in system.operations]
    assert (len(city.departments), len(systems), len(operations), len(city.items)) == (20, 29, 119, 80)
    assert sum(item.case_type == "instant" for item in city.items) == 14
    assert sum(item.applicant_type == "legal_person" for item in city.items) == 7
    assert len(city.code_lists["region9"].codes) == 211


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_department_has_the_same_file_names(city: Site, folder: Path) -> None:
    names = {path.name for path in folder.iterdir()} - {"wsdl", "__pycache__", "__init__.py", "gateway.py"}
    owner = next(code for code, file in city.files.items() if file == f"{folder.name}/department.toml")
    owns_items = any(item.owner == owner for item in city.items)
    assert names == {"README.md", "department.toml"} | ({"items", "samples"} if owns_items else set())
    readme = (folder / "README.md").read_text("utf-8").splitlines()
    assert len(readme) <= 40, "a screen"
    systems = next(department.systems for department in city.departments if department.code == owner)
    assert all(any(f"`{system.key}`" in line for line in readme) for system in systems)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_readme_names_every_secret_that_its_department_needs(city: Site, folder: Path) -> None:
    text = (folder / "department.toml").read_text("utf-8")
    wanted = {name for found in re.findall(r"secrets = \[([^]]*)\]", text) for name in re.findall(r'"(\w+)"', found)}
    wanted |= set(re.findall(r'(?:password|private_key|passphrase|secret) = "(\w+)"', text)) - {"digest", "text"}
    told = set(re.findall(r"`(\w+)`", (folder / "README.md").read_text("utf-8")))
    assert wanted <= told


def test_the_plugin_registers_every_department_through_the_hook() -> None:
    manager = pluggy.PluginManager("onedoor")
    manager.add_hookspecs(Hooks)
    manager.register(toml_departments)
    manager.check_pending()
    (departments,) = manager.hook.register_departments(site=str(sample_site()))
    systems = {system.name: system for department in departments for system in department.systems}
    assert len(departments) == len(FOLDERS)
    assert sum(len(department.items) for department in departments) == len(list(sample_site().glob("*/items/*.toml")))
    sending = {
        name: channel.situation
        for name, system in systems.items()
        for channel in system.channels
        if channel.status is ChannelStatus.SENDING
    }
    assert sending.keys() == systems.keys()
    assert set(sending.values()) == set(Situation)


def test_three_situations_meet_in_one_case(city: Site) -> None:
    item = next(item for item in city.items if item.code == "JY004")
    systems = {system.key: system for department in city.departments for system in department.systems}
    situations = {step.id: systems[step.system].channels[0].situation.value for step in item.steps if step.system}
    assert situations == {"p1": "api", "p2": "file_drop", "p3": "paper", "s3": "paper"}
    join = next(step for step in item.steps if step.id == item.decides)
    assert join.join is not None
    assert (join.after, join.join.wait_for) == (("p1", "p2", "p3"), "all")
    assert item.steps[-1].kind is StepKind.CENTRE


def test_a_rare_name_is_carried_whole_or_refused(city: Site) -> None:
    channels = [channel for one in city.departments for system in one.systems for channel in system.channels]
    carried = dict[str, bool]()
    for channel in channels:
        protocol, table = protocol_of(channel)
        if protocol == "file_drop":
            encoding = cast("Encoding", table["encoding"])
            try:
                carried[encoding] = to_text(to_bytes("𠮷䶮", encoding), encoding) == "𠮷䶮"
            except EncodingRefused:
                carried[encoding] = False
    assert carried["GB18030"]
    assert not any(carried[encoding] for encoding in carried.keys() & {"GBK"})


def test_items_of_other_plugins_can_be_added(city: Site) -> None:
    assert len(with_items(city, city.items[:1]).items) == len(city.items) + 1


# --- its samples ---


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_a_case_that_its_item_takes(city: Site, path: Path) -> None:
    event = json.loads(path.read_text("utf-8"))
    assert (event["specversion"], event["type"]) == ("1.0", CASE_TYPE)
    case = adapter(CaseApplication).validate_python(event["data"])
    item = next(item for item in city.items if (item.code, item.version) == (case.item, case.item_version))
    assert path.parent.parent == (sample_site() / city.files[f"{item.code}@{item.version}"]).parent.parent
    assert {case.receiving_centre, case.accepting_centre or case.receiving_centre} <= set(city.centres)
    assert (item.tongban == "city_split") == (case.accepting_centre is not None) == (not case.accepted)
    form = compile_form(item, city.field_groups, city.code_lists)
    _, bad = form.check(case, datetime.fromisoformat(event["time"]).date(), Stage.ACCEPTANCE)
    assert bad == ()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_synthetic_by_sight(path: Path) -> None:
    text = path.read_text("utf-8")
    assert all(number[14:16] == "99" for number in re.findall(r'"(\d{17}[\dX])"', text))
    assert all(mobile.startswith("1990000000") for mobile in re.findall(r'"mobile": "(\d+)"', text))
    assert "样例" in text


def test_every_item_has_a_sample_and_every_sample_its_own_id(city: Site) -> None:
    events = [json.loads(path.read_text("utf-8")) for path in SAMPLES]
    assert {event["data"]["item"] for event in events} == {item.code for item in city.items}
    assert len({event["id"] for event in events}) == len(events)
    assert any("𠮷" in json.dumps(event, ensure_ascii=False) for event in events)
