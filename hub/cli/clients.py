"""``onedoor clients``: the senders and their keys, through the running hub or, where none runs, in the file itself."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import aiohttp
import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from contracts.errors import OnedoorError
from contracts.records import adapter, record
from contracts.site import load_site
from hub import clients
from hub.app import site_folder
from hub.city import milliseconds, moment
from hub.cli.options import Demo, SettingsFile, settings_from
from hub.clients import Client, NewClient, NoSuchClient, Right, Scope
from hub.keys import Keys, read_key
from hub.settings import Settings
from hub.store import registry, schema
from hub.store.connection import Connection, StoreRefused, lock_file
from hub.store.schema import DATABASE
from hub.web.local import ClientRequest
from hub.web.server import socket_path

app = typer.Typer(help="Senders and their keys.", no_args_is_help=True)
T = TypeVar("T")


@record
class InFile:
    """The database of a hub that does not run. ``at``: ms UTC."""

    connection: Connection
    region: str
    keys: Keys
    at: int


Unit = Callable[[InFile], T]


class UnknownCode(OnedoorError):
    """A scope names what the site does not have: the key would reach nothing there."""


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Who holds the key.")],
    centre: Annotated[list[str] | None, typer.Option(help="A centre it reaches; repeat for more; none: all.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="An item it reaches; repeat for more; none: all.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="A source it speaks for; repeat; none: all.")] = None,
    may: Annotated[str, typer.Option(help="Of submit, event, task, read, with commas; empty: all.")] = "",
    settings: SettingsFile = None,
    demo: Demo = False,
) -> None:
    """Make a sender and print its key, once."""
    found = settings_from(settings, demo=demo)
    scope = Scope(
        centres=frozenset(centre or ()), items=frozenset(item or ()), sources=frozenset(source or ()), may=_rights(may)
    )
    _check_scope(found, scope)
    body = adapter(ClientRequest).dump_python(ClientRequest(name=name, scope=scope), mode="json")
    made = _ask(
        found,
        lambda file: clients.create(file.connection, file.region, file.keys, name, scope, file.at),
        ("POST", "/admin/clients", body),
        adapter(NewClient),
    )
    typer.echo(f"client {made.client.id} made; its key is shown this once:", err=True)
    typer.echo(made.key)


@app.command("list")
def list_(
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show the senders, the revoked ones too."""
    found = settings_from(settings, demo=demo)
    listing = adapter(tuple[Client, ...])
    all_ = _ask(
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
def revoke(client: str, settings: SettingsFile = None, demo: Demo = False) -> None:
    """End a key. It stops working at once."""
    found = settings_from(settings, demo=demo)
    _ask(
        found,
        lambda file: clients.revoke(file.connection, file.region, client, file.at),
        ("POST", f"/admin/clients/{client}/revoke", None),
        adapter(type(None)),
    )
    typer.echo(f"client {client} is revoked", err=True)


def _rights(text: str) -> frozenset[Right]:
    try:
        return frozenset(Right(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UnknownCode(f"--may takes {', '.join(Right)}: {text} is something else") from error


def _check_scope(settings: Settings, scope: Scope) -> None:
    site = load_site(site_folder(settings))
    unknown = sorted(scope.centres - site.centres.keys())
    if not site.plugins:  # else a plugin may bring items that the folder does not show
        unknown += sorted(scope.items - {item.code for item in site.items})
    if unknown:
        raise UnknownCode(f"the site has no centre or item {', '.join(unknown)}: the key would reach nothing there")


def _ask(settings: Settings, unit: Unit[T], call: tuple[str, str, Any], of: "TypeAdapter[T]") -> T:
    """Through the hub that runs, else in the file."""
    if not settings.data.is_dir():
        raise StoreRefused(f"there is no data folder {settings.data}: run `onedoor init`, or name the settings file")
    database = settings.data / DATABASE
    try:
        lock = lock_file(database)
    except StoreRefused:
        return asyncio.run(_over_socket(socket_path(settings.data), call, of))
    try:
        return _in_file(settings, database, unit)
    finally:
        os.close(lock)


def _in_file(settings: Settings, database: Path, unit: Unit[T]) -> T:
    keys = read_key(settings.key_file, demo=settings.allow_demo_keys)
    region = load_site(site_folder(settings)).region
    schema.upgrade(database)
    connection = Connection(database, writable=True)
    try:
        connection.run("BEGIN IMMEDIATE")
        if not registry.check_key(connection, region, keys.proof()):
            raise StoreRefused("this database was made with another master key: name that key file in the settings")
        result = unit(InFile(connection=connection, region=region, keys=keys, at=milliseconds(datetime.now(UTC))))
        connection.run("COMMIT")
        return result
    finally:
        connection.close()


async def _over_socket(path: Path, call: tuple[str, str, Any], of: "TypeAdapter[T]") -> T:
    method, address, body = call
    connector = aiohttp.UnixConnector(str(path))
    try:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://hub{address}", json=body) as answer,
        ):
            content = await answer.read()
    except aiohttp.ClientError as error:
        raise StoreRefused(
            f"a hub holds the database but does not answer on {path}: is it starting or ending?"
        ) from error
    if answer.status >= 400:
        raise NoSuchClient(str(_detail(content)))
    return of.validate_json(content or b"null")


def _detail(content: bytes) -> str:
    found = adapter(dict[str, Any]).validate_json(content)
    return str(found.get("detail") or found.get("title"))


def _day(at: int | None, zone: ZoneInfo) -> str:
    return "" if at is None else f"{moment(at).astimezone(zone):%Y-%m-%d %H:%M}"
