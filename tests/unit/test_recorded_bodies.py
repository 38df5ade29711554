"""Bodies of recorded messages: what is left of each kind, and how a replay writes and reads them again."""

import zlib
from typing import Any

import pytest

from simulators.recording.bodies import fields_of, operation_of, plain_body, sifted, written
from simulators.recording.sifting import Sieve

NAME = "金丝雀甲〇"


@pytest.mark.parametrize(
    ("content", "content_type", "encoding", "kind"),
    [
        (b"", "application/json", "", ""),
        (f'{{"x": "{NAME}"'.encode(), "application/json", "", "text"),
        (f'<!DOCTYPE a [<!ENTITY x "{NAME}">]><a>&x;</a>'.encode(), "text/xml", "", "text"),
        (f"<p>{NAME}<br>".encode(), "text/html", "", "text"),
        (zlib.compress(f'{{"x": "{NAME}"}}'.encode()), "application/json", "deflate", "json"),
        (NAME.encode(), "application/json", "deflate", "bytes"),
        (NAME.encode(), "application/json", "br", "bytes"),
        (b"%PDF" + NAME.encode(), "application/pdf", "", "bytes"),
        (f'{{"x": "{NAME}"}}'.encode(), "application/json; charset=no-such", "", "json"),
        (f'{{"x": "{NAME}"}}'.encode("gbk", "replace"), "application/json", "", "json"),
        (b'{"x": "{broken", "y": "<broken"}', "application/json", "", "json"),
        (f"<a>x<!--{NAME}--><b/>{NAME}</a>".encode(), "text/xml", "", "xml"),
    ],
)
def test_of_a_body_only_what_may_be_written_is_left(
    content: bytes, content_type: str, encoding: str, kind: str
) -> None:
    body = sifted(content, content_type, encoding, Sieve())
    assert list(body) == ([kind] if kind else [])
    assert NAME not in str(body)
    assert "broken" not in str(body)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"json": {"x": ["样例", 1, None, True]}}, "application/json"),
        ({"form": {"x": "样例"}}, "application/x-www-form-urlencoded"),
        ({"xml": "<a><b>样例</b></a>"}, "text/xml; charset=GBK"),
    ],
)
def test_a_recorded_body_is_written_and_read_again(body: dict[str, Any], content_type: str) -> None:
    content = written(body, content_type)
    assert plain_body(content, content_type) == body
    assert "样例" in fields_of(body).values()


def test_what_is_no_message_has_no_fields() -> None:
    assert plain_body(b"", "text/xml") == {}
    assert plain_body(b"{broken", "application/json") == {}
    assert fields_of({"xml": "<broken"}) == fields_of({"bytes": 3}) == {}
    assert operation_of({"xml": "<broken"}) == operation_of({"xml": "<a/>"}) == operation_of({}) == ""
    assert len(written({"bytes": 12}, "application/pdf")) == 12
    assert written({"text": "样例"}, "text/plain") == "样例".encode()


def test_what_addressing_says_of_the_message_stays_and_what_hides_there_does_not() -> None:
    space = "http://www.w3.org/2005/08/addressing"
    message = "urn:uuid:0193c1a2-0000-7000-8000-000000000001"
    content = f"<e xmlns:a='{space}'><a:Action>urn:water:Apply</a:Action><a:MessageID>{message}</a:MessageID><a:Action>{NAME}</a:Action><Action>urn:x</Action></e>"
    kept = str(sifted(content.encode(), "text/xml", "", Sieve()))
    assert "urn:water:Apply" in kept
    assert message in kept
    assert NAME not in kept
    assert "urn:x" not in kept
