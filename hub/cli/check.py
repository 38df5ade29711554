"""``onedoor check``: everything that is wrong with a site and its settings, at once."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from contracts.catalogue import Operation
from contracts.errors import SiteError, SiteMistake
from contracts.mistake_words import said
from contracts.records import Fields
from contracts.site import Site, load_site
from contracts.situation import Situation
from contracts.toml_lines import line_of
from hub import backups
from hub.app import site_folder
from hub.catalogue import Catalogue
from hub.city import NotReceivable
from hub.cli.options import AsJson, SettingsFile, settings_from
from hub.forms import compile_form
from hub.settings import Settings
from hub.store import integrity
from hub.store.schema import DATABASE
from hub.systems import Registered, register

app = typer.Typer()

WRONG = 2
"""Exit code when something is wrong."""


@app.command()
def check(
    site: Annotated[
        Path | None, typer.Argument(help="The site folder; without it the sample city, or the settings' one.")
    ] = None,
    settings: SettingsFile = None,
    show_limits: Annotated[
        bool, typer.Option("--show-limits", help="What the hub may ask of each system, in numbers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Name every mistake in the site folder and its items and, with --settings, in the addresses of its systems and in the database.

    Exit code 2 if there is one.

    Example: onedoor check --settings /etc/onedoor/onedoor.toml --show-limits
    """
    found = settings_from(settings, site=site)
    report = _examine(found, place=settings is not None)
    if not show_limits:
        report = replace(report, limits=())
    if as_json:
        typer.echo(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2))
    else:
        for one in report.errors:
            typer.echo(str(one), err=True)
        counts = f"{report.departments} departments, {report.systems} systems, {report.items} items"
        wrong = "1 mistake" if len(report.errors) == 1 else f"{len(report.errors)} mistakes"
        typer.echo(wrong if report.errors else f"{report.name}: {counts}, nothing wrong")
        if report.limits:
            Console().print(_table(report.limits))
    if report.errors:
        raise typer.Exit(WRONG)


@dataclass(frozen=True)
class ChannelLimits:
    """What the hub may ask of one channel of a system, as ``contracts.situation.Limits`` explains it. None: no such limit."""

    department: str
    system: str
    situation: str
    concurrency: int
    rate_per_second: float | None
    attempt_seconds: float
    max_attempts: int
    reply_within_hours: float | None
    collect_seconds: float


@dataclass(frozen=True)
class Report:
    """What was found. The counts are 0 where the site cannot be read."""

    name: str
    departments: int
    systems: int
    items: int
    errors: tuple[SiteMistake, ...]
    limits: tuple[ChannelLimits, ...] = ()


def _limits(registered: Registered) -> Iterator[ChannelLimits]:
    for department in registered.departments:
        for system in department.systems:
            for channel in system.channels:
                limits = channel.limits
                yield ChannelLimits(
                    department=department.code,
                    system=system.name,
                    situation=channel.situation.value,
                    concurrency=limits.concurrency,
                    rate_per_second=limits.rate_per_second,
                    attempt_seconds=limits.attempt_seconds,
                    max_attempts=limits.max_attempts,
                    reply_within_hours=limits.reply_within_hours,
                    collect_seconds=limits.collect_seconds,
                )


def _table(limits: tuple[ChannelLimits, ...]) -> Table:
    names = (
        "department",
        "system",
        "reached by",
        "at once",
        "a second",
        "seconds a try",
        "tries",
        "reply in hours",
        "look every s",
    )
    made = Table(*names)
    for one in limits:
        numbers = (
            one.rate_per_second,
            one.attempt_seconds,
            one.max_attempts,
            one.reply_within_hours,
            one.collect_seconds,
        )
        cells = ("no limit" if number is None else f"{number:g}" for number in numbers)
        made.add_row(one.department, one.system, one.situation, str(one.concurrency), *cells)
    return made


