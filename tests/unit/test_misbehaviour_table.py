"""The table of misbehaviours is what it says: many rows, each with an id and an injection of its own."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest

from tests.misbehaviours import Case, answer_of, injected, page, table

CASES = table()
NIL = UUID(int=0)


def test_each_row_has_its_own_id_and_says_what_the_department_does() -> None:
    assert not [name for name, times in Counter(case.id for case in CASES).items() if times > 1]
    assert not [name for name, times in Counter((case.protocol, case.does) for case in CASES).items() if times > 1]
    assert all(case.rows and case.ends.state for case in CASES)


def test_no_two_rows_inject_the_same() -> None:
    assert not [what for what, times in Counter(map(sent, CASES)).items() if times > 1]


def sent(case: Case) -> str:
    """What a row puts on the wire and when, against which channel: for HTTP the very bytes, however the row wrote them."""
    if case.protocol not in {"rest", "soap"}:
        return injected(case)
    timing = ("act", "reads", "then", "enquiry", "calls", "calls_after")
    steps = [
        [hashlib.sha256(answer_of(step, case.protocol, str(NIL))).hexdigest(), {key: step.get(key) for key in timing}]
        for step in case.inject
    ]
    return json.dumps([case.protocol, steps, case.table, case.operation, case.resend_is_safe], sort_keys=True)


@pytest.mark.parametrize(("protocol", "least"), [("rest", 50), ("soap", 45)])
def test_there_are_as_many_rows_as_were_promised(protocol: str, least: int) -> None:
    assert sum(case.protocol == protocol for case in CASES) >= least


def test_the_whole_table_has_at_least_150_rows() -> None:
    assert len(CASES) >= 150


def test_the_page_of_the_manual_is_the_table() -> None:
    shown = (Path(__file__).parents[2] / "docs" / "misbehaviours.md").read_text(encoding="utf-8")
    assert shown == page(), "write it anew: python -m tests.misbehaviours > docs/misbehaviours.md"
    assert {case.protocol for case in CASES} <= {"rest", "soap", "file_drop"}
