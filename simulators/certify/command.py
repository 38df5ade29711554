"""``onedoor certify``: prove a department's plugin, and write the report that an acceptance document can carry."""

import asyncio
import logging
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeAlias

import orjson
import typer
from rich.console import Console
from rich.table import Table

from contracts.errors import OnedoorError
from contracts.records import Fields
from contracts.situation import Situation
from simulators.certify.bench import Target
from simulators.certify.check import Check, Weight
from simulators.certify.kit import BY_NAME, CHECKS, Certificate, Quiet, certified, listening
from simulators.certify.report import as_json, html
from simulators.certify.runtime import SecretMissing, no_secret
from simulators.certify.subject import Subject, chosen, subjects
from simulators.certify.verdict import Language, Status
from simulators.sample import sample_site

app = typer.Typer(add_completion=False)


class CertifyError(OnedoorError):
    """What was asked for cannot be certified; the text says what to do."""


@app.command()
def certify(
    name: Annotated[str | None, typer.Argument(help="A department's folder or code, or the key of a system.")] = None,
    site: Annotated[Path | None, typer.Option(help="The site folder of another city.")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for an HTML and a JSON report of each system.")] = None,
    check: Annotated[list[str] | None, typer.Option(help="Only this check; repeat.")] = None,
    settings: Annotated[
        Path | None, typer.Option(help="Settings with a table systems.X.api: certify against these test endpoints.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Certify against the test endpoint at this address.")] = None,
    channel: Annotated[
        Situation | None, typer.Option(help="Another channel than the one that sends: a fallback, for one.")
    ] = None,
    secrets: Annotated[Path | None, typer.Option(help="Folder of the secrets that a test endpoint wants.")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) of the authority that --endpoint is trusted by.")
    ] = None,
    client_certificate: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) by which we prove ourselves to --endpoint.")
    ] = None,
    language: Annotated[Language | None, typer.Option(help="Of the HTML report; both where it is not said.")] = None,
    seed: Annotated[int, typer.Option(help="Of made-up values.")] = 1,
    all_: Annotated[bool, typer.Option("--all", help="Every system of the site.")] = False,
    as_list: Annotated[bool, typer.Option("--list", help="Show the checks and run none.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Run the conformance kit on a department's plugin. Exit code 1: a check that must pass failed.

    Example: onedoor certify water --report reports
    """
    # Connections break here on purpose; libraries would tell of each on the screen.
    for library in ("paramiko", "aiohttp", "asyncio"):
        logging.getLogger(library).addHandler(logging.NullHandler())
        logging.getLogger(library).propagate = True
    if as_list:
        _show_checks(json_)
        return
    every = subjects(site or sample_site())
    if all_ == (name is not None):
        raise CertifyError("name a department or a system, or say --all")
    wanted = _over(every if name is None else chosen(every, name), channel)
    places, secrets = _places(settings, secrets)
    if endpoint is not None:
        places = _place_of(wanted, endpoint, ca_file, client_certificate)
    elif ca_file is not None or client_certificate is not None:
        raise CertifyError(
            "--ca-file and --client-certificate are of --endpoint: in settings write ca_file and client_certificate"
        )
    found = asyncio.run(_run(wanted, _checks(check or ()), _targets(wanted, places, secrets, seed)))
    if report is not None:
        _write(report, found, language)
    if json_:
        typer.echo(orjson.dumps([as_json(one) for one in found], option=orjson.OPT_INDENT_2))
    else:
        _show(found, Console(highlight=False))
    if any(one.grade == "F" for one in found):
        raise typer.Exit(1)


async def _run(wanted: Sequence[Subject], checks: Sequence[Check], targets: Sequence[Target]) -> Sequence[Certificate]:
    quiet = Quiet()
    with listening() as listener:
        work = [certified(one, target, listener, quiet, checks) for one, target in zip(wanted, targets, strict=True)]
        return await asyncio.gather(*work)


def _over(found: Sequence[Subject], way: Situation | None) -> Sequence[Subject]:
    """The systems by the channel that is meant; of several those that have it. Raises NothingToCertify."""
    if way is None:
        return found
    able = [one for one in found if any(channel.situation is way for channel in one.system.channels)]
    meant = [replace(one, way=way) for one in able or found]
    _ = meant[0].channel
    return meant


def _checks(names: Sequence[str]) -> Sequence[Check]:
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise CertifyError(f"there is no check {', '.join(unknown)}: see onedoor certify --list")
    return [one for one in CHECKS if not names or one.name in names]


Places: TypeAlias = Mapping[str, Mapping[str, Fields]]
"""Settings of channels: by system, then by situation."""


def _places(settings: Path | None, secrets: Path | None) -> tuple[Places, Path | None]:
    """What a settings file says of the systems, and the folder of their secrets. Raises CertifyError."""
    if settings is None:
        return {}, secrets
    try:
        told = tomllib.loads(settings.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CertifyError(f"the settings {settings} cannot be read: {error}") from error
    return told.get("systems", {}), secrets or (Path(told["secrets"]) if "secrets" in told else None)


def _place_of(wanted: Sequence[Subject], url: str, ca_file: Path | None, certificate: Path | None) -> Places:
    """The one endpoint that the command line names. Raises CertifyError."""
    if len(wanted) != 1:
        raise CertifyError("--endpoint is of one system: name it, or give --settings")
    files = {"ca_file": ca_file, "client_certificate": certificate}
    given = {name: str(path) for name, path in files.items() if path is not None}
    return {wanted[0].system.name: {"api": {"url": url, **given}}}


def _targets(wanted: Sequence[Subject], places: Places, secrets: Path | None, seed: int) -> list[Target]:
    targets = []
    for one in wanted:
        place = places.get(one.system.name, {}).get(one.channel.situation.value)
        if place is None and places:
            raise CertifyError(
                f"no address of {one.system.name}: add [systems.{one.system.name}.{one.channel.situation.value}] to the settings"
            )
        targets.append(Target(settings=place, secret=_kept_in(secrets) if place is not None else None, seed=seed))
    return targets


def _kept_in(folder: Path | None) -> Callable[[str], str]:
    def secret(name: str) -> str:
        try:
            return (folder / name).read_text("utf-8").strip() if folder is not None else no_secret(name)
        except OSError as error:
            raise SecretMissing("there is no secret {0}: put it into the folder {1}", name, folder) from error

    return secret


def _show_checks(as_json_: bool) -> None:
    if as_json_:
        typer.echo(orjson.dumps([{"name": one.name, "area": one.area, "title": one.title_en} for one in CHECKS]))
        return
    table = Table("check", "area", "weight", "what it asks", box=None)
    for one in CHECKS:
        table.add_row(one.name, one.area.value, one.weight.value, f"{one.title_zh}\n{one.title_en}")
    Console(highlight=False).print(table)


def _show(found: Sequence[Certificate], console: Console) -> None:
    for one in found:
        counts = {status: sum(result.status is status for result in one.results) for status in Status}
        told = ", ".join(f"{count} {status.value.replace('_', ' ')}" for status, count in counts.items() if count)
        console.print(f"{one.grade}  {one.system:<16} {one.channel:<10} {told}")
        for result in one.results:
            if result.status is Status.FAILED:
                check = BY_NAME[result.name]
                mark = "must" if check.weight is Weight.MUST else "should"
                console.print(f"   {result.name} ({mark}): {result.told(Language.ZH)}", soft_wrap=True)
                console.print(f"      {result.reason}", soft_wrap=True)
                console.print(f"      {check.mend_zh}", soft_wrap=True)
                console.print(f"      {check.mend_en}", soft_wrap=True)


def _write(folder: Path, found: Sequence[Certificate], language: Language | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in found:
        (folder / f"{one.system}.html").write_text(html(one, language), encoding="utf-8")
        (folder / f"{one.system}.json").write_bytes(orjson.dumps(as_json(one), option=orjson.OPT_INDENT_2))
