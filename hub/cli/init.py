"""``onedoor init``: the folders, the master key and the database of a new place."""

from pathlib import Path

import orjson
import typer

from hub import seals
from hub.cli.asking import InFile, alone
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.keys import KeyRefused, write_key
from hub.settings import Settings
from hub.store import schema
from hub.store.schema import DATABASE

app = typer.Typer()


@app.command()
def init(settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Make the data folder, the master key and the database. Never overwrites a key; says what to keep where.

    Example: onedoor init --settings onedoor.toml
    """
    found = settings_from(settings, demo=demo)
    _require_apart(found)
    for folder in (found.data, found.key_file.parent, found.secret_folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_key(found.key_file, demo=demo)
    schema.upgrade(found.data / DATABASE)
    places = {
        "data": str(found.data.resolve()),
        "key": str(found.key_file.resolve()),
        "secrets": str(found.secret_folder.resolve()),
        "anchor": str(found.anchor_file.resolve()),
        "seals": alone(found, _signer),
    }
    if as_json:
        typer.echo(orjson.dumps(places, option=orjson.OPT_INDENT_2))
        return
    for name, place in places.items():
        typer.echo(f"{name:<8} {place}")
    typer.echo(
        "Keep a copy of the key apart from the data and its backups: without it no case can be read. Give the public key of"
        " the seals to those who verify the journal, and put the anchor on another volume.",
        err=True,
    )


def _signer(file: InFile) -> str:
    return seals.signer_of(file.keys)


def _require_apart(settings: Settings) -> None:
    """A backup of the data folder must not hold the key to it. Raises KeyRefused."""
    data = settings.data.resolve()
    for what, path in (("master key", settings.key_file), ("secrets folder", settings.secret_folder)):
        if _is_within(path.resolve(), data):
            raise KeyRefused(
                f"the {what} {path} lies in the data folder, whose backups would hold it: name a place outside in the settings"
            )


def _is_within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents
