"""Admission to one system: how fast, and whether at all. Pure bookkeeping over a monotonic time in seconds."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass
class Rate:
    """Token bucket of one: departures are at least 1/rate apart, so that no second ever sees more than the rate."""

    per_second: float | None
    _next: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next one may leave."""
        return max(self._next - now, 0.0)

    def took(self, now: float) -> None:
        """One has left."""
        if self.per_second is not None:
            self._next = now + 1.0 / self.per_second


@dataclass
class RetryBudget:
    """While first tries wait, at most one departure in ten is a retry: what fails again and again never crowds out what is new.

    The budget is earned by first tries. ``reserve`` lets a lane with little to do repeat a few at once.
    """

    share: float = 0.1
    reserve: float = 10.0
    _left: float = 10.0

    def may_retry(self) -> bool:
        """Whether a retry may go before a first try that waits."""
        return self._left >= 1.0

    def left(self, *, retry: bool) -> None:
        """One has left; ``retry``: it was not its first try."""
        self._left = max(self._left - 1.0, 0.0) if retry else min(self._left + self.share, self.reserve)


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
    opened: int = 0

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
