"""A lane whose deliveries travel in files: when a batch is sealed, and which one goes first."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.plugin import BatchGateway
from contracts.situation import Batching
from hub import attempts, clock, outbox
from hub.city import City, milliseconds, moment

if TYPE_CHECKING:
    from hub.lanes import Lane


async def batch_turn(lane: "Lane", gateway: BatchGateway) -> float | None:
    """A sealed batch that must go again comes first; then a new one, when it is time.

    Returns real seconds until the next look, None where nothing says when.
    """
    core, channel, system, via = lane.core, lane.opened.channel, lane.system, lane.via
    seconds = channel.limits.attempt_seconds
    now = core.now_ms()
    lease = now + int(core.settings.lease_seconds * 1000 * core.settings.clock.speed)
    again = await core.commit(
        "claim_batch", lambda c: outbox.claim_batch(c, core.city, system, core.name, now, lease, via)
    )
    if again:
        await lane.judge_and_hold(await attempts.resend_batch(core, again, gateway, channel.situation, seconds))
        return 0.01
    for empty in await core.read(lambda c: outbox.unsent_empty_batches(c, core.city, system, channel.situation)):
        error = await attempts.resend_empty(core, empty, gateway, channel.situation, seconds)
        await lane.judge_and_hold(error)
        return 0.01 if error is None else None
    batching = channel.batching
    assert batching is not None, "only a channel that batches comes here"
    due = await core.read(lambda c: outbox.batch_due(c, core.city, system, batching.max_size, now, via))
    if due.last_cut_off is None and batching.cut_offs:
        # From its first look on the lane misses no cut-off, however long it is stopped in between.
        await core.commit("first_cut_off", lambda c: outbox.set_last_cut_off(c, core.city, lane.name, now))
        due = replace(due, last_cut_off=now)
    sealing, cut_off = is_time(batching, core.city, due, now)
    if not sealing:
        at = next_time(batching, core.city, due, now)
        return None if at is None else max((at - now) / 1000 / core.settings.clock.speed, 0.01)
    found = await core.commit(
        "claim_for_batch",
        lambda c: outbox.claim(c, core.city, system, batching.max_size, core.name, now, lease, batched=True, via=via),
    )
    error = None
    if found.rows or (cut_off and batching.send_empty):
        error = await attempts.seal_and_send(core, system, found.rows, gateway, channel.situation, seconds)
    if cut_off is not None:
        await core.commit("cut_off", lambda c: outbox.set_last_cut_off(c, core.city, lane.name, cut_off))
    await lane.judge_and_hold(error)
    return 0.01 if found.rows else None


def is_time(batching: Batching, city: City, due: outbox.BatchDue, now: int) -> tuple[bool, int | None]:
    """Whether to seal now, and the cut-off (ms) that is the reason, if one is."""
    cut_off = _next_cut_off(batching, city, moment(due.last_cut_off or now - 1))
    if due.last_cut_off is not None and cut_off is not None and milliseconds(cut_off) <= now:
        return True, _latest_cut_off(batching, city, cut_off, now)
    waited = (
        batching.max_wait_seconds is not None
        and due.oldest is not None
        and now - due.oldest >= batching.max_wait_seconds * 1000
    )
    return due.full or waited, None


def next_time(batching: Batching, city: City, due: outbox.BatchDue, now: int) -> int | None:
    """When (ms) it will be time if nothing else comes, if anything says when."""
    moments = []
    if batching.max_wait_seconds is not None and due.oldest is not None:
        moments.append(due.oldest + int(batching.max_wait_seconds * 1000))
    cut_off = _next_cut_off(batching, city, moment(now))
    if cut_off is not None:
        moments.append(milliseconds(cut_off))
    return min(moments, default=None)


def _latest_cut_off(batching: Batching, city: City, first: datetime, now: int) -> int:
    """After a long stop several cut-offs may have passed: one file answers them all."""
    latest = first
    while (following := _next_cut_off(batching, city, latest)) is not None and milliseconds(following) <= now:
        latest = following
    return milliseconds(latest)


def _next_cut_off(batching: Batching, city: City, after: datetime) -> datetime | None:
    try:
        return clock.next_cut_off(after, batching, city.calendar)
    except clock.MissingYear:
        return None
