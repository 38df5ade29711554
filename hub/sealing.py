"""Sealing beside the work: every few seconds new entries of the journal are gathered under a seal, and its head is anchored.

Nothing here is on the way of a case: entries are read on a reader's connection, hashed in its thread, and one row is written.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from hub import metrics, seals
from hub.anchor import Anchor, AnchorFailed
from hub.city import moment
from hub.seals import Draft, Head
from hub.store import sealed
from hub.store.connection import Connection, StoreRefused, StoreUnavailable

if TYPE_CHECKING:
    from hub.core import Core

log = structlog.get_logger("onedoor.sealing")

CHUNK = 5_000
"""Entries under one seal, at most: some tens of milliseconds of a reader's thread."""

HEADS = 10_000
"""Heads noted at once, where an anchor was away for long."""


def anchor_of(core: "Core") -> Anchor:
    """The configured anchor."""
    settings = core.settings
    return Anchor(settings.anchor_file, settings.anchor_command, make_folder=settings.anchor is None)


class Sealer:
    """Seals the journal of one running hub."""

    def __init__(self, core: "Core", anchor: Anchor) -> None:
        self._core = core
        self._anchor = anchor
        self._place = -1
        self._legacy = False
        self._told: set[tuple[str, int]] = set()
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Look where sealing stands. Raises StoreRefused when the anchor has noted what this database does not hold."""
        core, region = self._core, self._core.city.region
        await core.read(lambda connection: check_anchor(connection, region, self._anchor))
        await self._look()
        self._legacy = await core.read(lambda connection: sealed.last(connection, region)) is None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.seal()
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the next turn comes
                metrics.BUGS.labels("sealing").inc()
                log.error("turn_failed", turn="sealing", error=type(error).__name__)
            await asyncio.sleep(self._core.settings.seal_seconds)

    async def _look(self) -> None:
        region = self._core.city.region
        self._place = await self._core.read(lambda connection: sealed.place(connection, region))

    async def close(self) -> None:
        """The last seal, once nobody asks for anything any more: what was asked for is written before it, a seal among it."""
        with suppress(StoreUnavailable):
            await self._core.writer.run(lambda connection: None)
        await self._look()
        await self.seal()

    async def seal(self) -> None:
        """Seal what is there and note the heads. What fails is logged and tried again the next time."""
        async with self._turn:
            try:
                while await self._seal_chunk():
                    pass
            except StoreUnavailable as error:
                log.warning("not_sealed", why=str(error))
            try:
                await self._core.read(lambda connection: note(connection, self._core.city.region, self._anchor))
                metrics.UNANCHORED.set(0)
            except AnchorFailed as error:
                metrics.UNANCHORED.set(1)
                log.error("not_anchored", why=str(error))

    async def _seal_chunk(self) -> bool:
        """One seal; whether there may be more to do."""
        core, region = self._core, self._core.city.region
        at = core.now_ms()
        drafted, forged, full = await core.read(lambda connection: self._drafted(connection, at))
        for chain, seq in forged - self._told:
            metrics.FORGED.inc()
            log.error("forged_entry", chain=chain, seq=seq)
        self._told |= forged
        if drafted is None:
            self._legacy = False
            return False
        await core.commit("seal", lambda connection: seals.add(connection, region, core.city.keys, drafted))
        metrics.SEALS.inc()
        self._place = drafted.place
        return full

    def _drafted(self, connection: Connection, at: int) -> tuple[Draft | None, set[tuple[str, int]], bool]:
        """In a reader's thread: the next seal, entries that the hub did not write, and whether the chunk was full."""
        keys, region = self._core.city.keys, self._core.city.region
        rows = sealed.unsealed(connection, region, self._place, CHUNK)
        ours, forged = seals.genuine(keys, region, rows, unmarked=self._legacy)
        drafted = seals.draft(keys.suite, ours, at) if ours else None
        return drafted, {(row["chain"], row["seq"]) for row in forged}, len(rows) >= CHUNK


def check_anchor(connection: Connection, region: str, anchor: Anchor) -> None:
    """Raises StoreRefused when the newest head that was noted is not in this database: it is an older copy, or another one."""
    try:
        noted = anchor.last(region)
    except AnchorFailed as error:
        log.error("anchor_not_read", why=str(error))
        return
    if noted is None:
        return
    last = sealed.last(connection, region)
    row = sealed.find(connection, region, noted.number)
    if (row is not None and row["hash"] == noted.hash) or (last is not None and last["epoch"] > noted.epoch):
        return
    raise StoreRefused(
        f"the anchor {anchor.file} noted seal {noted.number} of {moment(noted.at):%Y-%m-%d %H:%M} UTC, which this database"
        " does not hold: it is an older copy. Put the newest one back; if an older one was restored on purpose, run"
        " `onedoor journal restored`; a new database needs an anchor file of its own"
    )


def note(connection: Connection, region: str, anchor: Anchor) -> list[Head]:
    """Note every seal that the anchor does not know yet. Blocks. Raises AnchorFailed."""
    last = anchor.last(region)
    rows = sealed.newer(connection, region, (last.epoch, last.number) if last else (0, 0), HEADS)
    heads = [seals.head_of(row) for row in rows]
    anchor.note(heads)
    return heads
