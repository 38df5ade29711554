"""A trace is taken over from a sender, or begun; what departments get holds random digits only."""

import re

import pytest

from hub import traces
from hub.cloud_events import read_message

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
BODY = b'{"specversion":"1.0","id":"m-1","source":"urn:test","type":"t","data":{}%s}'


def test_the_trace_of_a_sender_goes_on() -> None:
    assert traces.trace_id(PARENT) == TRACE
    assert traces.trace_id(f"01-{TRACE}-00f067aa0ba902b7-01-more") == TRACE


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        "nonsense",
        PARENT.upper(),
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}-more",
        f"{PARENT}\n",
        "00-310104195801049952-00f067aa0ba902b7-01",
    ],
)
def test_a_trace_that_cannot_be_read_begins_anew(wrong: str | None) -> None:
    first, second = traces.trace_id(wrong), traces.trace_id(wrong)
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert first != second


def test_each_try_has_a_span_of_its_own_and_the_same_try_the_same_one() -> None:
    first = traces.traceparent(TRACE, "d-1", 1)
    assert first is not None
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", first)
    assert first == traces.traceparent(TRACE, "d-1", 1)
    assert len({first, traces.traceparent(TRACE, "d-1", 2), traces.traceparent(TRACE, "d-2", 1)}) == 3
    assert traces.traceparent(None, "d-1", 1) is None


def test_the_message_names_the_trace_else_the_request_and_neither_changes_what_the_message_is() -> None:
    structured, plain = "application/cloudevents+json", BODY % b""
    told = BODY % f',"traceparent":"{PARENT}","tracestate":"a=b"'.encode()
    assert read_message(structured, [], told).traceparent == PARENT
    assert read_message(structured, [("Traceparent", PARENT)], plain).traceparent == PARENT
    assert read_message(structured, [("traceparent", "other")], told).traceparent == PARENT
    assert read_message(structured, [], plain).traceparent is None
    binary = [("ce-specversion", "1.0"), ("ce-id", "m-1"), ("ce-source", "urn:test"), ("ce-type", "t")]
    assert read_message("application/json", [*binary, ("ce-traceparent", PARENT)], b"{}").traceparent == PARENT
    assert read_message("application/json", [*binary, ("traceparent", PARENT)], b"{}").traceparent == PARENT
    canonical = read_message(structured, [], plain).canonical
    assert read_message(structured, [], told).canonical == canonical
    assert read_message("application/json", [*binary, ("ce-tracestate", "a=b")], b"{}").canonical == canonical
