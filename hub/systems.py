"""The systems of a site: what its plugins registered, and the open channels.

A channel that cannot be opened leaves its system held, never the hub down.
"""

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import structlog
from pydantic import ValidationError

from contracts.catalogue import Operation
from contracts.errors import OnedoorError
from contracts.plugin import (
    BatchGateway,
    Channel,
    Collecting,
    Department,
    Enquiring,
    Gateway,
    Printing,
    Receiving,
    Runtime,
    System,
)
from contracts.records import Fields
from contracts.registration import PluginsRefused, Registered, registered
from contracts.situation import ChannelStatus, Situation
from hub.city import SystemFacts
from hub.rooms import housed
from hub.runtime import RealRuntime

__all__ = ["OpenChannel", "PluginsRefused", "Registered", "Systems", "is_batching", "open_systems", "register"]

log = structlog.get_logger("onedoor.systems")


@runtime_checkable
class Dividing(Protocol):
    """A runtime that gives the gateways of each system a world of their own."""

    def of_system(self, system: str) -> Runtime:
        """The same world, for one system."""
        ...


def register(site: Path, allowed: Iterable[str] = ()) -> Registered:
    """What ``registered`` finds; a broken plugin is logged. Raises SiteError, PluginsRefused."""
    found = registered(site, allowed)
    for name, why in found.broken.items():
        log.error("plugin_broken", plugin=name, why=why)
    return found


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
                apart = channel.own_loop and isinstance(runtime, RealRuntime)
                opened.gateway = await stack.enter_async_context(
                    housed(system.name, open_, place or {}) if apart else open_()
                )
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
