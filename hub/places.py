"""A place in a lane, for a delivery that leaves without the way through the outbox (``hub.results.beginning``)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.delivery import Delivery
from hub.results import Begun

if TYPE_CHECKING:
    from hub.lanes import Lane


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a lane; implements ``hub.results.beginning.Place``."""

    lane: "Lane"
    delivery: Delivery

    @property
    def situation(self) -> str:
        """Of the lane's channel."""
        return self.lane.opened.channel.situation.value

    @property
    def by(self) -> str:
        """This hub process."""
        return self.lane.core.name

    @property
    def payload(self) -> bytes | None:
        """The message, mapped."""
        return self.delivery.payload

    def leave(self, begun: Begun) -> None:
        """Send it: the attempt is on disk."""
        self.lane.leave(begun, self.delivery)

    def give_back(self) -> None:
        """The unit was undone."""
        self.lane.take_back()
