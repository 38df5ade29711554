"""INI-like files: sections in order, keys in any order, a verdict for each record."""

from dataclasses import replace

import pytest

from adapters.file_totals import FileFacts, Totals
from adapters.ini_records import Ini
from adapters.record_layout import Cell, Columns
from adapters.record_verdicts import FileRejected, RecordRefused
from contracts.records import adapter

COLUMNS = Columns(
    lead=(Cell(name="LSH"), Cell(name="YWDM"), Cell(name="JGDM")),
    operation_at=1,
    shapes={"1001": (Cell(name="XM"), Cell(name="JE", kind="money")), "1002": ()},
)
HEAD = {"record_type": "HEAD", "fields": [{"name": "rows"}, {"name": "amount_cents", "sum_of": "JE"}]}
FORM = adapter(Ini).validate_python(
    {"encoding": "GB18030", "columns": COLUMNS, "operation_key": "YWDM", "header": HEAD}
)
COUNTED = replace(FORM, header=adapter(Totals).validate_python({"record_type": "HEAD", "fields": [{"name": "rows"}]}))
ROW = ("a" * 36, "1001", "00", "样例𠮷=;#", "120050")
CONTENT = (
    "[HEAD]\r\nrows=2\r\namount_cents=120050\r\n"
    f"[ROW1]\r\nLSH={'a' * 36}\r\nYWDM=1001\r\nJGDM=00\r\nXM=样例𠮷=;#\r\nJE=120050\r\n"
    f"[ROW2]\r\nLSH={'b' * 36}\r\nYWDM=1002\r\nJGDM=10\r\n[END]\r\n"
)


def test_a_file_has_a_head_and_a_numbered_section_for_each_record() -> None:
    rows = [ROW, ("b" * 36, "1002", "10")]
    content = FORM.file([FORM.record(row) for row in rows], FileFacts())
    assert content == CONTENT.encode("gb18030")
    assert [line.values for line in FORM.lines(content, whole=False)] == rows


def test_a_file_without_an_end_needs_another_proof() -> None:
    form = replace(COUNTED, end="")
    content = form.file([form.record(ROW)], FileFacts())
    assert [line.values for line in form.lines(content, whole=True)] == [ROW]
    with pytest.raises(FileRejected, match="truncated"):
        form.lines(content, whole=False)


def test_order_blank_lines_and_comments_do_not_matter_in_results() -> None:
    text = (
        "; from the bank\r\n[HEAD]\r\namount_cents = 120050\r\nrows= 1\r\n\r\n"
        f"[ROW1]\r\n# one\r\nJE = 120050\r\nXM=样例𠮷=;#\r\nJGDM=00\r\nYWDM=1001\r\nLSH={'a' * 36}\r\n[END]"
    )
    (line,) = FORM.lines(text.encode("gb18030"), whole=False)
    assert line.values == ROW


@pytest.mark.parametrize("value", ["a\nb", "a\rb", " a", "a ", "\x00"], ids=repr)
def test_a_value_that_would_change_is_refused(value: str) -> None:
    with pytest.raises(RecordRefused):
        FORM.record(("a" * 36, "1001", "00", value, "1"))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("rows=2", "rows=3", "rows"),
        ("amount_cents=120050", "amount_cents=1", "amount_cents"),
        ("rows=2\r\n", "", "header"),
        ("[HEAD]", "[KOPF]", "header"),
        ("[ROW2]", "[ROW3]", "structure"),
        ("[HEAD]", "x=1\r\n[HEAD]", "structure"),
        ("[END]\r\n", "", "truncated"),
        ("[END]\r\n", "[EN", "truncated"),
        ("[END]", "[END]\r\nx=1", "truncated"),
    ],
    ids=["count", "sum", "no count", "no head", "a gap", "before all", "cut", "cut in the end", "after the end"],
)
def test_what_is_not_the_declared_file_is_rejected_whole(old: str, new: str, code: str) -> None:
    with pytest.raises(FileRejected) as refused:
        FORM.lines(CONTENT.replace(old, new, 1).encode("gb18030"), whole=False)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("old", "new", "bad"),
    [
        ("JGDM=10", "JGDM=10\r\nJGDM=00", "structure"),
        ("JGDM=10", "JGDM=10\r\nnonsense", "structure"),
        ("JGDM=10", "JGDM=10\r\nmore=1", "columns"),
        ("YWDM=1002", "YWDM=9999", "operation"),
    ],
    ids=["twice", "no pair", "strange", "operation"],
)
def test_a_record_that_is_wrong_spoils_only_itself_and_still_names_its_delivery(old: str, new: str, bad: str) -> None:
    content = CONTENT.replace("amount_cents=120050\r\n", "").replace(old, new, 1)
    good, wrong = COUNTED.lines(content.encode("gb18030"), whole=False)
    assert good.values == ROW
    assert (wrong.bad, wrong.first) == (bad, "b" * 36)


def test_bytes_of_another_encoding_spoil_their_record_only() -> None:
    content = CONTENT.replace("amount_cents=120050\r\n", "").encode("gb18030")
    content = content.replace(b"JGDM=10", b"JGDM=10\r\nX=\xff")
    good, wrong = COUNTED.lines(content, whole=False)
    assert good.values == ROW
    assert (wrong.bad, wrong.first) == ("encoding", "b" * 36)


@pytest.mark.parametrize(
    "table",
    [
        {"columns": Columns(lead=(Cell(name="流水号"),))},
        {"section": "ROW1"},
        {"header": {"record_type": "a b", "fields": []}},
        {"header": {"record_type": "HEAD", "fields": [{"name": "md5"}]}},
    ],
    ids=["a key that is none", "a section with a number", "a section that is none", "a digest before all"],
)
def test_a_declaration_that_cannot_work_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - ValidationError is one, and the texts are pydantic's
        adapter(Ini).validate_python({"encoding": "GBK", "columns": COLUMNS, **table})
