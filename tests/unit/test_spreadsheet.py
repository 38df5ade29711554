"""D10: what a resident wrote never becomes a formula in an export, and comes back as it was."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.spreadsheet import original_cell, plain_cell

RISKY = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "＋1", "－1", "＠SUM(A1)", "=cmd|'/c calc'!A0", "'=1")


@pytest.mark.parametrize("text", RISKY)
def test_a_formula_is_shown_and_not_calculated(text: str) -> None:
    assert plain_cell(text) == f"'{text}"
    assert original_cell(plain_cell(text)) == text


@pytest.mark.parametrize("text", ["31010119950606991X", "310104901202611230000017"])
def test_a_long_number_stays_text(text: str) -> None:
    assert plain_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["样例甲", "", "12", 7, "1234.50", "a=b", "2026-11-23"])
def test_a_plain_value_stays_as_it_is(value: object) -> None:
    assert plain_cell(value) == str(value)


@given(st.text())
def test_what_goes_out_comes_back(text: str) -> None:
    assert original_cell(plain_cell(text)) == text
    assert plain_cell(text)[:1] not in ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n")), min_size=1))
def test_a_row_comes_back_through_a_csv_file(texts: list[str]) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([plain_cell(text) for text in texts])
    ((*cells,),) = csv.reader(io.StringIO(file.getvalue()))
    assert [original_cell(cell) for cell in cells] == texts
