"""``onedoor backup`` and ``onedoor restore``: a whole, checked copy of the data while the hub runs, and the way back."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table

from contracts.records import adapter
from contracts.site import load_site
from hub import backups, keyring, restoring, seals
from hub.anchor import Anchor
from hub.app import site_folder
from hub.backups import Backup, BackupRefused
from hub.city import milliseconds
from hub.cli.asking import InFile, ask
from hub.cli.operators import By, body, clock_time, note_reading, show, tell, who, zone_of
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.keys import read_key
from hub.offline import closed_city
from hub.readings import DATABASE as THE_DATABASE
from hub.readings import Reading, Way, What
from hub.restoring import IN_DOUBT, Restored
from hub.settings import Settings
from hub.store import schema
from hub.store.connection import Connection, lock_file
from hub.store.schema import DATABASE
from hub.web.local_lookup import BackupRequest

app = typer.Typer()


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A folder that is not there yet, on another disk.")],
    by: By = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Copy the database and the stored files, while the hub runs or not, and check the copy. Keys are not in it.

    Everything that was acknowledged before the command began is in the backup.

    Example: onedoor backup /mnt/backup/onedoor-2026-11-25
    """
    found = settings_from(settings, demo=demo)
    place, name = target.absolute(), who(by)

    def in_file(file: InFile) -> Backup:
        backups.check_target(found.data, place)
        note_reading(file, Reading(of=THE_DATABASE, what=What.BACKUP, by=name, way=Way.COMMAND))
        file.keep()
        return backups.make(found.data, place, file.region, datetime.now(UTC))

    order = BackupRequest(target=str(place), by=name)
    made = ask(found, in_file, ("POST", "/admin/backup", body(order, BackupRequest)), adapter(Backup))
    if as_json:
        typer.echo(adapter(Backup).dump_json(made))
        return
    size = (made.database_bytes + made.blob_bytes) / 2**20
    tell(f"{made.folder}: {made.cases} cases, {made.blobs} stored files, {size:.1f} MB, checked", False)
    typer.echo("Keep the master key elsewhere: without it nothing in the backup can be read.", err=True)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="The folder that `onedoor backup` made.")],
    by: By = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup back. The hub must be stopped. Nothing is sent afterwards until you release each lane.

    What lay in the data folder is moved aside, not deleted. The list shows what may have happened since the backup and is not
    known here; each of these deliveries says "possible duplicate" when it goes. Then: start the hub, look through
    `onedoor unknown list`, ask the departments, and let lanes go with `onedoor lanes resume SYSTEM`. Senders hand in again what
    they had acknowledged after the backup: the same ids do no harm.

    Example: onedoor restore /mnt/backup/onedoor-2026-11-25 --by zhang
    """
    found = settings_from(settings, demo=demo)
    found.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = lock_file(found.data / DATABASE)
    try:
        restored = _restore(found, folder, who(by))
    finally:
        os.close(lock)
    zone = zone_of(found)

    def tables(told: Restored) -> Group:
        counts = Table("system", "state", "deliveries", "what it means")
        for (system, state), number in sorted(restoring.by_system(told).items()):
            counts.add_row(system, state, str(number), IN_DOUBT[state])
        head = Table("backup of", "newest entry in it", "lanes held", "replaced data")
        times = clock_time(told.backup_made_at, zone), clock_time(told.newest, zone)
        head.add_row(*times, str(told.lanes_held), told.aside)
        return Group(head, counts)

    show(restored, adapter(Restored), as_json, tables)


def _restore(settings: Settings, folder: Path, by: str) -> Restored:
    """Everything is done to a copy beside the data; only then is it put in the data's place."""
    made = backups.read(folder)
    region = load_site(site_folder(settings)).region
    if made.region != region:
        raise BackupRefused(
            f"the backup is of region {made.region}, the site is {region}: name the settings of that site"
        )
    now = datetime.now(UTC)
    with backups.staged(folder, settings.data) as stage:
        report = _hold(settings, stage / DATABASE, region, by, milliseconds(now))
        aside = backups.put_in_place(stage, settings.data, now)
    return replace(report, backup_made_at=made.made_at, aside=str(aside or ""))


def _hold(settings: Settings, database: Path, region: str, by: str, at: int) -> Restored:
    master = read_key(settings.key_file, demo=settings.allow_demo_keys, suite=settings.suite)
    schema.upgrade(database)
    connection = Connection(database, writable=True)
    try:
        connection.run("BEGIN IMMEDIATE")
        keys = keyring.unlock(connection, region, master)
        city = closed_city(settings, connection, keys)
        report = restoring.report(connection, region, len(city.systems))
        restoring.hold_everything(connection, city, by, at)
        anchor = Anchor(settings.anchor_file, settings.anchor_command, make_folder=settings.anchor is None)
        noted = anchor.last(region)
        seals.raise_epoch(connection, region, keys, at, noted=noted.epoch if noted else 0, by=by)
        connection.run("COMMIT")
    finally:
        connection.close()
    return report
