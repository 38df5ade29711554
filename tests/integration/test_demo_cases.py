"""Generated cases pass the hub's own form check, whatever the item asks."""

import random
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import Item
from contracts.envelope import CASE_TYPE, CaseApplication
from contracts.records import adapter
from contracts.site import Site, load_site
from hub.forms import compile_form
from simulators import identities
from simulators.cases import SampleCase, sample_case, sample_cases
from simulators.text_patterns import PatternError, matching

SITE = load_site(Path(__file__).parents[2] / "plugins")
TODAY = date(2026, 3, 2)
"""The day on which a demo begins."""


def complaints(item: Item, case: SampleCase, site: Site = SITE) -> list[str]:
    """Every bad field and every warning on the day of the case and some days later; papers count where it says ``accepted``."""
    form = compile_form(item, site.field_groups, site.code_lists)
    application = adapter(CaseApplication).validate_python(case.application)
    days = (TODAY, TODAY + timedelta(days=12))
    found = [bad for day in days for bad in (*form.check(application, day)[1], *form.warnings(application, day))]
    return [f"{bad.pointer}: {bad.message}" for bad in found]


@pytest.mark.parametrize("item", SITE.items, ids=lambda item: item.code)
def test_every_case_for_an_item_of_the_sample_city_is_filled_in_correctly(item: Item) -> None:
    for seed in range(20):
        case = sample_case(SITE, item, seed=seed, today=TODAY)
        assert complaints(item, case) == [], f"seed {seed}"
        assert case.envelope.type == CASE_TYPE


def test_the_missing_paper_is_all_that_an_incomplete_case_lacks() -> None:
    cases = sample_cases(SITE, 200, seed=4, today=TODAY)
    incomplete = [case for case in cases if case.missing]
    assert incomplete
    for case in incomplete:
        item = next(item for item in SITE.items if item.code == case.item)
        data = case.application
        assert not data["accepted"]
        papers = adapter(CaseApplication).dump_python(
            replace(adapter(CaseApplication).validate_python(data), materials=case.missing), mode="json"
        )["materials"]
        whole = {**data, "accepted": True, "materials": [*data["materials"], *papers]}
        told = replace(case, envelope=replace(case.envelope, data=whole))
        assert complaints(item, told) == []
        early = replace(case, envelope=replace(case.envelope, data={**data, "accepted": True}))
        assert any("is missing" in text for text in complaints(item, early))


def test_a_mix_holds_every_item_waiting_cases_and_agents() -> None:
    cases = sample_cases(SITE, 100, seed=1, today=TODAY)
    assert {case.item for case in cases} == {item.code for item in SITE.items}
    accepted = sum(case.application["accepted"] for case in cases)
    assert 70 <= accepted <= 95
    assert any("agent" in case.application for case in cases)
    assert len({case.envelope.id for case in cases}) == 100


def test_the_same_seed_gives_the_same_cases_and_another_seed_others() -> None:
    assert sample_cases(SITE, 30, seed=7, today=TODAY) == sample_cases(SITE, 30, seed=7, today=TODAY)
    assert sample_cases(SITE, 30, seed=7, today=TODAY) != sample_cases(SITE, 30, seed=8, today=TODAY)


def test_a_site_without_items_in_force_says_so() -> None:
    with pytest.raises(ValueError, match="no item in force"):
        sample_cases(SITE, 1, seed=1, today=date(2020, 1, 1))


def test_every_identity_is_invented_by_sight() -> None:
    for case in sample_cases(SITE, 150, seed=2, today=TODAY):
        data = case.application
        people = [data["applicant"], data.get("agent") or {}]
        for person in people:
            if "name" in person:
                assert re.search("样例|[𠮷㛃䶮]", person["name"])
            if len(person.get("id_no", "")) == 18:
                assert person["id_no"][14:16] == "99"
            if "mobile" in person:
                assert person["mobile"].startswith("199000000")
            if "uscc" in person:
                assert person["uscc"][8:12] == "YYYY"
        if "bank_account" in data["form"]:
            assert data["form"]["bank_account"].startswith("99")


