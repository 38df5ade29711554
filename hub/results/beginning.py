"""An attempt begins: on disk before the first byte leaves (R4). From a claim, or handed over from memory by the unit that opens a step.

Hand-over spares a delivery the way through the outbox: the unit that makes it also claims it and begins its first attempt, where the
lane has room at that moment. The lane sends it when the commit has reached the disk, never before; a unit that is undone has given
its place back, and what finds no room is due as ever.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from contracts.delivery import Delivery
from contracts.records import record
from hub import states
from hub.city import City
from hub.deliveries import delivery_of
from hub.journal import Chain
from hub.results.errors import LeaseLost
from hub.states import AttemptState, DeliveryState, Machine
from hub.store.connection import Connection, Row

if TYPE_CHECKING:
    from hub.results.casework import Casework


@record
class Begun:
    """One attempt that is committed and may now leave."""

    delivery: str
    number: int
    fence: int


class Place(Protocol):
    """A place in a lane, held by the unit that took it."""

    @property
    def situation(self) -> str:
        """How the lane reaches its system."""
        ...

    @property
    def by(self) -> str:
        """Who claims."""
        ...

    @property
    def payload(self) -> bytes | None:
        """The message, mapped (R3); None where the gateway maps when it sends."""
        ...

    def leave(self, begun: Begun, /) -> None:
        """The attempt is on disk: send it."""
        ...

    def give_back(self) -> None:
        """The unit was undone: nothing has begun."""
        ...


class Door(Protocol):
    """A lane as units of work see it."""

    def has_room(self) -> bool:
        """Whether a delivery that opens now may leave at once."""
        ...

    def take_place(self, delivery: Delivery, /) -> Place | None:
        """A place for it; None when it cannot be mapped, which its attempt will tell in its turn."""
        ...


def begin(
    connection: Connection,
    city: City,
    claim: Row,
    situation: str,
    at: int,
    *,
    payload: bytes | None = None,
    batch: str | None = None,
) -> Begun:
    """Commit an attempt: lease and fencing token checked, row written, payload kept for the same bytes next time.

    Raises LeaseLost when the claim was voided meanwhile, or its lease or its ``send_before`` is over.
    """
    number, delivery = claim["attempts"] + 1, claim["id"]
    ours = connection.run(
        _BEGIN,
        {
            "region": city.region,
            "id": delivery,
            "fence": claim["fence"],
            "attempts": number,
            "batch": batch or claim["batch"],
            "at": at,
        },
    )
    if ours == 0:
        raise LeaseLost(delivery)
    begun = Begun(delivery=delivery, number=number, fence=claim["fence"])
    chain = Chain(city.journal, claim["case_no"], at)
    _write_attempt(connection, city, chain, claim, begun, situation, payload, batch)
    chain.write(connection, "hub")
    return begun


_BEGIN = (
    "UPDATE delivery SET state = 'sending', cause = 'attempt_committed', attempts = :attempts, unfinished = unfinished + 1,"
    " batch = :batch, lease_until = NULL WHERE region = :region AND id = :id AND state = 'claimed' AND fence = :fence"
    " AND lease_until > :at AND send_before > :at"
)


def go_at_once(work: "Casework", row: Row, content: Mapping[str, Any]) -> None:
    """Let a delivery that is about to be written leave at once, if its lane has room: its row then begins as ``sending``."""
    lane = work.city.lanes.get(row["system"])
    if lane is None or row["supersedes"] is not None or not lane.has_room():
        return  # a later round waits in the outbox until the earlier one has come to rest
    case = work.row
    of_case = {name: case[name] for name in ("item", "item_version", "accepting_centre", "trace_id", "sealed_key")}
    claim = {**row, **of_case, "fence": 1}
    place = lane.take_place(delivery_of(work.city, claim, content))
    if place is None:
        return
    begun = Begun(delivery=row["id"], number=1, fence=1)
    work.connection.afterwards(partial(place.leave, begun), place.give_back)
    states.check(Machine.DELIVERY, DeliveryState.DUE, DeliveryState.CLAIMED)
    work.log("delivery", row["id"], "due", "claimed", fence=1)
    _write_attempt(work.connection, work.city, work.chain, claim, begun, place.situation, place.payload, None)
    row.update(
        state=DeliveryState.SENDING.value,
        cause="attempt_committed",
        fence=1,
        attempts=1,
        unfinished=1,
        claimed_by=place.by,
    )


def _write_attempt(
    connection: Connection,
    city: City,
    chain: Chain,
    claim: Row,
    begun: Begun,
    situation: str,
    payload: bytes | None,
    batch: str | None,
) -> None:
    states.check(Machine.DELIVERY, DeliveryState.CLAIMED, DeliveryState.SENDING)
    connection.insert(
        "attempt",
        {
            "region": city.region,
            "delivery": begun.delivery,
            "number": begun.number,
            "case_no": claim["case_no"],
            "situation": situation,
            "fence": begun.fence,
            "state": AttemptState.STARTED.value,
            "possible_duplicate": claim["possible_duplicate"],
            "batch": batch,
            "started_at": chain.at,
        },
    )
    if payload is not None:
        sealed = city.keys.case_key(claim["sealed_key"]).seal(payload, "payload")
        key = {"region": city.region, "delivery": begun.delivery, "situation": situation}
        connection.insert("payload", {**key, "sealed_body": sealed})
    chain.add("delivery", begun.delivery, "claimed", "sending", {"cause": "attempt_committed", "batch": batch})
    doubtful = bool(claim["possible_duplicate"])
    chain.add("attempt", f"{begun.delivery}/{begun.number}", None, "started", {"possible_duplicate": doubtful})
