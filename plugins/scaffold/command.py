"""``onedoor new-plugin``: a department's folder that passes its checks at once, from a contract file or from nothing."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from adapters.contract_outline import read_outline
from contracts.errors import SiteError, SiteMistake
from contracts.site_files import PROTOCOLS
from contracts.situation import Situation
from plugins.scaffold.drafting import Draft, DraftRefused, draft
from plugins.scaffold.writing import begin_site, codes_taken, decisions, unwrite, write, write_package
from plugins.toml_departments import packaged_department, register_departments, sample_site

app = typer.Typer(add_completion=False)


@app.command()
def new_plugin(
    name: Annotated[str, typer.Argument(help="The folder of the department: small letters, digits and _.")],
    situation: Annotated[
        Situation | None,
        typer.Option(help="How it is reached; with --from a WSDL, OpenAPI file or layout says so itself."),
    ] = None,
    contract: Annotated[
        Path | None,
        typer.Option("--from", help="Its contract file: .wsdl, OpenAPI (.json, .yaml), record layout (.csv)."),
    ] = None,
    site: Annotated[
        Path,
        typer.Option(help="The site folder; one that is no site yet begins with the sample city's centres and lists."),
    ] = Path(),
    package: Annotated[
        bool,
        typer.Option(
            "--package", help="An installable package of its own below --site, instead of a folder of the site."
        ),
    ] = False,
) -> None:
    """Write a department that passes its checks, and say what a person must decide; what would not pass is not left behind.

    Example: onedoor new-plugin water --situation api
    """
    outline = read_outline(contract) if contract else None
    if situation is None and outline is None:
        raise DraftRefused(
            "say how the department is reached: --situation api, file_drop or paper; or give --from FILE"
        )
    reached = situation or PROTOCOLS[outline.protocol if outline else "paper"]
    if package:
        made = draft(name, reached, outline, frozenset(), own_lists=False)
        _package(made, site / f"onedoor-{name.replace('_', '-')}", contract)
        return
    made = draft(name, reached, outline, codes_taken(site))
    began = begin_site(site, sample_site())
    files = write(made, site, contract)
    wrong = [one for one in _mistakes(site) if one.file.startswith(f"{name}/")]
    if wrong:
        unwrite(made, site)
        raise SiteError(wrong)
    if began:
        typer.echo(f"{site.resolve()} is a site now: centres, calendar and lists are those of the sample city")
    _tell(made, site / name, files)
    case = next(file for file in files if file.suffix == ".json")
    typer.echo(f"  onedoor check {site}")
    typer.echo(f"  onedoor plugins try {name} --case {case} --site {site}")
    typer.echo(f"  onedoor certify {name} --site {site}")
    typer.echo(f"  onedoor simulate {made.code} --site {site}")


def _package(made: Draft, folder: Path, contract: Path | None) -> None:
    files = write_package(made, folder, contract, sample_site())
    try:
        packaged_department(str(folder / "tests" / "site"), folder / f"onedoor_{made.name}")
    except SiteError:
        shutil.rmtree(folder)
        raise
    _tell(made, folder, files)
    typer.echo(f"  pip install --editable {folder}")
    typer.echo(f"  pytest {folder}")


def _tell(made: Draft, folder: Path, files: Sequence[Path]) -> None:
    typer.echo(f"wrote {folder}: {len(made.operations)} operations, each with an item and a sample case")
    if made.left_out:
        typer.echo(f"left out, for lack of a delivery id or a result code: {', '.join(made.left_out)}")
    typer.echo(f"{decisions(files)} lines are marked DECIDE: they hold guesses; look at each.")
    typer.echo("Next:")


def _mistakes(site: Path) -> Sequence[SiteMistake]:
    """What is wrong with the site as it stands now: of the new department nothing, unless its contract file is too strange."""
    try:
        register_departments(str(site))
    except SiteError as error:
        return error.mistakes
    return ()