RULES: list[dict[str, Any]] = [
    {
        "name": "members_listed",
        "type": "int",
        "validators": [{"rule": "required"}, {"rule": "row_count_of", "table": "members"}],
    },
    {
        "name": "from_day",
        "type": "date",
        "validators": [{"rule": "required"}, {"rule": "date_range", "latest": "today-180d"}],
    },
    {
        "name": "to_day",
        "type": "date",
        "validators": [
            {"rule": "required"},
            {"rule": "not_less_than", "field": "form.from_day"},
            {"rule": "max_span", "from": "form.from_day", "months": 12},
        ],
    },
    {
        "name": "from_month",
        "type": "month",
        "validators": [{"rule": "required"}, {"rule": "not_more_than", "field": "form.to_month"}],
    },
    {
        "name": "to_month",
        "type": "month",
        "validators": [{"rule": "required"}, {"rule": "not_less_than", "field": "form.from_month"}],
    },
    {
        "name": "soon",
        "type": "date",
        "validators": [{"rule": "required"}, {"rule": "date_range", "earliest": "2026-03-10", "latest": "2026-04-10"}],
    },
    {
        "name": "child_born",
        "type": "date",
        "validators": [{"rule": "required"}, {"rule": "age_range", "min": 6, "max": 7, "at": "08-31"}],
    },
    {
        "name": "child_id",
        "type": "string",
        "validators": [
            {"rule": "required"},
            {"rule": "resident_id"},
            {"rule": "age_range", "min": 6, "max": 6, "at": "08-31"},
        ],
    },
    {"name": "moved", "type": "bool"},
    {
        "name": "old_place",
        "type": "string",
        "when": "form.moved == `true`",
        "validators": [{"rule": "required_if", "when": "form.moved == `true`"}],
    },
    {
        "name": "reading_kinds",
        "type": "codes",
        "validators": [{"rule": "required"}, {"rule": "code_list", "list": "education"}],
    },
    {
        "name": "reference",
        "type": "string",
        "validators": [{"rule": "required"}, {"rule": "pattern", "value": "^[0-9]{17}[0-9X][0-9]{2}[A-Z0-9]*$"}],
    },
    {
        "name": "term",
        "type": "string",
        "validators": [{"rule": "required"}, {"rule": "pattern", "value": "^20[0-9]{2}(?:Q[1-4]|H[12])$"}],
    },
    {"name": "total", "type": "money", "validators": [{"rule": "required"}, {"rule": "min", "value": 0.01}]},
    {
        "name": "share",
        "type": "money",
        "validators": [{"rule": "required"}, {"rule": "not_more_than", "field": "form.total"}],
    },
    {"name": "extra", "type": "object"},
    {"name": "remark", "type": "text", "validators": [{"rule": "max_length", "value": 6}]},
    {"name": "confirmed", "type": "bool", "validators": [{"rule": "required"}, {"rule": "equals", "value": True}]},
]


def item_with_everything() -> Item:
    """The household and housing groups, which the sample city declares and does not use yet, and every other rule."""
    model = next(item for item in SITE.items if item.code == "JY004")
    raw = adapter(Item).dump_python(model, mode="json", by_alias=True)
    return adapter(Item).validate_python(
        {
            **raw,
            "field_groups": ["applicant", "agent", "bank", "household", "housing"],
            "form_fields": [{"label_zh": "样例", "label_en": "Sample", **field} for field in RULES],
            "checks": [
                {"rule": "age_range", "on": "applicant.birth_date", "min_male": 28, "min_female": 25, "max": 60}
            ],
        }
    )


def test_every_rule_on_a_value_is_kept() -> None:
    item = item_with_everything()
    for seed in range(60):
        case = sample_case(SITE, item, seed=seed, today=TODAY)
        assert complaints(item, case) == [], f"seed {seed}"
        members = case.application["form"]["members"]
        assert members[0]["relation"] == "0"


def test_a_site_with_hardly_any_lists_still_gets_its_numbers_right() -> None:
    lists = {name: codes for name, codes in SITE.code_lists.items() if name not in {"region6", "channel"}}
    bare = replace(SITE, code_lists=lists)
    item = next(item for item in SITE.items if item.code == "DA002")
    case = sample_case(bare, item, seed=1, today=TODAY)
    assert case.application["channel"] == "1"
    assert case.application["applicant"]["id_no"][:6] in {centre.district for centre in SITE.centres.values()}


@pytest.mark.parametrize(
    "pattern", ["a|b", r"\d{3}-\w+", "[^0-8]x?", r"(?:AB|CD){2}", "A.C", r"[\d-]{2,}", "^HD[0-9]{19}$", "[^A-Z0-9]"]
)
def test_a_text_is_made_that_matches_a_pattern(pattern: str) -> None:
    dice = random.Random(3)
    assert all(re.fullmatch(pattern, matching(pattern, dice)) for _ in range(20))


def test_a_pattern_beyond_the_generator_is_refused() -> None:
    with pytest.raises(PatternError):
        matching(r"(?=x)y", random.Random(1))


def test_a_birthday_keeps_to_an_age_even_on_leap_days() -> None:
    dice = random.Random(5)
    for _ in range(300):
        born = identities.birthday(dice, date(2028, 2, 29), 60, 60)
        assert date(1967, 3, 1) <= born <= date(1968, 2, 29)
