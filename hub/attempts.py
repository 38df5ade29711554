"""One try at a delivery: commit, call, classify. Nothing leaves before the attempt is on disk (R4)."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog

from contracts.crash_points import crash_point
from contracts.delivery import AwaitingReply, Batch, Completed, Delivery, Lookup, NotFound, Outcome, Returned
from contracts.errors import DeliveryError, OutcomeUnknownError, PermanentError
from contracts.plugin import BatchGateway, Enquiring, Gateway, NamingBatches
from contracts.records import record
from contracts.situation import Situation
from hub import batches, clock, metrics, outbox, retry
from hub.answers import checked
from hub.city import milliseconds, moment
from hub.core import Core
from hub.deliveries import stored_delivery
from hub.numbers import time_ordered_uuid
from hub.results import Begun, Change, LeaseLost, attempt_ended, begin, begin_again, enquired, lapsed
from hub.retry import History, Next
from hub.store.connection import Connection, Row, StoreUnavailable
from hub.systems import OpenChannel

log = structlog.get_logger("onedoor.attempts")
T = TypeVar("T")

_LARGE_BYTES, _ROW_BYTES = 32_768, 200
"""A message from here on is mapped in a thread, and what a row of a table counts for."""

GRACE_SECONDS = 1.0
"""What a cancelled gateway has to give up; after that it is left behind and its slot given to the next."""


@record
class Planner:
    """The retry rules, bound to this hub's clock, randomness and policy."""

    core: Core

    def attempt(self, error: BaseException | None, history: History, system: str) -> Next:
        """What follows a failed or lost attempt."""
        core = self.core
        opened = core.systems.reached(system, history.via)
        return retry.after_attempt(
            error, history, core.runtime.now(), core.runtime.random, self._policy(opened), self._next_open(opened)
        )

    def enquiry(self, found: Lookup | BaseException, history: History, system: str) -> Next:
        """What follows an enquiry without an outcome."""
        core = self.core
        opened = core.systems.reached(system, history.via)
        return retry.after_enquiry(
            found, history, core.runtime.now(), core.runtime.random, self._policy(opened), self._next_open(opened)
        )

    def _policy(self, opened: OpenChannel | None) -> retry.Policy:
        wait = self.core.settings.retry
        limits = opened.channel.limits if opened else None
        return retry.Policy(
            first_seconds=wait.first_seconds,
            longest_seconds=wait.cap_seconds,
            max_attempts=limits.max_attempts if limits else 1,
        )

    def _next_open(self, opened: OpenChannel | None) -> Callable[[datetime], datetime]:
        def move(at: datetime) -> datetime:
            if opened is None:
                return at
            try:
                return clock.next_open(at, opened.channel.limits.opening_hours, self.core.city.calendar)
            except clock.MissingYear:
                return at

        return move


async def guarded(work: Awaitable[T], seconds: float, system: str) -> T | BaseException:
    """The watchdog: whatever a plugin does (hang, raise SystemExit ..), an answer or an error comes back in time."""

    async def caught() -> T | BaseException:
        try:
            return await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - even SystemExit of a plugin concerns one delivery only
            return error

    loop = asyncio.get_running_loop()
    task, over = loop.create_task(caught()), loop.create_future()
    alarm = loop.call_later(seconds, _end, over)
    task.add_done_callback(partial(_end, over))
    try:
        await over
    except asyncio.CancelledError:
        task.cancel()
        raise
    finally:
        alarm.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE_SECONDS)
        metrics.WATCHDOG.labels(system).inc()
        return OutcomeUnknownError("watchdog", f"no answer within {seconds:g} s")
    if task.cancelled():
        return OutcomeUnknownError("cancelled", "the gateway cancelled itself")
    return task.result()


def _end(over: "asyncio.Future[None]", _: object = None) -> None:
    if not over.done():
        over.set_result(None)


async def begin_one(
    core: Core, row: Row, gateway: Gateway, situation: Situation
) -> tuple[Begun, Delivery | BaseException]:
    """Begin the attempt of a claimed delivery: what may now leave, or why it cannot be mapped. Raises LeaseLost."""
    delivery = stored_delivery(core.city, row)
    if is_large(delivery):
        payload, refused = await core.runtime.in_thread(prepared, gateway, delivery)
    else:
        payload, refused = prepared(gateway, delivery)
    begun = await core.commit(
        "begin_attempt",
        lambda connection: begin(
            connection,
            core.city,
            row,
            situation.value,
            core.now_ms(),
            payload=payload if delivery.payload is None else None,
        ),
    )
    return begun, refused or with_payload(delivery, payload)


async def send(core: Core, delivery: Delivery, gateway: Gateway, seconds: float) -> Outcome | BaseException:
    """Send a delivery whose attempt is committed; what came of it."""
    crash_point("send.before")
    started = core.runtime.monotonic()
    result = checked(await guarded(gateway.deliver(delivery), seconds, delivery.system))
    metrics.attempt_seconds(delivery.system).observe(core.runtime.monotonic() - started)
    crash_point("send.after")
    return result


