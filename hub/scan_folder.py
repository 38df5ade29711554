"""The folder of a network scanner: what it leaves there is dropped in, from the desk whose centre its sub-folder names.

scans/310104901/20261125-0912.pdf   ->  dropped at centre 310104901, then moved to scans/310104901/done/
scans/310104901/holiday.mov         ->  scans/310104901/refused/
"""

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from contracts.errors import OnedoorError
from hub import scans
from hub.clients import Client, Right, Scope
from hub.store.connection import StoreUnavailable

if TYPE_CHECKING:
    from hub.app import Hub

log = structlog.get_logger("onedoor.scans")

LOOK_SECONDS = 2.0
"""A file is taken when it looks the same at two looks: until then the scanner is still writing it."""

Mark = tuple[int, int]


class TooLarge(OnedoorError):
    """A file over ``max_scan_bytes``."""


async def watch(hub: "Hub", folder: Path | None, look_seconds: float = LOOK_SECONDS) -> None:
    """Until cancelled; without a folder there is nothing to watch."""
    if folder is None:
        return
    seen: dict[Path, Mark] = {}
    while True:
        try:
            found = await hub.runtime.in_thread(_files, folder)
            for path, mark in found.items():
                if seen.get(path) == mark:
                    await _take(hub, path)
            seen = found
        except Exception as error:  # noqa: BLE001 - a share that is away for an hour must not end the watching
            log.error("scan_folder_unreadable", error=type(error).__name__)
        await asyncio.sleep(look_seconds)


def _files(folder: Path) -> dict[Path, Mark]:
    """Regular files in the sub-folders of centres, with size and time."""
    found = {}
    for path in sorted(folder.glob("*/*")):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                status = path.stat()
                found[path] = (status.st_size, status.st_mtime_ns)
    return found


async def _take(hub: "Hub", path: Path) -> None:
    """Drop a file in and put it aside; one that cannot be kept now stays where it is and is tried again."""
    centre = path.parent.name
    scope = Scope(centres=frozenset({centre}), may=frozenset({Right.TASK}))
    client = Client(id="scan-folder", name="scan-folder", created_at=0, scope=scope)
    aside = "done"
    try:
        content = await hub.runtime.in_thread(_content, path, hub.settings.max_scan_bytes)
        await scans.drop(hub, client, content, "", centre, client.id)
    except StoreUnavailable:
        return
    except OSError as error:
        log.warning("scan_not_taken", centre=centre, error=type(error).__name__)
        return
    except OnedoorError as error:
        # The name of a file may hold what a person wrote: only where it lies is logged.
        log.warning("scan_refused", centre=centre, error=type(error).__name__)
        aside = "refused"
    await hub.runtime.in_thread(_put_aside, path, path.parent / aside)


def _content(path: Path, limit: int) -> bytes:
    """The whole file. Raises TooLarge, OSError."""
    if path.stat().st_size > limit:
        raise TooLarge
    return path.read_bytes()


def _put_aside(path: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    place = 1
    while target.exists():
        place += 1
        target = folder / f"{path.stem}-{place}{path.suffix}"
    path.rename(target)
