"""Runs the checks of a system: which apply, one after the other, and what came of each."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager, contextmanager, redirect_stdout
from datetime import UTC, datetime
from importlib.metadata import version

import structlog
from pydantic import ValidationError

from contracts.errors import DeliveryError
from contracts.records import record
from simulators.certify.bench import Bench, Listener, Target, bench
from simulators.certify.check import Check, Weight
from simulators.certify.checks import (
    boxes,
    callbacks,
    codes,
    declaration,
    enquiries,
    exchange,
    fault_matrix,
    faults,
    file_faults,
    files,
    inbox,
    left_behind,
    manners,
    mapping,
    paper,
    prints,
    records,
    result_faults,
    results,
)
from simulators.certify.checks.mapping import told
from simulators.certify.runtime import SecretMissing
from simulators.certify.subject import Subject
from simulators.certify.verdict import Failed, NotApplicable, Reason, Result, Status, reason

CHECKS: tuple[Check, ...] = (
    *declaration.CHECKS,
    *mapping.CHECKS,
    *records.CHECKS,
    *exchange.CHECKS,
    *codes.CHECKS,
    *enquiries.CHECKS,
    *callbacks.CHECKS,
    *files.CHECKS,
    *results.CHECKS,
    *inbox.CHECKS,
    *paper.CHECKS,
    *prints.CHECKS,
    *boxes.CHECKS,
    *faults.CHECKS,
    *fault_matrix.CHECKS,
    *file_faults.CHECKS,
    *result_faults.CHECKS,
    *left_behind.CHECKS,
    *manners.CHECKS,
)
"""Every check of the kit, in the order in which they run."""

OPENS = declaration.channel_opens.name
BY_NAME = {one.name: one for one in CHECKS}


@record
class Certificate:
    """What the kit found at one system. ``grade``: A, B (only what should be is missing) or F."""

    kit: str
    site: str
    system: str
    system_zh: str
    system_en: str
    channel: str
    against: str
    seed: int
    made_at: datetime
    results: tuple[Result, ...]

    @property
    def grade(self) -> str:
        """A: nothing failed. B: only checks that should hold. F: one that must."""
        failed = [BY_NAME[one.name] for one in self.results if one.status is Status.FAILED]
        if any(one.weight is Weight.MUST for one in failed):
            return "F"
        return "B" if failed else "A"


class Quiet:
    """Many checks at once, of several systems; or one alone."""

    def __init__(self) -> None:
        self._running = 0
        self._alone = False
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self, *, alone: bool) -> AsyncIterator[None]:
        """Wait for the turn of a check."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._alone and (not alone or self._running == 0))
            self._alone = alone
            self._running += 1
        try:
            yield
        finally:
            async with self._changed:
                self._running -= 1
                self._alone = False
                self._changed.notify_all()


async def certified(
    subject: Subject, target: Target, listener: Listener, quiet: Quiet, only: Sequence[Check] = CHECKS
) -> Certificate:
    """Every check of ``only`` at one system. Where the channel cannot be opened, that is what failed, and the others have nothing to ask."""
    results: list[Result] = []
    try:
        async with bench(subject, target, listener) as opened:
            for one in only:
                async with quiet.turn(alone=one.alone):
                    results.append(await result_of(one, opened))
    except Exception as error:  # noqa: BLE001 - a plugin that cannot be opened is what the report is for
        results = _not_open(error, only, {one.name: one for one in results})
    return Certificate(
        kit=version("onedoor"),
        site=subject.site.name_zh,
        system=subject.system.name,
        system_zh=subject.system.name_zh,
        system_en=subject.system.name_en,
        channel=subject.channel.situation.value,
        against=target.kind,
        seed=target.seed,
        made_at=datetime.now(UTC),
        results=tuple(results),
    )


def _not_open(error: Exception, only: Sequence[Check], done: Mapping[str, Result]) -> list[Result]:
    failed = Result(name=OPENS, status=Status.FAILED, why=_why_not_open(error))
    nothing = reason("the channel cannot be opened")
    rest = [done.get(one.name) or Result(name=one.name, status=Status.NOT_APPLICABLE, why=nothing) for one in only]
    return [failed, *(one for one in rest if one.name != OPENS)]


def _why_not_open(error: Exception) -> Reason:
    """A ValidationError quotes what it refuses, which may be a secret: its class and its places are told."""
    match error:
        case Failed() | NotApplicable() | SecretMissing():
            return error.why
        case ValidationError():
            return reason("wrong settings: {0}", [".".join(map(str, one["loc"])) for one in error.errors()])
        case DeliveryError():
            return reason("opening the channel ended as {0}: {1}", told(error), error.detail)
    return reason("opening the channel ended as {0}: {1}", type(error).__name__, error)


async def result_of(check: Check, at: Bench) -> Result:
    """How one check ends at a bench."""
    try:
        _applies(check, at)
        await check.run(at)
    except NotApplicable as ended:
        return Result(name=check.name, status=Status.NOT_APPLICABLE, why=ended.why)
    except Failed as ended:
        return Result(name=check.name, status=Status.FAILED, why=ended.why)
    except Exception as error:  # noqa: BLE001 - one check that stumbles must not hide what the others found
        why = reason("not finished: {0}: {1}", type(error).__name__, error)
        return Result(name=check.name, status=Status.FAILED, why=why)
    return Result(name=check.name, status=Status.PASSED)


def _applies(check: Check, at: Bench) -> None:
    situation = at.channel.situation
    if situation not in check.situations:
        raise NotApplicable("this system is reached by {0}", situation.value)
    table = at.subject.table
    if check.protocols and (table is None or table[0] not in check.protocols):
        raise NotApplicable("only for {0}", check.protocols)
    missing = [need.__name__ for need in check.needs if not isinstance(at.gateway, need)]
    if missing:
        raise NotApplicable("the channel has no such capability: {0}", missing)


@contextmanager
def listening() -> Iterator[Listener]:
    """Hear every log record of the process, down to the smallest, whatever is logged with, and whatever is printed."""
    listener = Listener()
    root, level, structured = logging.getLogger(), logging.getLogger().level, structlog.get_config()

    def keep(logger: object, method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
        listener.lines.append(repr(dict(event)))
        raise structlog.DropEvent

    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    structlog.configure(processors=[keep], wrapper_class=structlog.BoundLogger)
    try:
        with redirect_stdout(listener):
            yield listener
    finally:
        structlog.configure(**structured)
        root.removeHandler(listener)
        root.setLevel(level)
