"""The systems of a site: a typed facade over pluggy, and the open channels.

Each plugin is called on its own: one that fails takes nobody with it. A channel that cannot be opened leaves its system
held, never the hub down.
"""

import importlib.metadata
import itertools
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pluggy
import structlog
from pydantic import ValidationError

from contracts.catalogue import Item, Operation
from contracts.errors import OnedoorError, SiteError
from contracts.plugin import (
    BatchGateway,
    Channel,
    Collecting,
    Department,
    Enquiring,
    Gateway,
    Hooks,
    Printing,
    Receiving,
    Runtime,
    System,
)
from contracts.records import Fields, record
from contracts.situation import ChannelStatus, Situation
from hub.city import SystemFacts
from hub.rooms import housed

log = structlog.get_logger("onedoor.systems")
MISTAKES = (Exception, SystemExit)
"""What a plugin may do wrong while it is loaded; Ctrl-C is the operator's."""

OUR_NAMES = ("contracts", "adapters", "plugins", "hub", "simulators")


@runtime_checkable
class Dividing(Protocol):
    """A runtime that gives the gateways of each system a world of their own."""

    def of_system(self, system: str) -> Runtime:
        """The same world, for one system."""
        ...


class PluginsRefused(OnedoorError):
    """The plugins cannot work together; the text names them."""


@record
class Registered:
    """What all plugins registered. ``broken``: plugin name -> one sentence."""

    departments: tuple[Department, ...]
    broken: Mapping[str, str]

    @property
    def systems(self) -> dict[str, System]:
        """By name."""
        return {system.name: system for department in self.departments for system in department.systems}

    @property
    def items(self) -> tuple[Item, ...]:
        """All items of all departments."""
        return tuple(item for department in self.departments for item in department.items)


def register(site: Path, allowed: Iterable[str] = ()) -> Registered:
    """Load the built-in plugin and the allowed ones, and ask each for its departments.

    Raises SiteError for mistakes in the site folder, PluginsRefused when two claim one name or a hook is misspelt.
    """
    refuse_foreign_owners()
    manager = pluggy.PluginManager("onedoor")
    manager.add_hookspecs(Hooks)
    broken: dict[str, str] = {}
    wanted = {"toml", *allowed}
    installed = {entry.name for entry in importlib.metadata.entry_points(group="onedoor.plugins")}
    broken.update(
        dict.fromkeys(sorted(wanted - installed), "is not installed: install it, or take it out of site.toml")
    )
    for entry in importlib.metadata.entry_points(group="onedoor.plugins"):
        if entry.name in wanted:
            try:
                manager.register(entry.load(), name=entry.name)
            except MISTAKES as error:  # an import that fails, or wants to end us, concerns that plugin alone
                broken[entry.name] = f"cannot be imported: {type(error).__name__}"
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginsRefused(f"plugin {error.plugin}: {error}: see the hook list") from error
    departments: list[Department] = []
    for name, plugin in manager.list_name_plugin():
        if plugin is None:
            continue
        others = [other for other_name, other in manager.list_name_plugin() if other_name != name]
        caller = manager.subset_hook_caller("register_departments", remove_plugins=others)
        try:
            departments.extend(_departments(caller(site=str(site))))
        except SiteError:
            raise
        except MISTAKES as error:  # whatever a plugin raises concerns that plugin alone
            broken[name] = f"failed to register: {type(error).__name__}"
    _refuse_doubles(departments)
    for name, why in broken.items():
        log.error("plugin_broken", plugin=name, why=why)
    return Registered(departments=tuple(departments), broken=broken)


def _departments(answers: Iterable[Iterable[object]]) -> list[Department]:
    """What one plugin registered. Raises TypeError for anything that is no department."""
    found: list[Department] = []
    for department in itertools.chain.from_iterable(answers):
        if not isinstance(department, Department):
            raise TypeError(f"{type(department).__name__} is no department")
        found.append(department)
    return found


def refuse_foreign_owners() -> None:
    """Start-up fails if another distribution owns one of our top-level names. Raises PluginsRefused."""
    owners = importlib.metadata.packages_distributions()
    for name in OUR_NAMES:
        foreign = set(owners.get(name, ())) - {"onedoor"}
        if foreign:
            raise PluginsRefused(
                f"the package name {name} is also owned by {', '.join(sorted(foreign))}: uninstall that"
            )


def _refuse_doubles(departments: Iterable[Department]) -> None:
    owners: dict[str, str] = {}
    codes = [department.code for department in departments]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise PluginsRefused(f"department {', '.join(twice)} is registered by two plugins: remove one of them")
    for department in departments:
        for system in department.systems:
            if system.name in owners:
                raise PluginsRefused(
                    f"system {system.name} is claimed by department {owners[system.name]} and by {department.code}:"
                    " remove one of them"
                )
            owners[system.name] = department.code


@dataclass
class OpenChannel:
    """A channel in use. ``gateway`` is None when it could not be opened; ``why`` then says so."""

    system: str
    channel: Channel
    gateway: Gateway | None
    why: str = ""


