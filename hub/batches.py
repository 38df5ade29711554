"""Batches 批次: deliveries that travel together, frozen members, own sequence (R9). Statements and moves of the batch row."""

from typing import Any

from contracts.exchange import BatchReceipt, ReceiptVerdict
from hub import states
from hub.city import City, milliseconds, moment
from hub.journal import Chain
from hub.states import BatchState
from hub.store.connection import Connection, Row


def next_numbers(connection: Connection, city: City, system: str, situation: str, at: int) -> tuple[int, int]:
    """The numbers that a batch of a channel sealed at ``at`` (ms) will have, for good and within its day: 1, 2, 3 .. without a gap."""
    row = connection.row(
        "SELECT max(sequence) AS last, sum(sealed_at >= :midnight) AS today FROM batch"
        " WHERE region = :region AND system = :system AND situation = :situation",
        {"region": city.region, "system": system, "situation": situation, "midnight": midnight(city, at)},
    )
    assert row is not None
    return (row["last"] or 0) + 1, int(row["today"] or 0) + 1


def midnight(city: City, at: int) -> int:
    """When (ms) the site's day of ``at`` began."""
    table = city.calendar
    return milliseconds(table.first_moment(table.local_day(moment(at))))


def insert_sealed(connection: Connection, city: City, batch: dict[str, Any], at: int) -> None:
    """The row of a batch whose members and bytes are frozen."""
    states.check(states.Machine.BATCH, None, BatchState.OPEN)
    states.check(states.Machine.BATCH, BatchState.OPEN, BatchState.SEALED)
    connection.insert(
        "batch", {"region": city.region, "state": BatchState.SEALED.value, "sealed_at": at, "changed_at": at, **batch}
    )
    chain = Chain(city.journal, f"system:{batch['system']}", at)
    codes = {name: batch[name] for name in ("sequence", "members", "digest")}
    chain.add("batch", batch["id"], "open", "sealed", codes)
    chain.write(connection, "hub")


def find(connection: Connection, city: City, batch: str) -> Row | None:
    """The row of a batch."""
    return connection.row(
        "SELECT * FROM batch WHERE region = :region AND id = :id", {"region": city.region, "id": batch}
    )


def is_sealed(connection: Connection, city: City, batch: str) -> bool:
    """Whether the batch still waits to get through."""
    row = find(connection, city, batch)
    return row is not None and row["state"] == BatchState.SEALED


def move(connection: Connection, city: City, row: Row, state: BatchState, at: int) -> None:
    """Move a batch; a state it already has is left alone. Raises IllegalTransition."""
    if row["state"] == state:
        return
    states.check(states.Machine.BATCH, row["state"], state)
    chain = Chain(city.journal, f"system:{row['system']}", at)
    chain.add("batch", row["id"], row["state"], state.value, {"sequence": row["sequence"]})
    chain.write(connection, "hub")
    row["state"] = state.value
    connection.update("batch", {"region": city.region, "id": row["id"]}, {"state": state.value, "changed_at": at})


def named(connection: Connection, city: City, system: str, situation: str, name: str) -> Row | None:
    """The newest batch that went out under a name."""
    return connection.row(
        "SELECT * FROM batch WHERE region = :region AND system = :system AND situation = :situation AND name = :name"
        " ORDER BY sequence DESC LIMIT 1",
        {"region": city.region, "system": system, "situation": situation, "name": name},
    )


def receipted(connection: Connection, city: City, row: Row, receipt: BatchReceipt, at: int) -> None:
    """The partner has the file, or refuses it: a receipt that overtook our own note that it was sent counts all the same."""
    if states.is_final(states.Machine.BATCH, row["state"]):
        return
    if row["state"] == BatchState.SEALED:
        move(connection, city, row, BatchState.SENT, at)
    accepted = receipt.verdict is ReceiptVerdict.ACCEPTED
    move(connection, city, row, BatchState.ACKNOWLEDGED if accepted else BatchState.REJECTED, at)


def answered(connection: Connection, city: City, delivery: Row, at: int, *, by_person: bool = False) -> None:
    """A member got its answer: that acknowledges a batch that was sent; the last one closes it.

    A batch that is still to go stays so where the answer does not show that it has arrived: a person decided (``by_person``), or the
    member has travelled before, and the answer may be to that journey.
    """
    row = find(connection, city, delivery["batch"])
    if row is None or row["state"] not in (BatchState.SEALED, BatchState.SENT, BatchState.ACKNOWLEDGED):
        return
    if by_person and row["state"] != BatchState.ACKNOWLEDGED:
        return
    if row["state"] == BatchState.SEALED:
        if _travelled_before(connection, city, delivery):
            return
        move(connection, city, row, BatchState.SENT, at)  # the answer overtook our own note that it was sent
    move(connection, city, row, BatchState.ACKNOWLEDGED, at)
    open_member = connection.row(
        "SELECT 1 AS one FROM delivery WHERE region = :region AND batch = :batch AND settled_at IS NULL LIMIT 1",
        {"region": city.region, "batch": row["id"]},
    )
    if open_member is None:
        move(connection, city, row, BatchState.CLOSED, at)


def _travelled_before(connection: Connection, city: City, delivery: Row) -> bool:
    """Whether a delivery was tried otherwise than with the batch it is in."""
    other = connection.row(
        "SELECT 1 AS one FROM attempt WHERE region = :region AND delivery = :id AND batch IS NOT :batch LIMIT 1",
        {"region": city.region, "id": delivery["id"], "batch": delivery["batch"]},
    )
    return other is not None
