"""``onedoor wsdl``: copy a department's WSDL with all it refers to, and see later whether the department has changed it."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

import orjson
import typer

from adapters.http_client import open_http
from adapters.soap_table import SoapTable, SoapWire
from adapters.wsdl_lock import MOST_BYTES, Bundled, Locked, LockError, gather, origin_of, read, write
from adapters.wsdl_shape import Difference, differences, shapes
from contracts.errors import DeliveryError
from contracts.plugin import Http, HttpRequest
from contracts.site import Site, SystemFile, load_site
from contracts.situation import Situation

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Lock a department's WSDL, and see what it changed.")

CHANGED = 1
"""Exit code of ``drift`` when something is not as it was locked."""

Source = Annotated[str, typer.Argument(help="The WSDL: a file, or an address.")]
Hosts = Annotated[
    list[str] | None, typer.Option("--allow-host", help="Another host its schemas may come from; repeat.")
]

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def lock(
    source: Source,
    folder: Annotated[Path, typer.Option(help="The department's folder for WSDLs.")] = Path("wsdl"),
    name: Annotated[
        str | None, typer.Option(help="What the file is to be called; the source's name if nothing is said.")
    ] = None,
    allow_host: Hosts = None,
    as_json: AsJson = False,
) -> None:
    """Copy a WSDL and all it imports and includes; nothing but these files is opened afterwards.

    Example: onedoor wsdl lock https://department.example/service?wsdl --folder police/wsdl --name GA-residence.wsdl
    """
    location = _location(source)
    called = name or _called(location)
    bundled = asyncio.run(_gathered(location, called, allow_host))
    path = write(bundled, folder)
    operations = sorted(shapes(bundled))
    if as_json:
        typer.echo(orjson.dumps({"wsdl": str(path), "files": len(bundled.files), "operations": operations}))
    else:
        typer.echo(f"{path}: {len(bundled.files)} files locked, operations: {', '.join(operations)}")


@app.command()
def drift(
    wsdl: Annotated[Path, typer.Argument(help="A locked WSDL.")],
    source: Annotated[
        str | None, typer.Option(help="Compare with this one; if nothing is said, with where it was locked from.")
    ] = None,
    site: Annotated[Path | None, typer.Option(help="A site folder: say which of its items are affected.")] = None,
    allow_host: Hosts = None,
    as_json: AsJson = False,
) -> None:
    """Compare a locked WSDL with what the department hands out now, by operation. Exit code 1 where they differ.

    Example: onedoor wsdl drift police/wsdl/GA-residence.wsdl --site .
    """
    files = read(wsdl.with_name(f"{wsdl.name}.lock"))
    locked = Bundled(contents={file.path: (wsdl.parent / file.path).read_bytes() for file in files}, files=files)
    origin = _location(source) if source else origin_of(files[0], wsdl.parent)
    now = asyncio.run(_gathered(origin, wsdl.name, allow_host))
    found = differences(shapes(locked), shapes(now))
    items = _affected(load_site(site), wsdl.resolve(), {one.operation for one in found}) if site and found else {}
    if as_json:
        rows = [
            {"operation": one.operation, "what": one.what, "parts": one.parts, "items": items.get(one.operation, [])}
            for one in found
        ]
        typer.echo(
            orjson.dumps({"changed_files": _changed(files, now.files), "operations": rows}, option=orjson.OPT_INDENT_2)
        )
    else:
        for line in _told(found, items, _changed(files, now.files)):
            typer.echo(line)
    if found:
        raise typer.Exit(CHANGED)


def _told(found: Sequence[Difference], items: Mapping[str, Sequence[str]], changed: int) -> Iterator[str]:
    if not found:
        yield f"no operation has changed ({changed} files have)" if changed else "nothing has changed"
    for one in found:
        yield f"{one.operation}: {one.what}{': ' + ', '.join(one.parts) if one.parts else ''}"
        if one.operation in items:
            yield f"    items: {', '.join(items[one.operation])}"


def _changed(old: Sequence[Locked], new: Sequence[Locked]) -> int:
    return len({file.fetched for file in old} ^ {file.fetched for file in new})


def _affected(site: Site, wsdl: Path, changed: set[str]) -> Mapping[str, Sequence[str]]:
    """By the WSDL's operation, the items with a step that uses it."""
    found: dict[str, list[str]] = {}
    for department in site.departments:
        folder = (Path(site.root) / site.files[department.code]).parent
        for system in department.systems:
            if any(_is_spoken(channel.soap, folder, wsdl) for channel in system.channels):
                for key, name in _wire_names(system):
                    users = [
                        item.code
                        for item in site.items
                        if any((step.system, step.operation) == (system.key, key) for step in item.steps)
                    ]
                    if name in changed and users:
                        found.setdefault(name, []).extend(sorted(set(users)))
    return found


def _is_spoken(table: Mapping[str, object] | None, folder: Path, wsdl: Path) -> bool:
    return table is not None and (folder / SoapTable.model_validate(dict(table)).wsdl).resolve() == wsdl


def _wire_names(system: SystemFile) -> Iterator[tuple[str, str]]:
    """Each operation's key and its name in the WSDL."""
    for operation in system.operations:
        if Situation.API in operation.wire:
            yield operation.key, SoapWire.model_validate(dict(operation.wire[Situation.API])).operation


def _location(source: str) -> str:
    return source if urlsplit(source).scheme in {"http", "https", "file"} else Path(source).resolve().as_uri()


def _called(location: str) -> str:
    stem = Path(unquote(urlsplit(location).path)).stem or "service"
    plain = "".join(char if (char.isascii() and char.isalnum()) or char in "-_" else "-" for char in stem).strip("-_")
    return f"{plain or 'service'}.wsdl"


async def _gathered(location: str, name: str, hosts: Sequence[str] | None) -> Bundled:
    async with open_http() as http:
        return await gather(location, name, partial(_fetch, http), frozenset(hosts or ()))


async def _fetch(http: Http, location: str) -> bytes:
    """A document by its address. Raises LockError."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        try:
            return await asyncio.to_thread(Path(unquote(parts.path)).read_bytes)
        except OSError as error:
            raise LockError(f"{location} cannot be read: {error.strerror}") from error
    url = quote(location, safe="%/:?#[]@!$&'()*+,;=~")
    request = HttpRequest(
        method="GET", url=url, headers={}, body=b"", connect_seconds=10, total_seconds=60, max_bytes=MOST_BYTES
    )
    try:
        answer = await http.send(request)
    except DeliveryError as error:
        raise LockError(f"{location} cannot be fetched: {error.detail}") from error
    if answer.status != 200:
        raise LockError(
            f"{location} is answered with {answer.status}: give the address that brings the document itself"
        )
    return answer.body
