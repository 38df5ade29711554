"""What a SOAP table may say, what its operations must have, and how one string carries many fields."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from adapters.soap_answers import settled, soap_operations
from adapters.soap_argument import cut, cut_argument, cut_result, xml_argument, xml_result
from adapters.soap_table import AnswerNames, CutResult, SoapPoll, SoapTable, SoapWire, StringCutByBytes, XmlInString
from adapters.soap_xml import parsed_text, tree, with_references
from adapters.text_encodings import Encoding, to_bytes, to_text
from contracts.delivery import Completed
from contracts.errors import OutcomeUnknownError, PermanentError
from tests.soap_world import CUT, IN_STRING, TOKEN, operation, system, table_of

LIST = {"enquire_operation": "QueryResult", "later_replies": "poll", "poll": {"operation": "QueryResultList"}}

NO_WAY_BACK = {"enquire_operation": None, "later_replies": "none", "poll": None}

CUT_QUIRK = CUT["binding_quirks"][0]
LSH = {"name": "LSH", "bytes": 34, "from": "reference"}

BAD_TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "a WSDL elsewhere": ({"wsdl": "../other.wsdl"}, "pattern"),
    "an absolute WSDL": ({"wsdl": "/etc/x.wsdl"}, "pattern"),
    "a WSDL behind a URL": ({"wsdl": "http://x/y.wsdl"}, "pattern"),
    "an unknown key": ({"wsdl_url": "x"}, "no such key"),
    "a version that does not exist": ({"soap_version": "1.3"}, "1.1"),
    "a style nobody has": ({"style": "document/encoded"}, "rpc/encoded"),
    "a user without a password": ({"auth": {"kind": "usernametoken", "secrets": ["user"]}}, "takes 2 names"),
    "a secret for nobody": ({"auth": {"kind": "none", "secrets": ["user"]}}, "takes 0 names"),
    "poll without a way": ({"later_replies": "poll"}, "needs enquire_operation or poll.operation"),
    "a connection that answers later": ({**LIST, "reference": {"in": "connection"}}, "must bring the answer at once"),
    "a status of success": ({"status": {"200": "temporary"}}, "300 to 599"),
    "two ways to fill the string": (
        {"binding_quirks": [*IN_STRING["binding_quirks"], *CUT["binding_quirks"]]},
        "one way",
    ),
    "a quirk twice": ({"binding_quirks": [{"kind": "source_ip_list"}] * 2}, "one of a kind"),
    "a quirk nobody knows": ({"binding_quirks": [{"kind": "odd"}]}, "source_ip_list"),
    "a key for the argument, and no segment": (
        {"auth": {"kind": "api_key", "secrets": ["key"], "place": "argument"}},
        "one segment from secret",
    ),
    "a segment for a key, and no key": ({**CUT, "auth": {}}, "one segment from secret"),
    "a cut string without a reference": ({**CUT, "reference": {"in": "element"}}, "one segment from reference"),
    "a segment with no room for the delivery id": (
        {
            **CUT,
            "reference": {"in": "element"},
            "binding_quirks": [{**CUT_QUIRK, "segments": [*CUT_QUIRK["segments"], LSH]}],
        },
        "the segment LSH takes 34 characters, and a delivery id has 36: say width = 32",
    ),
    "one code for two things": ({"answer": {"accepted": "5", "not_received": "5"}}, "two codes"),
    "a fault that means nothing": ({"faults": {"Server": "maybe"}}, "temporary"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_says_what_is_wrong(name: str) -> None:
    table, message = BAD_TABLES[name]
    with pytest.raises(ValidationError, match=message):
        SoapTable.model_validate({"wsdl": "wsdl/x.wsdl", **table})


@pytest.mark.parametrize(
    ("operations", "table", "message"),
    [
        ([operation(answers="later")], {}, "answers later: declare"),
        ([operation()], {"answer": {"accepted": "1"}}, "the code 1 is a result"),
        ([operation(wire={"api": {}})], {}, "operation"),
        ([operation(wire={"api": {"operation": "Now", "reply": {"nothing": "X"}}})], {}, "no reply field nothing"),
        (
            [operation(request=[{"name": "SFZH", "source": "x", "type": "string", "required": True}])],
            CUT,
            "no segment for SFZH",
        ),
    ],
)
def test_an_operation_that_the_table_cannot_serve_is_refused(
    operations: list[dict[str, Any]], table: dict[str, Any], message: str
) -> None:
    of = system(operations, **table)
    with pytest.raises(ValueError, match=message):
        soap_operations(of, table_of(of))


def test_an_operation_without_an_api_is_left_to_other_channels() -> None:
    of = system([operation(), operation("desk", wire={"paper": {"sheet": "X"}})])
    assert set(soap_operations(of, table_of(of))) == {"now"}


def cut_form(**changes: Any) -> StringCutByBytes:
    """Name, number and reference in fixed widths."""
    segments = [
        {"name": "XM", "bytes": 10},
        {"name": "RS", "bytes": 4},
        {"name": "LSH", "bytes": 36, "from": "reference"},
    ]
    values = {"kind": "string_cut_by_bytes", "argument": "arg0", "segments": segments, **changes}
    return StringCutByBytes.model_validate(values)


NAMES = st.text(st.sampled_from("样例张三㛃𠮷ab "), max_size=6).map(str.strip)


@given(name=NAMES, encoding=st.sampled_from(["GBK", "GB18030", "UTF-8"]))
def test_what_is_cut_by_bytes_comes_back_whole_or_is_refused(name: str, encoding: Encoding) -> None:
    form = cut_form(encoding=encoding)
    codec = {"GBK": "gbk", "GB18030": "gb18030", "UTF-8": "utf-8"}[encoding]
    encodable = encoding != "GBK" or not {"㛃", "𠮷"} & set(name)
    if not encodable or len(name.encode(codec)) > 10:
        with pytest.raises(PermanentError) as raised:
            cut_argument(form, {"XM": name, "RS": 7}, reference="r" * 36, table=None, settings={})
        assert raised.value.code == ("field_too_long" if encodable else "not_encodable")
        return
    text = cut_argument(form, {"XM": name, "RS": 7}, reference="r" * 36, table=None, settings={})["arg0"]
    result = CutResult.model_validate(
        {"kind": "string_cut_by_bytes", "segments": [{"name": one.name, "bytes": one.bytes} for one in form.segments]}
    )
    found = {key: value.strip() for key, value in cut(result, text, encoding).items()}
    assert found == {"XM": name, "RS": "7", "LSH": "r" * 36}


def test_numbers_may_be_padded_with_zeros_in_front() -> None:
    form = cut_form(pad="zero", segments=[{"name": "RS", "bytes": 6}], argument="a")
    assert cut_argument(form, {"RS": 42}, reference="", table=None, settings={}) == {"a": "000042"}


def test_the_place_of_a_secret_cannot_be_forged_by_a_field() -> None:
    with pytest.raises(PermanentError, match="private use"):
        cut_argument(cut_form(encoding="UTF-8"), {"XM": "\ue000"}, reference="", table=None, settings={})


PLACES = {"kind": "string_cut_by_bytes", "segments": [{"name": "XM", "bytes": 6}, {"name": "JGDM", "bytes": 4}]}


def test_an_answer_may_be_cut_by_bytes_too() -> None:
    assert cut_result(cut_form(result=PLACES), {"return": "样例  1   "}) == {"XM": "样例", "JGDM": "1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a样例样 1 ", "not cut as agreed"),
        ("㛃", "not cut as agreed"),
        ("样例  1  ", "9 bytes, 10 were agreed"),
        ("x" * 12, "12 bytes, 10 were agreed"),
        (None, "holds no text"),
    ],
)
def test_an_answer_cut_elsewhere_is_not_guessed_at(text: str | None, message: str) -> None:
    with pytest.raises(OutcomeUnknownError, match=message):
        cut_result(cut_form(result=PLACES), {"return": text})


INNER = XmlInString.model_validate(
    {"kind": "xml_in_string", "argument": "inXml", "result": "outXml", "inner_declaration": "GBK"}
)


def test_a_document_in_a_string_says_its_encoding_and_keeps_every_character() -> None:
    fields: dict[str, Any] = {"XM": "样例㛃 & <𠮷>", "DB": True, "LB": ["1", "2"], "CYLB": [{"XM": "样"}], "KONG": None}
    text = xml_argument(INNER, fields)["inXml"]
    assert isinstance(text, str)
    assert text.startswith(
        '<?xml version="1.0" encoding="GBK"?><ROOT><XM>样例&#14019; &amp; &lt;&#134071;&gt;</XM><DB>true</DB>'
    )
    assert tree(parsed_text(text)) == {
        "XM": "样例㛃 & <𠮷>",
        "DB": "true",
        "LB": {"ROW": ["1", "2"]},
        "CYLB": {"ROW": {"XM": "样"}},
        "KONG": "",
    }


@pytest.mark.parametrize(
    "answer",
    [
        "",
        None,
        "样例",
        "<ROOT>1</ROOT>",
        "<ROOT><a></ROOT>",
        '<!DOCTYPE x [<!ENTITY a "b">]><ROOT><a>&a;</a></ROOT>',
        "<ROOT><a>&nbsp;</a></ROOT>",
    ],
)
def test_a_string_without_a_document_is_unreadable(answer: str | None) -> None:
    with pytest.raises(OutcomeUnknownError, match="unreadable_answer"):
        xml_result(INNER, {"outXml": answer})


def test_a_document_in_a_string_may_declare_any_encoding_since_it_is_text_already() -> None:
    for declared in ("GBK", "gb2312", "UTF-16"):
        text = f' <?xml version="1.0" encoding="{declared}" standalone="yes"?>\n<r><a>样</a><b xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/></r>'
        assert xml_result(INNER, {"outXml": text}) == {"a": "样", "b": None}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.sampled_from(["GBK", "GB18030", "UTF-8"]))
def test_text_with_references_can_be_written_in_its_encoding(text: str, encoding: Encoding) -> None:
    plain = with_references(text.replace("&", ""), encoding)
    back = to_text(to_bytes(plain, encoding), encoding)
    assert re.sub(r"&#([0-9]+);", lambda found: chr(int(found[1])), back) == text.replace("&", "")


def test_a_token_may_carry_the_password_either_way() -> None:
    for form in ("digest", "text"):
        assert SoapTable.model_validate({"wsdl": "x.wsdl", "auth": {**TOKEN, "password": form}}).auth.password == form


def test_the_manual_shows_tables_that_are_valid_and_names_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/soap.md").read_text(encoding="utf-8")
    first, wire, signed, habit, cut_by_bytes = (
        tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    )
    table = first["systems"]["channels"][0]["soap"]
    for changes in ({}, signed, habit, {**cut_by_bytes, **cut_by_bytes["systems"]["channels"]["soap"], **NO_WAY_BACK}):
        changes.pop("systems", None)
        SoapTable.model_validate({**table, **changes})
    SoapWire.model_validate(wire["systems"]["operations"]["wire"]["api"])
    for model in (SoapTable, SoapPoll, AnswerNames):
        for name, field in model.model_fields.items():
            assert f"{field.alias or name} =" in page, name


SHAPES: dict[str, tuple[str, JsonValue, JsonValue]] = {
    "codes in a wrapper": ("codes", {"CODE": ["1", "2"]}, ["1", "2"]),
    "codes joined": ("codes", "1;2", ["1", "2"]),
    "one code, repeated element": ("codes", "1", ["1"]),
    "codes as repeated elements": ("codes", ["1", "2"], ["1", "2"]),
    "no codes": ("codes", "", None),
    "rows in a wrapper": ("table", {"ROW": [{"a": " 1 "}, {"a": ""}]}, [{"a": 1}, {}]),
    "one row in a wrapper": ("table", {"ROW": {"a": "1"}}, [{"a": 1}]),
    "rows as repeated elements": ("table", [{"a": "1"}, {"a": "2"}], [{"a": 1}, {"a": 2}]),
    "one row as it is": ("table", {"a": "1", "b": "x"}, [{"a": 1}]),
    "an empty wrapper": ("table", {"ROW": ""}, []),
    "no rows": ("table", "", []),
    "nil": ("table", None, []),
    "an object": ("object", {"a": "1"}, {"a": 1}),
    "a number with blanks": ("int", " 7 ", 7),
    "a text with blanks": ("string", " 样例 ", " 样例 "),
    "an empty text": ("string", "", None),
    "an empty date": ("date", " ", None),
    "a boolean as a digit": ("bool", "0", False),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_field_of_an_answer_has_the_shape_of_its_type(name: str) -> None:
    kind, value, expected = SHAPES[name]
    columns = [{"name": "a", "type": "int"}] if kind in {"table", "object"} else []
    of = system([operation(reply=[{"name": "f", "type": kind, "columns": columns}])])
    table = table_of(of)
    outcome = settled(of, table, soap_operations(of, table)["now"], {"JGDM": "1", "f": value})
    assert isinstance(outcome, Completed)
    assert outcome.fields == ({} if expected is None else {"f": expected})


@pytest.mark.parametrize("value", ["样例", {"ROW": "样例"}, [["1"]]])
def test_a_table_that_is_none_is_unreadable(value: JsonValue) -> None:
    of = system([operation(reply=[{"name": "f", "type": "table", "columns": [{"name": "a", "type": "int"}]}])])
    with pytest.raises(OutcomeUnknownError, match="bad_reply_field"):
        settled(of, table_of(of), soap_operations(of, table_of(of))["now"], {"JGDM": "1", "f": value})
