"""The clock of file exchanges: alarms for what is missing, and the reconciliation of each day that is over."""

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import structlog

from contracts.situation import Situation
from hub import metrics, reconciliation
from hub.core import Core
from hub.reconciliation import FileSystem, SystemDay
from hub.results.errors import NotAllowed
from hub.store.connection import Connection, StoreUnavailable

log = structlog.get_logger("onedoor.files")

OPEN_DAYS = 7
"""How many days back the hub tries to close by itself; an older one is a person's affair."""


def file_systems(core: Core) -> tuple[FileSystem, ...]:
    """The systems that exchange files, or did."""
    found = {
        system: FileSystem(name=system, batching=opened.channel.batching, rules=opened.channel.files)
        for (system, situation), opened in core.systems.channels.items()
        if situation is Situation.FILE_DROP
    }
    return tuple(found.values())


async def watch(core: Core) -> None:
    """Until cancelled: alarms every minute of the civil clock (or as seldom as the hub looks), at each new day the days before it."""
    told: dict[str, frozenset[str]] = {}
    closed_up_to: date | None = None
    while True:
        try:
            for system in file_systems(core):
                await _alarms(core, system, told)
            today = core.city.calendar.local_day(core.runtime.now())
            if closed_up_to != today:
                await close_past_days(core, today)
                closed_up_to = today
        except StoreUnavailable as error:
            log.warning("store_unavailable", why=str(error))
        except Exception as error:  # noqa: BLE001 - the next look comes all the same
            metrics.BUGS.labels("files").inc()
            log.error("files_not_watched", error=type(error).__name__)
        seldom = max(60.0, core.settings.look_seconds)
        await asyncio.sleep(min(max(seldom / core.settings.clock.speed, 0.2), seldom))


async def _alarms(core: Core, system: FileSystem, told: dict[str, frozenset[str]]) -> None:
    missing, gaps = await core.read(lambda c: open_alarms(c, core, system))
    metrics.FILES_MISSING.labels(system.name).set(len(missing))
    metrics.FILE_SEQUENCE_GAPS.labels(system.name).set(len(gaps))
    for key in sorted({*missing, *gaps} - told.get(system.name, frozenset())):
        log.error("file_alarm", system=system.name, difference=key)
    told[system.name] = frozenset({*missing, *gaps})


def open_alarms(connection: Connection, core: Core, system: FileSystem) -> tuple[list[str], list[str]]:
    """Keys of expected files that have not come (receipts too) and of numbers that were left out, without those explained."""
    found = reconciliation.alarms(connection, core.city, system, core.now_ms())
    gaps = [one.key for one in found if one.kind == "gap"]
    return [one.key for one in found if one.kind != "gap"], gaps


async def close_past_days(core: Core, today: date) -> Sequence[SystemDay]:
    """Reconcile the last days that are over, keep each report as a file, close those without an unexplained difference."""
    done = []
    for system in file_systems(core):
        for back in range(OPEN_DAYS, 0, -1):
            found = await close_day(core, system, today - timedelta(days=back), "hub")
            if found is not None:
                done.append(found)
    return done


async def close_day(core: Core, system: FileSystem, day: date, by: str) -> SystemDay | None:
    """Close one day and keep its report; None for a day on which nothing went or came. One that cannot be closed is kept as it stands."""
    found = await core.read(_standing(core, system, day))
    if found.closed_at is not None:
        return found
    if not (found.files_out or found.files_in or found.differences):
        return None
    try:
        found = await core.commit("close_day", _closing(core, system, day, by))
    except NotAllowed as error:
        log.error("day_not_closed", system=system.name, day=day.isoformat(), why=str(error))
    await core.runtime.in_thread(keep_report, core.settings.data / "reports", found)
    return found


def _standing(core: Core, system: FileSystem, day: date) -> Callable[[Connection], SystemDay]:
    return lambda connection: reconciliation.system_day(connection, core.city, system, day, core.now_ms())


def _closing(core: Core, system: FileSystem, day: date, by: str) -> Callable[[Connection], SystemDay]:
    return lambda connection: reconciliation.close(connection, core.city, system, day, by, core.now_ms())


def keep_report(folder: Path, found: SystemDay) -> tuple[Path, Path]:
    """Write the day as JSON and its records as CSV (0600), whole or not at all. Returns both paths. Blocks."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = f"files-{found.day}-{found.system}"
    head = "file,sequence,case_no,delivery,stands,state,code\n"
    lines = (
        ",".join((one.file, str(one.sequence), one.case_no, one.delivery, one.stands, one.state, one.code)) + "\n"
        for one in found.entries
    )
    contents = {
        folder / f"{stem}.json": reconciliation.as_json(found) + b"\n",
        folder / f"{stem}.csv": "".join([head, *lines]).encode(),
    }
    for path, content in contents.items():
        part = path.with_name(path.name + ".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    return folder / f"{stem}.json", folder / f"{stem}.csv"
