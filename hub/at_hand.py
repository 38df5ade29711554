"""What a lane has claimed and not let go yet: a few at hand, the rest of the queue stays in the outbox, where a restart finds it."""

from collections import deque

from hub import metrics, outbox
from hub.admission import Rate, RetryBudget
from hub.core import Core
from hub.store.connection import Row

PREFETCH = 16
"""Claims at hand beyond what is in flight: claiming singly costs five times as much, claiming hundreds costs memory."""


class AtHand:
    """The claims of one lane, oldest first; false while there are none."""

    def __init__(self, core: Core, queue: tuple[str, str], rate: Rate, budget: RetryBudget) -> None:
        """``queue``: the system, and the situation of the fallback channel that the lane serves, if it does."""
        self._core = core
        self._system, self._via = queue
        self._rate = rate
        self._budget = budget
        self._rows: deque[Row] = deque()
        self._seconds = metrics.CLAIM_SECONDS.labels(self._system)
        self.due_since: float | None = core.runtime.monotonic()
        """Since when something may be due that is not claimed; at the start nobody knows. None: nothing is."""

    def __len__(self) -> int:
        return len(self._rows)

    def look(self) -> None:
        """Something may be due."""
        if self.due_since is None:
            self.due_since = self._core.runtime.monotonic()

    async def claim(self, room: int) -> int | None:
        """Claim as many as there is ``room`` for, and a few more. Returns when (ms) something else comes due, if that is known."""
        core = self._core
        now = core.now_ms()
        lease = now + int(core.settings.lease_seconds * 1000 * core.settings.clock.speed)
        limit = room - len(self._rows) + self._prefetch()
        with self._seconds.time():
            found = await core.commit(
                "claim", lambda c: outbox.claim(c, core.city, self._system, limit, core.name, now, lease, via=self._via)
            )
        self._rows.extend(found.rows)
        if len(found.rows) < limit:
            self.due_since = None
        return found.next_at

    def _prefetch(self) -> int:
        """No more than the rate lets go within a quarter of the lease: the others would only lose it."""
        if self._rate.per_second is None:
            return PREFETCH
        return min(PREFETCH, int(self._rate.per_second * self._core.settings.lease_seconds / 4))

    def take(self) -> Row | None:
        """The oldest claim that may go now; a retry without a budget lets a first try at hand go before it.

        Whatever was on its way when a process died may be what killed it: of the whole hub one at a time goes again, so that the
        next death tells which, and counts against no other. The others wait without a place.
        """
        rows = self._rows
        may = [place for place, row in enumerate(rows) if not (self._core.suspect_out and row["unfinished"] > 0)]
        if not may:
            return None
        found = may[0]
        if rows[found]["attempts"] > 0 and not self._budget.may_retry():
            found = next((place for place in may if rows[place]["attempts"] == 0), found)
        row = rows[found]
        del rows[found]
        self._budget.left(retry=row["attempts"] > 0)
        return row

    async def give_back(self) -> None:
        """Let others have what was claimed and not tried."""
        core, rows = self._core, list(self._rows)
        self._rows.clear()
        if rows:
            await core.commit("give_back", lambda c: outbox.give_back(c, core.city, rows, core.now_ms()))