async def settle(core: Core, begun: Begun, result: Outcome | BaseException, system: str) -> Change:
    """Commit how an attempt ended. What cannot be recorded is unknown to us, whatever the department did."""
    if isinstance(result, BaseException) and not isinstance(result, DeliveryError):
        log.error("plugin_bug", system=system, delivery=begun.delivery, error=type(result).__name__)
    ended = type(result).__name__
    known = isinstance(result, DeliveryError | Completed | Returned | AwaitingReply)
    metrics.attempts(system, ended if known else "bug").inc()
    planner = Planner(core=core)

    def ended_unit(connection: Connection) -> Change:
        return attempt_ended(connection, core.city, begun, result, planner, core.now_ms())

    while True:
        try:
            return await core.commit("end_attempt", ended_unit)
        except StoreUnavailable:
            # What the department did must not be forgotten because the disk is full for a moment.
            if core.writer.failed:
                raise
            await asyncio.sleep(0.5)
        except Exception as error:
            if isinstance(result, OutcomeUnknownError):
                raise
            log.error("outcome_not_recorded", system=system, delivery=begun.delivery, error=type(error).__name__)
            metrics.BUGS.labels("settle").inc()
            result = OutcomeUnknownError("not_recorded")


def is_large(delivery: Delivery) -> bool:
    """Whether mapping it takes milliseconds, which would be felt by every other task of the loop: long texts, or tables of many rows."""
    sized = (value for value in delivery.fields.values() if isinstance(value, str | list))
    return sum(len(value) if isinstance(value, str) else _ROW_BYTES * len(value) for value in sized) > _LARGE_BYTES


def prepared(gateway: object, delivery: Delivery) -> tuple[bytes | None, BaseException | None]:
    """The mapped message, or why it cannot be mapped."""
    prepare = getattr(gateway, "prepare", None)  # of ``Preparing``; asking the protocol costs as much as the mapping
    if delivery.payload is not None or prepare is None:
        return delivery.payload, None
    try:
        payload: object = prepare(delivery)
    except BaseException as error:  # noqa: BLE001 - a plugin's mistake concerns this delivery only
        return None, error
    if not isinstance(payload, bytes):
        return None, TypeError("prepare must return bytes")
    return payload, None


def with_payload(delivery: Delivery, payload: bytes | None) -> Delivery:
    """The delivery with the bytes that are sent."""
    return delivery if payload is delivery.payload else replace(delivery, payload=payload)


async def seal_and_send(
    core: Core, system: str, rows: Sequence[Row], gateway: BatchGateway, situation: Situation, seconds: float
) -> BaseException | None:
    """Seal claimed deliveries as one batch (members, sequence, digest, one attempt each) and send it (R9). May be empty."""
    members: list[tuple[Row, Delivery]] = []
    for row in rows:
        delivery = stored_delivery(core.city, row)
        payload, refused = prepared(gateway, delivery)
        if refused is not None:
            await _refuse(core, row, situation, refused)
        else:
            members.append((row, with_payload(delivery, payload)))
    if rows and not members:
        return None
    while True:
        at = core.now_ms()
        sequence, today = await core.read(lambda c: batches.next_numbers(c, core.city, system, situation.value, at))  # noqa: B023 - read at once
        batch = Batch(
            id=time_ordered_uuid(core.now_ms(), core.city.random),
            system=system,
            sequence=sequence,
            day_sequence=today,
            sealed_at=moment(at),
            deliveries=tuple(delivery for _, delivery in members),
        )
        try:
            content = gateway.seal(batch)
        except BaseException as refused:  # noqa: BLE001 - a plugin's mistake concerns this batch only
            for row, _ in members:
                await _refuse(core, row, situation, refused)
            return refused
        key = await core.runtime.in_thread(core.blobs.put, content)
        try:
            name = gateway.batch_name(batch) if isinstance(gateway, NamingBatches) else ""
            begun = await core.commit("seal_batch", _sealing(core, batch, members, (name, content, key), situation))
        except LeaseLost as lost:  # a reply or a withdrawal was faster: seal again without that member
            members = [(row, delivery) for row, delivery in members if row["id"] != str(lost)]
            if rows and not members:
                return None
            continue
        if begun is not None:
            return await _send(core, batch, begun, content, gateway, seconds)


