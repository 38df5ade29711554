"""The page about paper explains every state, difference, verdict and reason that staff can meet, and no other."""

import re
from pathlib import Path

from contracts.paper_api import Difference, ScanVerdict
from hub import page_reader
from hub.states import HandoverLineState

PAGE = (Path(__file__).parents[2] / "docs/paper.md").read_text(encoding="utf-8")


def cells(heading: str) -> list[str]:
    """The code in the first cell of each row of the table with that heading."""
    table = PAGE.split(f"| {heading} |")[1].split("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_every_difference_is_explained() -> None:
    assert cells("difference") == list(Difference)


def test_every_verdict_on_a_page_is_explained() -> None:
    assert cells("on the page") == list(ScanVerdict)


def test_every_reason_to_refuse_a_file_is_named() -> None:
    source = Path(page_reader.__file__).read_text(encoding="utf-8")
    reasons = set(re.findall(r'NotReadable\("(\w+)"\)', source)) | {"reader_failed"}
    told = PAGE.split("refused with a reason:")[1].split(". The file")[0]
    assert set(re.findall(r"`(\w+)`", told)) == reasons


def test_every_state_of_a_listed_sheet_is_told() -> None:
    lists = PAGE.split("## The handover list")[1].split("## Scan-back")[0]
    assert [state for state in HandoverLineState if f"`{state}`" not in lists] == []


def test_the_limits_that_are_told_are_those_that_hold() -> None:
    assert f"more than {page_reader.MOST_PAGES}" in " ".join(PAGE.split())
    assert f"{page_reader.MOST_PIXELS // 1_000_000} million pixels" in PAGE
