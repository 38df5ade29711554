"""``onedoor plugins``: the departments of a site, what each is sent, and a trial that sends nothing."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from contracts.catalogue import Operation
from contracts.envelope import CASE_TYPE, CaseApplication
from contracts.errors import DeliveryError, OnedoorError
from contracts.plugin import Department, System
from contracts.records import Fields, adapter
from contracts.site import Site, load_site
from contracts.situation import Situation
from hub.app import site_folder
from hub.cli.options import SettingsFile, SiteFolder, settings_from
from hub.cli.trial_text import draw, trial_report
from hub.cloud_events import BadMessage, read_data, read_structured
from hub.runtime import RealRuntime
from hub.settings import Settings
from hub.systems import Registered, register
from hub.trial import Answered, Subject, form_mistakes, sent, tried

app = typer.Typer(
    no_args_is_help=True, help="Departments of a site: list, show, compare, and try what a case would send."
)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Name = Annotated[str, typer.Argument(help="A department's folder or code, or the key of one of its systems.")]


class PluginNotFound(OnedoorError):
    """No department or system of the site has that name; the text lists those it has."""


@app.command("list")
def list_(site: SiteFolder = None, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Every department with its systems and how each is reached. Example: onedoor plugins list --site deploy/sites/xihu"""
    found, registered = _loaded(settings_from(settings, site=site))
    rows = [_summary(found, department) for department in registered.departments]
    if as_json:
        typer.echo(orjson.dumps({"departments": rows, "broken": dict(registered.broken)}, option=orjson.OPT_INDENT_2))
        return
    table = Table("code", "department", "folder", "system", "reached by", "operations", "items", box=None)
    for row in rows:
        for number, system in enumerate(row["systems"]):
            first = (row["code"], row["name_zh"], row["folder"]) if number == 0 else ("", "", "")
            reached = ", ".join(f"{way} ({status})" for way, status in system["channels"].items())
            items = str(row["items"]) if number == 0 else ""
            table.add_row(*first, system["key"], reached, str(system["operations"]), items)
    Console(highlight=False).print(table)
    for plugin, why in registered.broken.items():
        typer.echo(f"plugin {plugin} {why}", err=True)


def _summary(site: Site, department: Department) -> dict[str, Any]:
    return {
        "code": department.code,
        "name_zh": department.name_zh,
        "name_en": department.name_en,
        "folder": Path(site.files.get(department.code, "")).parent.as_posix(),
        "items": len(department.items),
        "systems": [
            {
                "key": system.name,
                "channels": {one.situation.value: one.status.value for one in system.channels},
                "operations": len(system.operations),
            }
            for system in department.systems
        ],
    }


