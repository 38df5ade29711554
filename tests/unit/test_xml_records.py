"""Rows of XML: read without trust, written in exactly the declared encoding."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.file_totals import FileFacts
from adapters.record_layout import Cell, Columns
from adapters.record_verdicts import FileRejected, NotEncodable, RecordRefused
from adapters.xml_records import Xml

COLUMNS = Columns(
    lead=(Cell(name="LSH"), Cell(name="ywlx")),
    operation_at=1,
    shapes={"SC01": (Cell(name="XM"), Cell(name="BL", kind="decimal")), "SC02": (Cell(name="XM"),)},
)
FORM = Xml(
    encoding="GB18030",
    columns=COLUMNS,
    root="Package",
    head=("batch", "rows", "sent_at"),
    row="Body/Row",
    operation_attribute="ywlx",
)
FACTS = FileFacts(name="SC&_001.xml", at=datetime(2026, 11, 24, 20, tzinfo=UTC))
ROWS = [("a1", "SC01", "样例𠮷", ""), ("a2", "SC02", " a<&>\"'\r\n]]> ")]
CONTENT = FORM.file([FORM.record(row) for row in ROWS], FACTS)


def document(rows: str, head: str = "<batch>1</batch><rows>1</rows><sent_at>20261124200000</sent_at>") -> bytes:
    text = f'<?xml version="1.0" encoding="GB18030"?><Package><Head>{head}</Head><Body>{rows}</Body></Package>'
    return text.encode("gb18030")


def test_a_document_has_a_head_and_a_row_for_each_record() -> None:
    text = CONTENT.decode("gb18030")
    assert text.startswith(
        '<?xml version="1.0" encoding="GB18030"?>\n<Package><Head><batch>SC&amp;_001</batch><rows>2</rows>'
        "<sent_at>20261124200000</sent_at></Head>\n"
        '<Body>\n<Row ywlx="SC01"><LSH>a1</LSH><XM>样例𠮷</XM></Row>\n'
    )
    assert [line.values for line in FORM.lines(CONTENT)] == ROWS


def test_rows_may_lie_under_the_root_and_a_head_may_be_missing() -> None:
    for form in (replace(FORM, row="Row"), replace(FORM, row="Row", head=()), replace(FORM, row="A/B/C/Row")):
        content = form.file([form.record(row) for row in ROWS], FACTS)
        assert [line.values for line in form.lines(content)] == ROWS


@pytest.mark.parametrize("value", ["\x00", "\x1f", "\ufffe", "\ud800", "a\x0bb"], ids=repr)
def test_what_xml_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(RecordRefused):
        replace(FORM, encoding="UTF-8").record(("a1", "SC02", value))


def test_what_the_encoding_lacks_is_refused_and_not_written_as_a_reference() -> None:
    with pytest.raises(NotEncodable):
        replace(FORM, encoding="GBK").record(ROWS[0])


@pytest.mark.parametrize(
    ("row", "bad"),
    [
        ('<Row ywlx="SC01"><LSH>a1</LSH><XM>x</XM><BL>12.5</BL></Row>', ""),
        ('<Row ywlx="SC01"><BL>1</BL><!-- x --><XM>x</XM><LSH>a1</LSH></Row>', ""),
        ('<Row ywlx="SC09"><LSH>a1</LSH></Row>', "operation"),
        ("<Row><LSH>a1</LSH></Row>", "operation"),
        ('<Row ywlx="SC02"><LSH>a1</LSH><BL>1</BL></Row>', "columns"),
        ('<Row ywlx="SC02"><LSH>a1</LSH><XM>x</XM><XM>y</XM></Row>', "structure"),
        ('<Row ywlx="SC02"><LSH>a1</LSH><XM><b>x</b></XM></Row>', "structure"),
    ],
)
def test_a_row_that_is_wrong_spoils_only_itself(row: str, bad: str) -> None:
    rows = document(f'{row}<Row ywlx="SC02"><LSH>a2</LSH></Row>').replace(b"<rows>1", b"<rows>2")
    first, second = FORM.lines(rows)
    assert (first.first, first.bad) == ("a1", bad)
    assert second.values == ("a2", "SC02", "")


ROW = '<Row ywlx="SC02"><LSH>a1</LSH></Row>'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (document(ROW, "<batch>1</batch><rows>2</rows><sent_at>20261124200000</sent_at>"), "rows"),
        (document(ROW, "<batch>1</batch><rows>1</rows><sent_at>yesterday</sent_at>"), "sent_at"),
        (document(ROW, "<batch>1</batch><rows>1</rows>"), "structure"),
        (document(ROW.replace("Row", "Zeile")), "structure"),
        (document(ROW).replace(b"Package", b"Parcel"), "structure"),
        (document(ROW).replace(b"<Body>", b"<Body/><Body>"), "structure"),
        (document(ROW).replace(b"Head>", b"Kopf>"), "structure"),
        (document(ROW).replace(b"GB18030", b"UTF-16"), "xml"),
        (document(ROW.replace("a1", "样")).replace("样".encode("gb18030"), b"\xff"), "xml"),
        (CONTENT[: len(CONTENT) // 2], "xml"),
        (CONTENT + b"<Package/>", "xml"),
        (b"", "xml"),
        (b"<html><body>login</body></html>", "structure"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_the_declared_document_is_rejected_whole(content: bytes, code: str) -> None:
    with pytest.raises(FileRejected) as rejection:
        FORM.lines(content)
    assert rejection.value.code == code


BOMB = '<!DOCTYPE x [<!ENTITY a "' + "a" * 1000 + '">' + "".join(f'<!ENTITY b{n} "&a;&a;">' for n in range(50)) + "]>"
HOSTILE = {
    "entities": document(ROW).replace(b"<Package>", f"{BOMB}<Package>&b1;".encode()),
    "file": document(ROW).replace(b"<Package>", b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><Package>&f;'),
    "external DTD": document(ROW).replace(b"<Package>", b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><Package>'),
    "depth": document("<Row>" * 100_000 + "</Row>" * 100_000),
    "long text": document(f'<Row ywlx="SC02"><LSH>{"a" * 11_000_000}</LSH></Row>'),
    "undefined entity": document(ROW.replace("a1", "&x;")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_rejected_at_once(name: str) -> None:
    start = time.perf_counter()
    with pytest.raises(FileRejected, match="xml"):
        FORM.lines(HOSTILE[name])
    assert time.perf_counter() - start < 1
