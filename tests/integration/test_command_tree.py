"""Every command teaches, speaks to programs, and refuses in one sentence; the manual says what the commands say."""

import inspect
import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import hub.cli
from hub.cli.page import commands, page

PAGE = Path(__file__).parents[2] / "docs/reference/cli.md"
NAMES = [name for name, _ in commands()]

ENDLESS = {"onedoor serve", "onedoor journal verifier"}
"""One goes on until it is stopped and speaks through its log, the other prints a program."""

ASKED_FOR = {"onedoor check", "onedoor plugins", "onedoor catalogue systems", "onedoor users roles"}
"""They tell about the site or the program, and need no data folder."""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of a command in this process."""
    before, sys.argv = sys.argv, ["onedoor", *arguments]
    code = 0
    try:
        hub.cli.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.argv = before
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["cases", "show"], "onedoor cases show: Missing argument"),
        (["cases", "--bogus"], "onedoor cases: No such option: --bogus"),
        (["caes"], "onedoor: No such command 'caes'"),
        (["cases", "list", "--limit", "many"], "onedoor cases list: Invalid value for '--limit'"),
        (["simulate", "day", "--cases", "x"], "onedoor simulate day: Invalid value for '--cases'"),
    ],
)
def test_a_command_line_that_is_not_understood_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture[str], typed: list[str], said: str
) -> None:
    code, out, err = run(capsys, *typed)
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert len(err.splitlines()) == 1
    assert "--help` says what it takes" in err


def test_a_group_without_a_command_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "cases")
    assert code == 2
    assert "lookup" in out + err


def test_the_commands_that_a_hub_needs_are_there() -> None:
    groups = {name.split()[1] for name in NAMES}
    wanted = {"serve", "init", "check", "migrate", "backup", "restore"}
    wanted |= {"clients", "cases", "catalogue", "deliveries", "dead-letters", "unknown", "lanes"}
    assert wanted <= groups


@pytest.mark.parametrize("name", NAMES)
def test_a_command_says_what_it_does_and_gives_an_example_that_can_be_typed(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, out, _ = run(capsys, *name.split()[1:], "--help")
    assert code == 0
    command = dict(commands())[name]
    text, _, example = inspect.cleandoc(command.help).partition("Example: ")
    assert len(text.split()) >= 4, name
    assert example.startswith(name), f"{name}: end its help text with 'Example: {name} ...'"
    known = {option for parameter in command.params for option in parameter.opts}
    typed = {word for word in shlex.split(example) if word.startswith("--")}
    assert typed <= known
    assert "Usage" in out


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ENDLESS])
def test_a_command_speaks_json_too(name: str) -> None:
    assert "--json" in {option for parameter in dict(commands())[name].params for option in parameter.opts}


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in ENDLESS | ASKED_FOR and not name.startswith(tuple(ASKED_FOR))]
)
def test_a_command_without_a_place_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "onedoor.toml").write_text("prot = 1\n")
    code, out, err = run(capsys, *name.split()[1:], *needed(name))
    assert (code, out) == (2, ""), err
    assert err.count("\n") == 1, err
    assert "prot" in err


def needed(name: str) -> Iterator[str]:
    """Something for every argument and option that a command insists on."""
    for parameter in dict(commands())[name].params:
        if parameter.required:
            if parameter.param_type_name == "option":
                yield parameter.opts[0]
            yield MADE_UP.get(parameter.name, "x")


MADE_UP = {
    "verdict": "done",
    "day": "2026-03-02",
    "delivery": "00000000-0000-0000-0000-000000000000",
    "case_no": "0" * 24,
}


def test_the_manual_says_what_the_commands_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m hub.cli.page > docs/reference/cli.md"


def test_groups_give_an_example_too(capsys: pytest.CaptureFixture[str]) -> None:
    for group in sorted({name.split()[1] for name in NAMES if len(name.split()) > 2}):
        assert "Example: onedoor" in re.sub(r"\s+", " ", run(capsys, group, "--help")[1]), group
    assert "Example: onedoor init" in run(capsys, "--help")[1]


JSON_HERE: Sequence[Sequence[str]] = (
    ("cases", "list"),
    ("catalogue", "items"),
    ("catalogue", "systems"),
    ("clients", "list"),
    ("deliveries", "list"),
    ("dead-letters", "list"),
    ("unknown", "list"),
    ("lanes", "list"),
    ("check", "--show-limits"),
    ("migrate",),
)


@pytest.mark.parametrize("command", JSON_HERE, ids=" ".join)
def test_json_is_json_and_nothing_else(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Sequence[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "onedoor.toml").write_text("port = 0\n")
    assert run(capsys, "init", "--json")[0] == 0
    code, out, _ = run(capsys, *command, "--json")
    assert code == 0
    json.loads(out)
