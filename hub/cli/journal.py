"""``onedoor journal``: verify it, print its head, hand out the verifier, say who has read what. Works beside a running hub.

Verifying names places of entries and shows none, so it is no reading; who asks for the readers is one.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from contracts.errors import OnedoorError
from contracts.records import adapter
from contracts.site import load_site
from hub import journal_verifier, keyring, purging, readings, sealing, seals
from hub.anchor import Anchor, AnchorFailed
from hub.app import site_folder
from hub.city import moment
from hub.cli.asking import InFile, alone, ask
from hub.cli.operators import By, Unclear, body, clock_time, note_reading, show, who, zone_of
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.journal_verifier import CannotLook, Genuine
from hub.keys import KeyRefused, Keys, read_key
from hub.purging import Purge
from hub.readings import Reader, Reading, Way, What
from hub.seals import Head
from hub.settings import Settings
from hub.store import sealed
from hub.store.connection import Connection, StoreRefused
from hub.store.schema import DATABASE
from hub.web.local_lookup import ReadersQuestion

app = typer.Typer(
    help="The journal: verify it, print its head, hand out the verifier, say who has read what.\n\nExample: onedoor journal verify",
    no_args_is_help=True,
)

BROKEN = 1
"""Exit code when the journal is not whole."""


@app.command()
def verify(
    anchor: Annotated[list[Path] | None, typer.Option(help="One more anchor file; repeat for more.")] = None,
    head: Annotated[list[str] | None, typer.Option(help="A head that was printed; repeat for more.")] = None,
    key: Annotated[
        str | None, typer.Option(help="The public key to trust, where the master key is not at hand.")
    ] = None,
    stopped: Annotated[bool, typer.Option(help="The hub was stopped in order: nothing may be unsealed.")] = False,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Compute every hash, root, link and signature again, and hold the seals against what the anchor noted.

    Each finding names its row. Exit code 0: whole, 1: something was found. It works while the hub runs.

    Example: onedoor journal verify --anchor /mnt/usb/journal-heads.jsonl
    """
    found = settings_from(settings, demo=demo)
    keys, region = _keys(found)
    if keys is None:
        typer.echo("the master key is not at hand: entries that no seal covers yet are not checked", err=True)
    files = [*(anchor or ()), *([found.anchor_file] if found.anchor_file.exists() else ())]
    try:
        heads = [one for file in files for one in journal_verifier.anchored(file)]
        heads += [journal_verifier.typed(text) for text in head or ()]
        verdict = journal_verifier.verify(
            journal_verifier.opened(_database(found)),
            key=key or (seals.signer_of(keys) if keys else None),
            heads=heads,
            sealed=stopped,
            genuine=_genuine(keys, region) if keys else None,
            region=region,
        )
    except CannotLook as error:
        raise OnedoorError(str(error)) from error
    lines = journal_verifier.as_json(verdict) if as_json else "\n".join(journal_verifier.told(verdict))
    typer.echo(lines)
    if not verdict.is_whole:
        raise typer.Exit(BROKEN)


