"""Pages that are read outside a browser still lead where they say."""

import re
from pathlib import Path

import pytest

from hub.settings import Settings

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), *(CHECKOUT / "plugins").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
COMMAND = re.compile(r"`make ([a-z-]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_relative_link_of_a_page_leads_to_a_file(page: Path) -> None:
    broken = [target for target in LINK.findall(page.read_text("utf-8")) if not (page.parent / target).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(COMMAND.findall(page.read_text("utf-8"))) <= targets


def test_both_readmes_begin_with_what_it_is_for_whom_and_the_two_commands() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        first_screen = (CHECKOUT / name).read_text("utf-8").splitlines()[:20]
        assert any(line.startswith("make demo") for line in first_screen), name
        assert any(line.startswith("make test") for line in first_screen), name


def test_a_term_of_the_glossary_is_explained_once() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", (CHECKOUT / "docs/glossary.md").read_text("utf-8"), re.MULTILINE)
    terms = [term for term in rows if term != "中文"]
    assert terms
    assert len(terms) == len(set(terms))


def test_every_test_that_the_list_of_traps_names_exists() -> None:
    named = re.findall(
        r"`((?:unit|integration|acceptance|system)/\w+\.py)::(\w+)`", (CHECKOUT / "tests/README.md").read_text("utf-8")
    )
    assert len(named) >= 14
    missing = [test for file, test in named if f"def {test}(" not in (CHECKOUT / "tests" / file).read_text("utf-8")]
    assert not missing


def test_every_setting_is_on_the_page_about_running_the_hub_and_no_other() -> None:
    table = (CHECKOUT / "docs/running.md").read_text(encoding="utf-8").split("| key | means |")[1]
    cells = [line.split("|")[1] for line in table.splitlines()[2:] if line.count("|") > 1]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(Settings.model_fields)


def test_every_test_that_the_index_names_exists() -> None:
    index = (CHECKOUT / "docs/tests.md").read_text("utf-8")
    named = re.findall(r"`((?:unit|integration|acceptance|system|departments|browser)/\w+\.py)(?:::(\w+))?`", index)
    assert len(named) > 50
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (path := CHECKOUT / "tests" / file).exists() or (test and f"def {test}(" not in path.read_text("utf-8"))
    ]
    assert not missing
