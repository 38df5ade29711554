"""``onedoor plugins``: what a department would be sent is shown byte for byte, and nothing leaves."""

import asyncio
import json
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.envelope import CaseApplication
from contracts.records import adapter
from contracts.site import load_site
from hub.cli import plugins as command
from hub.recorder import MADE_UP_SECRET
from hub.systems import register
from hub.trial import Subject, form_mistakes, item_of, tried
from hub.wire_text import hex_dump
from simulators.sample import sample_site

RUN = CliRunner()
XIHU = Path(__file__).parents[2] / "deploy" / "sites" / "xihu"
TAX = "SW001_one_year.json"


def run(*arguments: str, columns: int = 200) -> str:
    found = RUN.invoke(command.app, arguments, env={"COLUMNS": str(columns)})
    assert found.exit_code == 0, found.output
    return found.output


def sample(department: str, name: str) -> str:
    return str(sample_site() / department / "samples" / name)


def trials_of(system: str) -> Mapping[str, Any]:
    """A trial of every sample case whose item calls the system, by file name."""
    root = sample_site()
    site, registered = load_site(root), register(root)
    found: dict[str, Any] = {}
    for file in sorted(root.glob("*/samples/*.json")):
        told = adapter(CaseApplication).validate_python(json.loads(file.read_bytes())["data"])
        subject = Subject(
            site=site, registered=registered, application=told, at=datetime(2026, 3, 2, tzinfo=UTC), replies={}
        )
        if any(step.system == system for step in item_of(subject).steps):
            assert form_mistakes(subject) == (), file.name
            found[file.name] = asyncio.run(tried(subject, frozenset([system]), {}))
    return found


@pytest.mark.parametrize("system", sorted(register(sample_site()).systems))
def test_every_sample_case_shows_what_every_system_would_be_sent(system: str) -> None:
    found = trials_of(system)
    assert found, "no sample case calls this system"
    for name, trials in found.items():
        for trial in trials:
            assert trial.error is None, (name, trial)
            assert all(not message.missing for message in trial.messages), name
            assert any(sent.body for sent in trial.sent) or not trial.messages, name


def test_a_trial_shows_the_fields_of_the_operation_and_no_other() -> None:
    told = json.loads(run("try", "tax", "--case", sample("tax", TAX), "--json"))
    (trial,) = told["trials"]
    assert trial["messages"][0]["fields"].keys() == {"applicant_name", "applicant_id_no", "date_from", "date_to"}
    (sent,) = trial["sent"]
    assert (sent["how"], sent["where"]) == ("POST", "http://department.invalid/query/income-record")
    assert json.loads(bytes.fromhex(sent["hex"])).keys() - {"seal"} == trial["messages"][0]["fields"].keys()


def test_a_secret_that_is_installed_is_never_shown() -> None:
    shown = run("try", "SW-tax", "--case", sample("tax", TAX))
    assert f"Bearer {MADE_UP_SECRET}" in shown


@pytest.mark.parametrize("columns", [80, 200])
def test_case_fields_and_bytes_are_shown_on_any_screen(columns: int) -> None:
    shown = run("try", "tax", "--case", sample("tax", TAX), columns=columns)
    for wanted in ("the case", "what the department may know", "on the wire", "X-Delivery-Id", "date_from"):
        assert wanted in shown


def test_fixed_width_records_are_shown_byte_by_byte() -> None:
    found = trials_of("SC-register")
    (sent, *_) = next(iter(found.values()))[0].sent
    assert sent.how == "file"
    assert hex_dump(sent.body).startswith("000000  ")
    assert bytes.fromhex("".join(line[8:56] for line in hex_dump(sent.body).splitlines()).replace(" ", "")) == sent.body


def test_a_case_that_the_form_refuses_is_named_field_by_field(tmp_path: Path) -> None:
    case = json.loads(Path(sample("tax", TAX)).read_text())
    del case["data"]["form"]["date_from"]
    file = tmp_path / "case.json"
    file.write_text(json.dumps(case))
    found = RUN.invoke(command.app, ["try", "tax", "--case", str(file)], env={"COLUMNS": "200"})
    assert found.exit_code == 2
    assert "the form refuses /form/date_from" in found.output
    assert "missing: date_from, which comes from form.date_from" in found.output


def test_what_earlier_steps_answered_can_be_given(tmp_path: Path) -> None:
    replies = tmp_path / "replies.json"
    replies.write_text(json.dumps({"s2": {"insured": False, "self_paid_confirmed": "12.50"}}))
    case = sample("civil_affairs", "MZ005_hospital_bill.json")
    told = json.loads(run("try", "MZ-relief", "--case", case, "--replies", str(replies), "--json"))
    assert any(one["messages"][0]["fields"].get("self_paid_confirmed") == "12.50" for one in told["trials"])


def test_a_name_that_the_site_does_not_have_is_answered_with_those_it_has() -> None:
    found = RUN.invoke(command.app, ["show", "taxes"])
    assert isinstance(found.exception, command.PluginNotFound)
    assert "SW-tax" in str(found.exception)


def test_a_case_of_an_item_that_never_calls_the_system_says_what_it_calls() -> None:
    found = RUN.invoke(command.app, ["try", "tax", "--case", sample("archives", "DA001_marriage.json")])
    assert "never calls this: it calls DA-archive" in str(found.exception)


def test_the_list_names_every_department_and_how_it_is_reached() -> None:
    told = json.loads(run("list", "--json"))
    assert len(told["departments"]) == len(list(sample_site().glob("*/department.toml")))
    assert told["broken"] == {}
    elder = next(one for each in told["departments"] for one in each["systems"] if one["key"] == "MZ-elder")
    assert elder["channels"] == {"api": "sending", "file_drop": "former"}
    assert re.search(r"SW\s+税务\s+tax\s+SW-tax\s+api \(sending\)", run("list"))


def test_a_second_city_is_listed_from_its_folder() -> None:
    assert len(json.loads(run("list", "--site", str(XIHU), "--json"))["departments"]) >= 3


def test_a_department_is_shown_with_what_it_may_receive() -> None:
    shown = run("show", "tax")
    assert "applicant.id_no" in shown
    assert "0404 completed.done" in shown


def test_a_field_that_would_newly_leave_the_house_is_told_by_the_comparison(tmp_path: Path) -> None:
    other = tmp_path / "site"
    shutil.copytree(sample_site(), other, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    assert "nothing differs" in run("diff", "archives", "--with", str(other))
    table = other / "archives" / "department.toml"
    field = '    { name = "mobile", source = "applicant.mobile", type = "string", label_zh = "手机", label_en = "Mobile" },\n'
    table.write_text(table.read_text().replace("request = [\n", "request = [\n" + field, 1))
    found = RUN.invoke(command.app, ["diff", "archives", "--with", str(other), "--json"])
    assert found.exit_code == 1
    changed = {one["key"]: (one["before"], one["after"]) for one in json.loads(found.output)}
    assert (None, '"applicant.mobile"') in changed.values()
    assert all("mobile" in key for key in changed)