@app.command()
def head(settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Print the newest head, to be signed and kept on paper: `verify --head` takes it again.

    Example: onedoor journal head | lp
    """
    found = settings_from(settings, demo=demo)
    newest = _newest(found)
    if as_json:
        typer.echo(orjson.dumps(adapter(Head).dump_python(newest)))
        return
    grouped = " ".join(newest.hash[place : place + 8] for place in range(0, 64, 8))
    typer.echo(f"Onedoor journal of {newest.region}, sealed {moment(newest.at):%Y-%m-%d %H:%M:%S} UTC")
    typer.echo(f"head    {newest.epoch}-{newest.number}-{grouped}")
    typer.echo(f"signer  {newest.signer}")


@app.command()
def key(settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Print the public key that seals are signed with, for those who verify elsewhere.

    Example: onedoor journal key > journal.pub
    """
    keys, _ = _keys(settings_from(settings, demo=demo))
    if keys is None:
        raise KeyRefused("the master key is not at hand: name the settings file, or run this as the hub's user")
    signer = seals.signer_of(keys)
    typer.echo(orjson.dumps({"public_key": signer}) if as_json else signer)


@app.command()
def verifier() -> None:
    """Print the verifier: one file of Python that imports nothing of Onedoor.

    Example: onedoor journal verifier > verify_journal.py
    """
    typer.echo(Path(journal_verifier.__file__).read_text(encoding="utf-8"), nl=False)


@app.command()
def restored(settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Say that this database is an older copy that was restored on purpose: a new epoch begins, signed and noted.

    The hub must be stopped. What the lost seals covered stays lost, and every verification says so.

    Example: onedoor journal restored --settings onedoor.toml
    """
    found = settings_from(settings, demo=demo)
    anchor = Anchor(found.anchor_file, found.anchor_command, make_folder=found.anchor is None)

    def unit(file: InFile) -> Head:
        noted = anchor.last(file.region)
        return seals.raise_epoch(file.connection, file.region, file.keys, file.at, noted=noted.epoch if noted else 0)

    raised = alone(found, unit)
    _note(found, anchor)
    if as_json:
        typer.echo(orjson.dumps({"epoch": raised.epoch, "seal": raised.number}))
    else:
        typer.echo(f"epoch {raised.epoch} begins with seal {raised.number}", err=True)


@app.command()
def purge(by: By = None, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Delete the entries of archived cases that are older than the settings keep them, and keep the proof that they were there.

    The hub must be stopped. The hash of each entry stays, so that every seal can still be checked.

    Example: onedoor journal purge --by zhang
    """
    found = settings_from(settings, demo=demo)
    name = who(by)

    def unit(file: InFile) -> Purge:
        before = file.at - found.journal_days * 86_400_000
        return purging.purge(file.connection, file.region, file.keys, before, file.at, name)

    done = alone(found, unit)
    _note(found, Anchor(found.anchor_file, found.anchor_command, make_folder=found.anchor is None))
    if as_json:
        typer.echo(adapter(Purge).dump_json(done))
    elif not done.run:
        typer.echo(f"nothing is older than {found.journal_days} days", err=True)
    else:
        typer.echo(
            f"purge {done.run}: {done.entries} entries of {done.chains} cases are gone, their proof stays", err=True
        )


@app.command("readers")
def readers_(
    of: Annotated[
        str, typer.Argument(help="A case number, account:LOGIN, handover:NUMBER, scan:ID, or database for backups.")
    ],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 50,
    by: By = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Say who has read a case, an account or a list, when and by which way. That you asked is noted too.

    Example: onedoor journal readers 310104901260302000000017
    """
    found = settings_from(settings, demo=demo)
    if not re.fullmatch(readings.THING, of):
        raise Unclear("name a case number of 24 digits, account:LOGIN, handover:NUMBER, scan:ID, or database")
    asked = ReadersQuestion(of=of, limit=limit, by=who(by))

    def in_file(file: InFile) -> tuple[Reader, ...]:
        told = readings.readers(file.connection, file.region, of, limit)
        note_reading(file, Reading(of=of, what=What.READERS, by=asked.by, way=Way.COMMAND))
        return told

    listing = adapter(tuple[Reader, ...])
    told = ask(found, in_file, ("POST", "/admin/readers", body(asked, ReadersQuestion)), listing)
    zone = zone_of(found)

    def table(lines: tuple[Reader, ...]) -> Table:
        made = Table("at", "by", "what", "part", "way")
        for one in lines:
            made.add_row(clock_time(one.at, zone), one.by, one.what, one.part, one.way)
        return made

    show(told, listing, as_json, table)


def _note(settings: Settings, anchor: Anchor) -> None:
    region = load_site(site_folder(settings)).region
    connection = Connection(_database(settings), writable=False)
    try:
        sealing.note(connection, region, anchor)
    except AnchorFailed as error:
        typer.echo(f"{error}: it is noted when the hub starts", err=True)
    finally:
        connection.close()


def _database(settings: Settings) -> Path:
    database = settings.data / DATABASE
    if not database.exists():
        raise StoreRefused(f"there is no database {database}: run `onedoor init`, or name the settings file")
    return database


def _keys(settings: Settings) -> tuple[Keys | None, str]:
    """The keys of the database, None where the master key cannot be read; and the region. Raises KeyRefused for a wrong key."""
    region = load_site(site_folder(settings)).region
    database = _database(settings)
    try:
        master = read_key(settings.key_file, demo=settings.allow_demo_keys, suite=settings.suite)
    except KeyRefused:
        return None, region
    connection = Connection(database, writable=False)
    try:
        return keyring.unlock(connection, region, master), region
    finally:
        connection.close()


def _genuine(keys: Keys, region: str) -> Genuine:
    journal = keys.journal(region)
    return lambda chain, seq, found, mark: journal.mark(chain, seq, found) == mark


def _newest(settings: Settings) -> Head:
    region: Any = load_site(site_folder(settings)).region
    connection = Connection(_database(settings), writable=False)
    try:
        row = sealed.last(connection, region)
    finally:
        connection.close()
    if row is None:
        raise StoreRefused("nothing is sealed yet: start the hub, it seals every few seconds")
    return seals.head_of(row)