def _examine(settings: Settings, *, place: bool) -> Report:
    root = site_folder(settings)
    try:
        site = load_site(root)
        registered = register(root, site.plugins)
    except SiteError as error:
        return Report(name=root.name, departments=0, systems=0, items=0, errors=_all_of(root, error))
    named = line_of((root / "site.toml").read_text(encoding="utf-8"), ("plugins",))
    mistakes = [SiteMistake("site.toml", named, "plugins", f"{name} {why}") for name, why in registered.broken.items()]
    mistakes += _items(site, registered)
    if place:
        mistakes += [*_addresses(settings, registered), *_database(settings)]
    return Report(
        name=site.name_en,
        departments=len(registered.departments),
        systems=len(registered.systems),
        items=len(registered.items),
        errors=tuple(mistakes),
        limits=tuple(_limits(registered)),
    )


def _database(settings: Settings) -> Iterator[SiteMistake]:
    """Damage of the file, stored files that are not there, and what a plain copy of a running database lacks."""
    database = settings.data / DATABASE
    if not database.exists():
        return
    found = integrity.damage(database)
    for one in found:
        yield SiteMistake(str(database), 0, "damage", f"{one}: restore a backup with `onedoor restore`")
    if found:
        return
    if integrity.is_empty(database):
        yield SiteMistake(
            str(database),
            0,
            "empty",
            "a database without tables: was it copied beside a running hub? Take `onedoor backup` for that",
        )
        return
    missing = backups.missing_blobs(settings.data)
    if missing:
        yield SiteMistake(str(settings.data / "blobs"), 0, missing[0], f"{len(missing)} stored files are not there")


def _all_of(root: Path, error: SiteError) -> tuple[SiteMistake, ...]:
    """With what the adapters have to say too: a person mends everything in one go."""
    mistakes = dict.fromkeys(error.mistakes)
    try:
        register(root)
    except SiteError as more:
        mistakes.update(dict.fromkeys(more.mistakes))
    return tuple(mistakes)


def _items(site: Site, registered: Registered) -> Iterator[SiteMistake]:
    versions = {(item.code, item.version): item for item in registered.items}
    catalogue = Catalogue(
        versions,
        {item.code for item in registered.items},
        _operations(registered),
        lambda item: compile_form(item, site.field_groups, site.code_lists),
    )
    for (code, version), why in catalogue.refusals().items():
        yield SiteMistake(site.files.get(f"{code}@{version}", ""), 0, code, why)


def _operations(registered: Registered) -> Callable[[str, str], Operation]:
    systems = registered.systems

    def find(system: str, operation: str) -> Operation:
        seen = set()
        while system in systems and system not in seen:
            seen.add(system)
            found = systems[system]
            if found.successor is None:
                if operation in found.operations:
                    return found.operations[operation]
                break
            system = found.successor
        raise NotReceivable(f"no system {system} with an operation {operation} is configured at this site")

    return find


def _addresses(settings: Settings, registered: Registered) -> Iterator[SiteMistake]:
    """Places that a channel cannot be opened with, and places of systems that are not there."""
    for system in registered.systems.values():
        for channel in system.channels:
            place = settings.systems.get(system.name, {}).get(channel.situation.value)
            key = f"systems.{system.name}.{channel.situation.value}"
            if place is None and channel.situation is not Situation.PAPER:
                yield SiteMistake("settings", 0, key, "no address: its deliveries will wait")
            elif place is not None:
                yield from _place(channel.settings.model_validate, place, key)
    for name in settings.systems.keys() - registered.systems.keys():
        yield SiteMistake("settings", 0, f"systems.{name}", "the site has no such system")


def _place(validate: Callable[[dict[str, object]], object], place: Fields, key: str) -> Iterator[SiteMistake]:
    try:
        validate(dict(place))
    except ValidationError as error:
        for one in error.errors(include_url=False):
            yield SiteMistake("settings", 0, ".".join((key, *map(str, one["loc"]))), said(one))
