"""What holds for every layout: exact round trips, whole files or none, bytes of the encoding and nothing in between."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.control_files import control_content, read_verified
from adapters.file_totals import FileFacts
from adapters.record_files import layout
from adapters.record_layout import Cell, Columns, Format
from adapters.record_verdicts import FileRejected, Line, NotEncodable, RecordRefused
from adapters.text_encodings import CODECS, Encoding

COLUMNS = Columns(
    lead=(Cell(name="LSH", width=36), Cell(name="YWDM", width=4), Cell(name="JGDM", width=2)),
    operation_at=1,
    shapes={
        "1001": (
            Cell(name="XM", width=24),
            Cell(name="JE", kind="money", width=15),
            Cell(name="RQ", kind="date", width=8),
        ),
        "1002": (
            Cell(name="XM", width=24),
            Cell(name="ZX", kind="bool", width=1),
            Cell(name="YS", kind="int", width=8),
        ),
    },
)
FACTS = FileFacts(
    name="GJJ_202611241130_01.dat",
    sequence=7,
    at=datetime(2026, 11, 24, 11, 30, tzinfo=UTC),
    secret=lambda name: f"the password {name}",
)
TOTALS = {
    "header": {"record_type": "H", "fields": [{"name": "date", "width": 8}, {"name": "rows", "width": 8}]},
    "trailer": {"record_type": "T", "fields": [{"name": "rows", "width": 8}, {"name": "md5", "width": 32}]},
}
XML_TABLE = {"root": "Package", "head": ["batch", "rows", "sent_at"], "row": "Body/Row", "operation_attribute": "ywlx"}
ZIP_TABLE = {"quote": '"', "header_row": True, "summary_name": "summary.txt"}
TABLES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "csv": ("csv", {"delimiter": "|!", "quote": '"'}, {}),
    "csv with totals": ("csv", {"delimiter": ",", "quote": '"', "header_row": True}, TOTALS),
    "fixed": ("fixed", {"record_type": {"name": "LX", "width": 1, "value": "D"}}, {}),
    "fixed with totals": ("fixed", {"eol": "LF"}, TOTALS),
    "dbf": ("dbf", {}, {}),
    "xml": ("xml", XML_TABLE, {}),
    "ini": ("ini", {"operation_key": "YWDM"}, {}),
    "ini with a head": (
        "ini",
        {"operation_key": "YWDM", "section": "R", "eol": "LF"},
        {"header": {"record_type": "HEAD", "fields": [{"name": "date"}, {"name": "rows"}]}},
    ),
    "zip": ("zip_csv", ZIP_TABLE, {}),
    "sealed zip": ("zip_csv", {**ZIP_TABLE, "zip_password": {"secret": "jr", "method": "aes256"}}, {}),
}
WITH_AN_END = {"xml", "ini", "ini with a head"}
"""Only the line end after their end may be missing."""
REFERENCES = st.uuids().map(str)
NAMES = st.text(st.sampled_from("ab |!,\"'\r\n\t1-样例𠮷㛃·<&>;\x00\x1f?*"), max_size=10)
NUMBERS = st.integers(-(10**6), 10**12).map(str) | st.just("")
ROWS = st.lists(
    st.tuples(REFERENCES, st.just("1001"), st.just("00"), NAMES, NUMBERS, st.sampled_from(["", "20260105"]))
    | st.tuples(REFERENCES, st.just("1002"), st.just("10"), NAMES, st.sampled_from(["", "0", "1"]), NUMBERS),
    max_size=5,
)


def form(name: str, encoding: Encoding = "GB18030") -> Format:
    format_name, table, framing = TABLES[name]
    return layout(format_name, encoding, COLUMNS, table, framing)


def row(xm: str = "样例", code: str = "1002") -> tuple[str, ...]:
    return ("0" * 36, code, "00", xm, *(("120050", "20260105") if code == "1001" else ("1", "12")))


def written(given_form: Format, rows: Sequence[Sequence[str]]) -> bytes:
    return given_form.file([given_form.record(one) for one in rows], FACTS)


def read(given_form: Format, content: bytes, *, whole: bool = False) -> list[tuple[str, ...]]:
    lines = given_form.lines(content, whole=whole, facts=FACTS)
    assert not any(line.bad for line in lines)
    return [line.values for line in lines]


def kept(given_form: Format, rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows that the layout can carry."""
    good = []
    for one in rows:
        try:
            given_form.record(one)
        except RecordRefused:
            continue
        good.append(one)
    return good


