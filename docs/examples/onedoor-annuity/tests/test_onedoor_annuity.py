"""The department is complete: it fits into a site, every sample case becomes a message, and the conformance kit passes."""

import subprocess
import sys
from pathlib import Path

import pytest

import onedoor_annuity
from simulators.certify.suite import Conformance

ONEDOOR = Path(sys.executable).with_name("onedoor")
SITE = Path(__file__).parent / "site"
SAMPLES = sorted(onedoor_annuity.FOLDER.glob("samples/*.json"))


def onedoor(*arguments: str | Path) -> None:
    """Run a command; what it says is shown where it fails."""
    done = subprocess.run([ONEDOOR, *arguments], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_site_with_it_has_no_mistakes() -> None:
    onedoor("check", SITE)


@pytest.mark.parametrize("case", SAMPLES, ids=lambda case: case.stem)
def test_a_sample_case_becomes_a_message(case: Path) -> None:
    onedoor("plugins", "try", "NJ-annuity", "--case", case, "--site", SITE)


class TestConformance(Conformance):
    """Each check of `onedoor certify` is a test of its own."""

    site = SITE
    name = "NJ-annuity"
