"""Numbers that the hub gives out can be read back, and a misread one is noticed."""

import hmac
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.task_sheet import SHEET_ALPHABET
from hub.numbers import (
    BadNumber,
    CaseNumber,
    case_number,
    read_case_number,
    read_sheet_number,
    sheet_number,
    time_ordered_uuid,
)


def mac(part: str, key: bytes = b"a key of the tests") -> str:
    value = int.from_bytes(hmac.digest(key, part.encode(), "sha256")[:2], "big")
    return "".join(SHEET_ALPHABET[(value >> shift) & 31] for shift in (10, 5, 0))


@pytest.mark.parametrize(
    ("number", "sequence", "day"),
    [
        ("310104901202603020000013", 1, date(2026, 3, 2)),
        ("310104901202603020000021", 2, date(2026, 3, 2)),
        ("310104901202603029900019", 990001, date(2026, 3, 2)),
    ],
)
def test_a_case_number_has_centre_date_sequence_and_check_digit(number: str, sequence: int, day: date) -> None:
    assert case_number("310104901", day, sequence) == number
    assert read_case_number(number) == CaseNumber(centre="310104901", day=day, sequence=sequence)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("310104901202603020000014", "check digit"),
        ("31010490120260302000001", "24 digits"),
        ("3101049012026030200000130", "24 digits"),
        ("31010490120260302000001X", "24 digits"),
        ("３10104901202603020000013", "24 digits"),
        ("310104901202602300000019", "does not exist"),
        ("", "24 digits"),
    ],
)
def test_a_misread_case_number_is_refused_without_repeating_it(number: str, message: str) -> None:
    with pytest.raises(BadNumber, match=message) as caught:
        read_case_number(number)
    assert not number or number not in str(caught.value)


CASES = st.builds(
    case_number,
    st.from_regex("[0-9]{9}", fullmatch=True).filter(str.isascii),
    st.dates(date(2020, 1, 1), date(2099, 12, 31)),
    st.integers(1, 999_999),
)


@settings(deadline=None)
@given(CASES, st.integers(0, 23), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(number: str, at: int, by: int) -> None:
    assert read_case_number(number).sequence == int(number[17:23])
    wrong = number[:at] + str((int(number[at]) + by) % 10) + number[at + 1 :]
    with pytest.raises(BadNumber):
        read_case_number(wrong)


def test_a_centre_that_is_no_code_and_a_full_day_are_refused() -> None:
    with pytest.raises(BadNumber, match=r"centres\.toml"):
        case_number("31010490", date(2026, 3, 2), 1)
    with pytest.raises(BadNumber, match="split the centre"):
        case_number("310104901", date(2026, 3, 2), 1_000_000)
    with pytest.raises(BadNumber):
        case_number("310104901", date(2026, 3, 2), 0)


@settings(deadline=None)
@given(st.integers())
def test_a_sheet_number_is_read_back_however_it_was_keyed(seed: int) -> None:
    number = sheet_number(mac, Random(seed))
    assert len(number) == 12
    assert not set(number) & set("ILOU")
    keyed = number.lower().replace("0", "o").replace("1", "l")
    assert read_sheet_number(f" {keyed[:4]}-{keyed[4:8]} {keyed[8:]} ", mac) == number


@pytest.mark.parametrize("number", ["", "ABC", "UUUUUUUUUUUU", "AAAAAAAAAAAAA", "样样样样样样样样样样样样"])
def test_what_is_no_sheet_number_is_refused(number: str) -> None:
    with pytest.raises(BadNumber, match="12 letters and digits"):
        read_sheet_number(number, mac)


def test_a_sheet_number_of_another_hub_or_an_invented_one_is_refused() -> None:
    foreign = sheet_number(lambda part: mac(part, b"another key"))
    with pytest.raises(BadNumber, match="given out"):
        read_sheet_number(foreign, mac)


def test_sheet_numbers_do_not_repeat() -> None:
    source = Random(3)
    assert len({sheet_number(mac, source) for _ in range(20_000)}) == 20_000


def test_a_delivery_id_is_a_uuid_of_version_7_of_its_time() -> None:
    # The moment of the example in RFC 9562, appendix A.6.
    found = time_ordered_uuid(1645557742000, Random(1))
    assert found.version == 7
    assert found.variant == "specified in RFC 4122"
    assert str(found).startswith("017f22e2-79b0-7")


@settings(deadline=None)
@given(st.integers(0, 2**48 - 2), st.integers(), st.integers())
def test_delivery_ids_sort_by_time(at: int, one: int, other: int) -> None:
    assert time_ordered_uuid(at, Random(one)) < time_ordered_uuid(at + 1, Random(other))


def test_ids_of_one_moment_differ() -> None:
    assert len({time_ordered_uuid(1645557742000) for _ in range(10_000)}) == 10_000