@given(st.sampled_from(sorted(TABLES)), st.sampled_from(sorted(CODECS)), ROWS)
def test_what_can_be_written_is_read_back_exactly(name: str, encoding: Encoding, rows: list[tuple[str, ...]]) -> None:
    one = form(name, encoding)
    good = kept(one, rows)
    content = written(one, good)
    assert content == written(one, good)
    # An archive has a file for each operation, so that only the order within one is kept.
    assert sorted(read(one, content)) == sorted(good)


@pytest.mark.parametrize("encoding", sorted(CODECS))
@pytest.mark.parametrize("name", TABLES)
def test_two_thousand_two_character_names_come_back_without_mojibake(name: str, encoding: Encoding) -> None:
    dice = random.Random(20261123)
    rows = [row("".join(chr(dice.randint(0x4E00, 0x9FA5)) for _ in range(2))) for _ in range(2000)]
    one = form(name, encoding)
    assert read(one, written(one, rows)) == rows


@pytest.mark.parametrize("name", TABLES)
def test_rare_names_survive_gb18030_and_are_refused_by_gbk(name: str) -> None:
    for rare in ("样例𠮷", "样例㛃", "𠮷㛃", "样例龦"):
        assert read(form(name), written(form(name), [row(rare)])) == [row(rare)]
        try:
            rare.encode("gbk")
        except UnicodeEncodeError:
            with pytest.raises(NotEncodable) as refusal:
                form(name, "GBK").record(row(rare))
            assert rare not in str(refusal.value)


@pytest.mark.parametrize("name", TABLES)
def test_a_file_cut_anywhere_is_rejected_or_complete(name: str) -> None:
    one = form(name)
    rows = [row("样例𠮷", "1001"), row("样例㛃"), row("样例", "1001")]
    content = written(one, rows)
    for cut in range(len(content)):
        try:
            lines = one.lines(content[:cut], whole=False, facts=FACTS)
        except FileRejected:
            continue
        # A csv or fixed file without totals may end at any line; then a control file must say how many there are.
        assert not any(line.bad for line in lines)
        assert name in {"csv", "fixed"} or (name in WITH_AN_END and cut >= len(content) - 2)


@pytest.mark.parametrize("name", TABLES)
def test_a_cut_or_changed_byte_never_half_applies_a_file_with_a_control_file(name: str) -> None:
    one = form(name)
    content = written(one, [row("样例𠮷", "1001"), row("样例㛃"), row("样例", "1001")])
    control = control_content(("rows", "md5"), name="a", content=content, rows=3)
    changed = [content[:cut] for cut in range(0, len(content), 7)]
    changed += [content[:at] + bytes([content[at] ^ 0x15]) + content[at + 1 :] for at in range(0, len(content), 7)]
    for broken in changed:
        with pytest.raises(FileRejected):
            read_verified(one, broken, name="a", items=("rows", "md5"), control=control, facts=FACTS)
    assert len(read_verified(one, content, name="a", items=("rows", "md5"), control=control, facts=FACTS)) == 3


@pytest.mark.parametrize("name", ["csv with totals", "fixed with totals", "zip", "sealed zip"])
def test_a_changed_byte_is_found_by_the_totals_of_the_file_itself(name: str) -> None:
    one = form(name)
    rows = [row("样例𠮷", "1001"), row("样例㛃"), row("样例", "1001")]
    content = written(one, rows)
    for at in range(len(content)):
        broken = content[:at] + bytes([content[at] ^ 0x15]) + content[at + 1 :]
        try:
            lines = one.lines(broken, whole=False, facts=FACTS)
        except FileRejected:
            continue
        # What no total is about (a day, a time, a version, a carriage return) may change; a record may not.
        assert sorted(line.values for line in lines) == sorted(rows)


@given(st.sampled_from(sorted(TABLES)), st.binary(max_size=300), st.booleans())
def test_any_bytes_give_verdicts_or_a_rejection(name: str, content: bytes, whole: bool) -> None:
    verdicts(name, content, whole=whole)


@given(st.sampled_from(sorted(TABLES)), st.data(), st.booleans())
def test_damaged_files_give_verdicts_or_a_rejection(name: str, data: st.DataObject, whole: bool) -> None:
    content = bytearray(written(form(name), [row("样例𠮷", "1001"), row("样例㛃")]))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["change", "remove", "insert"])):
            case "change":
                content[at] = data.draw(st.integers(0, 255))
            case "remove":
                del content[at : at + data.draw(st.integers(1, 40))]
            case _:
                content[at:at] = data.draw(st.binary(min_size=1, max_size=5))
        if not content:
            break
    verdicts(name, bytes(content), whole=whole)


