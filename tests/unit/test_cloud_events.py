"""CloudEvents in both modes: one canonical form, strict reading, every bad field named and no value repeated."""

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import CASE_TYPE, CaseEvent, Envelope
from hub.cloud_events import (
    JSON,
    MAX_ATTRIBUTES,
    STRUCTURED,
    BadData,
    BadMessage,
    Message,
    WrongMediaType,
    message_of,
    read_data,
    read_message,
    read_structured,
)

HEAD: dict[str, Any] = {"specversion": "1.0", "id": "m-1", "source": "/counter/3", "type": CASE_TYPE}
DATA: dict[str, Any] = {"item": "MZ004", "applicant": {"name": "样例"}}


def structured(**changes: Any) -> Message:
    document = {**HEAD, "data": DATA, **changes}
    return read_structured(orjson.dumps({name: value for name, value in document.items() if value is not ...}))


def binary(headers: list[tuple[str, str]], body: bytes | None = None, content_type: str = JSON) -> Message:
    return read_message(content_type, headers, orjson.dumps(DATA) if body is None else body)


HEADERS = [(f"ce-{name}", value) for name, value in HEAD.items()]


def pointers(raised: "pytest.ExceptionInfo[BadMessage]") -> list[str]:
    return [error.pointer for error in raised.value.errors]


def test_both_modes_have_the_same_canonical_form() -> None:
    extra = {"time": "2026-03-02T09:00:00+08:00", "subject": "窗口", "traceid": "a b"}
    encoded = {"time": extra["time"], "subject": "%E7%AA%97%E5%8F%A3", "traceid": "a%20b"}
    one = structured(**extra)
    other = binary([*HEADERS, *((f"Ce-{name.title()}", value) for name, value in encoded.items())])
    assert one.canonical == other.canonical
    assert one.envelope == other.envelope
    assert one.envelope.subject == "窗口"
    assert one.envelope.time == datetime(2026, 3, 2, 1, tzinfo=UTC)


def test_the_canonical_form_does_not_depend_on_the_order_of_keys_or_on_spaces() -> None:
    shuffled = orjson.dumps(
        dict(reversed({**HEAD, "data": dict(reversed(DATA.items()))}.items())), option=orjson.OPT_INDENT_2
    )
    assert read_structured(shuffled).canonical == structured().canonical


def test_another_attribute_makes_another_canonical_form() -> None:
    assert structured(time="2026-03-02T09:00:00Z").canonical != structured().canonical


def test_a_declared_json_content_type_is_the_same_as_none() -> None:
    assert structured(datacontenttype="application/json; charset=utf-8").canonical == structured().canonical


def test_booleans_and_integers_have_one_string_form() -> None:
    assert (
        structured(urgent=True, rank=7).canonical
        == binary([*HEADERS, ("ce-urgent", "true"), ("ce-rank", "7")]).canonical
    )


def test_null_attributes_are_absent() -> None:
    assert structured(subject=None).canonical == structured().canonical


def test_a_quoted_header_is_unquoted_before_it_is_decoded() -> None:
    assert binary([*HEADERS, ("ce-subject", '"a \\"b\\" %25"')]).envelope.subject == 'a "b" %'


def test_base64_data_are_data() -> None:
    encoded = base64.b64encode(orjson.dumps(DATA)).decode()
    assert structured(data=..., data_base64=encoded).canonical == structured().canonical


def test_the_pointer_says_where_the_data_stand() -> None:
    assert structured().pointer == "/data"
    assert binary(HEADERS).pointer == ""


def test_extensions_are_kept() -> None:
    assert structured(traceid="x").envelope.extensions == {"traceid": "x"}


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_a_missing_attribute_is_named(name: str) -> None:
    with pytest.raises(BadMessage) as raised:
        structured(**{name: ...})
    assert f"/{name}" in pointers(raised)


def test_every_bad_attribute_is_named_at_once() -> None:
    with pytest.raises(BadMessage) as raised:
        structured(
            id="",
            specversion="0.3",
            time="yesterday",
            Upper="x",
            subject="a\x07b",
            data=[1],
            datacontenttype="text/xml",
        )
    assert pointers(raised) == ["/id", "/specversion", "/Upper", "/subject", "/time", "/datacontenttype", "/data"]


@pytest.mark.parametrize(
    "bad",
    [
        {"subject": "a\x00b"},
        {"subject": "\x85"},
        {"subject": "￿"},
        {"subject": "x" * 513},
        {"subject": 1.5},
        {"subject": ["a"]},
        {"time": "2026-13-01T00:00:00Z"},
        {"time": "2026-01-01"},
        {"time": "2026-01-01T00:00:00"},
        {"data": "text"},
        {"data": None},
        {"data_base64": "AAAA"},
        {"data": ..., "data_base64": "%"},
        {"data": ..., "data_base64": "AAAA"},
        {"data": ..., "data_base64": 5},
        {f"a{n}": "x" for n in range(MAX_ATTRIBUTES)},
    ],
)
def test_what_breaks_the_standard_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BadMessage):
        structured(**bad)


@pytest.mark.parametrize(
    "headers",
    [
        [("ce-subject", "%ff")],
        [("ce-subject", "%00")],
        [("ce-id", "again")],
        [("ce-datacontenttype", JSON)],
        [("ce-bad-name", "x")],
        [("ce-subject", "\udce4")],
    ],
)
def test_headers_that_break_the_binding_are_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(BadMessage):
        binary([*HEADERS, *headers])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"NaN", b'{"a":NaN}', b"\xff", b'"\\ud800"', b"[" * 5000, b"null"])
def test_a_body_that_is_no_json_object_is_refused_without_quoting_it(body: bytes) -> None:
    with pytest.raises(BadMessage):
        read_structured(body)
    with pytest.raises(BadMessage):
        binary(HEADERS, body)


def test_data_nested_too_deeply_are_refused() -> None:
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    with pytest.raises(BadMessage, match="too deeply"):
        binary(HEADERS, deep)


def test_other_media_types_are_refused() -> None:
    with pytest.raises(WrongMediaType):
        read_message("text/xml", [], b"")
    assert read_message(f"{STRUCTURED}; charset=utf-8", [], orjson.dumps({**HEAD, "data": DATA})).envelope.id == "m-1"


def test_bad_data_are_named_with_escaped_pointers_and_without_their_values() -> None:
    data = {"event": "dance", "by": 5, "form": "秘密", "a/b~c": 1}
    with pytest.raises(BadData) as raised:
        read_data(CaseEvent, data, "/data")
    assert sorted(pointers(raised)) == ["/data/a~1b~0c", "/data/by", "/data/event", "/data/form"]
    assert "秘密" not in str(raised.value.errors)


def test_an_envelope_of_this_process_has_the_canonical_form_of_its_arrival() -> None:
    at = datetime(2026, 3, 2, 1, tzinfo=UTC)
    envelope = Envelope(id="m-1", source="/counter/3", type=CASE_TYPE, time=at, extensions={"traceid": "x"}, data=DATA)
    arrived = structured(time=at.isoformat(), traceid="x")
    assert message_of(envelope).canonical == arrived.canonical


VALUE = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x9FFF, exclude_categories=["C"]), min_size=1, max_size=40
)
DOCUMENT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(subject=VALUE, data=st.dictionaries(st.text(max_size=5), DOCUMENT, max_size=4))
def test_any_message_is_the_same_in_both_modes(subject: str, data: dict[str, Any]) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in subject.encode())
    one = structured(subject=subject, data=data)
    other = binary([*HEADERS, ("ce-subject", encoded)], orjson.dumps(data))
    assert one.canonical == other.canonical
