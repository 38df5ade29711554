"""The page of the manual about the command line, written from the commands themselves: ``python -m hub.cli.page``."""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup

from hub.cli import own_commands

_HEAD = """# The command line

`onedoor` has a help text for each command, and each of them ends with an example. This page is those texts.

Every command works beside a running hub, over a socket that only the owner of the data folder can open, and on the data of a hub that does
not run. `--json` is for programs. Exit code 0: done; 2: refused, with one sentence on stderr that says what to do.

Other packages bring commands too; `onedoor --help` lists all that are installed.
"""


def commands(group: TyperGroup | None = None, path: tuple[str, ...] = ("onedoor",)) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its full name, in the order of the help text."""
    for name, command in (group or own_commands()).commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def page() -> str:
    """Markdown."""
    return "\n".join((_HEAD, *(_section(name, command) for name, command in commands())))


def _section(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
    usage = " ".join((name, *(one.name.upper() if one.required else f"[{one.name.upper()}]" for one in arguments)))
    text, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    lines = [f"## {name}", "", *text.strip().splitlines(), "", "```", usage, "```", ""]
    if example:
        lines += [f"For example: `{example.strip()}`", ""]
    rows = [(f"`{one.name.upper()}`", getattr(one, "help", None)) for one in arguments]
    rows += [(f"`{', '.join(one.opts)}`", one.help) for one in options]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| {what} | {' '.join((says or '').split())} |" for what, says in rows), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())
