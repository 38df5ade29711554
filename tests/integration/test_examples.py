"""The worked examples are packages as an integrator makes them: built, installed, let in by a site, tested by their own tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site_schemas import mistakes_told_by_the_schema

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NAMES = sorted(one.name for one in EXAMPLES.iterdir() if one.is_dir())
PIP = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
SITUATIONS = {"onedoor-annuity": "file_drop", "onedoor-sports": "paper", "onedoor-water": "api"}


def test_there_is_one_for_each_situation_and_the_page_names_them() -> None:
    page = (EXAMPLES / "README.md").read_text("utf-8")
    assert list(SITUATIONS) == NAMES
    for name, situation in SITUATIONS.items():
        assert f"| [{name}]({name}/{name.replace('-', '_')}/README.md) | `{situation}`" in page


@pytest.mark.parametrize("name", NAMES)
def test_an_example_builds_installs_and_passes_its_own_tests(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, *PIP, "--target", str(tmp_path / "installed"), str(EXAMPLES / name)],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, EXAMPLES / name],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_an_editor_has_no_complaint_about_any_file_of_an_example(name: str) -> None:
    files = [one for one in (EXAMPLES / name).rglob("*.toml") if one.name != "pyproject.toml"]
    assert len(files) >= 8
    for file in files:
        assert mistakes_told_by_the_schema(file) == [], file