def _sealing(
    core: Core, batch: Batch, members: list[tuple[Row, Delivery]], file: tuple[str, bytes, str], situation: Situation
) -> Callable[[Connection], list[Begun] | None]:
    """A unit that freezes the batch, or does nothing (None) when its number was taken meanwhile. ``file``: name, content, key of the blob."""

    def unit(connection: Connection) -> list[Begun] | None:
        at = milliseconds(batch.sealed_at)
        numbers = batches.next_numbers(connection, core.city, batch.system, situation.value, at)
        if numbers != (batch.sequence, batch.day_sequence):
            return None
        name, content, key = file
        row = {
            "id": str(batch.id),
            "system": batch.system,
            "situation": situation.value,
            "sequence": batch.sequence,
            "day_sequence": batch.day_sequence,
            "name": name,
            "digest": hashlib.sha256(content).hexdigest(),
            "blob": key,
            "members": len(members),
        }
        batches.insert_sealed(connection, core.city, row, at)
        return [
            begin(
                connection,
                core.city,
                claimed,
                situation.value,
                at,
                payload=None if claimed["sealed_payload"] else delivery.payload,
                batch=str(batch.id),
            )
            for claimed, delivery in members
        ]

    return unit


async def _refuse(core: Core, row: Row, situation: Situation, refused: BaseException) -> None:
    try:
        begun = await core.commit("begin_refused", _beginning(core, row, situation, None))
    except LeaseLost:
        return
    await settle(core, begun, refused, row["system"])


async def resend_batch(
    core: Core, rows: Sequence[Row], gateway: BatchGateway, situation: Situation, seconds: float
) -> BaseException | None:
    """Send a sealed batch again: the same bytes, name and sequence, a new attempt for each member still open."""
    name = rows[0]["batch"]
    return await _again(core, name, rows, gateway, situation, seconds)


async def resend_empty(
    core: Core, row: Row, gateway: BatchGateway, situation: Situation, seconds: float
) -> BaseException | None:
    """Send an empty file again that did not get through."""
    return await _again(core, row["id"], (), gateway, situation, seconds)


async def _again(
    core: Core, name: str, rows: Sequence[Row], gateway: BatchGateway, situation: Situation, seconds: float
) -> BaseException | None:
    stored = await core.read(lambda c: batches.find(c, core.city, name))
    assert stored is not None
    content = await core.runtime.in_thread(core.blobs.get, stored["blob"])
    begun = await core.commit("begin_again", _beginning_again(core, rows, situation, name)) if rows else []
    if rows and not begun:
        return None
    tried = {one.delivery for one in begun}
    batch = Batch(
        id=UUID(name),
        system=stored["system"],
        sequence=stored["sequence"],
        day_sequence=stored["day_sequence"],
        sealed_at=moment(stored["sealed_at"]),
        deliveries=tuple(stored_delivery(core.city, row) for row in rows if row["id"] in tried),
        members=stored["members"],
    )
    return await _send(core, batch, begun, content, gateway, seconds)


def _beginning(core: Core, row: Row, situation: Situation, batch: str | None) -> Callable[[Connection], Begun]:
    return lambda connection: begin(connection, core.city, row, situation.value, core.now_ms(), batch=batch)


def _beginning_again(
    core: Core, rows: Sequence[Row], situation: Situation, batch: str
) -> Callable[[Connection], list[Begun]]:
    return lambda connection: begin_again(connection, core.city, rows, situation.value, batch, core.now_ms())


async def _send(
    core: Core, batch: Batch, begun: list[Begun], content: bytes, gateway: BatchGateway, seconds: float
) -> BaseException | None:
    crash_point("batch.before")
    answer = await guarded(gateway.deliver_batch(replace(batch, payload=content)), seconds, batch.system)
    crash_point("batch.after")
    failed = answer if isinstance(answer, BaseException) else None
    verdicts: Mapping[UUID, Outcome | DeliveryError] = answer if isinstance(answer, Mapping) else {}
    if failed is None:
        await core.commit("batch_sent", lambda c: outbox.batch_sent(c, core.city, str(batch.id), core.now_ms()))
    elif isinstance(failed, PermanentError):
        await core.commit("batch_rejected", lambda c: outbox.batch_rejected(c, core.city, str(batch.id), core.now_ms()))
    missing = OutcomeUnknownError("no_verdict", "the batch was sent but said nothing of this delivery")
    await asyncio.gather(
        *(
            settle(core, one, failed or checked(verdicts.get(UUID(one.delivery), missing)), batch.system)
            for one in begun
        )
    )
    return failed


async def look_again(
    core: Core, row: Row, gateway: Gateway | None, situation: Situation, seconds: float
) -> BaseException | None:
    """A delivery whose time has come while it waits: poll, enquire, or note that the answer is overdue. Returns what asking met."""
    planner = Planner(core=core)
    asked: object = gateway
    if isinstance(asked, Enquiring):
        delivery = stored_delivery(core.city, row)
        found = await guarded(asked.enquire(delivery), seconds, row["system"])
        if not isinstance(found, NotFound):
            found = checked(found)
        await core.commit("enquired", lambda c: enquired(c, core.city, row["id"], found, planner, core.now_ms()))
        return found if isinstance(found, BaseException) else None
    await core.commit("lapsed", lambda c: lapsed(c, core.city, row["id"], planner, core.now_ms()))
    return None
