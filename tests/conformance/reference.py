"""The reference plugins, as good as the kit asks, and the way a mutant is made of one: an edit of its table, of what it registered, or a
gateway in front of it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from shutil import copytree
from typing import Any

from contracts.plugin import Channel, Gateway, Runtime, System, in_front
from contracts.records import Fields
from contracts.situation import ChannelStatus
from simulators.certify.bench import Target
from simulators.certify.kit import CHECKS, Certificate, Quiet, certified, listening
from simulators.certify.subject import Subject, chosen, subjects
from simulators.certify.verdict import Status

SITE = Path(__file__).parent / "site"
TARGET = Target(patience_seconds=0.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """Makes exactly ``check`` fail at the reference system ``of``.

    ``edits``: texts of its department.toml that are replaced, each of which must be there; ``without``: files of its folder that are
    left out; ``system``: changes what was registered; ``world``: stands around the runtime that the channel is opened with, and
    ``gateway`` in front of the gateway, with that runtime.
    """

    check: str
    of: str = "AA-register"
    edits: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    system: Callable[[System], System] | None = None
    world: Callable[[Runtime], Any] | None = None
    gateway: Callable[[Any, Any], Any] | None = None


@cache
def reference(name: str, site: Path = SITE) -> Subject:
    """One of the reference systems, read once."""
    (found,) = chosen(subjects(site), name)
    return found


def subject_of(mutant: Mutant, folder: Path) -> Subject:
    """The mutated system; its files are copied to ``folder`` where they are edited."""
    site = SITE
    if mutant.edits or mutant.without:
        site = copytree(SITE, folder / "site")
        folder_of = reference(mutant.of).folder
        assert folder_of is not None
        home = site / folder_of.name
        table = home / "department.toml"
        text = table.read_text("utf-8")
        for old, new in mutant.edits:
            assert old in text, old
            text = text.replace(old, new)
        table.write_text(text, "utf-8")
        for name in mutant.without:
            (home / name).unlink()
    subject = reference(mutant.of, site)
    system = mutant.system(subject.system) if mutant.system is not None else subject.system
    channels = [_changed(one, mutant) if one.status is ChannelStatus.SENDING else one for one in system.channels]
    return replace(subject, system=replace(system, channels=channels))


def _changed(channel: Channel, mutant: Mutant) -> Channel:
    """The channel, opened in the mutant's world and with its gateway in front."""
    world = mutant.world
    front = channel if mutant.gateway is None else in_front(channel, mutant.gateway)
    if world is None:
        return front

    def open_(values: Fields, runtime: Runtime) -> AbstractAsyncContextManager[Gateway]:
        return front.open(values, world(runtime))

    return replace(front, open=open_)


async def certificate_of(subject: Subject) -> Certificate:
    """The whole kit, at one system."""
    with listening() as listener:
        return await certified(subject, TARGET, listener, Quiet(), CHECKS)


def failed(certificate: Certificate) -> dict[str, str]:
    """The checks that failed, with their reasons."""
    return {one.name: one.reason for one in certificate.results if one.status is Status.FAILED}
