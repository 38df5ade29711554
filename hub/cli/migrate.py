"""``onedoor migrate``: the database schema, ahead of a start."""

import os

import orjson
import typer

from hub.cli.options import AsJson, SettingsFile, settings_from
from hub.store import schema
from hub.store.connection import StoreRefused, lock_file
from hub.store.schema import DATABASE

app = typer.Typer()


@app.command()
def migrate(settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Bring the database up to date, in one transaction, while no hub runs. `serve` does the same at its start.

    Example: onedoor migrate --settings /etc/onedoor/onedoor.toml
    """
    database = settings_from(settings).data / DATABASE
    if not database.exists():
        raise StoreRefused(f"there is no database {database}: run `onedoor init`, or name the settings file")
    lock = lock_file(database)
    try:
        changed = schema.upgrade(database)
    finally:
        os.close(lock)
    if as_json:
        typer.echo(orjson.dumps({"changed": changed, "schema": schema.newest()}))
    else:
        typer.echo("the schema is up to date now" if changed else "the schema was up to date")
