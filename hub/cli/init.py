"""``onedoor init``: the folders and the master key of a new place."""

import typer

from hub.cli.options import Demo, SettingsFile, settings_from
from hub.keys import write_key
from hub.store import schema
from hub.store.schema import DATABASE

app = typer.Typer()


@app.command()
def init(settings: SettingsFile = None, demo: Demo = False) -> None:
    """Make the data folder, the database and the master key. Never overwrites a key."""
    found = settings_from(settings, demo=demo)
    for folder in (found.data, found.key_file.parent, found.secret_folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_key(found.key_file, demo=demo)
    schema.upgrade(found.data / DATABASE)
    typer.echo(f"data     {found.data.resolve()}")
    typer.echo(f"key      {found.key_file.resolve()}")
    typer.echo(f"secrets  {found.secret_folder.resolve()}")
    typer.echo("Keep a copy of the key apart from the data and its backups: without it no case can be read.", err=True)
