"""Shadow runs: a new channel gets a copy of what the sending one is given, marked as a test, and nothing that it says counts.

A copy has an id of its own, so that an answer to it can never be taken for an answer to the delivery. The run is a sample: it begins
with the hub, goes one at a time, and gives up on a copy that fails.
"""

import asyncio
from dataclasses import replace
from uuid import NAMESPACE_URL, uuid4, uuid5

import structlog

from contracts.delivery import Batch, Delivery, Outcome
from contracts.plugin import BatchGateway, Gateway, Preparing
from contracts.situation import ChannelStatus
from hub import metrics
from hub.attempts import guarded
from hub.city import moment
from hub.core import Core
from hub.deliveries import stored_delivery
from hub.numbers import time_ordered_uuid
from hub.results import shadows
from hub.store import reading
from hub.store.connection import StoreUnavailable
from hub.systems import OpenChannel

log = structlog.get_logger("onedoor.shadow")

PAGE = 50


async def watch(core: Core, start: int) -> None:
    """Until cancelled; ends at once where no system has a shadow channel. ``start`` (ms): deliveries made since then are copied."""
    running = [opened for system in core.city.systems for opened in core.systems.of(system, ChannelStatus.SHADOW)]
    since = {opened.system: str(time_ordered_uuid(start - 1)) for opened in running}
    while running:
        for opened in running:
            try:
                since[opened.system] = await _follow(core, opened, since[opened.system])
            except StoreUnavailable as error:
                log.warning("store_unavailable", why=str(error))
            except Exception as error:  # noqa: BLE001 - a shadow must never cost anything that counts
                metrics.BUGS.labels("shadow").inc()
                log.error("shadow_failed", system=opened.system, error=type(error).__name__)
        await asyncio.sleep(min(max(5.0 / core.settings.clock.speed, 0.1), 1.0))


async def _follow(core: Core, opened: OpenChannel, after: str) -> str:
    """Copy what has been tried since ``after``; returns the id up to which everything has been looked at."""
    gateway, situation = opened.gateway, opened.channel.situation.value
    if gateway is None:
        return after
    rows = await core.read(lambda c: reading.deliveries_after(c, core.city.region, opened.system, after, PAGE))
    for row in rows:
        if row["attempts"] == 0 and row["settled_at"] is None:
            break  # it has not been tried yet, and the next look begins with it
        copy = uuid5(NAMESPACE_URL, f"shadow:{situation}:{row['id']}")
        delivery = replace(
            stored_delivery(core.city, row), id=copy, test=True, attempt=1, possible_duplicate=False, payload=None
        )
        if row["attempts"]:
            await _copy(core, opened, gateway, delivery, row["id"])
        after = row["id"]
    return after


async def _copy(core: Core, opened: OpenChannel, gateway: Gateway, delivery: Delivery, of: str) -> None:
    noted = {
        "id": str(delivery.id),
        "delivery": of,
        "case_no": delivery.case_no,
        "system": opened.system,
        "situation": opened.channel.situation.value,
    }
    # Not ``core.commit``: nobody is woken, and a death here costs a copy and nothing that counts.
    number = await core.writer.run(lambda c: shadows.sent(c, core.city, noted, core.now_ms()))
    if number is None:
        return
    result = await guarded(
        _deliver(core, gateway, delivery, number), opened.channel.limits.attempt_seconds, opened.system
    )
    await core.writer.run(lambda c: shadows.answered(c, core.city, delivery.id, result, core.now_ms()))


async def _deliver(core: Core, gateway: Gateway, delivery: Delivery, number: int) -> Outcome | BaseException:
    prepared = replace(delivery, payload=gateway.prepare(delivery)) if isinstance(gateway, Preparing) else delivery
    if not isinstance(gateway, BatchGateway):
        return await gateway.deliver(prepared)
    batch = Batch(
        id=uuid4(),
        system=delivery.system,
        sequence=number,
        day_sequence=number,
        sealed_at=moment(core.now_ms()),
        deliveries=(prepared,),
    )
    answer = await gateway.deliver_batch(replace(batch, payload=gateway.seal(batch)))
    return answer[delivery.id]
