"""When to ask again about a delivery that a department has accepted: soon at first, then ever more rarely."""

from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import UUID

_REMEMBERED = 100_000
_GROWTH = 8
"""Where a table does not say, the longest wait is so many times the first."""


class PollTimes:
    """How often each delivery of one channel was asked about. Not kept over a restart: then it is asked soon again."""

    def __init__(self, every_seconds: float, longest_seconds: float | None) -> None:
        """Seconds of the civil clock: the first wait, which doubles with each question, and the longest one."""
        self._every = every_seconds
        self._longest = max(every_seconds, longest_seconds or _GROWTH * every_seconds)
        self._asked: OrderedDict[UUID, int] = OrderedDict()

    def following(self, delivery: UUID, now: datetime) -> datetime:
        """When to ask next; each call counts as a question that found nothing yet."""
        asked = self._asked.pop(delivery, 0)
        self._asked[delivery] = asked + 1
        while len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        # Past the fortieth doubling there is nothing left to double.
        return now + timedelta(seconds=min(self._every * 2.0 ** min(asked, 40), self._longest))