def verdicts(name: str, content: bytes, *, whole: bool) -> Sequence[Line]:
    """Every line with its verdict, or none; any other exception fails the test."""
    try:
        lines = form(name).lines(content, whole=whole, facts=FACTS)
    except FileRejected:
        return ()
    assert all(line.bad or line.values for line in lines)
    return lines


@pytest.mark.parametrize("name", TABLES)
def test_an_empty_file_is_a_file(name: str) -> None:
    assert read(form(name), written(form(name), [])) == []


@pytest.mark.parametrize("name", TABLES)
def test_a_record_of_an_unknown_operation_or_with_a_value_too_many_is_refused(name: str) -> None:
    if name == "csv":
        return
    for wrong in ((*row(), "x"), row()[:-1], ("0" * 36, "9999", "00", "样例"), ("0" * 36,)):
        with pytest.raises(RecordRefused):
            form(name).record(wrong)


def test_columns_without_an_operation_are_those_of_the_only_one() -> None:
    columns = Columns(lead=(Cell(name="LSH", width=36),), shapes={"1": (Cell(name="XM", width=10),)})
    xml = {"root": "Package", "row": "Row"}
    for format_name, table in (("fixed", {}), ("dbf", {}), ("xml", xml), ("zip_csv", {"inner_name": "data.csv"})):
        one = layout(format_name, "GBK", columns, {**table})
        assert read(one, written(one, [("0" * 36, "样例")])) == [("0" * 36, "样例")]


@pytest.mark.parametrize(
    ("format_name", "table", "framing"),
    [
        ("fixed", {}, {"header": {"record_type": "H", "fields": [{"name": "md5", "width": 32}]}}),
        ("fixed", {}, {"trailer": {"record_type": "T", "fields": [{"name": "rows"}]}}),
        ("fixed", {}, {"trailer": {"record_type": "T", "fields": [{"name": "amount_cents", "width": 15}]}}),
        ("fixed", {"record_type": {"name": "LX", "width": 1, "value": "DD"}}, {}),
        ("fixed", {"pad_text": "zero left"}, {}),
        ("csv", {}, {"trailer": {"record_type": "END", "fields": [{"name": "colour"}]}}),
        ("dbf", {"code_page_byte": "0x4D"}, {}),
        ("dbf", {"code_page_byte": 300}, {}),
        ("dbf", {"name_max": 11}, {}),
        ("dbf", {"name_max": 1}, {}),
        ("dbf", {}, {"trailer": TOTALS["trailer"]}),
        ("xml", {"root": "Package", "row": "/Row"}, {}),
        ("xml", {"root": "Pack age", "row": "Row"}, {}),
        ("zip_csv", {"inner_name": "data.csv"}, {}),
        ("zip_csv", {"inner_name": "{name}.csv"}, {}),
        ("zip_csv", {"inner_name": "../{operation}.csv"}, {}),
        ("zip_csv", {"summary_name": "1001.csv"}, {}),
        ("zip_csv", {"summary_columns": ["rows"]}, {}),
        ("zip_csv", {"zip_password": {"secret": "x", "method": "zipcrypto"}}, {}),
    ],
    ids=str,
)
def test_a_declaration_that_cannot_work_is_refused(
    format_name: str, table: dict[str, Any], framing: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        layout(format_name, "GB18030", COLUMNS, table, framing)


def test_columns_that_a_layout_cannot_have_are_refused() -> None:
    for format_name, cells in (
        ("fixed", [Cell(name="XM")]),
        ("dbf", [Cell(name="XM")]),
        ("dbf", [Cell(name="XM", width=255)]),
        ("dbf", [Cell(name="JE", kind="money", width=20)]),
        ("dbf", [Cell(name="姓名", width=10)]),
        ("dbf", [Cell(name="decision_no1", width=10), Cell(name="decision_no2", width=10)]),
        ("xml", [Cell(name="1X")]),
    ):
        columns = Columns(lead=(Cell(name="LSH", width=36),), shapes={"1": tuple(cells)})
        with pytest.raises(ValidationError):
            layout(format_name, "GBK", columns, {"root": "P", "row": "R"} if format_name == "xml" else {})
    twice = Columns(shapes={"1": (Cell(name="A", width=8),), "2": (Cell(name="A", kind="date"),)})
    with pytest.raises(ValidationError, match="one type in one operation"):
        layout("dbf", "GBK", twice, {})
