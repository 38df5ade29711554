"""``onedoor catalogue``: items, their published versions, and the systems that carry them."""

from typing import Annotated

import typer
from rich.table import Table

from contracts.records import adapter, record
from contracts.site import load_site
from hub import lookup
from hub.app import site_folder
from hub.cli.asking import NotDone, ask
from hub.cli.operators import clock_time, show, zone_of
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.lookup import Published
from hub.settings import Settings
from hub.systems import Registered, register

app = typer.Typer(
    help="The catalogue: items, versions, systems.\n\nExample: onedoor catalogue items", no_args_is_help=True
)


@record
class ItemLine:
    """An item as the site defines it now. ``published``: whether a hub has already taken this version in."""

    code: str
    version: int
    name_zh: str
    name_en: str
    owner: str
    promised_days: int
    steps: int
    published: bool


@record
class SystemLine:
    """A system. ``situations``: its channels with their status; ``successor``: of a retired one."""

    name: str
    department: str
    situations: tuple[str, ...]
    operations: tuple[str, ...]
    successor: str | None


@app.command("items")
def items(
    department: Annotated[str, typer.Option(help="Owned by this department only.")] = "",
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Show the items of the site, each in its newest version.

    Example: onedoor catalogue items --department MZ
    """
    found = settings_from(settings, demo=demo)
    known = {(one.code, one.version) for one in _published(found)}
    lines = tuple(
        ItemLine(
            code=item.code,
            version=item.version,
            name_zh=item.name_zh,
            name_en=item.name_en,
            owner=item.owner,
            promised_days=item.promised_days,
            steps=len(item.steps),
            published=(item.code, item.version) in known,
        )
        for item in sorted(_registered(found).items, key=lambda item: (item.code, item.version))
        if not department or item.owner == department
    )

    def table(all_: tuple[ItemLine, ...]) -> Table:
        made = Table("item", "version", "名称", "name", "owner", "days", "steps", "published")
        for one in all_:
            numbers = str(one.promised_days), str(one.steps), "yes" if one.published else "at the next start"
            made.add_row(one.code, str(one.version), one.name_zh, one.name_en, one.owner, *numbers)
        return made

    show(lines, adapter(tuple[ItemLine, ...]), as_json, table)


@app.command("versions")
def versions(
    item: Annotated[str, typer.Argument(help="The code of an item.")],
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Show every version of an item that was ever published. Cases keep theirs.

    Example: onedoor catalogue versions MZ004
    """
    found = settings_from(settings, demo=demo)
    lines = tuple(one for one in _published(found) if one.code == item)
    if not lines:
        raise NotDone(f"no version of {item[:20]} was published here: see `onedoor catalogue items`")
    zone = zone_of(found)

    def table(all_: tuple[Published, ...]) -> Table:
        made = Table("item", "version", "published", "digest")
        for one in all_:
            made.add_row(one.code, str(one.version), clock_time(one.loaded_at, zone), one.digest)
        return made

    show(lines, adapter(tuple[Published, ...]), as_json, table)


@app.command("systems")
def systems(settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Show the systems of the site and how each is reached. Whether they send now: `onedoor lanes list`.

    Example: onedoor catalogue systems --json
    """
    found = settings_from(settings, demo=demo)
    lines = tuple(
        SystemLine(
            name=system.name,
            department=department.code,
            situations=tuple(f"{channel.situation.value} ({channel.status.value})" for channel in system.channels),
            operations=tuple(sorted(system.operations)),
            successor=system.successor,
        )
        for department in _registered(found).departments
        for system in department.systems
    )

    def table(all_: tuple[SystemLine, ...]) -> Table:
        made = Table("system", "department", "reached by", "operations", "successor")
        for one in all_:
            made.add_row(one.name, one.department, ", ".join(one.situations), ", ".join(one.operations), one.successor)
        return made

    show(lines, adapter(tuple[SystemLine, ...]), as_json, table)


def _registered(settings: Settings) -> Registered:
    folder = site_folder(settings)
    return register(folder, load_site(folder).plugins)


def _published(settings: Settings) -> tuple[Published, ...]:
    return ask(
        settings,
        lambda file: lookup.published(file.connection, file.region),
        ("GET", "/admin/items", None),
        adapter(tuple[Published, ...]),
    )
