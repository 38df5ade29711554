"""Forms: what is right passes in one form, what is wrong is named at once, and no message repeats a value."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import catalogue
from contracts.api import BadField
from contracts.catalogue import CodeList, FieldGroup, Item
from contracts.envelope import CaseApplication, MaterialRef
from contracts.records import adapter
from hub.form_fields import FormRefused
from hub.form_rules import RULES
from hub.forms import Form, Stage, compile_form

SITE = Path(__file__).parents[2] / "plugins"
TODAY = date(2026, 3, 2)
ID = "310104195210019938"  # a man, born 1952-10-01
WOMAN = "310104195603179940"

LISTS: Mapping[str, CodeList] = {
    **{
        name: adapter(CodeList).validate_python(found)
        for name, found in tomllib.loads((SITE / "codes.toml").read_text("utf-8"))["lists"].items()
    },
    "dated": adapter(CodeList).validate_python(
        {
            "name_zh": "样例",
            "name_en": "Sample",
            "codes": [
                {"code": "now", "name_zh": "今", "name_en": "Now"},
                {"code": "past", "name_zh": "昔", "name_en": "Past", "valid_to": "2025"},
                {"code": "year", "name_zh": "年", "name_en": "This year", "valid_from": "2026", "valid_to": "2026"},
                {"code": "next", "name_zh": "后", "name_en": "Next", "valid_from": "2026-03-03"},
                {
                    "code": "today",
                    "name_zh": "当日",
                    "name_en": "Today",
                    "valid_from": "2026-03-02",
                    "valid_to": "2026-03-02",
                },
            ],
        }
    ),
}
GROUPS = {
    name: adapter(FieldGroup).validate_python(found)
    for name, found in tomllib.loads((SITE / "fields.toml").read_text("utf-8"))["groups"].items()
}

ITEM = """
code = "XX001"
version = 1
valid_from = "2026-01-01"
name_zh = "样例事项"
name_en = "Sample item"
owner = "MZ"
applicant_type = "natural_person"
case_type = "promised"
legal_days = 20
promised_days = 10
accepts = "s1"
decides = "s1"
field_groups = ["applicant", "agent", "bank"]
steps = [{ id = "s1", kind = "centre", name_zh = "受理", name_en = "Accept" }]
materials = [
    { material = "M0001" },
    { material = "M0002", required = false },
    { material = "M0011", when = "agent.id_no != null" },
    { material = "M0045", when = "length(form.members[?marital != '10']) > `0`" },
]
checks = [
    { rule = "age_range", on = "applicant.id_no", min = 60 },
    { rule = "age_range", on = "applicant.id_no", min_male = 75, min_female = 65, only_if = "form.kind == 'late'" },
    { rule = "max_length", on = "form.note", value = 5, severity = "warning" },
]
form_fields = [
    { name = "kind", type = "string" },
    { name = "note", type = "text" },
    { name = "count", type = "int", validators = [{ rule = "min", value = 1 }, { rule = "max", value = 9 }, { rule = "row_count_of", table = "members" }] },
    { name = "members", type = "table", validators = [{ rule = "min_rows", value = 1 }, { rule = "max_rows", value = 3 }, { rule = "unique_column", column = "id_no" }], columns = [
        { name = "name", type = "string", validators = [{ rule = "required" }, { rule = "max_length", value = 10 }] },
        { name = "id_no", type = "string", validators = [{ rule = "resident_id" }] },
        { name = "marital", type = "code", validators = [{ rule = "code_list", list = "marital" }] },
        { name = "income", type = "money", validators = [{ rule = "min", value = 0 }] },
    ] },
    { name = "income", type = "money", validators = [{ rule = "sum_of", table = "members", column = "income" }, { rule = "max", value = 100000 }] },
    { name = "area", type = "decimal", validators = [{ rule = "scale", value = 2 }, { rule = "min", value = 0 }] },
    { name = "part", type = "decimal", validators = [{ rule = "not_more_than", field = "form.area" }] },
    { name = "from", type = "date", validators = [{ rule = "date_range", earliest = "2020-01-01", latest = "today+30d" }] },
    { name = "to", type = "date", validators = [{ rule = "not_less_than", field = "form.from" }, { rule = "max_span", from = "form.from", months = 1 }] },
    { name = "event", type = "date", validators = [{ rule = "date_not_future" }, { rule = "date_range", earliest = "today-60d" }] },
    { name = "first_month", type = "month" },
    { name = "last_month", type = "month", validators = [{ rule = "not_less_than", field = "form.first_month" }, { rule = "max_span", from = "form.first_month", months = 12 }] },
    { name = "agrees", type = "bool", validators = [{ rule = "equals", value = true }] },
    { name = "fee", type = "money", validators = [{ rule = "equals", value = 10 }] },
    { name = "one", type = "int", validators = [{ rule = "equals", value = 1 }] },
    { name = "colour", type = "code", validators = [{ rule = "code_list", list = "dated" }] },
    { name = "colours", type = "codes", validators = [{ rule = "code_list", list = "dated" }] },
    { name = "cert", type = "string", validators = [{ rule = "pattern", value = "^[A-Z]{2}[0-9]{4}$" }] },
    { name = "employer", type = "string", validators = [{ rule = "uscc" }] },
    { name = "moved", type = "bool" },
    { name = "new_address", type = "string", when = "form.moved == `true`", validators = [{ rule = "required_if", when = "form.moved == `true`" }] },
    { name = "guardian", type = "string", validators = [{ rule = "required_if", when = "contains(['05', '06'], form.kind)" }] },
    { name = "child_born", type = "date", validators = [{ rule = "age_range", min = 6, max = 7, at = "08-31" }] },
    { name = "extra", type = "object" },
    { name = "heir_id", type = "string", validators = [{ rule = "resident_id" }, { rule = "age_range", min = 18 }] },
]
"""


def item_of(text: str) -> Item:
    raw = tomllib.loads(text)
    for one in raw.get("form_fields", []):
        one.setdefault("label_zh", one["name"])
        one.setdefault("label_en", one["name"])
    return adapter(Item).validate_python(raw)


FORM = compile_form(item_of(ITEM), GROUPS, LISTS)
LEGAL = compile_form(
    item_of(ITEM.replace('["applicant", "agent", "bank"]', '["legal_person"]').split("checks =")[0]), GROUPS, LISTS
)

BASE = CaseApplication(
    item="XX001",
    receiving_centre="310104901",
    applicant={
        "name": "王龘",
        "id_type": "111",
        "id_no": ID,
        "mobile": "19900000003",
        "hukou_region": "310104901",
        "residence_region": "310104901",
        "address": "样例路99号",
        "notify_sms": True,
    },
    form={"bank_name": "03", "bank_account": "9900000000000036", "account_name": "王龘"},
    materials=(MaterialRef(material="M0001", originals=1),),
    accepted=True,
)


def application(applicant: Mapping[str, Any] | None = None, **form: Any) -> CaseApplication:
    """The base with some fields changed."""
    return replace(BASE, applicant={**BASE.applicant, **(applicant or {})}, form={**BASE.form, **form})


def bad(case: CaseApplication, form: Form = FORM, stage: Stage | None = None) -> dict[str, str]:
    """Messages by pointer."""
    _, found = form.check(case, TODAY, stage)
    assert len({one.pointer for one in found}) == len(found), "one message a field"
    return {one.pointer: one.message for one in found}


def kept(case: CaseApplication) -> CaseApplication:
    found, errors = FORM.check(case, TODAY)
    assert errors == ()
    return found


MEMBERS: list[dict[str, Any]] = [
    {"name": "王龘", "id_no": ID, "marital": "10", "income": "1000.00"},
    {"name": "张㛃", "id_no": WOMAN, "marital": "10", "income": 500.5},
]


def test_a_right_application_passes_and_comes_back_in_the_hub_s_form() -> None:
    found = kept(
        application(members=MEMBERS, count=2, income=1500.5, area=12.50, note=" two\nlines ", colours=["now", "year"])
    )
    assert found.form["income"] == "1500.50"
    assert found.form["area"] == "12.5"
    assert found.form["note"] == "two\nlines"
    assert found.form["members"][1]["income"] == "500.50"  # type: ignore[index, call-overload]
    assert found.agent is None
    assert found.materials == BASE.materials


def test_what_is_checked_again_comes_out_the_same() -> None:
    once = kept(application(members=MEMBERS, count=2, income="1500.50", area="12.500", fee=10))
    assert kept(once) == once


# pointer below /form | value | what the message says; a right value says nothing
VALUES: list[tuple[str, Any, str]] = [
    ("count", 2.0, "whole number"),
    ("count", True, "whole number"),
    ("count", "2", "whole number"),
    ("count", 2**60, "whole number"),
    ("count", 0, "give 1 or more"),
    ("count", 10, "give 9 or less"),
    ("note", 5, "give text"),
    ("note", "a\x00b", "control characters"),
    ("note", "样" * 10_001, "at most 10000"),
    ("kind", "two\nlines", "line breaks"),
    ("kind", "half a \ud842", "control characters"),
    ("kind", "a" * 1001, "at most 1000"),
    ("kind", ["a"], "give text"),
    ("kind", "样　例", ""),
    ("kind", "𠮷", ""),
    ("agrees", "yes", "true or false"),
    ("agrees", False, "must be true"),
    ("agrees", True, ""),
    ("fee", "10.00", ""),
    ("fee", 10, ""),
    ("fee", "10.01", "must be 10"),
    ("one", 1, ""),
    ("one", 2, "must be 1"),
    ("income", "12.345", "at most two decimals"),
    ("income", "1e3", "give a number"),
    ("income", True, "give a number"),
    ("income", None, ""),
    ("income", "", ""),
    ("income", "100000", ""),
    ("income", 100000.01, "give 100000 or less"),
    ("income", 1e300, "give a number"),
    ("area", "12.345", "at most 2 decimal"),
    ("area", "12.340", ""),
    ("area", -1, "give 0 or more"),
    ("area", "１２", "give a number"),
    ("from", "2026-02-30", "YYYY-MM-DD"),
    ("from", "20260302", "YYYY-MM-DD"),
    ("from", "2026-W10-1", "YYYY-MM-DD"),
    ("from", "2026-3-2", "YYYY-MM-DD"),
    ("from", 20260302, "give text"),
    ("from", "", ""),
    ("from", "2019-12-31", "give 2020-01-01 or later"),
    ("from", "2020-01-01", ""),
    ("from", "2026-04-01", ""),
    ("from", "2026-04-02", "give 2026-04-01 or earlier"),
    ("event", "2026-03-02", ""),
    ("event", "2026-03-03", "not in the future"),
    ("event", "2026-01-01", ""),
    ("event", "2025-12-31", "give 2026-01-01 or later"),
    ("first_month", "2026-13", "YYYY-MM"),
    ("first_month", "2026-03", ""),
    ("colour", "now", ""),
    ("colour", "NOW", "a code of the list dated"),
    ("colour", "past", "a code of the list dated"),
    ("colour", "year", ""),
    ("colour", "next", "a code of the list dated"),
    ("colour", "today", ""),
    ("colour", 1, "give text"),
    ("colours", "now", "list of codes"),
    ("colours", ["now", "now"], "each code once"),
    ("colours", ["now", "no"], "a code of the list dated"),
    ("colours", [1], "give text"),
    ("colours", [], ""),
    ("cert", "AB1234", ""),
    ("cert", "AB12345", "must match"),
    ("cert", "xAB1234", "must match"),
    ("employer", "91310101YYYY00012G", ""),
    ("employer", " 91310101yyyy00012g ", ""),
    ("employer", "91310101YYYY000120", "no valid unified"),
    ("employer", "91310104IYYY00020N", "no valid unified"),
    ("employer", "91310106YYYY00039", "18 characters"),
    ("employer", "91310101YYYY00013K", "organisation code"),
    ("bank_account", "12", "must match"),
    ("bank_account", "９９00000000000036", ""),
    ("account_name", "赵样例", "the same as applicant.name"),
    ("bank_name", None, "required"),
    ("bank_name", "  ", "required"),
    ("child_born", "2019-08-31", ""),
    ("child_born", "2018-09-01", ""),
    ("child_born", "2020-09-01", "6 or older on 2026-08-31"),
    ("child_born", "2018-08-31", "7 or younger on 2026-08-31"),
    ("extra", {"any": [1, None]}, ""),
    ("extra", [], "give an object"),
    ("extra", {}, ""),
    ("heir_id", "310110201901129912", "18 or older"),
    ("heir_id", WOMAN, ""),
    ("members", {}, "list of rows"),
    ("members", [], ""),
    ("members", MEMBERS * 2, "at most 3 rows"),
    ("members", [MEMBERS[0], {**MEMBERS[1], "id_no": ID}], "each id_no in one row"),
]


@pytest.mark.parametrize(("name", "value", "says"), VALUES, ids=lambda part: str(part)[:40])
def test_a_value_is_right_or_the_message_says_what_to_do(name: str, value: Any, says: str) -> None:
    found = bad(application(**{name: value}))
    if says:
        assert set(found) == {f"/form/{name}"}
        assert says in found[f"/form/{name}"]
    else:
        assert found == {}


RELATED: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"area": 10, "part": 10}, {}),
    ({"area": "9.5", "part": 10}, {"/form/part": "must not be more than form.area"}),
    ({"part": 10}, {}),
    ({"area": "many", "part": 10}, {"/form/area": "give a number such as 12.5, as a JSON number or as text"}),
    ({"from": "2026-01-31", "to": "2026-02-28"}, {}),
    ({"from": "2026-01-31", "to": "2026-03-01"}, {"/form/to": "must be at most 1 months after form.from"}),
    ({"from": "2026-01-31", "to": "2026-01-30"}, {"/form/to": "must not be less than form.from"}),
    ({"from": "2025-12-15", "to": "2026-01-15"}, {}),
    ({"to": "2026-01-15"}, {}),
    ({"first_month": "2025-01", "last_month": "2026-01"}, {}),
    (
        {"first_month": "2025-01", "last_month": "2026-02"},
        {"/form/last_month": "must be at most 12 months after form.first_month"},
    ),
    (
        {"first_month": "2025-02", "last_month": "2025-01"},
        {"/form/last_month": "must not be less than form.first_month"},
    ),
    ({"members": MEMBERS, "count": 3}, {"/form/count": "must be the number of rows of form.members"}),
    ({"members": MEMBERS, "income": 1}, {"/form/income": "must be the sum of column income of form.members"}),
    ({"members": MEMBERS, "income": "1500.5"}, {}),
    ({"income": 1, "count": 5}, {}),
    # A wrong cell makes no second complaint about the sum.
    (
        {"members": [{**MEMBERS[0], "income": "x"}], "income": 1},
        {"/form/members/0/income": "give a number such as 12.5, as a JSON number or as text"},
    ),
]


@pytest.mark.parametrize(("form", "expected"), RELATED, ids=str)
def test_fields_are_held_against_each_other(form: dict[str, Any], expected: dict[str, str]) -> None:
    assert bad(application(**form)) == expected


def test_every_validator_of_the_closed_list_is_under_test() -> None:
    used = {
        one.rule
        for field in item_of(ITEM).form_fields
        for one in (*field.validators, *(v for c in field.columns for v in c.validators))
    }
    used |= {
        one.rule
        for group in ("applicant", "bank", "agent")
        for field in GROUPS[group].fields
        for one in field.validators
    }
    used |= {check.rule for check in item_of(ITEM).checks}
    assert used == set(RULES) == set(catalogue.RULES)


def test_cells_of_a_table_are_named_by_row_and_column() -> None:
    rows = [
        {"name": "王龘", "marital": "99", "colour": "x"},
        {"name": "", "id_no": "1"},
        "no row",
        {"name": 5, "income": -1},
    ]
    found = bad(application(members=rows))
    assert found == {
        "/form/members/0/colour": "no field of this item: leave it out",
        "/form/members/0/marital": "give a code of the list marital",
        "/form/members/1/name": "required: give a value",
        "/form/members/1/id_no": "an identity number has 18 characters: read it again from the card",
        "/form/members/2": "give an object with the columns of the table",
        "/form/members/2/name": "required: give a value",
        "/form/members/3/name": "give text",
        "/form/members/3/income": "give 0 or more",
        "/form/members": "give at most 3 rows",
        "/materials": "material M0045 is missing: hand it in before acceptance",
    }


def test_every_bad_field_is_named_at_once() -> None:
    case = replace(
        application({"mobile": "1", "id_no": "x"}, count="x", nonsense=1),
        materials=(),
        channel="99",
        agent={"relation": "99"},
    )
    assert set(bad(case)) == {
        "/applicant/mobile",
        "/applicant/id_no",
        "/form/count",
        "/form/nonsense",
        "/agent/relation",
        "/channel",
        "/materials",
    }


# --- identity numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_id", "kept_id"),
    [
        ("31010419850303991x", "31010419850303991X"),
        ("31010419850303991Ｘ", "31010419850303991X"),
        ("31010419850303991ｘ", "31010419850303991X"),
        ("３１010419850303991X", "31010419850303991X"),
        (" 310101194002299919 ", "310101194002299919"),
        ("　310101194002299919　", "310101194002299919"),
        ("310104520101991", "31010419520101991X"),
    ],
)
def test_an_identity_number_is_normalised_on_entry(given_id: str, kept_id: str) -> None:
    assert FORM.check(application({"id_no": given_id}), TODAY)[0].applicant["id_no"] == kept_id
    found = FORM.check(application(heir_id=given_id, members=[{"name": "样例", "id_no": given_id}]), TODAY)[0].form
    assert found["heir_id"] == kept_id
    assert found["members"] == [{"name": "样例", "id_no": kept_id}]


@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("310101194002299910", "check character"),
        ("310104199902309918", "date of birth"),
        ("31010419470815992", "18 characters"),
        ("990104199001019928", "no region"),
        ("310104209901019931", "date of birth"),
        ("310104189901019931", "date of birth"),
        ("310104520101996", "18 characters"),  # a centenarian's: the century of 15 digits is not known
        ("31010419520101991A", "digits"),
        ("3101041952010199１１", "check character"),
        ("31010419520101９９1", "18 characters"),
        ("²10104195210019938", "digits"),
    ],
)
def test_a_wrong_identity_number_is_refused(number: str, says: str) -> None:
    found = bad(application({"id_no": number}))
    if says == "check character" and "１" in number:
        assert "/applicant/id_no" in found
        return
    assert list(found) == ["/applicant/id_no"]
    assert says in found["/applicant/id_no"]


@pytest.mark.parametrize(
    "number", ["310103197706019934", "310108198609099967", "310230198811119979", "330106199001019987"]
)
def test_the_region_of_an_identity_number_may_be_a_former_one_or_elsewhere(number: str) -> None:
    assert bad(application(heir_id=number)) == {}


def test_another_document_is_not_read_as_an_identity_number() -> None:
    passport = {"id_type": "414", "id_no": "E12345678", "birth_date": "1950-01-01", "sex": "2"}
    assert kept(application(passport)).applicant["id_no"] == "E12345678"
    fifteen = {**passport, "id_no": "310104520101991"}
    assert kept(application(fifteen)).applicant["id_no"] == "310104520101991"


def test_an_age_limit_without_a_date_of_birth_asks_for_it() -> None:
    found = bad(application({"id_type": "414", "id_no": "E12345678"}))
    assert found == {"/applicant/id_no": "an age limit applies: give an identity number, or the date of birth too"}
    young = application({"id_type": "414", "id_no": "E12345678", "birth_date": "1990-01-01"})
    assert bad(young) == {"/applicant/id_no": "the person must be 60 or older"}


def test_an_age_limit_may_differ_by_sex_and_apply_only_sometimes() -> None:
    assert bad(application({"id_no": WOMAN}, kind="late", account_name="王龘")) == {}  # 69 years old, 65 wanted
    assert bad(application(kind="late")) == {"/applicant/id_no": "the person must be 75 or older"}  # 73 years old
    assert bad(application(kind="early")) == {}


def test_sex_and_date_of_birth_follow_from_the_identity_number() -> None:
    found = kept(application())
    assert (found.applicant["sex"], found.applicant["birth_date"]) == ("1", "1952-10-01")
    assert kept(application({"sex": "1", "birth_date": "1952-10-01"})).applicant == found.applicant
    wrong = bad(application({"sex": "2", "birth_date": "1952-10-02"}))
    assert set(wrong) == {"/applicant/sex", "/applicant/birth_date"}
    assert "must agree with applicant.id_no" in wrong["/applicant/sex"]
    assert "sex" not in FORM.check(application({"id_no": "310101194002299910"}), TODAY)[0].applicant


# --- conditions ------------------------------------------------------------------------------------------------------


def test_a_conditional_field_is_required_when_it_applies_and_refused_when_not() -> None:
    assert bad(application(moved=True)) == {"/form/new_address": "required: give a value"}
    assert bad(application(moved=True, new_address="样例路1号")) == {}
    assert bad(application(moved=False)) == {}
    assert bad(application(moved=False, new_address="样例路1号")) == {
        "/form/new_address": "leave it out: it applies only when form.moved == `true`"
    }
    assert bad(application(new_address="样例路1号", moved=None)) != {}
    assert bad(application(moved=False, new_address=None)) == {}, "a correction takes a value back with null"


def test_a_condition_beyond_a_plain_comparison_works_too() -> None:
    assert bad(application(kind="05")) == {"/form/guardian": "required: give a value"}
    assert bad(application(kind="05", guardian="样例")) == {}
    assert set(bad(application(kind="01", guardian="样例"))) == {"/form/guardian"}


def test_true_is_not_one() -> None:
    assert bad(application(moved=1)) == {"/form/moved": "give true or false"}


# --- papers ----------------------------------------------------------------------------------------------------------


def test_papers_may_be_missing_at_receipt_and_not_at_acceptance() -> None:
    bare = replace(BASE, materials=())
    missing = {"/materials": "material M0001 is missing: hand it in before acceptance"}
    assert bad(bare) == missing
    assert bad(replace(bare, accepted=False)) == {}
    assert bad(replace(bare, accepted=False), stage=Stage.ACCEPTANCE) == missing
    assert bad(bare, stage=Stage.RECEIPT) == {}


def test_a_paper_is_wanted_only_under_its_condition() -> None:
    by_agent = replace(BASE, agent={"id_no": WOMAN, "name": "张㛃", "relation": "01"})
    assert bad(by_agent) == {"/materials": "material M0011 is missing: hand it in before acceptance"}
    assert bad(replace(by_agent, materials=(*BASE.materials, MaterialRef(material="M0011", key="k")))) == {}
    married = application(members=[{"name": "样例", "marital": "20"}])
    assert bad(married) == {"/materials": "material M0045 is missing: hand it in before acceptance"}


def test_papers_that_nobody_asked_for_or_that_are_none_are_refused() -> None:
    papers = (
        MaterialRef(material="M0001", originals=1),
        MaterialRef(material="M0099", originals=1),
        MaterialRef(material="M0002"),
        MaterialRef(material="M0002", copies=-1),
        MaterialRef(material="M0002", key="k"),
    )
    assert set(bad(replace(BASE, materials=papers))) == {"/materials/1/material", "/materials/2", "/materials/3"}


# --- scopes ----------------------------------------------------------------------------------------------------------


def test_an_empty_agent_is_no_agent() -> None:
    assert kept(replace(BASE, agent={"name": " "})).agent is None


def test_an_item_without_agents_refuses_one() -> None:
    company = CaseApplication(
        item="XX001",
        receiving_centre="310104901",
        applicant={
            "name": "样例公司",
            "uscc": "９1310101yyyy00012g",
            "org_kind": "01",
            "legal_rep_name": "赵样例",
            "contact_name": "钱样例",
            "mobile": "19900000001",
            "region": "310104901",
            "address": "样例路1号",
        },
        agent={"name": "赵样例"},
    )
    assert bad(company, LEGAL) == {"/agent": "this item takes no agent: leave it out"}
    found, errors = LEGAL.check(replace(company, agent=None), TODAY)
    assert errors == ()
    assert found.applicant["uscc"] == "91310101YYYY00012G"


def test_the_name_of_an_unknown_field_is_escaped_and_never_endless() -> None:
    found, errors = FORM.check(application({"a/b~c": 1, "x" * 500: 1}), TODAY)
    assert {one.pointer for one in errors} == {"/applicant/a~1b~0c", "/applicant"}
    assert "a/b~c" not in found.applicant


def test_a_doubtful_account_number_is_a_warning_and_stops_nothing() -> None:
    case = application(bank_account="9900000000000011", note="longer than five")
    assert bad(case) == {}
    assert FORM.warnings(case, TODAY) == (
        BadField(
            pointer="/form/bank_account", message="the check digit does not fit: compare the number with the card"
        ),
        BadField(pointer="/form/note", message="give at most 5 characters"),
    )
    assert FORM.warnings(BASE, TODAY) == ()


# --- mistakes in an item ---------------------------------------------------------------------------------------------


def test_a_form_with_mistakes_names_every_one() -> None:
    text = """
        code = "XX002"
        version = 3
        valid_from = "2026-01-01"
        name_zh = "样例"
        name_en = "Sample"
        owner = "MZ"
        applicant_type = "natural_person"
        case_type = "promised"
        legal_days = 20
        promised_days = 10
        accepts = "s1"
        decides = "s1"
        field_groups = ["applicant", "nowhere"]
        steps = []
        materials = [{ material = "M0001", when = "a ==" }]
        checks = [{ rule = "min", value = 1 }, { rule = "min", on = "form.gone", value = 1 }]
        form_fields = [
            { name = "a", type = "string" },
            { name = "a", type = "string" },
            { name = "b", type = "string", validators = [{ rule = "shiny" }] },
            { name = "c", type = "code", validators = [{ rule = "code_list", list = "gone" }] },
            { name = "d", type = "string", validators = [{ rule = "pattern", value = "(" }] },
            { name = "e", type = "int", validators = [{ rule = "min" }] },
            { name = "f", type = "int", validators = [{ rule = "not_more_than", field = "form.gone" }] },
            { name = "g", type = "table" },
            { name = "h", type = "string", when = "a ==" },
            { name = "i", type = "date", validators = [{ rule = "date_range", earliest = "yesterday" }] },
            { name = "j", type = "string", derive = { from = "form.gone", slice = [0, 1], rule = "magic" } },
            { name = "k", type = "string", validators = [{ rule = "required_if", when = "=" }] },
        ]
    """
    with pytest.raises(FormRefused, match="item XX002 version 3") as caught:
        compile_form(item_of(text), GROUPS, LISTS)
    texts = "\n".join(caught.value.mistakes)
    for says in (
        "no field group nowhere",
        "there twice",
        "no validator shiny",
        "form.c: no code list gone",
        "form.d: pattern",
        "form.e: min: the parameter value is missing",
        "form.f: no field form.gone",
        "form.g: a table has columns",
        "form.h: ",
        "form.i: date_range",
        "form.j: no field form.gone",
        "no rule magic",
        "form.k: ",
        "check min: no field None",
        "check min: no field form.gone",
        "material M0001: ",
    ):
        assert says in texts


def test_a_site_without_a_list_of_channels_takes_any() -> None:
    lists = {name: found for name, found in LISTS.items() if name != "channel"}
    form = compile_form(item_of(ITEM), GROUPS, lists)
    assert bad(replace(BASE, channel="anything"), form) == {}


# --- the sample city, and anything at all ----------------------------------------------------------------------------

SAMPLES = sorted(SITE.glob("*/samples/*.json"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_of_the_sample_city_is_filled_in_correctly(sample: Path) -> None:
    data = json.loads(sample.read_text("utf-8"))["data"]
    case = adapter(CaseApplication).validate_python(data)
    item = next(path for path in SITE.glob(f"*/items/{case.item}.toml"))
    form = compile_form(adapter(Item).validate_python(tomllib.loads(item.read_text("utf-8"))), GROUPS, LISTS)
    assert bad(case, form, Stage.ACCEPTANCE) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([field.name for field in item_of(ITEM).form_fields])


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(NAMES, JSON), st.dictionaries(st.sampled_from([*BASE.applicant]), JSON))
def test_no_value_breaks_the_check(form: dict[str, Any], applicant: dict[str, Any]) -> None:
    found, errors = FORM.check(application(applicant, **form), TODAY)
    if not errors:
        assert kept(found) == found


CANARY = "样例金丝雀8841"


@settings(deadline=None)
@given(st.sampled_from(["applicant", "form"]), st.data())
def test_no_message_repeats_a_value(scope: str, data: st.DataObject) -> None:
    names = [*BASE.applicant] if scope == "applicant" else [field.name for field in item_of(ITEM).form_fields]
    wrong: dict[str, Any] = dict.fromkeys(
        data.draw(st.lists(st.sampled_from(names))), data.draw(st.sampled_from([CANARY, [CANARY], {"name": CANARY}]))
    )
    case = application(wrong) if scope == "applicant" else application(**wrong)
    for one in FORM.check(case, TODAY)[1]:
        assert CANARY not in one.message
        assert CANARY not in one.pointer
