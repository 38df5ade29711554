"""``onedoor scans``: drop scanned pages in at the command line, and see what became of them."""

import asyncio
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from rich.table import Table

from contracts.errors import OnedoorError
from contracts.paper_api import ScanList, ScanView
from contracts.records import adapter
from hub.cli.asking import InFile, ask
from hub.cli.operators import show
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.scans import MOST_LISTED, without_pages
from hub.settings import Settings
from hub.store import scans
from hub.web.server import socket_path

app = typer.Typer(
    help="Scanned pages: drop them in, see which need a person.\n\nExample: onedoor scans list --odd",
    no_args_is_help=True,
)

ENDINGS = frozenset({".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff"})
_FILES = adapter(tuple[ScanView, ...])


class ScanRefused(OnedoorError):
    """The hub does not run, or did not take a file."""


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files (PDF, PNG, JPEG, TIFF), or folders of them.")],
    centre: Annotated[str | None, typer.Option(help="The desk they are dropped at; none: all desks.")] = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Drop files of scanned pages in; the running hub then reads them, and each page finds its sheet.

    Example: onedoor scans add stack.pdf --centre 310104901
    """
    found = settings_from(settings, demo=demo)
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise ScanRefused("there is no PDF, PNG, JPEG or TIFF file there: name the files, or their folder")
    show(asyncio.run(_add(found, files, centre)), _FILES, as_json, _table)


@app.command("list")
def list_(
    odd: Annotated[bool, typer.Option("--odd", help="Only those that need a person.")] = False,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Show what was dropped in, the newest first: how many pages are attached, and how many a person has to look at.

    Example: onedoor scans list --odd
    """

    def listed(file: InFile) -> ScanList:
        rows = scans.listed(file.connection, file.region, frozenset(), by=None, odd=odd, limit=MOST_LISTED)
        return ScanList(scans=tuple(without_pages(row) for row in rows))

    address = f"/admin/scans?odd={'true' if odd else 'false'}"
    found = ask(settings_from(settings, demo=demo), listed, ("GET", address, None), adapter(ScanList))
    show(found.scans, _FILES, as_json, _table)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
    return [path]


async def _add(settings: Settings, files: Sequence[Path], centre: str | None) -> tuple[ScanView, ...]:
    """Raises ScanRefused with the hub's own sentence."""
    connector = aiohttp.UnixConnector(str(socket_path(settings.data)))
    address = "http://hub/admin/scans" + (f"?centre={centre}" if centre else "")
    dropped: list[ScanView] = []
    async with aiohttp.ClientSession(connector=connector) as session:
        for file in files:
            body = _content(file)
            try:
                async with session.post(address, data=BytesIO(body)) as answer:
                    content = await answer.read()
            except aiohttp.ClientError as error:
                raise ScanRefused("no hub is running on this data folder: start it with `onedoor serve`") from error
            if answer.status >= 400:
                problem = adapter(dict[str, Any]).validate_json(content)
                raise ScanRefused(f"{file}: {problem.get('detail') or problem.get('title')}")
            dropped.append(adapter(ScanView).validate_json(content))
    return tuple(dropped)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ScanRefused(f"{file} cannot be read: {error.strerror}") from error


def _table(found: tuple[ScanView, ...]) -> Table:
    made = Table("scan", "desk", "state", "pages", "read", "matched", "odd", "refused because")
    for one in found:
        counts = (str(number) for number in (one.pages, one.read, one.matched, one.odd))
        made.add_row(one.id, one.centre or "all", one.state, *counts, one.error or "")
    return made