@dataclass
class Systems:
    """All open channels by system and situation."""

    registered: Registered
    channels: dict[tuple[str, Situation], OpenChannel] = field(default_factory=dict)

    def sending(self, system: str) -> OpenChannel | None:
        """The channel that sends, if the system has one."""
        for (name, _), opened in self.channels.items():
            if name == system and opened.channel.status is ChannelStatus.SENDING:
                return opened
        return None

    def gateway(self, system: str, situation: Situation) -> Gateway | None:
        """An open gateway."""
        found = self.channels.get((system, situation))
        return found.gateway if found else None

    def receiving(self, system: str) -> Receiving | None:
        """The gateway that takes a system's callbacks: the sending one first."""
        return next((gateway for gateway in self._gateways(system) if isinstance(gateway, Receiving)), None)

    def printing(self, system: str) -> Printing | None:
        """The gateway that prints a system's sheets."""
        return next((gateway for gateway in self._gateways(system) if isinstance(gateway, Printing)), None)

    def collecting(self) -> list[tuple[OpenChannel, Collecting]]:
        """Every channel where answers lie to be fetched, former ones too."""
        found = []
        for opened in self.channels.values():
            gateway: object = opened.gateway  # as an object: a Gateway may have the capability too
            if isinstance(gateway, Collecting):
                found.append((opened, gateway))
        return found

    def _gateways(self, system: str) -> list[Gateway]:
        mine = [opened for (name, _), opened in self.channels.items() if name == system and opened.gateway is not None]
        mine.sort(key=lambda opened: opened.channel.status is not ChannelStatus.SENDING)
        return [opened.gateway for opened in mine if opened.gateway is not None]

    def reached(self, system: str, situation: str | None) -> OpenChannel | None:
        """The channel by which a delivery went; the sending one where that is none, or is not declared any more."""
        found = self.channels.get((system, Situation(situation))) if situation else None
        return found or self.sending(system)

    def of(self, system: str, status: ChannelStatus) -> list[OpenChannel]:
        """A system's channels of one status, in their declared order."""
        return [
            opened for (name, _), opened in self.channels.items() if name == system and opened.channel.status is status
        ]

    def facts(self) -> dict[str, SystemFacts]:
        """What units of work need to know of every system."""
        return {
            system.name: replace(
                _facts(system, department, self.sending(system.name)),
                others={
                    situation.value: _facts(system, department, opened)
                    for (name, situation), opened in self.channels.items()
                    if name == system.name and opened.channel.status is not ChannelStatus.SENDING
                },
                fallbacks=tuple(
                    opened.channel.situation.value for opened in self.of(system.name, ChannelStatus.FALLBACK)
                ),
            )
            for department in self.registered.departments
            for system in department.systems
        }


def _facts(system: System, department: Department, sending: OpenChannel | None) -> SystemFacts:
    channel = sending.channel if sending else None
    limits = channel.limits if channel else None
    within = limits.reply_within_hours if limits else None
    operations: dict[str, Operation] = dict(system.operations)
    return SystemFacts(
        name=system.name,
        department=department.code,
        department_name=department.name_zh,
        operations=operations,
        sending=channel.situation if channel else Situation.PAPER,
        resend_is_safe=channel.resend_is_safe if channel else False,
        can_enquire=sending is not None and isinstance(sending.gateway, Enquiring),
        reply_within_ms=int(within * 3_600_000) if within is not None else None,
        max_attempts=limits.max_attempts if limits else 1,
        successor=system.successor,
        hand_over_ms=int(limits.hand_over_hours * 3_600_000) if limits else 0,
        courier=next((one.courier for one in system.channels if one.courier is not None), None),
    )


async def open_systems(
    stack: AsyncExitStack, registered: Registered, places: Mapping[str, Mapping[str, Fields]], runtime: Runtime
) -> Systems:
    """Open every channel with the settings of this place; the stack closes them."""
    systems = Systems(registered=registered)
    for system in registered.systems.values():
        world = runtime.of_system(system.name) if isinstance(runtime, Dividing) else runtime
        for channel in system.channels:
            place = places.get(system.name, {}).get(channel.situation.value)
            opened = OpenChannel(system=system.name, channel=channel, gateway=None)
            systems.channels[system.name, channel.situation] = opened
            if place is None and channel.situation is not Situation.PAPER:
                opened.why = f"no address: add [systems.{system.name}.{channel.situation}] to the settings"
                continue
            try:
                open_ = partial(channel.open, place or {}, world)
                # A virtual city has one thread, whoever wrote the code.
                apart = channel.own_loop and isinstance(runtime, Dividing)
                opened.gateway = await stack.enter_async_context(housed(system.name, open_) if apart else open_())
            except ValidationError as error:
                wrong: list[Any] = [".".join(map(str, problem["loc"])) for problem in error.errors()]
                opened.why = f"wrong settings for {channel.situation}: {', '.join(wrong)}"
            except Exception as error:  # noqa: BLE001 - a channel that cannot open concerns its system alone
                told = str(error) if isinstance(error, OnedoorError | ValueError) else type(error).__name__
                opened.why = f"cannot be opened: {told}"
            if opened.why:
                log.error("channel_not_open", system=system.name, situation=channel.situation.value, why=opened.why)
    return systems


def is_batching(opened: OpenChannel) -> bool:
    """Whether deliveries of this channel travel in batches."""
    return opened.channel.batching is not None and isinstance(opened.gateway, BatchGateway)
