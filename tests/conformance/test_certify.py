"""``onedoor certify``: its exit code, its reports, and what it says when it cannot begin."""

import asyncio
import json
import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import structlog

from simulators.certify import api_place
from simulators.certify.bench import Target
from simulators.certify.kit import CHECKS, Quiet, certified, listening
from simulators.certify.page import page
from simulators.certify.runtime import made_secrets
from simulators.certify.subject import NothingToCertify, subjects
from simulators.certify.suite import Conformance
from simulators.certify.verdict import Status
from simulators.world import Plan, world
from tests.conformance.mutants import MUTANTS
from tests.conformance.reference import SITE, TARGET, Mutant, certificate_of, failed, reference, subject_of

ONEDOOR = Path(sys.executable).with_name("onedoor")
DOCS = Path(__file__).parents[2] / "docs"


def certify(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run([ONEDOOR, "certify", *arguments], capture_output=True, check=False, text=True, timeout=250)


@pytest.mark.usefixtures("unmeasured")
def test_all_bundled_departments_pass_and_are_listed_as_json() -> None:
    done = certify("--all", "--json")
    systems = json.loads(done.stdout)
    failures = [
        f"{system['name']}: {one['name']}: {one['reason']}"
        for system in systems
        for one in system["checks"]
        if one["status"] == "failed"
    ]
    assert failures == []
    assert done.returncode == 0, done.stderr
    assert len(systems) == 29
    for system in systems:
        assert [one["name"] for one in system["checks"]] == [one.name for one in CHECKS]
        assert all(one.get("reason") for one in system["checks"] if one["status"] == "not_applicable")


def test_a_report_is_written_as_a_page_and_as_json(tmp_path: Path) -> None:
    done = certify("AA", "--site", SITE, "--report", tmp_path)
    assert done.returncode == 0, done.stdout
    told = json.loads((tmp_path / "AA-register.json").read_text("utf-8"))
    assert told["grade"] == "A"
    html = (tmp_path / "AA-register.html").read_text("utf-8")
    assert html.index("接入符合性报告") < html.index("Conformance report")
    assert all(f"<code>{one.name}</code>" in html for one in CHECKS)
    assert "<script" not in html
    assert "http://" not in html


def test_a_failed_check_says_what_to_change_and_the_exit_code_tells(tmp_path: Path) -> None:
    (tmp_path / "aa_key").write_text("样例")
    nowhere = ("--endpoint", "http://127.0.0.1:9", "--secrets", tmp_path)
    done = certify("AA", "--site", SITE, *nowhere, "--check", "good-delivery", "--report", tmp_path)
    assert done.returncode == 1
    assert "good-delivery (must)" in done.stdout
    (check,) = [one for one in CHECKS if one.name == "good-delivery"]
    assert check.mend_zh in done.stdout
    (found,) = json.loads((tmp_path / "AA-register.json").read_text("utf-8"))["checks"]
    assert found["change"] == {"zh": check.mend_zh, "en": check.mend_en}
    assert found["reason"] in (tmp_path / "AA-register.html").read_text("utf-8")


async def test_a_test_endpoint_is_certified_by_the_settings_that_simulate_writes(tmp_path: Path) -> None:
    systems = frozenset({"AA-register", "BB-list"})
    async with world(Plan(folder=tmp_path, site=SITE, systems=systems, speed=1.0, start=datetime.now(UTC))) as city:
        settings = city.write_places()
        done = [
            await asyncio.to_thread(certify, name, "--site", SITE, "--settings", settings, "--json") for name in systems
        ]
    for one in done:
        (system,) = json.loads(one.stdout)
        assert system["against"] == "endpoint"
        assert system["grade"] == "A", one.stdout
        statuses = {found["name"]: found["status"] for found in system["checks"]}
        assert statuses["fault-lost-reply"] == statuses["good-delivery"] == "passed"
        assert statuses["refusal-is-a-decision"] == "not_applicable"


async def test_a_plugin_without_tables_is_certified_at_a_test_endpoint() -> None:
    bare = replace(reference("AA-register"), file=None, folder=None)
    secret = made_secrets(1)
    with TemporaryDirectory() as folder, listening() as listener:
        nowhere = await certified(bare, TARGET, listener, Quiet())
        async with api_place.simulated(reference("AA-register"), Path(folder), secret, 1) as place:
            target = Target(settings=place.settings, secret=secret, patience_seconds=0.3)
            certificate = await certified(bare, target, listener, Quiet())
    (opens, *rest) = nowhere.results
    assert (opens.name, opens.status) == ("channel-opens", Status.FAILED)
    assert "--endpoint" in opens.reason
    assert {one.status for one in rest} == {Status.NOT_APPLICABLE}
    assert failed(certificate) == {}
    assert sum(one.status is Status.PASSED for one in certificate.results) > 60


@pytest.mark.parametrize(("check", "grade"), [("readme-is-there", "B"), ("fault-500", "F")])
async def test_what_should_be_costs_a_grade_and_what_must_be_the_certificate(
    check: str, grade: str, tmp_path: Path
) -> None:
    (mutant,) = [one for one in MUTANTS if one.check == check]
    assert (await certificate_of(subject_of(mutant, tmp_path))).grade == grade


async def test_a_department_whose_messages_are_signed_gets_a_key_that_was_made_for_it(tmp_path: Path) -> None:
    auth = 'auth = { kind = "usernametoken", secrets = ["cc_user", "cc_password"], password = "digest" }'
    signed = 'auth = { kind = "x509", secrets = ["cc_key"] }'
    subject = subject_of(Mutant(check="", of="CC-service", edits=((auth, signed),)), tmp_path)
    assert failed(await certificate_of(subject)) == {}


def test_another_channel_than_the_one_that_sends_is_certified_by_name() -> None:
    done = certify("HS", "--channel", "paper", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (system,) = json.loads(done.stdout)
    assert (system["name"], system["channel"], system["grade"]) == ("HS-fund", "paper", "A")
    refused = certify("SW-tax", "--channel", "paper")
    assert refused.returncode == 2
    assert "SW-tax has no paper channel; it has api" in refused.stderr


def test_a_plugin_is_heard_however_it_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as listener:
        logging.getLogger("plugin").debug("by logging")
        structlog.get_logger("plugin").info("by structlog", key="value")
        print("by print")  # noqa: T201 - what a plugin might do
    heard = "".join(listener.lines)
    assert all(told in heard for told in ("by logging", "by structlog", "value", "by print"))
    print("afterwards")  # noqa: T201 - it must reach the screen again
    assert capsys.readouterr().out == "afterwards\n"


def test_a_plugin_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = shutil.copytree(SITE, tmp_path / "site")
    with (site / "site.toml").open("a", encoding="utf-8") as head:
        head.write('plugins = ["broken"]\n')
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[onedoor.plugins]\nbroken = plugin_under_certification\n")
    (tmp_path / "plugin_under_certification.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NothingToCertify, match="plugin broken cannot be imported: RuntimeError"):
        subjects(site)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nobody"], "the site has no department or system nobody"),
        ([], "name a department or a system, or say --all"),
        (["AA", "--check", "no-such"], "there is no check no-such"),
        (["--all", "--endpoint", "http://127.0.0.1:9"], "--endpoint is of one system"),
        (["AA", "--settings", "nowhere.toml"], "cannot be read"),
    ],
)
def test_what_cannot_begin_is_refused_in_one_sentence(arguments: list[str], told: str) -> None:
    done = certify(*arguments, "--site", SITE)
    assert done.returncode == 2
    assert told in done.stderr


def test_the_page_of_the_manual_says_what_the_kit_asks() -> None:
    assert (DOCS / "conformance.md").read_text("utf-8") == page()


def test_every_check_says_what_it_asks_and_what_to_change_in_both_languages() -> None:
    for one in CHECKS:
        assert all((one.title_zh, one.title_en, one.mend_zh, one.mend_en)), one.name
        assert one.title_zh != one.title_en


class TestRegister(Conformance):
    """The suite that a plugin's own tests subclass, at a reference plugin."""

    site = SITE
    name = "AA-register"
    target = TARGET
