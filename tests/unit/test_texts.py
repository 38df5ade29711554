"""Every sentence for people is in the catalogue, and nothing else is. A translation equal to its source counts as missing."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import hub.web
from hub.web import texts
from hub.web.pages import environment

HERE = Path(hub.web.__file__).parent
SAME = frozenset({"", " "})
MARKS = frozenset({"N_", "_", "AccountRefused", "FormRefused"})
"""Calls whose first argument is a sentence for people."""


def extract(source: str) -> list[tuple[int, str, tuple[str | None, ...] | str | None]]:
    """What Jinja's extension finds in a template."""
    found: list[tuple[int, str, tuple[str | None, ...] | str | None]]
    found = environment().extract_translations(source)  # type: ignore[attr-defined]  # comes with the extension
    return found


@cache
def in_templates() -> set[str]:
    found = set()
    for file in sorted((HERE / "templates").rglob("*.html")):
        for _, function, messages in extract(file.read_text(encoding="utf-8")):
            plain = [message for message in (messages if isinstance(messages, tuple) else (messages,)) if message]
            if plain:  # else a variable is translated: its sentences are marked where they are written
                joint = {"pgettext": "\x04", "ngettext": "\0"}.get(function)
                found.add(f"{plain[0]}{joint}{plain[1]}" if joint else plain[0])
    return found


@cache
def in_code() -> set[str]:
    found = set()
    for file in sorted(HERE.parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


@cache
def catalogue() -> dict[str, str]:
    merged: dict[str, str] = {}
    for file in sorted((HERE / "locale" / "zh_CN").glob("*.po")):
        for key, text in texts.read(file).items():
            assert merged.get(key, text) == text, f"{key!r} is translated in two ways: {file.name}"
            merged[key] = text
    return merged


def test_every_sentence_is_translated() -> None:
    known = catalogue()
    missing = sorted(key for key in in_templates() | in_code() if not known.get(key) or known[key] == key)
    assert missing == []


def test_no_translation_is_left_over() -> None:
    # what is written elsewhere, as the text of an error that a page shows, is quoted word for word in the code of the hub
    folders = (HERE.parent, HERE.parents[1] / "adapters")
    code = "\n".join(file.read_text(encoding="utf-8") for folder in folders for file in sorted(folder.rglob("*.py")))
    used = in_templates() | in_code()
    idle = sorted(key for key in catalogue() if key not in used and key not in code)
    assert idle == []


def test_values_are_the_same_in_both_languages() -> None:
    for key, text in catalogue().items():
        values = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
        assert sorted(values.findall(key.partition("\0")[0])) == sorted(values.findall(text)), key


def test_the_catalogue_reads_as_gettext_does() -> None:
    chinese = texts.translations("zh")
    assert chinese.gettext("Sign in") == "登录"
    assert chinese.gettext("never heard of") == "never heard of"
    assert texts.translations("en").gettext("Sign in") == "Sign in"


@pytest.mark.parametrize(("line", "key"), [('msgctxt "a"\nmsgid "b"\nmsgstr "c"\n', "a\x04b")])
def test_a_context_is_part_of_the_key(tmp_path: Path, line: str, key: str) -> None:
    file = tmp_path / "x.po"
    file.write_text(line + '\nmsgid ""\n"two "\n"lines"\nmsgstr ""\n"zwei "\n"Zeilen"\n', encoding="utf-8")
    assert texts.read(file) == {key: "c", "two lines": "zwei Zeilen"}
