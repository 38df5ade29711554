"""dBase III tables: the bytes of the structure, rows marked as deleted, columns in the department's own order."""

import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.dbf_records import Dbf
from adapters.file_totals import FileFacts
from adapters.record_layout import Cell, Columns
from adapters.record_verdicts import FileRejected, RecordRefused

COLUMNS = Columns(
    lead=(Cell(name="LSH", width=4), Cell(name="YWLX", width=4)),
    operation_at=1,
    shapes={
        "GH01": (
            Cell(name="XM", width=6),
            Cell(name="amount_paid", kind="money", width=9),
            Cell(name="RQ", kind="date"),
        ),
        "GH02": (Cell(name="XM", width=8), Cell(name="PAID", kind="bool"), Cell(name="RATE", kind="decimal", width=6)),
    },
)
FORM = Dbf(encoding="GBK", columns=COLUMNS, code_page_byte=0x4D)
FACTS = FileFacts(at=datetime(2026, 11, 24, tzinfo=UTC))
ROWS = [
    ("a1", "GH01", "样例", "120050", "20260105"),
    ("a2", "GH02", "样例某某", "1", "12.5"),
    ("a3", "GH02", "", "", ""),
]
CONTENT = FORM.file([FORM.record(row) for row in ROWS], FACTS)
START, SIZE = struct.unpack_from("<HH", CONTENT, 8)


def test_the_table_is_a_dbase_iii_table() -> None:
    assert CONTENT[:12] == bytes([3, 126, 11, 24]) + struct.pack(
        "<IHH", 3, 32 + 7 * 32 + 1, 1 + 4 + 4 + 8 + 9 + 8 + 1 + 6
    )
    assert CONTENT[29] == 0x4D
    descriptors = [CONTENT[32 + 32 * place : 64 + 32 * place] for place in range(7)]
    assert [(one[:11].rstrip(b"\0"), one[11:12], one[16]) for one in descriptors] == [
        (b"LSH", b"C", 4),
        (b"YWLX", b"C", 4),
        (b"XM", b"C", 8),
        (b"AMOUNT_PAI", b"N", 9),
        (b"RQ", b"D", 8),
        (b"PAID", b"L", 1),
        (b"RATE", b"C", 6),
    ]
    assert CONTENT[START - 1 : START] == b"\r"
    assert CONTENT[START : START + SIZE] == " a1  GH01样例       12005020260105       ".encode("gbk")
    assert CONTENT[START + SIZE : START + 2 * SIZE] == " a2  GH02样例某某                 T12.5  ".encode("gbk")
    assert CONTENT[START + 3 * SIZE :] == b"\x1a"
    assert [line.values for line in FORM.lines(CONTENT)] == ROWS


def changed(at: int, new: bytes) -> bytes:
    return CONTENT[:at] + new + CONTENT[at + len(new) :]


def test_rows_marked_as_deleted_are_no_records() -> None:
    content = changed(START + SIZE, b"*")
    assert [(line.number, line.first) for line in FORM.lines(content)] == [(1, "a1"), (3, "a3")]
    with pytest.raises(FileRejected, match="deleted"):
        replace(FORM, deleted_rows="refuse").lines(content)


def test_a_bad_row_spoils_only_itself() -> None:
    content = changed(START, b"?")
    content = content[: START + SIZE + 9] + b"\xff" + content[START + SIZE + 10 :]
    content = content[: START + 2 * SIZE + 5] + b"GH09" + content[START + 2 * SIZE + 9 :]
    verdicts = [(line.number, line.first, line.bad) for line in FORM.lines(content)]
    assert verdicts == [(1, "a1", "deleted_flag"), (2, "a2", "encoding"), (3, "a3", "operation")]


def test_the_department_may_order_and_size_its_columns_its_own_way() -> None:
    names = [(b"PAID", b"L", 1), (b"ywlx", b"C", 6), (b"RQ", b"D", 8), (b"LSH", b"C", 10), (b"RATE", b"C", 8)]
    names += [(b"AMOUNT_PAI", b"N", 12), (b"XM", b"C", 20)]
    head = struct.pack("<B3BIHH20x", 3, 26, 1, 1, 1, 32 + 32 * 7 + 1, 66)
    columns = b"".join(
        name.ljust(11, b"\0") + kind + bytes(4) + bytes([size]) + bytes(15) for name, kind, size in names
    )
    row = b" y" + b"GH02".ljust(6) + bytes(8).replace(b"\0", b" ") + b"a1".ljust(10) + b"1.25".ljust(8) + b" " * 12
    content = head + columns + b"\r" + row + "样例".encode("gbk").ljust(20) + b"\x1a"
    (line,) = FORM.lines(content)
    assert line.values == ("a1", "GH02", "样例", "1", "1.25")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "truncated"),
        (CONTENT[:31], "truncated"),
        (CONTENT[:80], "truncated"),
        (CONTENT[: START + SIZE], "truncated"),
        (CONTENT[:-1], "rows"),
        (CONTENT + b"\0", "rows"),
        (changed(4, b"\2"), "rows"),
        (changed(4, b"\4"), "truncated"),
        (changed(0, b"\x83"), "header"),
        (changed(8, b"\0\0"), "header"),
        (changed(10, b"\x01\0"), "header"),
        (changed(29, b"\x7d"), "code_page"),
        (changed(32, b"XSH"), "header"),
        (changed(43, b"N"), "header"),
        (changed(32 + 3 * 32 + 17, b"\2"), "header"),
        (changed(START - 1, b" "), "header"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_the_declared_table_is_rejected_whole(content: bytes, code: str) -> None:
    with pytest.raises(FileRejected) as rejection:
        FORM.lines(content)
    assert rejection.value.code == code


def test_a_digest_may_stand_in_for_the_end_mark() -> None:
    assert len(FORM.lines(CONTENT[:-1], whole=True)) == 3


@pytest.mark.parametrize(
    "values",
    [
        ("a1", "GH01", "样例某某某", "1", ""),
        ("a1", "GH01", "样例 ", "1", ""),
        ("a1", "GH01", "", "1234567890", ""),
        ("a1", "GH01", "", " 1", ""),
        ("a1", "GH02", "", "2", ""),
        ("a1", "GH02", "", "?", ""),
    ],
    ids=str,
)
def test_what_a_column_would_change_is_refused(values: tuple[str, ...]) -> None:
    if values[3] == "2":
        assert FORM.lines(FORM.file([FORM.record(values)]))[0].values == values
        return
    with pytest.raises(RecordRefused):
        FORM.record(values)
