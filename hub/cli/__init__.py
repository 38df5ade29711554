"""The command line. Each command group is a file here; others come from the entry point group ``onedoor.commands``."""

import importlib.metadata
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from contracts.errors import OnedoorError
from hub.cli import (
    backup,
    cases,
    catalogue,
    channels,
    check,
    clients,
    dead_letters,
    deliveries,
    files,
    init,
    journal,
    keys,
    lanes,
    migrate,
    plugins,
    scans,
    serve,
    unknown,
    users,
)
from hub.client import open_client

GROUP = "onedoor.commands"
REFUSED = 2
"""Exit code of a command that could not do its work; the reason stands on stderr in one sentence."""

INTERRUPTED = 130
"""Exit code of a command that a person has broken off (128 and the number of SIGINT)."""

_UsageError: Any = typer.BadParameter.__mro__[1]
"""What the command line raises when it is not understood; typer gives it no name of its own."""


class Misused(OnedoorError):
    """The command line is not understood; the text says what is wrong and where to read on."""


_GROUPS = {
    "cases": cases.app,
    "catalogue": catalogue.app,
    "keys": keys.app,
    "clients": clients.app,
    "users": users.app,
    "plugins": plugins.app,
    "deliveries": deliveries.app,
    "dead-letters": dead_letters.app,
    "unknown": unknown.app,
    "lanes": lanes.app,
    "journal": journal.app,
    "channels": channels.app,
    "files": files.app,
    "scans": scans.app,
}


def main() -> None:
    """The ``onedoor`` script."""
    try:
        command_line(sys.argv[1:])
    except OnedoorError as error:
        typer.echo(str(error), err=True)
        sys.exit(REFUSED)


def command_line(arguments: list[str]) -> None:
    """Run one command. Raises OnedoorError, Misused among them, and SystemExit."""
    root = own_commands()
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    if named not in root.commands:
        add_foreign(root, named)
    try:
        code = root.main(arguments, prog_name="onedoor", standalone_mode=False, obj=open_client)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(REFUSED)
        command = error.ctx.command_path if error.ctx else "onedoor"
        raise Misused(
            f"{command}: {' '.join(error.format_message().split())} `{command} --help` says what it takes"
        ) from error
    sys.exit(code if isinstance(code, int) else 0)


def own_commands() -> TyperGroup:
    """The commands of the hub itself."""
    app = typer.Typer(name="onedoor", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
    app.callback()(_about)
    for single in (serve.app, init.app, check.app, migrate.app, backup.app):
        app.add_typer(single)
    for name, group_of in _GROUPS.items():
        app.add_typer(group_of, name=name)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def _about() -> None:
    """Onedoor 一门: the hub of a one-stop service centre.

    Every command works beside a running hub (over its socket, which only the owner of the data folder can open) and, but for serve, on the
    data of one that does not run. --json is for programs. Exit code 0: done, 2: refused, with one sentence that says what to do.

    Example: onedoor init && onedoor clients create --name Counter && onedoor serve
    """


def add_foreign(root: TyperGroup, named: str | None) -> None:
    """Add commands that other packages bring: the named one, or all of them for the list of commands.

    They are not loaded for our own commands: what they import costs more than most commands take. Raises OnedoorError
    when the named one cannot be loaded; in the list it is left out.
    """
    for entry in importlib.metadata.entry_points(group=GROUP):
        if named not in (None, entry.name):
            continue
        try:
            found = entry.load()
        except Exception as error:
            if named is None:
                continue
            raise OnedoorError(f"the command {entry.name} cannot be loaded: {type(error).__name__}: {error}") from error
        # A typer app with a single command becomes that command, not a group around it.
        root.add_command(typer.main.get_command(found), entry.name)
