"""Scan-back: a file of scanned pages is dropped in, kept, read in a process of its own, and its pages matched with their sheets.

    drop --> blob, then its row --> Reading: a process a file --> a unit of work a page --> matched, or odd: a person

A file that was received is read to its end, through crashes and restarts; a page that was taken once is not taken again.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog

from contracts.api import BadField
from contracts.paper_api import ScanList, ScanNote, ScanPageView, ScanVerdict, ScanView
from contracts.records import adapter, record
from hub import metrics, results
from hub.city import moment
from hub.clients import Client, Forbidden, Right
from hub.cloud_events import BadData, WrongMediaType, media_type_of
from hub.intake import require
from hub.materials import UNDECLARED, sniffed
from hub.numbers import time_ordered_uuid
from hub.reach import covers_task
from hub.results import NotAllowed, NotFoundHere, ReadPage
from hub.store import reading, scans
from hub.store.connection import Connection, Row, StoreUnavailable

if TYPE_CHECKING:
    from hub.app import Hub

log = structlog.get_logger("onedoor.scans")

AT_ONCE = 2
"""Files that are read at the same time; each has a process."""

PAGE_SECONDS = 120.0
"""How long the reader may take for one page before it is ended."""

MOST_FRAME = 8_000_000
"""Bytes of a picture that the reader gives back."""

AGAIN_SECONDS = 5.0

MOST_LISTED = 1000


@record
class Frame:
    """The head of a page as the reader writes it; ``refused``: nothing can be made of the rest of the file."""

    page: int = 0
    pages: int = 0
    codes: tuple[tuple[str, str], ...] = ()
    image: int = 0
    end: bool = False
    refused: str | None = None


class ReaderFailed(Exception):
    """The reader of a file died, hung or answered nonsense: what it was given is to blame."""


async def drop(hub: "Hub", client: Client, content: bytes, declared: str, centre: str | None, by: str) -> ScanView:
    """Keep a file; the same one dropped at the same desk again is the same scan.

    Raises WrongMediaType (by content, whatever it is called), Forbidden, BadData, StoreUnavailable.
    """
    require(client, Right.TASK)
    return await _keep(hub, client, content, declared, by, _desk(hub, client, centre), "")


async def attach(hub: "Hub", client: Client, task: Row, content: bytes, declared: str, by: str) -> ScanView:
    """Keep a file that a person adds to the sheet of a task (a row that the client reaches); its pages need no readable code.

    Raises WrongMediaType, NotAllowed for a task without a sheet, StoreUnavailable.
    """
    require(client, Right.TASK)
    if task["sheet_no"] is None:
        raise NotAllowed("this task has no sheet that a scan could belong to")
    return await _keep(hub, client, content, declared, by, task["centre"], task["sheet_no"])


async def attached(hub: "Hub", sheet_no: str) -> tuple[ScanPageView, ...]:
    """The pages that are attached to a sheet, for somebody who reaches its task."""
    rows = await hub.read(lambda connection: scans.attached(connection, hub.city.region, sheet_no))
    return tuple(_page(row) for row in rows)


async def _keep(
    hub: "Hub", client: Client, content: bytes, declared: str, by: str, centre: str, sheet_no: str
) -> ScanView:
    media_type = sniffed(content)
    said = media_type_of(declared)
    if media_type is None or (said not in UNDECLARED and said != media_type):
        raise WrongMediaType("send a PDF, JPEG, PNG or TIFF file, with its own media type")
    blob = await hub.runtime.in_thread(hub.blobs.put, content)
    at = hub.now_ms()
    row = {
        "id": str(time_ordered_uuid(at)),
        "blob": blob,
        "size": len(content),
        "media_type": media_type,
        "centre": centre,
        "sheet_no": sheet_no,
        "by": by,
        "created_at": at,
    }
    scan, duplicate = await hub.commit("scan", lambda connection: results.add_scan(connection, hub.city, row))
    hub.scan_dropped.set()
    return await show(hub, client, scan, duplicate=duplicate)


async def show(hub: "Hub", client: Client, scan: str, *, duplicate: bool = False) -> ScanView:
    """A file with its pages as far as they are read. Raises NotFoundHere, also for one of another desk."""
    require(client, Right.TASK)

    def query(connection: Connection) -> ScanView:
        row = _reachable(connection, hub, client, scan)
        pages = tuple(_page(page) for page in scans.pages(connection, hub.city.region, scan))
        return _view(row, pages, duplicate)

    return await hub.read(query)


async def listed(hub: "Hub", client: Client, *, odd: bool, limit: int) -> ScanList:
    """Files of the desks in the scope, the newest first. ``odd``: only those that need a person."""
    require(client, Right.TASK)
    rows = await hub.read(
        lambda connection: scans.listed(
            connection,
            hub.city.region,
            client.scope.centres,
            by=client.id if client.scope.departments else None,
            odd=odd,
            limit=limit + 1,
        )
    )
    return ScanList(scans=tuple(_view(row) for row in rows[:limit]), more=len(rows) > limit)


async def picture(hub: "Hub", client: Client, scan: str, page: int) -> bytes:
    """A page as a JPEG that we drew. Raises NotFoundHere; a page of a sheet may be seen by whoever may see the sheet's task."""
    require(client, Right.TASK)

    def query(connection: Connection) -> str:
        row = scans.page(connection, hub.city.region, scan, page)
        if row is None:
            raise NotFoundHere("there is no such page here: check the address")
        task = reading.task_row(connection, hub.city.region, row["sheet_no"]) if row["state"] == "matched" else None
        if task is None or not covers_task(hub.city, client.scope, task):
            _reachable(connection, hub, client, scan)
        return str(row["image"])

    return await _kept(hub, await hub.read(query))


