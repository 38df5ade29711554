"""Scenario files: what may stand in them, how a mistake is told, and that those that come along are good."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from contracts.site import load_site
from simulators.faults import KINDS, Fault
from simulators.sample import sample_site
from simulators.scenario import Latency, Rule, Scenario, Spread, scenario_text
from simulators.scenario_files import (
    SCHEMA,
    ScenarioError,
    kinds_of,
    load_scenario,
    read_scenario,
    saved,
    schema_text,
    shipped,
)

SITE = load_site(sample_site())
SYSTEMS = {system.key: system for department in SITE.departments for system in department.systems}


@pytest.mark.parametrize("name", shipped())
def test_a_scenario_that_comes_along_is_good_and_stays_itself(name: str) -> None:
    text = shipped()[name].read_text(encoding="utf-8")
    found = load_scenario(shipped()[name], SITE)
    assert read_scenario(saved(found), SITE) == found
    assert found.note
    assert found.note_zh
    assert text.startswith("#:schema scenario.schema.json\n")
    wrong = list(Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).iter_errors(_json(tomllib.loads(text))))
    assert wrong == []


def _json(value: object) -> object:
    return json.loads(json.dumps(value, default=str))


def test_the_schema_beside_them_is_that_of_the_records() -> None:
    """If this fails, run ``python -m simulators.scenario_files`` and commit what it wrote."""
    assert SCHEMA.read_text("utf-8") == schema_text()
    Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('sed = 1\nname = "x"\n', "s.toml:1: sed: no such key: did you mean seed?"),
        ('name = "x"\n\n[[rules]]\nfault = "refuze"\n', "s.toml:4: rules.0.fault: there is no fault 'refuze': did you mean refuse?"),
        ('name = "x"\n[[rules]]\nfault = "refuse"\nprobabilty = 0.5\n', "s.toml:4: rules.0.probabilty: no such key: did you mean probability?"),
        ('name = "x"\n[[rules]]\nsystem = "DA-archve"\nfault = "refuse"\n', "s.toml:3: rules.0.system: this site has no system DA-archve: did you mean DA-archive?"),
        ('name = "x"\n[[rules]]\nsystem = "DA-archive"\noperation = "serch"\nfault = "refuse"\n', "s.toml:4: rules.0.operation: DA-archive has no operation serch: did you mean search?"),
        ('name = "x"\n[[rules]]\nsystem = "DA-archive"\nfault = "full_disk"\n', "s.toml:4: rules.0.fault: full_disk never happens to DA-archive: it is possible for transfer"),
        ('name = "x"\n[[rules]]\nsystem = "DA-archive"\noperation = "search"\nfault = "outage"\n', "an outage takes the whole system"),
        ('name = "x"\n[[rules]]\nsystem = "WJ-family"\noperation = "one_off_reward"\nfault = "full_disk"\n', "it takes the whole connection: leave the operation out"),
        ('name = "x"\n[[rules]]\nsequence = "ok, 503 x"\n', "s.toml:3: rules.0.sequence: '503 x' is no step"),
        ('name = "x"\n[[rules]]\nsequence = "ok"\nfault = "refuse"\n', "give either a fault or a sequence"),
        ('name = "x"\n[[rules]]\nfault = "refuse"\nafter = [20, 10]\n', "s.toml:4: rules.0.after: give the earlier one first"),
        ('name = "x"\n[[rules]]\nfault = "refuse"\ndaily = [22:00:00, 22:00:00]\n', "the window begins when it ends"),
        ('name = "x"\n[[rules]]\nfault = "refuse"\nbetween = [2026-03-02T09:00:00Z, 2026-03-02T10:00:00Z]\n', "without a zone"),
        ('name = "x"\n[[latencies]]\nconstant = 1\nuniform = [1, 2]\n', "s.toml:2: latencies.0: give exactly one of"),
        ('name = "x"\n[[latencies]]\nlognormal = { median = 3, p99 = 1 }\n', "p99 is at least the median"),
        ('name = "x\n', "s.toml:1:"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_key_and_what_was_meant(text: str, said: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        read_scenario(text, SITE, "s.toml")
    assert said in str(raised.value)


MANY = """\
nam = "x"
[[rules]]
system = "DA-archve"
fault = "refuze"
[[rules]]
system = "DA-archive"
operation = "serch"
sequence = "ok, refuze, 503 x, full_disk"
probability = 0.5
repeat = 7
[[latencies]]
system = "MZ-releif"
constant = -1
uniform = [1, 2]
[clerk]
hours = ["17:00-09:00", "noon"]
twice = 0.9
unreadable = 0.9
"""


def test_mistakes_of_form_and_against_the_site_are_told_together_in_the_order_of_the_file() -> None:
    with pytest.raises(ScenarioError) as raised:
        read_scenario(MANY, SITE, "s.toml")
    lines = str(raised.value).splitlines()
    assert [tuple(line.split(": ")[:2]) for line in lines] == [
        ("s.toml", "name"),
        ("s.toml:1", "nam"),
        ("s.toml:3", "rules.0.system"),
        ("s.toml:4", "rules.0.fault"),
        ("s.toml:5", "rules.1"),
        ("s.toml:7", "rules.1.operation"),
        ("s.toml:8", "rules.1.sequence"),
        ("s.toml:8", "rules.1.sequence"),
        ("s.toml:10", "rules.1.repeat"),
        ("s.toml:11", "latencies.0"),
        ("s.toml:12", "latencies.0.system"),
        ("s.toml:13", "latencies.0.constant"),
        ("s.toml:15", "clerk"),
        ("s.toml:16", "clerk.hours"),
    ]
    told = str(raised.value)
    for said in (
        "no fault 'refuze': did you mean refuse?; '503 x' is no step",
        "full_disk never happens to DA-archive:",
        "MZ-releif: did you mean MZ-relief?",
        "exactly one of",
        "17:00-09:00 ends before it begins; noon: write hours as",
        "together must not exceed 1",
    ):
        assert said in told


def test_every_mistake_is_told_at_once_and_a_missing_file_names_those_there_are(tmp_path: Path) -> None:
    text = 'name = "x"\n[[rules]]\nfault = "refuze"\n[[rules]]\nfault = "rezet"\n'
    with pytest.raises(ScenarioError) as raised:
        read_scenario(text, SITE)
    assert len(str(raised.value).splitlines()) == 2
    with pytest.raises(ScenarioError, match="bad-monday"):
        load_scenario(tmp_path / "nothing.toml", SITE)


def test_what_can_happen_follows_from_the_channel_and_the_layout() -> None:
    assert Fault.DUPLICATE_REPLY not in kinds_of(SYSTEMS["DA-archive"], None)
    assert Fault.DUPLICATE_REPLY in kinds_of(SYSTEMS["MZ-relief"], None)
    assert Fault.SWAPPED_REPLIES in kinds_of(SYSTEMS["DA-archive"], "no_record_statement")
    assert Fault.SWAPPED_REPLIES in kinds_of(SYSTEMS["WJ-family"], None)
    assert Fault.WRONG_COUNTS in kinds_of(SYSTEMS["WJ-family"], None)
    assert Fault.WRONG_COUNTS not in kinds_of(SYSTEMS["GH-mutual"], None)
    assert Fault.REENCODED_FILE not in kinds_of(SYSTEMS["JR-finance"], None)
    everywhere = frozenset().union(*(kinds_of(system, None) for system in SYSTEMS.values()))
    assert everywhere == set(KINDS)


RULES = st.one_of(
    st.builds(
        Rule,
        system=st.sampled_from([None, "DA-archive"]),
        operation=st.sampled_from([None, "search"]),
        fault=st.sampled_from([Fault.REFUSE, Fault.DELAY, Fault.ERROR_500]),
        probability=st.floats(0, 1),
        seconds=st.none() | st.floats(0, 86_400),
        daily=st.none() | st.tuples(st.times(), st.times()).filter(lambda pair: pair[0] != pair[1]),
        after=st.none() | st.tuples(st.floats(0, 100), st.floats(101, 86_400)),
    ),
    st.builds(Rule, sequence=st.sampled_from(["ok", "ok, 503 x3", "refuse"]), repeat=st.booleans()),
)
LATENCIES = st.one_of(
    st.builds(Latency, constant=st.floats(0, 100)),
    st.builds(Latency, lognormal=st.builds(Spread, median=st.floats(0.001, 1), p99=st.floats(1, 100))),
)


@given(
    st.builds(
        Scenario,
        name=st.text(st.characters(exclude_categories=["Cs"])),
        note=st.text(st.characters(exclude_categories=["Cs"])),
        seed=st.integers(0, 2**31),
        rules=st.lists(RULES).map(tuple),
        latencies=st.lists(LATENCIES).map(tuple),
    )
)
def test_a_scenario_written_and_read_is_the_same(scenario: Scenario) -> None:
    assert read_scenario(scenario_text(scenario), SITE) == scenario
