"""Numbers, codes, masking and the hash of a task sheet."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.task_sheet import (
    SHEET_ALPHABET,
    SheetCode,
    SheetLine,
    TaskSheet,
    bar_code,
    content_hash,
    crockford,
    masked,
    parse_sheet_code,
    sheet_code,
    sheet_content,
    sheet_number,
)

MAC = bytes(range(16))
numbers = st.text(SHEET_ALPHABET, min_size=12, max_size=12)


def a_sheet(identity_number: str = "31010119900307991X", name: str = "样例甲") -> TaskSheet:
    return TaskSheet(
        form="SF-AID-01",
        title_zh="法律援助审查",
        title_en="Decide on legal aid",
        todo_zh="审查",
        todo_en="Decide",
        lines=[
            SheetLine(name="applicant_name", label_zh="姓名", label_en="Name", value=name),
            SheetLine(name="id_no", label_zh="证件号码", label_en="Id", value=identity_number, masked=True),
        ],
        boxes=[],
    )


@given(numbers, st.integers(1, 99), st.binary(min_size=16, max_size=16))
def test_both_codes_of_a_sheet_are_read_back(number: str, version: int, mac: bytes) -> None:
    text = sheet_code(number, version, mac)

    assert len(text) == 5 + 12 + 1 + 2 + 1 + 26
    assert parse_sheet_code(text) == SheetCode(number=number, version=version, mac=mac)
    assert parse_sheet_code(bar_code(number, version)) == SheetCode(number=number, version=version, mac=None)


def test_the_code_texts_are_what_printed_sheets_already_carry() -> None:
    assert sheet_code("7K3M9QX2ABCD", 1, MAC) == "ODS1:7K3M9QX2ABCD:01:00041061050R3GG28A1C60T3GF"
    assert crockford(b"\x00" * 16) == "0" * 26
    assert crockford(b"\xff" * 16) == "7" + "Z" * 25
    assert crockford(b"\x00\x01\x02\x03\x04") == "000G40R4"
    assert bar_code("7k3m-9qx2-abcd", 7) == "7K3M9QX2ABCD07"


@pytest.mark.parametrize(
    "keyed",
    ["0123456789AB", "o1 23-4567 89ab", "OI23456789AB", "oL23456789ab", " 0123-4567-89AB ", "０１２３４５６７８９ＡＢ"],
)
def test_a_number_keyed_by_hand_is_forgiven_what_looks_alike(keyed: str) -> None:
    assert sheet_number(keyed) == "0123456789AB"


@pytest.mark.parametrize(
    "keyed", ["", "0123456789A", "0123456789ABC", "U123456789AB", "0123456789A*", "样例样例样例样例样例样例"]
)
def test_what_cannot_be_a_number_is_refused_without_repeating_it(keyed: str) -> None:
    with pytest.raises(ValueError, match="12 characters") as refused:
        sheet_number(keyed)
    assert not keyed or keyed not in str(refused.value)


def test_a_scanner_behind_a_chinese_keyboard_is_understood() -> None:
    typed = sheet_code("0123456789AB", 3, MAC).lower().replace(":", "：") + "\n"

    assert parse_sheet_code(typed) == SheetCode(number="0123456789AB", version=3, mac=MAC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.org",
        "ODS2:0123456789AB:01:" + "0" * 26,
        "ODS1:0123456789AB:00:" + "0" * 26,
        "0123456789AB00",
        "0123456789AB1",
        "ODS1:0123456789AB:1:" + "0" * 26,
        "ODS1:0123456789AB:01:" + "0" * 25,
        "ODS1:0123456789AB:01:" + "0" * 27,
        "ODS1:0123456789AB:01:8" + "0" * 25,
        "ODS1:0123456789AB:01:" + "U" * 26,
        "ODS1:0123456789A:01:" + "0" * 26,
    ],
)
def test_what_is_no_code_of_a_sheet_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"scan|12 characters"):
        parse_sheet_code(text)


@pytest.mark.parametrize("version", [0, 100])
def test_a_version_has_two_digits(version: int) -> None:
    with pytest.raises(ValueError, match="1 to 99"):
        sheet_code("0123456789AB", version, MAC)


def test_a_mac_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        sheet_code("0123456789AB", 1, MAC[:15])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("31010119900307991X", "310***********991X"),
        ("13800009999", "138****9999"),
        ("E1234567", "E******7"),
        ("123", "***"),
        ("", ""),
    ],
)
def test_the_middle_of_a_masked_value_is_hidden(value: str, shown: str) -> None:
    assert masked(value) == shown


def test_the_same_content_has_the_same_hash_and_other_content_another() -> None:
    assert content_hash(a_sheet()) == content_hash(a_sheet())
    assert len(content_hash(a_sheet())) == 64
    assert content_hash(a_sheet()) != content_hash(a_sheet(name="样例乙"))
    assert content_hash(a_sheet()) != content_hash(replace(a_sheet(), notice_zh="可能已在系统受理"))


def test_the_hash_on_the_paper_gives_no_hidden_digit_away() -> None:
    one, other = a_sheet("31010119900307991X"), a_sheet("31010119910408991X")

    assert content_hash(one) == content_hash(other)
    assert sheet_content(one) != sheet_content(other)


def test_the_canonical_content_is_one_byte_string() -> None:
    assert sheet_content(a_sheet()) == sheet_content(a_sheet())
    assert sheet_content(a_sheet()).startswith(b'{"boxes":[],"copies":["department","centre","file"],"form":"SF')
