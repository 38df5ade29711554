"""The tutorials, followed to the letter: each file saved, each command run, each line edited as it stands on the page."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hub import cli

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["first-department.md", *sorted(f"tutorials/{one.name}" for one in (DOCS / "tutorials").glob("*.md"))]
MARK = "# DECIDE"


class Block(NamedTuple):
    """A fenced block: its kind, its text, and the last file that the words before it name."""

    kind: str
    text: str
    file: str


def blocks(page: str) -> Iterator[Block]:
    """Up to where the first page goes on to other subjects."""
    text = (DOCS / page).read_text("utf-8").split("## The same for your department")[0]
    before, file = 0, ""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        files = re.findall(r"`([\w./-]+\.(?:toml|wsdl|csv|yaml|json))`", text[before : found.start()])
        before, file = found.end(), files[-1] if files else file
        yield Block(kind=found[1], text=found[2], file=file)


def run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command line as the script ``onedoor`` does; returns what it printed."""
    name, *arguments = shlex.split(command)
    assert name == "onedoor"
    code: object = 0
    try:
        cli.command_line(arguments)
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr()
    assert not code, said.out + said.err
    return said.out


def edit(file: Path, diff: str) -> int:
    """Change the file as the diff says, hunk by hunk; how many lines were put there."""
    text, put = file.read_text("utf-8"), 0
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines()
        assert all(line[0] in " -+" for line in lines), hunk
        old = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
        assert text.count(old) == 1, f"{file}:\n{old}"
        text = text.replace(old, "".join(f"{line[1:]}\n" for line in lines if line[0] != "-"))
        put += sum(line[0] == "+" for line in lines)
    file.write_text(text, "utf-8")
    return put


def follow(page: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    """Do in the current folder what the page says; how many commands came before the first edit, and how many lines were edited."""
    printed, first, edited = "", 0, 0
    for block in blocks(page):
        match block.kind:
            case "sh":
                commands = block.text.splitlines()
                first += 0 if edited else len(commands)
                printed = "".join(run(command, capsys) for command in commands)
            case "text":
                assert all(line in printed for line in block.text.splitlines() if line != "..."), printed
            case "diff":
                edited += edit(Path(block.file), block.text)
            case _:
                Path(block.file).write_text(block.text, "utf-8")
    return first, edited


@pytest.mark.parametrize("page", PAGES[1:])
def test_a_tutorial_works_as_it_stands(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, edited = follow(page, capsys)
    assert first == 3
    assert 1 <= edited <= 10
    assert len(list(Path("reports").glob("*.html"))) == 1


def test_the_simplest_department_is_three_commands_and_four_lines_as_the_page_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert follow(PAGES[0], capsys) == (3, 4)
    assert Path("reports/WA-water.html").exists()
    page = (DOCS / PAGES[0]).read_text("utf-8")
    assert "lists four lines" in page
    assert "Three commands and four edited lines; a department like this needs ten at most" in page
    assert all(MARK not in file.read_text("utf-8") for file in Path("city/water").rglob("*.toml"))
