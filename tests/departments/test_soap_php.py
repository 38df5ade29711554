"""SOAP departments that are not written with our library: PHP's SoapServer over the same WSDL, and the rows of the table played by PHP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.soap import SoapGateway
from contracts.delivery import Completed
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from tests.departments.php_server import php_server
from tests.http_misbehaviours import NEIGHBOUR, play
from tests.misbehaviours import Case, body_of, of
from tests.soap_world import FIELDS, STYLES, delivery, gateway, system, table_of, vendored

WRITTEN_IN_UTF8 = [name for name, table in STYLES.items() if table.get("encoding", "UTF-8") == "UTF-8"]
MARK = "11111111-1111-4111-8111-111111111111"


@asynccontextmanager
async def department(folder: Path, **table: Any) -> AsyncIterator[SoapGateway]:
    """A gateway to PHP's SoapServer over the WSDL of that table."""
    made = system(faults={"Server.Busy": "temporary"}, **table)
    vendored(made, folder)
    environment = {
        "DEPARTMENT_WSDL": str(folder / table_of(made).wsdl),
        "DEPARTMENT_SOAP": table_of(made).soap_version,
        "DEPARTMENT_STRING": "1" if table_of(made).argument else "",
    }
    async with php_server("department.php", environment) as url, gateway(made, folder, url) as opened:
        yield opened


@pytest.mark.parametrize("style", WRITTEN_IN_UTF8)
async def test_a_department_in_php_understands_every_style_and_is_understood(style: str, tmp_path: Path) -> None:
    async with department(tmp_path, **STYLES[style]) as opened:
        outcome = await opened.deliver(delivery())
    assert isinstance(outcome, Completed)
    assert outcome.fields["decision_no"] == FIELDS["XM"]
    if not style.startswith("XML in a string"):
        assert outcome.fields["amount"] == "1200.50"


ENDS: dict[str, tuple[type[DeliveryError], str]] = {
    "fault Server": (OutcomeUnknownError, "fault_Server"),
    "fault Client": (PermanentError, "fault_Client"),
    "fault Client.Authentication": (CredentialsError, "fault_Client.Authentication"),
    "fault Server.Busy": (TemporaryError, "fault_Server.Busy"),
    "fault 样例": (OutcomeUnknownError, "fault_unknown"),
    "busy": (TemporaryError, "-1"),
    "busy-for-another": (OutcomeUnknownError, "echo_mismatch"),
    "exception": (OutcomeUnknownError, "http_500"),
    "crash": (OutcomeUnknownError, "fault_Server"),
    "killed": (OutcomeUnknownError, "connection_lost"),
    "page": (OutcomeUnknownError, "answer_without_end"),
    "slow": (OutcomeUnknownError, "timeout"),
    "other": (OutcomeUnknownError, "echo_mismatch"),
    "nothing": (OutcomeUnknownError, "result_missing"),
    "unknown-code": (OutcomeUnknownError, "unknown_result_code"),
    "long": (OutcomeUnknownError, "answer_too_large"),
}


@pytest.mark.parametrize("name", ENDS)
async def test_what_php_does_wrong_ends_in_its_error(name: str, tmp_path: Path) -> None:
    kind, code = ENDS[name]
    patience = {"connect_seconds": 10, "total_seconds": 1 if name == "slow" else 20}
    async with department(tmp_path, timeouts=patience) as opened:
        with pytest.raises(DeliveryError) as raised:
            await opened.deliver(delivery(fields={"XM": name}))
    assert (type(raised.value), raised.value.code) == (kind, code)


PLAIN = {
    "status",
    "headers",
    "body",
    "reply",
    "envelope",
    "version",
    "header",
    "fault11",
    "fault12",
    "replace",
    "content_type",
}


def _is_for_php(case: Case) -> bool:
    """Whether a row is an answer, and not a connection that breaks or an enquiry."""
    return not case.table and all(set(step) <= PLAIN for step in case.inject)


ROWS = [case for case in of("soap") if _is_for_php(case)]


def _write(case: Case, folder: Path) -> None:
    row = folder / case.id
    row.mkdir(parents=True)
    for number, step in enumerate(case.inject):
        headers = [f"Content-Type: {step.get('content_type', 'text/xml')}", *step.get("headers", [])]
        (row / f"{number}.json").write_text(json.dumps({"status": step.get("status", "200 OK"), "headers": headers}))
        (row / f"{number}.body").write_bytes(body_of(step, "soap", MARK))


async def test_the_rows_of_the_table_end_as_declared_when_php_plays_them(tmp_path: Path) -> None:
    assert len(ROWS) > 45
    for case in ROWS:
        _write(case, tmp_path / "rows")
    async with php_server("rows.php", {"ROWS": str(tmp_path / "rows")}) as url:
        seen = await play(ROWS, tmp_path, lambda case: f"{url}/{case.id}")
    wrong = {}
    for case in ROWS:
        found, ends = seen[case.id], case.ends
        arrivals = len((tmp_path / "rows" / case.id / "arrivals").read_text())
        told = (found.state, found.attempts[0]["state"], found.attempts[0]["error_code"], len(found.attempts), arrivals)
        if told != (ends.state, ends.attempt, ends.code, ends.attempts, ends.attempts) or found.stuck:
            wrong[case.id] = (told, found.stuck)
    assert wrong == {}
    assert seen[NEIGHBOUR.id].state == "done"
