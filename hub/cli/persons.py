"""``onedoor cases find`` and ``erase``: by what only a case's person knows, and what a person may ask for."""

from enum import StrEnum
from typing import Annotated

import typer

from contracts.records import adapter
from hub import case_index, erasing
from hub.cli.asking import InFile, ask
from hub.cli.operators import By, body, who
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.clients import Scope
from hub.erasing import EraseOrder, Erasure, FindQuestion
from hub.keys import Keys
from hub.offline import closed_city
from hub.store import erased
from hub.store.blobs import Blobs
from hub.store.schema import DATABASE


class Kind(StrEnum):
    """What a case is found by."""

    IDENTITY = case_index.IDENTITY
    NAME = case_index.NAME


def find(
    kind: Annotated[Kind, typer.Option(help="By an identity or credit code number, or by a name.")] = Kind.IDENTITY,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Print the numbers of a person's cases. The number or name is asked for: on a command line everybody could read it.

    Example: onedoor cases find --kind name
    """
    found = settings_from(settings, demo=demo)
    plain = typer.prompt(f"{kind.value} of the applicant or agent", err=True)
    numbers = ask(
        found,
        lambda file: case_index.find(file.connection, file.region, file.keys, Scope(), kind, plain),
        ("POST", "/admin/cases/find", body(FindQuestion(kind=kind.value, plain=plain), FindQuestion)),
        adapter(tuple[str, ...]),
    )
    if as_json:
        typer.echo(adapter(tuple[str, ...]).dump_json(numbers))
        return
    for number in numbers:
        typer.echo(number)


def erase(
    case_no: Annotated[str, typer.Argument(help="The number of a case that is at its end.")],
    reason: Annotated[str, typer.Option(help="Why, as a code for the journal: request, retention, ..")] = "request",
    by: By = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Delete the key of a case, its uploads and its lines in the index: what was handed in cannot be read again by anybody.

    The journal stays whole and keeps that it was done, by whom and why. Backups made before still hold the key.

    Example: onedoor cases erase 310104901202603020000013 --by zhang --reason request
    """
    found = settings_from(settings, demo=demo)
    order = EraseOrder(by=who(by), reason=reason)
    if not yes:
        typer.confirm(f"Erase what was handed in with case {case_no}, for good?", abort=True, err=True)
    offline: list[Keys] = []

    def in_file(file: InFile) -> Erasure:
        offline.append(file.keys)
        city = closed_city(found, file.connection, file.keys)
        return erasing.erase(file.connection, city, case_no, order, file.at)

    done = ask(found, in_file, ("POST", f"/admin/cases/{case_no}/erase", body(order, EraseOrder)), adapter(Erasure))
    if offline:
        erasing.clean_up(offline[0], Blobs(found.data / "blobs", offline[0]), done)
        erased.empty_log(found.data / DATABASE)
    if as_json:
        typer.echo(adapter(Erasure).dump_json(done))
        return
    typer.echo(f"case {case_no} {'had been erased before' if done.again else 'is erased'}", err=True)
