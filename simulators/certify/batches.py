"""What a check does with batches and with the files that come back for them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from contracts.catalogue import Operation, ResultKind
from contracts.delivery import Batch, Delivery, Outcome, Reply
from contracts.errors import DeliveryError
from contracts.plugin import BatchGateway, Gateway
from contracts.situation import Situation
from simulators.certify.bench import Bench
from simulators.certify.checks.mapping import told
from simulators.certify.file_desk import FileDesk
from simulators.certify.verdict import Failed, NotApplicable, require

Verdicts = Mapping[UUID, Outcome | DeliveryError]


def desk(bench: Bench) -> FileDesk:
    """The simulated department's desk, cleared. Raises NotApplicable at a test endpoint."""
    found = bench.files.desk
    if found is None:
        raise NotApplicable("the files on a test endpoint cannot be looked at or made to fail")
    found.clear()
    return found


def members(bench: Bench, count: int) -> list[Delivery]:
    """So many deliveries, of each operation in turn, with their records."""
    operations = bench.operations
    return [bench.prepared(bench.delivery(operations[place % len(operations)])) for place in range(count)]


def sealed(bench: Bench, deliveries: Sequence[Delivery]) -> Batch:
    """A batch of its own number, with its bytes. Raises DeliveryError."""
    bench.files.sequence += 1
    number = bench.files.sequence
    batch = Batch(
        id=bench.delivery(bench.operations[0]).id,
        system=bench.subject.system.name,
        sequence=number,
        day_sequence=number,
        sealed_at=datetime.now(UTC),
        deliveries=tuple(deliveries),
    )
    return replace(batch, payload=batching(bench.gateway).seal(batch))


def again(batch: Batch, deliveries: Sequence[Delivery] | None = None) -> Batch:
    """The same batch as it is sent once more, about those whose end is open (None: all)."""
    open_ones = batch.deliveries if deliveries is None else deliveries
    return replace(
        batch,
        deliveries=tuple(replace(one, attempt=2, possible_duplicate=True) for one in open_ones),
        members=len(batch.deliveries),
    )


async def sent(bench: Bench, batch: Batch, gateway: Gateway | None = None) -> Verdicts | DeliveryError:
    """One attempt at a batch, as the hub makes it."""
    bench.sent += batch.deliveries
    return await bench.tried("deliver_batch", batching(gateway or bench.gateway).deliver_batch(batch))


async def arrived(bench: Bench, batch: Batch) -> Verdicts:
    """A batch that is taken without trouble. Raises Failed."""
    found = await sent(bench, batch)
    if isinstance(found, DeliveryError):
        raise Failed("a good batch ended as {0}", told(found))
    return found


def batching(gateway: Gateway) -> BatchGateway:
    """The gateway, which takes batches. Raises NotApplicable."""
    whole: object = gateway
    if not isinstance(whole, BatchGateway):
        raise NotApplicable("the channel takes no batches")
    return whole


async def replies(bench: Bench) -> list[Reply]:
    """Everything that can be collected, taken as committed. Raises Failed where collecting fails."""
    found = await looked(bench)
    table = bench.files.desk.table if bench.files.desk else None
    if table is not None and table.back.control_file is None:
        # Without a control file a file is whole when it has stood still between two looks.
        bench.runtime.waited_seconds += table.back.stable_seconds + 1
        found += await looked(bench)
    return found


async def looked(bench: Bench) -> list[Reply]:
    """One look into the folder of results. Raises Failed."""
    found = await bench.tried("collect", bench.collected())
    if isinstance(found, DeliveryError):
        raise Failed("collecting ended as {0}", told(found))
    return found


def about(found: Sequence[Reply], delivery: Delivery) -> list[Outcome | DeliveryError]:
    """Every reply to a delivery."""
    return [reply.outcome for reply in found if reply.delivery_id == delivery.id]


def only(found: Sequence[Reply], delivery: Delivery) -> Outcome | DeliveryError:
    """The one reply to a delivery. Raises Failed."""
    ends = about(found, delivery)
    require(len(ends) == 1, "{0} replies to a delivery that one line answers", len(ends))
    return ends[0]


def good_code(bench: Bench, operation: Operation) -> str:
    """A code that settles an operation."""
    return code_of(bench, operation, (ResultKind.GRANTED, ResultKind.DONE))


def code_of(bench: Bench, operation: Operation, kinds: Sequence[ResultKind]) -> str:
    """The first code of the channel with one of these meanings. Raises NotApplicable."""
    for code, found in operation.result_codes.get(Situation.FILE_DROP, {}).items():
        if found.outcome in kinds and not found.duplicate and not found.none_found:
            return code
    raise NotApplicable("{0} has no code that means {1}", operation.key, kinds[0].value)


def operation_of(bench: Bench, delivery: Delivery) -> Operation:
    """The operation of a delivery."""
    return bench.subject.system.operations[delivery.operation]


@asynccontextmanager
async def anew(bench: Bench, **settings: Any) -> AsyncIterator[Gateway]:
    """The channel, opened once more, with other settings."""
    async with bench.channel.open({**bench.files.settings, **settings}, bench.runtime) as gateway:
        yield gateway
