"""The composition root: read it from top to bottom and you have seen the hub.

    sender --> intake --> routing --> outbox --> lanes --> attempts --> gateway --> department
                                                                                       |
    case page <-- journal <-------------------- results <------ outcome, or reply <----+

``open_hub`` builds each part once, in that order, and takes them down in the other one.
"""

import asyncio
import importlib.resources
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import structlog

from contracts.api import BadField
from contracts.catalogue import Item
from contracts.crash_points import crash_point
from contracts.envelope import CaseApplication
from contracts.plugin import Runtime
from contracts.site import Site, load_site
from contracts.situation import ChannelStatus
from hub import fallback, file_watch, keyring, outbox, results, scan_folder, self_checks, shadow
from hub.attempts import Planner
from hub.catalogue import Catalogue, import_items, load_items
from hub.city import City, milliseconds
from hub.clock import calendar
from hub.core import Core, Readers
from hub.forms import Stage, compile_form
from hub.keys import Keys, read_key
from hub.lanes import NOT_OPEN, Lane
from hub.passwords import Passwords
from hub.queues import hold_queue
from hub.readings import Readings
from hub.runtime import RealRuntime
from hub.scans import Reading
from hub.sealing import Sealer, anchor_of
from hub.settings import Settings
from hub.store import schema
from hub.store.blobs import Blobs
from hub.store.connection import Connection, lock_file
from hub.store.writer import Writer
from hub.systems import Registered, Systems, open_systems, register
from hub.watch import Watch, collect

log = structlog.get_logger("onedoor")


@dataclass
class Hub(Core):
    """The running hub: the core, what the front door needs, and the lanes."""

    catalogue: Catalogue = field(kw_only=True)
    passwords: Passwords = field(kw_only=True)
    site: Site = field(kw_only=True)
    lanes: dict[str, Lane] = field(kw_only=True)
    readings: Readings = field(kw_only=True)
    fallbacks: dict[str, list[Lane]] = field(default_factory=dict, kw_only=True)
    accepting: bool = field(default=True, kw_only=True)
    real_time: Callable[[], float] = field(default=time.time, kw_only=True)

    provider: tuple[float, dict[str, Any]] | None = field(default=None, kw_only=True)
    """What the identity provider said of itself, and when (monotonic): ``hub.oidc`` keeps it for a while."""

    def real_ms(self) -> int:
        """The real clock in milliseconds UTC, for what people wait for: sessions, one-time codes."""
        return int(self.real_time() * 1000)

    scan_dropped: asyncio.Event = field(default_factory=asyncio.Event, kw_only=True)

    @property
    def keys(self) -> Keys:
        """All keys."""
        return self.city.keys

    def all_lanes(self) -> list[Lane]:
        """Those of the sending channels, then those of the fallbacks."""
        return [*self.lanes.values(), *(lane for lanes in self.fallbacks.values() for lane in lanes)]

    def overloaded(self) -> float | None:
        """Seconds for Retry-After when intake must refuse (draining, or too many writes wait), else None."""
        if not self.accepting:
            return 10.0
        return 2.0 if self.writer.waiting() > self.settings.max_waiting else None

    async def drain(self) -> None:
        """Take no more cases, stop claiming, give back what was not tried, let what is in flight finish. Once is enough."""
        self.accepting = False
        left = await asyncio.gather(*(lane.drain(self.settings.drain_seconds) for lane in self.all_lanes()))
        log.info("drained", cut_off=sum(left))


@asynccontextmanager
async def open_hub(
    settings: Settings, runtime: Runtime | None = None, registered: Registered | None = None
) -> AsyncIterator[Hub]:
    """Open everything, recover from the last end, run until the context ends, then drain.

    ``runtime`` None: the real world. ``registered`` None: what the site's plugins register.
    Raises StoreRefused, KeyRefused, SiteError, PluginsRefused, CatalogueRefused: each says what to do.
    """
    database = settings.data / "onedoor.db"
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    master = read_key(settings.key_file, demo=settings.allow_demo_keys, suite=settings.suite)
    site = load_site(site_folder(settings))
    async with AsyncExitStack() as stack:
        lock = lock_file(database)
        stack.callback(os.close, lock)
        schema.upgrade(database)
        writer = Writer(database)
        stack.push_async_callback(writer.close)
        readers = Readers(lambda: Connection(database, writable=False))
        stack.callback(readers.close)
        keys = await writer.run(lambda c: keyring.unlock(c, site.region, master))
        blobs = Blobs(settings.data / "blobs", keys)
        world = runtime or _real_world(settings, blobs, stack)
        self_checks.require_clock(world.now())

        registered = registered or register(site_folder(settings), site.plugins)
        systems = await open_systems(stack, registered, settings.systems, world)
        lanes: dict[str, Lane] = {}
        city, catalogue = await _city(settings, site, registered, systems, keys, writer, readers, world, lanes)

        hub = Hub(
            settings=settings,
            runtime=world,
            city=city,
            systems=systems,
            writer=writer,
            blobs=blobs,
            readers=readers,
            name=f"hub-{os.getpid()}",
            catalogue=catalogue,
            lanes=lanes,
            readings=Readings(writer, city.journal),
            passwords=Passwords(world),
            site=site,
        )
        sealer = Sealer(hub, anchor_of(hub))
        await sealer.open()
        planner = Planner(core=hub)
        recovered = await hub.commit("recover", lambda c: outbox.recover(c, city, planner, hub.now_ms()))
        log.info("recovered", **recovered)
        crash_point("started")
        await _run_lanes(hub, stack, sealer)
        yield hub
        await hub.drain()


