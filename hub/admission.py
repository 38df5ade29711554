"""Admission to one system: how fast, and whether at all. Pure bookkeeping over a monotonic time in seconds."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass
class Rate:
    """Token bucket of one: departures are at least 1/rate apart, so that no second ever sees more than the rate."""

    per_second: float | None
    _next: float = 0.0

    def wait(self, now: float) -> float:
        """Take the next place in the row; returns seconds until it may leave."""
        if self.per_second is None:
            return 0.0
        start = max(now, self._next)
        self._next = start + 1.0 / self.per_second
        return start - now


class BreakerState(StrEnum):
    """Closed: all may pass. Open: nobody. Half open: one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass
class Breaker:
    """Circuit breaker: opens after ``failures`` in a row, lets one probe through a cool-down of ``seconds``."""

    failures: int
    seconds: float
    state: BreakerState = BreakerState.CLOSED
    _row: int = 0
    _until: float = 0.0
    opened: int = field(default=0)

    def room(self, now: float, in_flight: int) -> int | None:
        """How many may start now; None: no limit from here."""
        if self.state is BreakerState.CLOSED:
            return None
        if self.state is BreakerState.OPEN and now >= self._until:
            self.state = BreakerState.HALF_OPEN
        return 1 if self.state is BreakerState.HALF_OPEN and in_flight == 0 else 0

    def wait(self, now: float) -> float:
        """Seconds until the next probe may leave."""
        return max(self._until - now, 0.0) if self.state is BreakerState.OPEN else 0.0

    def succeeded(self) -> None:
        """The system answered sensibly."""
        self._row = 0
        self.state = BreakerState.CLOSED

    def failed(self, now: float) -> None:
        """The system could not be reached, or made no sense."""
        self._row += 1
        if self.state is BreakerState.HALF_OPEN or self._row >= self.failures:
            if self.state is not BreakerState.OPEN:
                self.opened += 1
            self.state = BreakerState.OPEN
            self._until = now + self.seconds
