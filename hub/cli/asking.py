"""How a command reaches the hub's data: through the hub that runs, over its 0600 socket; in the file itself where none does."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from pydantic import TypeAdapter

from contracts.errors import OnedoorError
from contracts.records import adapter, record
from contracts.site import load_site
from hub import keyring
from hub.app import site_folder
from hub.city import milliseconds
from hub.keys import Keys, read_key
from hub.settings import Settings
from hub.store import schema
from hub.store.connection import Connection, StoreRefused, lock_file
from hub.store.schema import DATABASE
from hub.web.server import socket_path

T = TypeVar("T")

PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=10)
"""A backup of a large database takes its time; a hub that does not take the connection is another matter."""


class NotDone(OnedoorError):
    """The running hub refused; the text is its own sentence."""


class UnknownCode(OnedoorError):
    """A scope names what the site does not have: it would reach nothing there."""


@record
class InFile:
    """The database of a hub that does not run, in a transaction. ``at``: ms UTC."""

    connection: Connection
    region: str
    keys: Keys
    at: int

    def keep(self) -> None:
        """Commit what was done so far, whatever becomes of the rest."""
        self.connection.run("COMMIT")
        self.connection.run("BEGIN IMMEDIATE")


Unit = Callable[[InFile], T]


def ask(settings: Settings, unit: Unit[T], call: tuple[str, str, Any], of: "TypeAdapter[T]") -> T:
    """Through the hub that runs, else in the file: ``unit`` there does what ``call`` (method, path, body) does here.

    Raises StoreRefused, KeyRefused, NotDone, and what the unit raises.
    """
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


def alone(settings: Settings, unit: Unit[T]) -> T:
    """In the file of a hub that must be stopped. Raises StoreRefused while one runs, KeyRefused, and what the unit raises."""
    database = settings.data / DATABASE
    if not database.exists():
        raise StoreRefused(f"there is no database {database}: run `onedoor init`, or name the settings file")
    lock = lock_file(database)
    try:
        return _in_file(settings, database, unit)
    finally:
        os.close(lock)


def _in_file(settings: Settings, database: Path, unit: Unit[T]) -> T:
    master = read_key(settings.key_file, demo=settings.allow_demo_keys, suite=settings.suite)
    region = load_site(site_folder(settings)).region
    schema.upgrade(database)
    connection = Connection(database, writable=True)
    try:
        connection.run("BEGIN IMMEDIATE")
        keys = keyring.unlock(connection, region, master)
        result = unit(InFile(connection=connection, region=region, keys=keys, at=milliseconds(datetime.now(UTC))))
        connection.run("COMMIT")
    except sqlite3.DatabaseError as error:
        raise StoreRefused(
            f"the database {database} is damaged or cannot be read ({error}): `onedoor check` tells more, `onedoor restore` puts a backup back"
        ) from error
    else:
        return result
    finally:
        connection.close()


async def _over_socket(path: Path, call: tuple[str, str, Any], of: "TypeAdapter[T]") -> T:
    method, address, body = call
    connector = aiohttp.UnixConnector(str(path))
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=PATIENCE) as session,
            session.request(method, f"http://hub{address}", json=body) as answer,
        ):
            content = await answer.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise StoreRefused(
            f"a hub holds the database but does not answer on {path}: is it starting or ending?"
        ) from error
    if answer.status >= 400:
        raise NotDone(str(_detail(content)))
    return of.validate_json(content or b"null")


def _detail(content: bytes) -> str:
    found = adapter(dict[str, Any]).validate_json(content)
    return str(found.get("detail") or found.get("title"))


def check_codes(
    settings: Settings,
    *,
    centres: frozenset[str] = frozenset(),
    items: frozenset[str] = frozenset(),
    departments: frozenset[str] = frozenset(),
) -> None:
    """Raises UnknownCode, naming every code that the site does not have."""
    site = load_site(site_folder(settings))
    unknown = sorted(centres - site.centres.keys())
    if not site.plugins:  # else a plugin may bring items and departments that the folder does not show
        unknown += sorted(items - {item.code for item in site.items})
        unknown += sorted(departments - {department.code for department in site.departments})
    if unknown:
        raise UnknownCode(
            f"the site has no centre, item or department {', '.join(unknown)}: it would reach nothing there"
        )