def site_folder(settings: Settings) -> Path:
    """The configured site, or the sample city that is installed beside the hub."""
    if settings.site is not None:
        return settings.site
    return Path(str(importlib.resources.files("plugins")))


def _real_world(settings: Settings, blobs: Blobs, stack: AsyncExitStack) -> RealRuntime:
    world = RealRuntime(
        settings.secret_folder, start=settings.clock.start, speed=settings.clock.speed, material=blobs.get
    )
    stack.callback(world.close)
    return world


async def _city(
    settings: Settings,
    site: Site,
    registered: Registered,
    systems: Systems,
    keys: Keys,
    writer: Writer,
    readers: Readers,
    world: Runtime,
    lanes: dict[str, Lane],
) -> tuple[City, Catalogue]:
    at = milliseconds(world.now())
    files = {f"{item.code}@{item.version}": f"{item.code}" for item in registered.items}
    await writer.run(lambda c: import_items(c, site.region, registered.items, files, at))
    versions = await readers.run(lambda c: load_items(c, site.region))

    def form_errors(item: Item, application: CaseApplication, day: date) -> tuple[BadField, ...]:
        return catalogue.form(item).check(application, day, Stage.ACCEPTANCE)[1]

    city = City(
        region=site.region,
        timezone=site.timezone,
        calendar=calendar(site.timezone, site.calendars),
        centres=site.centres,
        items=versions,
        systems=systems.facts(),
        keys=keys,
        materials={kind.code: kind.name_zh for kind in site.materials.values()},
        form_errors=form_errors,
        random=world.random,
        lanes=lanes,
        correction_days=settings.correction_days,
        archive_after_days=settings.archive_after_days,
    )
    catalogue = Catalogue(
        versions,
        {item.code for item in registered.items},
        city.operation,
        lambda item: compile_form(item, site.field_groups, site.code_lists),
    )
    return city, catalogue


async def _run_lanes(hub: Hub, stack: AsyncExitStack, sealer: Sealer) -> None:
    """Start a lane for every channel that sends or may, a collector for every channel with answers to fetch, the watch, the sealer."""
    stack.push_async_callback(sealer.close)
    stack.push_async_callback(hub.readings.close)
    held = await hub.read(lambda c: outbox.held_lanes(c, hub.city))
    for system in hub.city.systems:
        opened = hub.systems.sending(system)
        if opened is not None:
            lane = hub.lanes[system] = Lane(hub, opened, held.get(system))
            if lane.held == NOT_OPEN and opened.gateway is not None:
                await lane.release("hub")
        for other in hub.systems.of(system, ChannelStatus.FALLBACK):
            lane = Lane(hub, other, held.get(results.lane_name(system, other.channel.situation.value)))
            hub.fallbacks.setdefault(system, []).append(lane)
            if lane.held == NOT_OPEN and other.gateway is not None:
                await lane.release("hub")

    for system in await hub.read(lambda c: outbox.without_a_lane(c, hub.city)):
        await hold_queue(hub, system, "", "hub", NOT_OPEN)

    def wake(system: str, at: int) -> None:
        if system in hub.lanes:
            hub.lanes[system].wake(at)
        for lane in hub.fallbacks.get(system, ()):
            lane.wake(at)

    hub.wake = wake
    watch = Watch(hub, hub.lanes)
    running = [lane.run() for lane in hub.all_lanes()]
    running += [collect(hub, opened, gateway) for opened, gateway in hub.systems.collecting()]
    running += [watch.deliveries(), watch.cases(), fallback.watch(hub, hub.lanes), file_watch.watch(hub)]
    running += [shadow.watch(hub, hub.now_ms())]
    running += [self_checks.watch_database(hub), self_checks.watch_clock(hub), sealer.run()]
    running += [hub.readings.run()]
    running += [Reading(hub).run(), scan_folder.watch(hub, hub.settings.scan_folder)]
    tasks = [asyncio.create_task(work) for work in running]
    stack.push_async_callback(_cut_off, hub)
    stack.push_async_callback(_cancel, tasks)


async def _cut_off(hub: Hub) -> None:
    await asyncio.gather(*(lane.cut_off() for lane in hub.all_lanes()))


async def _cancel(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
