"""``onedoor check``: everything that is wrong with a site and its settings, at once."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import ValidationError

from contracts.catalogue import Operation
from contracts.errors import SiteError, SiteMistake
from contracts.records import Fields
from contracts.site import Site, load_site
from contracts.situation import Situation
from hub.app import site_folder
from hub.catalogue import Catalogue
from hub.city import NotReceivable
from hub.cli.options import SettingsFile, settings_from
from hub.forms import compile_form
from hub.settings import Settings
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
    as_json: Annotated[bool, typer.Option("--json", help="As JSON: departments, systems, items, errors.")] = False,
) -> None:
    """Name every mistake in the site folder, its items and the addresses of its systems. Exit code 2 if there is one."""
    found = settings_from(settings, site=site)
    report = _examine(found, addresses=settings is not None)
    if as_json:
        typer.echo(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2))
    else:
        for one in report.errors:
            typer.echo(str(one), err=True)
        counts = f"{report.departments} departments, {report.systems} systems, {report.items} items"
        typer.echo(f"{len(report.errors)} mistakes" if report.errors else f"{report.name}: {counts}, nothing wrong")
    if report.errors:
        raise typer.Exit(WRONG)


@dataclass(frozen=True)
class Report:
    """What was found. The counts are 0 where the site cannot be read."""

    name: str
    departments: int
    systems: int
    items: int
    errors: tuple[SiteMistake, ...]


def _examine(settings: Settings, *, addresses: bool) -> Report:
    root = site_folder(settings)
    try:
        site = load_site(root)
        registered = register(root, site.plugins)
    except SiteError as error:
        return Report(name=root.name, departments=0, systems=0, items=0, errors=_all_of(root, error))
    mistakes = [SiteMistake("site.toml", 0, "plugins", f"{name} {why}") for name, why in registered.broken.items()]
    mistakes += _items(site, registered)
    if addresses:
        mistakes += _addresses(settings, registered)
    return Report(
        name=site.name_en,
        departments=len(registered.departments),
        systems=len(registered.systems),
        items=len(registered.items),
        errors=tuple(mistakes),
    )


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
        for one in error.errors(include_url=False, include_input=False):
            yield SiteMistake("settings", 0, ".".join((key, *map(str, one["loc"]))), one["msg"])
