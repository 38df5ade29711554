"""``onedoor certify``: its exit code, its reports, and what it says when it cannot begin."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.certify.kit import CHECKS
from simulators.certify.page import page
from simulators.certify.suite import Conformance
from tests.conformance.reference import SITE, TARGET

ONEDOOR = Path(sys.executable).with_name("onedoor")
DOCS = Path(__file__).parents[2] / "docs"


def certify(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run([ONEDOOR, "certify", *arguments], capture_output=True, check=False, text=True, timeout=250)


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
    done = certify("AA", "--site", SITE, *nowhere, "--check", "good-delivery")
    assert done.returncode == 1
    assert "good-delivery (must)" in done.stdout
    (check,) = [one for one in CHECKS if one.name == "good-delivery"]
    assert check.mend_zh in done.stdout


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