async def original(hub: "Hub", client: Client, scan: str) -> tuple[bytes, str]:
    """The file as it was dropped in, and its media type. Raises NotFoundHere."""
    require(client, Right.TASK)
    row = await hub.read(lambda connection: _reachable(connection, hub, client, scan))
    return await _kept(hub, row["blob"]), row["media_type"]


async def _kept(hub: "Hub", blob: str) -> bytes:
    """A stored file. Raises NotFoundHere for one that went when its case was erased."""
    try:
        return await hub.runtime.in_thread(hub.blobs.get, blob)
    except KeyError as error:
        raise NotFoundHere("this scan is gone: its case was erased") from error


async def settle(hub: "Hub", client: Client, scan: str, page: int, told: ScanNote) -> ScanView:
    """A person says whose page it is, or that it needs nothing more. Raises NotFoundHere, NotAllowed, StoreUnavailable."""
    await show(hub, client, scan)
    at, reach = hub.now_ms(), client.scope.centres

    def unit(connection: Connection) -> None:
        if told.sheet_no is None:
            results.dismiss_page(connection, hub.city, scan, page, at, told.by, told.reason_code)
        else:
            results.assign_page(connection, hub.city, scan, page, told.sheet_no, at, told.by, reach)

    await hub.writer.run(unit)
    return await show(hub, client, scan)


def _desk(hub: "Hub", client: Client, centre: str | None) -> str:
    """The centre that a file is dropped at: the named one, else the only one in reach, else all."""
    reach = client.scope.centres
    if centre is None:
        return next(iter(reach)) if len(reach) == 1 else _all_desks(reach)
    if centre not in hub.city.centres:
        raise BadData("the desk is not one of ours", (BadField(pointer="/centre", message="unknown here"),))
    if not client.scope.covers_centre(centre):
        raise Forbidden("this key does not reach that centre")
    return centre


def _all_desks(reach: frozenset[str]) -> str:
    if reach:
        told = BadField(pointer="/centre", message="is needed: this key reaches several centres")
        raise BadData("say at which desk the file is dropped", (told,))
    return ""


def _reachable(connection: Connection, hub: "Hub", client: Client, scan: str) -> Row:
    row = scans.find(connection, hub.city.region, scan)
    if row is not None:
        desk = not client.scope.centres or row["centre"] in client.scope.centres
        # A desk's scans hold sheets of every department: who works for one sees only what he dropped in himself.
        if desk and (not client.scope.departments or row["by"] == client.id):
            return row
    raise NotFoundHere("there is no such scan here: check the address")


def _view(row: Row, pages: tuple[ScanPageView, ...] = (), duplicate: bool = False) -> ScanView:
    return ScanView(
        id=row["id"],
        state=row["state"],
        centre=row["centre"],
        size=row["size"],
        media_type=row["media_type"],
        pages=row["pages"],
        read=row["read"],
        matched=row["matched"],
        odd=row["odd"],
        error=row["error"],
        by=row["by"],
        created_at=moment(row["created_at"]),
        ended_at=moment(row["ended_at"]),
        duplicate=duplicate,
        found=pages,
    )


