"""``onedoor schema``: what an editor needs to complete the files of a site."""

import json
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import OnedoorError
from contracts.near_names import meant
from plugins.site_keys.composing import FILES, schemas, write_schemas

app = typer.Typer(add_completion=False)


@app.command()
def schema(
    name: Annotated[str | None, typer.Argument(help=f"Print this one: {', '.join(FILES)}.")] = None,
    site: Annotated[Path | None, typer.Option(help="Write all of them into the folder schemas of this site.")] = None,
) -> None:
    """The JSON Schemas of a site's files: print one, or write all of them where the files' first lines name them.

    Example: onedoor schema --site city
    """
    if (name is None) == (site is None):
        raise OnedoorError(f"name one of {', '.join(FILES)} to print it, or write all of them with --site FOLDER")
    if site is not None:
        if not (site / "site.toml").exists():
            raise OnedoorError(f"{site} is no site folder: it has no site.toml")
        typer.echo(f"wrote {len(FILES)} schemas into {write_schemas(site)}")
        return
    assert name is not None
    if name not in FILES:
        raise OnedoorError(f"no schema {name}{meant(name, FILES)}; there are {', '.join(FILES)}")
    typer.echo(json.dumps(schemas()[name], ensure_ascii=False, indent=1))
