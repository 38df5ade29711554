"""``onedoor keys``: the master key."""

import os
from datetime import UTC, datetime

import orjson
import typer

from contracts.site import load_site
from hub import rotation
from hub.app import site_folder
from hub.cli.operators import By, who
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.store import erased, schema
from hub.store.connection import Connection, StoreRefused, lock_file
from hub.store.schema import DATABASE

app = typer.Typer(help="The master key: rotate it.\n\nExample: onedoor keys rotate", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The master key: rotate it."""


@app.command()
def rotate(by: By = None, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Make a new master key and wrap every key of the database with it. The hub must be stopped; some 20 s a million cases.

    Whatever interrupts it, run it again: it goes on from there, and no hub starts in between. The old key file is kept
    beside the new one for backups made before; destroy it together with the last of them.

    Example: onedoor keys rotate --by zhang
    """
    found = settings_from(settings, demo=demo)
    database = found.data / DATABASE
    if not database.exists():
        raise StoreRefused(f"there is no database {database}: run `onedoor init`, or name the settings file")
    region = load_site(site_folder(found)).region
    done = 0
    lock = lock_file(database)
    try:
        schema.upgrade(database)
        connection = Connection(database, writable=True)
        try:
            for step in rotation.rotate(found, connection, region, datetime.now(UTC), who(by)):
                done = max(done, step)
        finally:
            connection.close()
        erased.empty_log(database)
    finally:
        os.close(lock)
    if as_json:
        typer.echo(orjson.dumps({"case_keys": done, "key": str(found.key_file)}))
        return
    typer.echo(
        f"{done} case keys are under the new master key in {found.key_file}: keep a copy of it apart from the data and its"
        " backups, and the old one as long as there are backups from before",
        err=True,
    )
