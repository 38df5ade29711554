"""``onedoor clients``: the senders and their keys, through the running hub or, where none runs, in the file itself."""

from typing import Annotated
from zoneinfo import ZoneInfo

import orjson
import typer
from rich.console import Console
from rich.table import Table

from contracts.records import adapter
from contracts.site import load_site
from hub import clients
from hub.app import site_folder
from hub.city import moment
from hub.cli.asking import UnknownCode, ask, check_codes
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.clients import Client, NewClient, Right, Scope
from hub.web.local import ClientRequest

app = typer.Typer(
    help="Senders and their keys.\n\nExample: onedoor clients create --name Counter", no_args_is_help=True
)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Who holds the key.")],
    centre: Annotated[list[str] | None, typer.Option(help="A centre it reaches; repeat for more; none: all.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="An item it reaches; repeat for more; none: all.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="A source it speaks for; repeat; none: all.")] = None,
    may: Annotated[str, typer.Option(help="Of submit, event, task, read, with commas; empty: all.")] = "",
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Make a sender and print its key, once.

    Example: onedoor clients create --name "Counter 3" --centre 310104901 --may submit,read
    """
    found = settings_from(settings, demo=demo)
    scope = Scope(
        centres=frozenset(centre or ()), items=frozenset(item or ()), sources=frozenset(source or ()), may=_rights(may)
    )
    check_codes(found, centres=scope.centres, items=scope.items)
    body = adapter(ClientRequest).dump_python(ClientRequest(name=name, scope=scope), mode="json")
    made = ask(
        found,
        lambda file: clients.create(file.connection, file.region, file.keys, name, scope, file.at),
        ("POST", "/admin/clients", body),
        adapter(NewClient),
    )
    if as_json:
        typer.echo(adapter(NewClient).dump_json(made))
        return
    typer.echo(f"client {made.client.id} made; its key is shown this once:", err=True)
    typer.echo(made.key)


@app.command("list")
def list_(settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Show the senders, the revoked ones too.

    Example: onedoor clients list --json
    """
    found = settings_from(settings, demo=demo)
    listing = adapter(tuple[Client, ...])
    all_ = ask(
        found, lambda file: clients.listed(file.connection, file.region), ("GET", "/admin/clients", None), listing
    )
    if as_json:
        typer.echo(listing.dump_json(all_))
        return
    table = Table("id", "name", "may", "centres", "items", "sources", "made", "revoked")
    zone = ZoneInfo(load_site(site_folder(found)).timezone)
    for one in all_:
        scope = one.scope
        reach = [", ".join(sorted(part)) or "all" for part in (scope.may, scope.centres, scope.items, scope.sources)]
        table.add_row(one.id, one.name, *reach, _day(one.created_at, zone), _day(one.revoked_at, zone))
    Console().print(table)


@app.command()
def revoke(
    client: Annotated[str, typer.Argument(help="The id that `onedoor clients list` shows.")],
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """End a key. It stops working at once.

    Example: onedoor clients revoke 3f9c2a71d04b
    """
    found = settings_from(settings, demo=demo)
    ask(
        found,
        lambda file: clients.revoke(file.connection, file.region, file.keys, client, file.at),
        ("POST", f"/admin/clients/{client}/revoke", None),
        adapter(type(None)),
    )
    if as_json:
        typer.echo(orjson.dumps({"revoked": client}))
    else:
        typer.echo(f"client {client} is revoked", err=True)


def _rights(text: str) -> frozenset[Right]:
    try:
        return frozenset(Right(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UnknownCode(f"--may takes {', '.join(Right)}: {text} is something else") from error


def _day(at: int | None, zone: ZoneInfo) -> str:
    return "" if at is None else f"{moment(at).astimezone(zone):%Y-%m-%d %H:%M}"