def _page(row: Row) -> ScanPageView:
    return ScanPageView(
        scan=row["scan"],
        page=row["page"],
        state=row["state"],
        verdict=ScanVerdict(row["verdict"]),
        sheet_no=row["sheet_no"],
        sheet_version=row["sheet_version"] or None,
        case_no=row["case_no"],
        by=row["by"],
    )


def without_pages(row: Row) -> ScanView:
    """A file in short, from a row of ``store.scans.listed``."""
    return _view(row)


class Reading:
    """Reads what was dropped in, a few files at once."""

    def __init__(self, hub: "Hub", page_seconds: float = PAGE_SECONDS) -> None:
        """``page_seconds``: the patience for one page."""
        self._hub = hub
        self._patience = page_seconds
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled; what is being read then is read again after the next start."""
        hub = self._hub
        try:
            while True:
                hub.scan_dropped.clear()
                for row in await self._waiting():
                    if row["id"] not in self._busy:
                        self._busy[row["id"]] = asyncio.create_task(self._one(row))
                await hub.scan_dropped.wait()
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _waiting(self) -> list[Row]:
        """What nobody has read yet; a database that cannot be read now is asked again."""
        try:
            return await self._hub.read(lambda connection: scans.waiting(connection, self._hub.city.region))
        except Exception as error:  # noqa: BLE001 - whatever went wrong once, the files that come later are read
            log.error("scans_not_listed", error=type(error).__name__)
            self._again()
            return []

    def _again(self) -> None:
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._hub.scan_dropped.set)

    async def _one(self, scan: Row) -> None:
        try:
            async with self._gate:
                await self._read(scan)
        except StoreUnavailable as error:
            log.warning("store_unavailable", why=str(error))
            self._again()
        except Exception as error:  # noqa: BLE001 - one file that cannot be read must not keep the others waiting
            metrics.BUGS.labels("scans").inc()
            log.error("scan_not_read", scan=scan["id"], error=type(error).__name__)
        finally:
            self._busy.pop(scan["id"], None)

    async def _read(self, scan: Row) -> None:
        hub = self._hub
        error = None
        try:
            content = await hub.runtime.in_thread(hub.blobs.get, scan["blob"])
            async for frame, image in read_pages(content, self._patience):
                await self._take(scan, frame, image)
                error = frame.refused or error
        except ReaderFailed:
            error = "reader_failed"
        at = hub.now_ms()
        await hub.writer.run(lambda connection: results.end_scan(connection, hub.city, scan, error, at))
        metrics.SCANS.labels("refused" if error else "read").inc()

    async def _take(self, scan: Row, frame: Frame, image: bytes) -> None:
        if not frame.page:
            return
        hub = self._hub
        key = await hub.runtime.in_thread(hub.blobs.put, image)
        page = ReadPage(page=frame.page, image=key, codes=frame.codes)
        at = hub.now_ms()
        verdict = await hub.commit(
            "scan_page", lambda connection: results.take_page(connection, hub.city, scan, frame.pages, page, at)
        )
        if verdict is not None:
            metrics.SCANNED_PAGES.labels(verdict.value).inc()


async def read_pages(content: bytes, page_seconds: float = PAGE_SECONDS) -> AsyncIterator[tuple[Frame, bytes]]:
    """The pages of a file, each as soon as it is read; the last frame has ``end`` or ``refused``. Raises ReaderFailed."""
    async with _reader(content) as process:
        assert process.stdout is not None
        while True:
            try:
                async with asyncio.timeout(page_seconds):
                    frame = adapter(Frame).validate_json(await _frame(process.stdout))
                    image = await _frame(process.stdout) if frame.page else b""
            except (TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
                raise ReaderFailed(type(error).__name__) from error
            yield frame, image
            if frame.end or frame.refused:
                return


@asynccontextmanager
async def _reader(content: bytes) -> "AsyncIterator[asyncio.subprocess.Process]":
    """A reader that has been given a file; it is gone when the context is left."""
    command: list[Any] = [sys.executable, "-m", "hub.page_reader"]
    pipe = asyncio.subprocess.PIPE
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=null)
    feeding = asyncio.create_task(_feed(process, content))
    try:
        yield process
    finally:
        feeding.cancel()
        if process.returncode is None:
            try:
                async with asyncio.timeout(2):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(process: asyncio.subprocess.Process, content: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(content)
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # it has died of what it was given; its silence says so


async def _frame(stream: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await stream.readexactly(4))
    if size > MOST_FRAME:
        raise ValueError("a frame that no page can have")
    return await stream.readexactly(size)
