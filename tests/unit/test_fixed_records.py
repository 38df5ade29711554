"""Fixed width: bytes, not characters; padding that can be taken away again; totals in whole cents."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.csv_records import Csv
from adapters.file_totals import FileFacts, TotalField, Totals
from adapters.fixed_records import CodeCell, Fixed, RecordType
from adapters.record_layout import Cell, Columns
from adapters.record_verdicts import FileRejected, RecordRefused

COLUMNS = Columns(
    lead=(Cell(name="LSH", width=4), Cell(name="JYM", width=4)),
    operation_at=1,
    shapes={
        "1001": (
            Cell(name="XM", width=10),
            Cell(name="JE", kind="money", width=9),
            Cell(name="BL", kind="decimal", width=6),
        ),
        "1002": (Cell(name="XM", width=5),),
    },
)
FORM = Fixed(encoding="GBK", columns=COLUMNS, eol="LF", operation_code=CodeCell(name="JYM", width=4))
FACTS = FileFacts(at=datetime(2026, 11, 24, 11, 30, 5, tzinfo=UTC), sequence=12)


def totals(kind: str, *fields: tuple[Any, int]) -> Totals:
    return Totals(record_type=kind, fields=tuple(TotalField(name=name, width=width) for name, width in fields))


def test_text_is_left_aligned_numbers_are_right_aligned_and_what_is_absent_is_blank() -> None:
    assert FORM.record(("a1", "1001", "样例", "120050", "12.5")) == "a1  1001样例      0001200500012.5\n".encode("gbk")
    assert FORM.record(("a1", "1001", "样例", "-5", "")) == "a1  1001样例      -00000005      \n".encode("gbk")
    assert FORM.record(("a1", "1002", "")) == b"a1  1002     \n"
    spaces = replace(FORM, pad_number="space left")
    assert spaces.record(("a1", "1001", "", "7", "")) == b"a1  1001                  7      \n"
    assert spaces.lines(spaces.record(("a1", "1001", "", "7", "")))[0].values == ("a1", "1001", "", "7", "")


@pytest.mark.parametrize(
    ("width", "name", "fits"),
    [(10, "样例某某某", True), (10, "样例某某某a", False), (5, "样例a", True), (5, "样例某", False)],
)
def test_what_is_longer_than_its_bytes_is_refused_and_never_cut(width: int, name: str, fits: bool) -> None:
    columns = Columns(lead=(Cell(name="LSH", width=1), Cell(name="XM", width=width)))
    form = Fixed(encoding="GBK", columns=columns)
    if fits:
        assert form.lines(form.record(("1", name)))[0].values == ("1", name)
        return
    with pytest.raises(RecordRefused, match=rf"takes {len(name.encode('gbk'))} bytes and has {width}") as refusal:
        form.record(("1", name))
    assert name not in str(refusal.value)


@pytest.mark.parametrize(
    "values",
    [
        ("a1", "1002", "a "),
        ("a1", "1002", " "),
        ("a1", "1002", "a\nb"),
        ("a1", "1002", "a\r"),
        ("a1", "1001", "", "007", ""),
        ("a1", "1001", "", "12a", ""),
        ("a1", "1001", "", "-0", ""),
        ("a1", "1001", "", "1234567890", ""),
    ],
    ids=str,
)
def test_what_padding_would_change_is_refused(values: tuple[str, ...]) -> None:
    if values[3:4] == ("-0",):
        assert FORM.lines(FORM.record(values))[0].values == values
        return
    with pytest.raises(RecordRefused):
        FORM.record(values)


def test_a_line_that_is_wrong_spoils_only_itself_and_still_names_its_delivery() -> None:
    form = replace(FORM, record_type=RecordType(name="LX", width=2, value="D"))
    good = form.record(("a1", "1002", "样例"))
    lines = [
        good,
        b"D a2  1002" + "样例某".encode("gbk")[:5] + b"\n",  # the last character is cut in half
        b"D a3  1002abc\n",
        b"D a4  9999abcde\n",
        b"X a5  1002abcde\n",
        b"\n",
        good.replace(b"\n", b"\r\n"),
        b"D\n",
    ]
    verdicts = [(line.number, line.first, line.bad) for line in form.lines(b"".join(lines))]
    assert verdicts == [
        (1, "a1", ""),
        (2, "a2", "encoding"),
        (3, "a3", "length"),
        (4, "a4", "operation"),
        (5, "a5", "record_type"),
        (7, "a1", ""),
        (8, "", "record_type"),
    ]


def test_a_number_that_is_none_is_left_for_whoever_types_it() -> None:
    (line,) = FORM.lines(b"a1  1001          1200 5000  12,5\n")
    assert line.values == ("a1", "1001", "", "1200 5000", "12,5")


def test_header_and_trailer_prove_the_file() -> None:
    form = replace(
        FORM,
        header=totals("H", ("date", 8), ("time", 6), ("sequence", 4), ("rows", 8)),
        trailer=totals("T", ("rows", 8), ("amount_cents", 15), ("bytes", 6), ("sha256", 64), ("sm3", 64)),
        fee_cents_per_row=12000,
    )
    records = [form.record((f"a{number}", "1002", "样")) for number in range(3)]
    content = form.file(records, FACTS)
    assert content.startswith(b"H20261124113005001200000003\na0  1002")
    assert b"\nT00000003000000000036000000070" in content
    assert [line.number for line in form.lines(content)] == [2, 3, 4]
    head, *rows, trailer = content.splitlines(keepends=True)
    for broken, code in (
        (b"".join([head, *rows]), "trailer"),
        (b"".join([*rows, trailer]), "header"),
        (b"".join([head, *rows[:-1], trailer]), "rows"),
        (b"".join([head, *rows, rows[0], trailer]), "rows"),
        (content[:-1], "truncated"),
        (content.replace(b"a1", b"a9"), "sha256"),
        (content.replace(b"36000", b"36001"), "amount_cents"),
        (content.replace(b"20261124", b"20261324"), "date"),
        (content.replace(b"113005", b"993005"), "time"),
        (content.replace(b"50012", b"5 012"), "sequence"),
        (content.replace(b"\n", b"\r\n"), "bytes"),
        (b"", "header"),
        (head, "trailer"),
    ):
        with pytest.raises(FileRejected) as rejection:
            form.lines(broken)
        assert rejection.value.code == code


def test_a_sum_is_of_a_column_of_cents_over_the_operations_that_have_it() -> None:
    trailer = Totals(
        record_type="T",
        fields=(TotalField(name="rows", width=3), TotalField(name="amount_cents", width=9, sum_of="JE")),
    )
    rows = [
        ("a1", "1001", "样例", "120050", ""),
        ("a2", "1002", "样"),
        ("a3", "1001", "", "-50", ""),
        ("a4", "1001", "", "", ""),
    ]
    fixed = replace(FORM, trailer=trailer)
    content = fixed.file([fixed.record(row) for row in rows])
    assert content.endswith(b"\nT004000120000\n")
    assert len(fixed.lines(content)) == 4
    # One record that cannot be read, and the sum proves nothing any more.
    with pytest.raises(FileRejected, match="amount_cents"):
        fixed.lines(content.replace(b"a2  1002", b"a2  1009"))
    for header_row in (False, True):
        csv = Csv(encoding="GBK", columns=COLUMNS, delimiter="|!", header_row=header_row, trailer=trailer)
        content = csv.file([csv.record(row) for row in rows])
        assert content.endswith(b"\r\nT|!4|!120000\r\n")
        assert [line.values for line in csv.lines(content)] == rows


def test_a_total_that_has_no_room_is_refused() -> None:
    form = replace(FORM, trailer=totals("T", ("rows", 1)))
    with pytest.raises(RecordRefused, match="no room"):
        form.file([form.record(("a", "1002", ""))] * 10)


def test_a_csv_with_a_trailer_is_as_long_as_it_says() -> None:
    form = Csv(encoding="GBK", delimiter="|!", trailer=Totals(record_type="END", fields=(TotalField(name="rows"),)))
    content = form.file([form.record(("1", "样例")), form.record(("2", "样例"))])
    assert content.endswith(b"\r\nEND|!2\r\n")
    assert [line.values for line in form.lines(content)] == [("1", "样例"), ("2", "样例")]
    for broken, code in (
        (content.removesuffix(b"END|!2\r\n"), "trailer"),
        (content.replace(b"END|!2", b"END|!3"), "rows"),
        (content.replace(b"END|!2", b"END|!2|!"), "trailer"),
        (b"", "trailer"),
    ):
        with pytest.raises(FileRejected) as rejection:
            form.lines(broken)
        assert rejection.value.code == code


def test_with_a_header_row_a_record_of_an_unknown_operation_is_a_verdict() -> None:
    form = Csv(encoding="GBK", columns=COLUMNS, header_row=True)
    content = form.file([form.record(("a1", "1002", "样例"))]).replace(b"1002", b"1009")
    (line,) = form.lines(content)
    assert (line.bad, line.first) == ("operation", "a1")