@app.command()
def show(name: Name, site: SiteFolder = None, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """What one department is sent and what it answers, operation by operation. Example: onedoor plugins show tax"""
    found, registered = _loaded(settings_from(settings, site=site))
    systems = [described(registered.systems[key]) for key in sorted(named(found, registered, name))]
    if as_json:
        typer.echo(orjson.dumps(systems, option=orjson.OPT_INDENT_2))
        return
    console = Console(highlight=False)
    for system in systems:
        console.print(f"[bold]{system['key']}[/] {system['name_zh']}", soft_wrap=True)
        for situation, channel in system["channels"].items():
            safe = "a resend is safe" if channel["resend_is_safe"] else "never resent without asking"
            console.print(f"  {situation}, {channel['status']}: {safe}; {channel['limits']}", soft_wrap=True)
        for key, operation in system["operations"].items():
            console.print(f"\n  [bold]{key}[/] {operation['name_zh']} ({operation['purpose']}, {operation['answers']})")
            table = Table("may receive", "from", "type", "label", box=None, padding=(0, 2, 0, 4))
            for field in operation["request"]:
                label = field["label_zh"] + ("" if field["required"] else " (optional)")
                table.add_row(field["name"], field["source"], field["type"], label)
            console.print(table)
            for situation, codes in operation["result_codes"].items():
                told = ", ".join(f"{code} {meaning}" for code, meaning in codes.items())
                console.print(f"    answers by {situation}: {told}", soft_wrap=True)


def described(system: System) -> dict[str, Any]:
    """Everything about a system that decides what leaves the house and what an answer means."""
    return {
        "key": system.name,
        "name_zh": system.name_zh,
        "name_en": system.name_en,
        "successor": system.successor,
        "channels": {
            one.situation.value: {
                "status": one.status.value,
                "resend_is_safe": one.resend_is_safe,
                "limits": adapter(type(one.limits)).dump_python(one.limits, mode="json", exclude_defaults=True),
                "batching": one.batching
                and adapter(type(one.batching)).dump_python(one.batching, mode="json", exclude_defaults=True),
            }
            for one in system.channels
        },
        "operations": {key: _operation(operation) for key, operation in system.operations.items()},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = adapter(Operation).dump_python(operation, mode="json", by_alias=True)
    told["result_codes"] = {
        situation: {code: one["outcome"] for code, one in codes.items()}
        for situation, codes in told["result_codes"].items()
    }
    return told


@app.command()
def diff(
    name: Name,
    other: Annotated[Path, typer.Option("--with", help="The site folder to compare with.")],
    site: SiteFolder = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """What changes for a department between two site folders. Exit code 1 where something does.

    Example: onedoor plugins diff tax --with ../new-site
    """
    before, after = (
        _flat_site(settings_from(settings, site=site), name),
        _flat_site(settings_from(None, site=other), name),
    )
    changes = [
        {"key": key, "before": before.get(key), "after": after.get(key)}
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    if as_json:
        typer.echo(orjson.dumps(changes, option=orjson.OPT_INDENT_2))
    for change in () if as_json else changes:
        if change["before"] is not None:
            typer.echo(f"- {change['key']} = {change['before']}")
        if change["after"] is not None:
            typer.echo(f"+ {change['key']} = {change['after']}")
    if changes:
        raise typer.Exit(1)
    if not as_json:
        typer.echo(f"{name}: nothing differs")


def _flat_site(settings: Settings, name: str) -> Mapping[str, str]:
    site, registered = _loaded(settings)
    systems = {key: described(registered.systems[key]) for key in sorted(named(site, registered, name))}
    return dict(_flat("", systems))


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Leaves by their dotted path; what has a name or a key is addressed by it, so that a moved line is no change."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _flat(f"{path}.{key}" if path else str(key), below)
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) and "name" in one for one in value):
        yield from _flat(path, {one["name"]: one for one in value})
    elif value not in (None, "", [], {}):
        yield path, orjson.dumps(value).decode()


@app.command("try")
def try_(
    name: Name,
    case: Annotated[
        Path, typer.Option("--case", help="A case as it would arrive: a CloudEvents file, structured mode.")
    ],
    way: Annotated[Situation | None, typer.Option("--channel", help="Another channel than the one that sends.")] = None,
    replies: Annotated[
        Path | None,
        typer.Option(help="JSON, step -> reply: what earlier steps answered; made up where it is not given."),
    ] = None,
    send: Annotated[
        bool,
        typer.Option("--send", help="Then send it, to the addresses of --settings: for simulators and test systems."),
    ] = False,
    site: SiteFolder = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what a case would send: the case, the fields that may leave, the bytes on the wire. Nothing is sent or stored.

    Example: onedoor plugins try tax --case plugins/tax/samples/SW001_one_year.json
    """
    found = settings_from(settings, site=site)
    place, registered = _loaded(found)
    systems = named(place, registered, name)
    told = _application(case)
    subject = Subject(
        site=place, registered=registered, application=told, at=datetime.now(UTC), replies=_replies(replies)
    )
    mistakes = form_mistakes(subject)
    trials = asyncio.run(tried(subject, systems, found.systems, way))
    good = not mistakes and not any(one.error or any(message.missing for message in one.messages) for one in trials)
    answers = asyncio.run(_sent(subject, systems, found)) if send and good else ()
    if as_json:
        typer.echo(orjson.dumps(trial_report(mistakes, trials, answers), option=orjson.OPT_INDENT_2))
    else:
        draw(Console(highlight=False), told, mistakes, trials, answers)
    if not good or any(isinstance(one.outcome, DeliveryError) for one in answers):
        raise typer.Exit(2)


async def _sent(subject: Subject, systems: frozenset[str], settings: Settings) -> tuple[Answered, ...]:
    runtime = RealRuntime(settings.secret_folder)
    try:
        return await sent(subject, systems, settings.systems, runtime)
    finally:
        runtime.close()


def _application(case: Path) -> CaseApplication:
    try:
        message = read_structured(case.read_bytes())
        if message.envelope.type != CASE_TYPE:
            raise OnedoorError(f"{case} is no case: its type must be {CASE_TYPE}")
        return read_data(CaseApplication, message.envelope.data, message.pointer)
    except OSError as error:
        raise OnedoorError(f"the case {case} cannot be read: {error.strerror}") from error
    except BadMessage as error:
        places = "; ".join(f"{one.pointer}: {one.message}" for one in error.errors)
        raise OnedoorError(f"{case}: {error}{': ' + places if places else ''}") from error


def _replies(file: Path | None) -> Mapping[str, Fields]:
    if file is None:
        return {}
    try:
        found: Mapping[str, Fields] = orjson.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise OnedoorError(f"the replies {file} cannot be read: give a JSON object, step by step") from error
    return found


def _loaded(settings: Settings) -> tuple[Site, Registered]:
    root = site_folder(settings)
    site = load_site(root)
    return site, register(root, site.plugins)


def named(site: Site, registered: Registered, name: str) -> frozenset[str]:
    """The systems that a name means. Raises PluginNotFound."""
    found: dict[str, Sequence[str]] = {}
    for department in registered.departments:
        systems = [system.name for system in department.systems]
        found |= {key: [key] for key in systems}
        found[department.code] = systems
        folder = Path(site.files.get(department.code, "")).parent.name
        if folder:
            found[folder] = systems
    if name not in found:
        raise PluginNotFound(f"the site has no department or system {name}; it has {', '.join(sorted(found))}")
    return frozenset(found[name])
