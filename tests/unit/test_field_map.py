"""Typed values both ways, the rows of a field map, and what a department's code means."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from adapters.field_map import (
    JSON_FORM,
    RECORD_FORM,
    BadValueError,
    ValueForm,
    as_code,
    field_map,
    nested,
    outcome_of,
    read_value,
    value_at,
    wire_value,
)
from contracts.catalogue import Column, FieldType, Operation
from contracts.delivery import Completed, Decision, Returned
from contracts.errors import DeliveryError, DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.records import adapter
from contracts.situation import Situation

CODES = {
    "OK": {"outcome": "completed.done", "name_zh": "成功", "name_en": "done"},
    "A": {"outcome": "completed.granted", "name_zh": "准予", "name_en": "granted"},
    "B": {"outcome": "completed.refused", "name_zh": "不予", "name_en": "refused"},
    "C": {"outcome": "returned", "name_zh": "退回", "name_en": "returned"},
    "D": {"outcome": "temporary", "name_zh": "繁忙", "name_en": "busy"},
    "E": {"outcome": "permanent", "name_zh": "有误", "name_en": "invalid"},
    "F": {"outcome": "permanent", "name_zh": "重复", "name_en": "duplicate record", "duplicate": True},
    "NIL": {"outcome": "completed.done", "name_zh": "查无", "name_en": "no record", "none_found": True},
}


def an_operation(request: list[dict[str, Any]], reply: list[dict[str, Any]]) -> Operation:
    fields = [{"source": "form.x", **field} for field in request]
    rest = {"purpose": "check", "answers": "at_once", "result_codes": {"api": CODES}, "wire": {}}
    return adapter(Operation).validate_python(
        {"key": "check", "name_zh": "比对", "name_en": "Check", "request": fields, "reply": reply, **rest}
    )


@pytest.mark.parametrize(
    ("kind", "held", "in_json", "in_record"),
    [
        ("string", "样例", "样例", "样例"),
        ("code", "01", "01", "01"),
        ("codes", ["1", "2"], ["1", "2"], "1;2"),
        ("bool", True, True, "1"),
        ("bool", False, False, "0"),
        ("int", 7, 7, "7"),
        ("decimal", "0.125", "0.125", "0.125"),
        ("money", "12.50", "12.50", "1250"),
        ("money", "-0.05", "-0.05", "-5"),
        ("date", "2026-11-23", "2026-11-23", "20261123"),
        ("month", "2026-11", "2026-11", "202611"),
        ("object", {"a": 1}, {"a": 1}, '{"a":1}'),
        ("table", [{"a": "x"}], [{"a": "x"}], '[{"a":"x"}]'),
    ],
)
def test_a_value_survives_the_way_out_and_back(kind: str, held: JsonValue, in_json: JsonValue, in_record: str) -> None:
    assert wire_value(held, kind) == in_json
    assert wire_value(held, kind, RECORD_FORM) == in_record
    assert read_value(in_json, kind) == held
    assert read_value(in_record, kind, RECORD_FORM) == held


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", True),
        ("string", {"x": 1}),
        ("code", 1.5),
        ("codes", "1"),
        ("codes", [["1"]]),
        ("bool", "yes"),
        ("bool", 1),
        ("bool", []),
        ("int", 1.5),
        ("int", "1,000"),
        ("int", True),
        ("int", 10**30),
        ("decimal", "1e99"),
        ("decimal", "NaN"),
        ("decimal", "twelve"),
        ("decimal", True),
        ("money", "1.005"),
        ("money", [1]),
        ("date", "2026-02-30"),
        ("date", "20260230"),
        ("date", 20260101),
        ("date", "2026-1-5"),
        ("month", "2026-13"),
        ("month", 202611),
        ("table", {"a": 1}),
        ("table", ["a"]),
        ("object", [1]),
        ("colour", "red"),
    ],
)
def test_what_a_type_cannot_hold_is_refused_both_ways_and_never_repeated(kind: str, value: JsonValue) -> None:
    for convert in (wire_value, read_value):
        with pytest.raises(BadValueError) as caught:
            convert(value, kind)
        if kind != "colour" and isinstance(value, str):
            assert value not in str(caught.value)


def test_a_code_with_the_separator_in_it_would_become_two_codes() -> None:
    with pytest.raises(BadValueError):
        wire_value(["1;2"], "codes", RECORD_FORM)
    with pytest.raises(BadValueError):
        read_value("[1", "table", RECORD_FORM)


def test_absent_is_blank_in_a_record_and_nothing_in_json() -> None:
    assert wire_value(None, "date", RECORD_FORM) == ""
    assert wire_value(None, "date") is None
    assert read_value("", "int", RECORD_FORM) is None
    assert read_value(None, "int") is None


def test_numbers_that_json_carries_as_numbers_are_read_without_loss() -> None:
    assert read_value(0.1, "decimal") == "0.1"
    assert read_value(1200, "money") == "1200.00"
    assert read_value(1200.5, "money") == "1200.50"
    assert read_value(123, "string") == "123"
    assert wire_value("12", "int") == 12


def test_a_channel_says_how_it_writes_dates_and_flags() -> None:
    form = ValueForm(text=True, date="%Y/%m/%d", true="Y", false="N")
    assert wire_value("2026-11-23", "date", form) == "2026/11/23"
    assert read_value("Y", "bool", form) is True
    with pytest.raises(BadValueError):
        read_value("2026/1/5", "date", form)


def test_cells_of_a_table_are_coerced_by_their_columns_and_undeclared_cells_stay_behind() -> None:
    columns = (Column(name="on", type="date"), Column(name="sum", type="money"))
    rows: JsonValue = [{"on": "2026-11-23", "sum": 1, "secret": "x"}, {"on": None}]
    assert wire_value(rows, "table", JSON_FORM, columns) == [{"on": "2026-11-23", "sum": "1.00"}, {}]
    assert read_value('[{"sum": 2}]', "table", RECORD_FORM, columns) == [{"sum": "2.00"}]
    assert wire_value({"sum": 3, "x": 1}, "object", JSON_FORM, columns) == {"sum": "3.00"}


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2, allow_nan=False))
def test_no_cent_is_lost_in_any_form(amount: object) -> None:
    held = f"{amount:.2f}"
    for form in (JSON_FORM, RECORD_FORM):
        assert read_value(wire_value(held, "money", form), "money", form) in {held, held.removeprefix("-")}


@given(st.dates())
def test_every_day_survives_a_record(day: object) -> None:
    held = str(day)
    if held >= "1000":
        assert read_value(wire_value(held, "date", RECORD_FORM), "date", RECORD_FORM) == held


REQUEST: list[dict[str, Any]] = [
    {"name": "name", "type": "string", "required": True, "max_length": 4},
    {"name": "born_on", "type": "date"},
    {"name": "income", "type": "money"},
]
REPLY: list[dict[str, Any]] = [{"name": "found", "type": "bool"}, {"name": "amount", "type": "money"}]


def test_exactly_the_declared_fields_leave() -> None:
    rows = field_map(an_operation(REQUEST, REPLY))
    fields: dict[str, JsonValue] = {"name": "样例", "income": "3", "born_on": None, "id_no": "not asked for"}
    assert rows.to_wire(fields) == {"name": "样例", "income": "3.00"}


def test_a_record_has_a_blank_where_json_has_nothing() -> None:
    rows = field_map(an_operation(REQUEST, REPLY), form=RECORD_FORM)
    assert rows.to_wire({"name": "样例"}) == {"name": "样例", "born_on": "", "income": ""}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "field_missing"),
        ({"name": ""}, "field_missing"),
        ({"name": "样例一二三"}, "field_too_long"),
        ({"name": "样例", "born_on": "yesterday"}, "bad_field"),
    ],
)
def test_a_message_that_cannot_be_expressed_never_leaves(fields: dict[str, JsonValue], code: str) -> None:
    with pytest.raises(PermanentError) as caught:
        field_map(an_operation(REQUEST, REPLY)).to_wire(fields)
    assert caught.value.code == code
    assert "样例" not in str(caught.value)


def test_request_rows_rename_nest_and_leave_out() -> None:
    rows = {"person.xm": "name", "person.csrq": "born_on", "kind": "'02'", "income": "income"}
    mapped = field_map(an_operation(REQUEST, REPLY), request=rows)
    assert mapped.to_wire({"name": "样例", "born_on": "1960-01-31"}) == {
        "person": {"xm": "样例", "csrq": "1960-01-31"},
        "kind": "02",
    }


def test_a_row_inside_a_plain_value_is_a_mistake_of_the_map() -> None:
    mapped = field_map(an_operation(REQUEST, REPLY), request={"a": "name", "a.b": "name"})
    with pytest.raises(PermanentError, match="bad_field_map"):
        mapped.to_wire({"name": "样例"})


def test_reply_rows_find_their_fields_anywhere_and_nothing_else_comes_in() -> None:
    mapped = field_map(an_operation(REQUEST, REPLY), reply={"found": "data[0].hit"})
    answer: dict[str, JsonValue] = {"data": [{"hit": True}], "amount": 5, "noise": "x"}
    assert mapped.from_wire(answer) == {"found": True, "amount": "5.00"}
    assert mapped.from_wire({}) == {}


def test_values_go_to_the_places_that_their_paths_name_and_are_found_there() -> None:
    message = nested({"id": "7", "head.retCode": "0", "head.note": "x", "id.below": "lost"})
    assert message == {"id": "7", "head": {"retCode": "0", "note": "x"}}
    assert value_at(message, "head.retCode") == "0"
    assert value_at({"a.b": 1}, "a.b") == 1
    assert value_at(message, "id.deeper") is value_at(message, "none.at.all") is None


def test_an_answer_with_an_unreadable_field_is_not_understood() -> None:
    with pytest.raises(OutcomeUnknownError, match="bad_reply_field: found"):
        field_map(an_operation(REQUEST, REPLY)).from_wire({"found": "perhaps"})


def test_a_map_with_a_stray_field_or_a_broken_expression_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="no reply field colour"):
        field_map(an_operation(REQUEST, REPLY), reply={"colour": "x"})
    with pytest.raises(ValueError, match="Invalid jmespath"):
        field_map(an_operation(REQUEST, REPLY), request={"x": "a["})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("OK", Completed(decision=Decision.DONE, fields={"amount": "1.00"})),
        ("A", Completed(decision=Decision.GRANTED, fields={"amount": "1.00"})),
        ("B", Completed(decision=Decision.REFUSED, fields={"amount": "1.00"})),
        ("C", Returned(reason_code="C", wanted=("M01",))),
    ],
)
def test_a_known_code_is_an_outcome(code: str, expected: object) -> None:
    found = outcome_of(an_operation(REQUEST, REPLY), Situation.API, code, {"amount": "1.00"}, wanted=["M01"])
    assert found == expected


@pytest.mark.parametrize("reply", [{}, {"amount": "1.00"}, {"found": True}])
def test_a_code_that_says_nothing_was_found_says_so_in_the_reply(reply: dict[str, JsonValue]) -> None:
    found = outcome_of(an_operation(REQUEST, REPLY), Situation.API, "NIL", reply)
    assert found == Completed(decision=Decision.DONE, fields={**reply, "found": False})


@pytest.mark.parametrize(("code", "kind"), [("D", TemporaryError), ("E", PermanentError), ("F", DuplicateError)])
def test_a_code_may_be_an_error_which_is_returned_not_raised(code: str, kind: type) -> None:
    found = outcome_of(an_operation(REQUEST, REPLY), Situation.API, code, {})
    assert isinstance(found, DeliveryError)
    assert type(found) is kind
    assert found.code == code


def test_a_finer_reason_replaces_the_code_of_a_return() -> None:
    found = outcome_of(an_operation(REQUEST, REPLY), Situation.API, "C", {}, reason_code="no_stamp")
    assert found == Returned(reason_code="no_stamp")


@pytest.mark.parametrize("text", ["赵样例的身份证不清楚", "the photo is blurred", " "])
def test_a_reason_in_words_becomes_other_since_it_may_name_a_resident(text: str) -> None:
    found = outcome_of(an_operation(REQUEST, REPLY), Situation.API, "C", {}, reason_code=text)
    assert found == Returned(reason_code="other")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (" MZ-2026/17 ", "MZ-2026/17"),
        ("9" * 70, "9" * 64),
        ("沪民2026第17号", None),
        ("a b", None),
        (7, None),
        (None, None),
    ],
)
def test_a_departments_reference_is_kept_only_where_it_is_a_code(text: JsonValue, code: str | None) -> None:
    assert as_code(text) == code


@pytest.mark.parametrize("situation", [Situation.API, Situation.PAPER])
def test_a_code_that_nobody_declared_is_never_a_success(situation: Situation) -> None:
    found = outcome_of(an_operation(REQUEST, REPLY), situation, "样例某 440106", {})
    assert isinstance(found, OutcomeUnknownError)
    assert found.code == "unknown_result_code"
    assert "440106" not in str(found)


@pytest.mark.parametrize("kind", sorted(set(get_args(FieldType)) - {"table", "object"}))
def test_every_type_that_a_field_may_have_is_written_and_read(kind: str) -> None:
    plain: dict[str, JsonValue] = {
        "bool": True,
        "int": 1,
        "decimal": "1.5",
        "money": "1.50",
        "date": "2026-03-02",
        "month": "2026-03",
        "codes": ["1"],
    }
    given = plain.get(kind, "两行\n文字")
    assert read_value(wire_value(given, kind), kind) == given
