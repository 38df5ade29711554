"""Who has read what: whoever is shown a journal, or takes something with personal data out of the house, leaves an entry.

The entry stands on a chain of its own beside what was read, ``read:`` and its name (``read:310104…`` for a case, ``read:account:zhang``,
``read:handover:JJ…``, ``read:scan:…``, ``read:database``): reading never touches the case. It says who, when, what and by which way, never
what was seen.

* Of a person each reading is an entry. A program, which asks again and again, leaves one a day for each thing that it reads.
* What is shown is shown also while nothing can be written (R8): the reading is logged at once, kept, and written as soon as it can be.
* A file that leaves the house waits for its entry: no entry, no file.
"""

import asyncio
from collections import deque
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import orjson
import structlog

from contracts.api import CaseView
from contracts.records import record
from hub import metrics, views
from hub.city import moment
from hub.clients import Client
from hub.journal import Chain, Journal
from hub.store import reading as statements
from hub.store.connection import Connection, StoreUnavailable
from hub.store.writer import Writer

if TYPE_CHECKING:
    from hub.app import Hub

log = structlog.get_logger("onedoor.readings")

DAY = 86_400_000
"""Milliseconds after which the same reading of a program is an entry again."""

PATIENCE_SECONDS = 1.0
"""A page waits that long for its entry; one that comes later is written all the same."""

KEPT = 10_000
"""Readings that are kept while nothing can be written. Beyond that nothing is shown either."""


DATABASE = "database"
"""What a backup is a reading of."""

THING = r"[0-9]{24}|account:[a-z0-9._-]{2,32}|handover:JJ[0-9]{21}|scan:[0-9a-f-]{36}|database"
"""How a thing is named that can be read (a regular expression)."""


class What(StrEnum):
    """What was read: of a case its page, one task or one delivery; a list or a scan as a file; a picture; who has read before."""

    CASE = "case"
    TASK = "task"
    DELIVERY = "delivery"
    ACCOUNT = "account"
    LIST = "list"
    FILE = "file"
    PICTURE = "picture"
    READERS = "readers"
    BACKUP = "backup"


class Way(StrEnum):
    """By which way. ``api`` is a sender's program; the others are people."""

    PAGE = "page"
    COMMAND = "command"
    API = "api"


@record
class Reading:
    """``of``: the chain of what was read, or its kind and number. ``part``: an id, where not the whole was read. ``by``: a reference."""

    of: str
    what: What
    by: str
    way: Way
    part: str = ""


@record
class Reader:
    """One line of who has read a thing."""

    at: datetime
    by: str
    what: str
    part: str
    way: str


def chain_of(thing: str) -> str:
    """The chain that says who has read a thing."""
    return f"read:{thing}"


def note(connection: Connection, journal: Journal, reading: Reading, at: int) -> None:
    """A unit of work: the entry of one reading, unless a program has left the same within a day. ``at``: ms UTC."""
    if reading.way is Way.API and is_noted(connection, journal.region, reading, at):
        return
    chain = Chain(journal, chain_of(reading.of), at)
    codes = {"way": reading.way.value, **({"part": reading.part} if reading.part else {})}
    chain.add("read", reading.what, None, None, codes)
    chain.write(connection, reading.by)


def is_noted(connection: Connection, region: str, reading: Reading, at: int) -> bool:
    """Whether the same reader has left the same reading within a day."""
    rows = statements.readings(connection, region, chain_of(reading.of), reading.by, at - DAY)
    return any(
        (what, codes.get("way"), codes.get("part", "")) == (reading.what, reading.way, reading.part)
        for row in rows
        for _, what, _, _, codes in orjson.loads(row["changes"])
    )


def readers(connection: Connection, region: str, thing: str, limit: int) -> tuple[Reader, ...]:
    """Who has read a thing, the newest first."""
    return tuple(
        Reader(at=moment(row["at"]), by=row["by"], what=what, part=codes.get("part", ""), way=codes["way"])
        for row in statements.newest_entries(connection, region, chain_of(thing), limit)
        for _, what, _, _, codes in orjson.loads(row["changes"])
    )


class Readings:
    """Notes what is read of one running hub."""

    def __init__(self, writer: Writer, journal: Journal) -> None:
        self._writer = writer
        self._journal = journal
        self._kept: deque[tuple[Reading, int]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    async def shown(self, reading: Reading, at: int) -> None:
        """Note what is about to be shown. Raises StoreUnavailable only when there is no room to keep it either."""
        metrics.READINGS.labels(reading.way).inc()
        if len(self._kept) >= KEPT:
            raise StoreUnavailable("readings cannot be journalled, and no more of them can be kept")
        task = asyncio.create_task(self._write(reading, at))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS)

    async def leaves(self, reading: Reading, at: int) -> None:
        """Note what is about to leave the house as a file. Raises StoreUnavailable: then it must stay."""
        metrics.READINGS.labels(reading.way).inc()
        await self._writer.run(lambda connection: note(connection, self._journal, reading, at))

    async def run(self) -> None:
        """Until cancelled: write what is kept as soon as it can be."""
        while True:
            await asyncio.sleep(PATIENCE_SECONDS)
            await self._write_kept()

    async def close(self) -> None:
        """Write what can still be written."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._write_kept()

    async def _write(self, reading: Reading, at: int) -> None:
        try:
            await self._writer.run(lambda connection: note(connection, self._journal, reading, at))
        except Exception as error:  # noqa: BLE001 - whatever kept it from the journal, it is shown and must not be forgotten
            if reading.way is Way.API and any(kept == reading for kept, _ in self._kept):
                return  # a program that asks every second is one reading
            told = {"of": reading.of, "what": reading.what, "part": reading.part, "by": reading.by}
            log.warning("reading_not_journalled", **told, error=type(error).__name__)
            self._keep(reading, at)

    def _keep(self, reading: Reading, at: int) -> None:
        self._kept.append((reading, at))
        metrics.READINGS_KEPT.set(len(self._kept))

    async def _write_kept(self) -> None:
        kept = list(self._kept)
        if not kept:
            return

        def unit(connection: Connection) -> None:
            for reading, at in kept:
                note(connection, self._journal, reading, at)

        try:
            await self._writer.run(unit)
        except StoreUnavailable:
            return
        except Exception as error:  # noqa: BLE001 - they stay, are counted and tried again; the loop must go on
            metrics.BUGS.labels("readings").inc()
            log.error("readings_not_journalled", error=type(error).__name__)
            return
        for _ in kept:
            self._kept.popleft()
        metrics.READINGS_KEPT.set(len(self._kept))
        log.info("readings_journalled", number=len(kept))


async def case_for_program(hub: "Hub", client: Client, case_no: str) -> CaseView:
    """A case for a sender that reads it with its key. Raises NotFoundHere, StoreUnavailable as ``shown`` does."""
    reading = Reading(of=case_no, what=What.CASE, by=client.id, way=Way.API)
    region, at = hub.city.region, hub.now_ms()
    view, noted = await hub.read(
        lambda c: (views.case_view(c, region, hub.keys, client, case_no), is_noted(c, region, reading, at))
    )
    if noted:
        metrics.READINGS.labels(reading.way).inc()
    else:
        await hub.readings.shown(reading, at)
    return view
