"""Every row of the table whose department speaks REST or SOAP ends as declared: in a real hub, each at a server of its own, all of them
at once, beside a department that behaves."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.http_misbehaviours import NEIGHBOUR, Seen, play
from tests.misbehaviours import Case, of

CASES = [*of("rest"), *of("soap")]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Seen]:
    """How each row ended, by id."""
    folder: Path = tmp_path_factory.mktemp("misbehaviours")
    return asyncio.run(play(CASES, folder))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_misbehaviour_ends_as_the_table_declares(case: Case, seen: Mapping[str, Seen]) -> None:
    found, ends = seen[case.id], case.ends
    first = found.attempts[0]
    assert (found.state, first["state"], first["error_code"]) == (ends.state, ends.attempt, ends.code)
    assert len(found.attempts) == ends.attempts
    # No message is ever sent that is not in the journal, and none is sent twice within one attempt.
    assert found.arrivals == (ends.attempts if ends.arrivals is None else ends.arrivals)
    assert found.stuck is None
    wanted = [
        status
        for step in case.inject
        for call in (*step.get("calls", ()), *step.get("calls_after", ()))
        for status in call["answers"]
    ]
    assert found.called == wanted


def test_none_of_them_harms_a_department_that_behaves(seen: Mapping[str, Seen]) -> None:
    beside = seen[NEIGHBOUR.id]
    assert (beside.state, len(beside.attempts), beside.arrivals) == ("done", 1, 1)
