"""Later answers that a department keeps behind a cursor: pages are read one after the other, and the cursor moves only when the page
before it is committed.

The cursor is not kept over a restart: the department lists again what it still has, and a reply is stored once anyway.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from contracts.delivery import Reply
from contracts.errors import OutcomeUnknownError

log = logging.getLogger(__name__)
Entry = TypeVar("Entry")


class ResultPages(Generic[Entry]):
    """Reads the results of one system."""

    def __init__(
        self,
        system: str,
        size: int,
        page: Callable[[str | None], Awaitable[tuple[Sequence[Entry], str | None]]],
        reply: Callable[[Entry], Reply],
    ) -> None:
        """``size``: of a whole page. ``page``: the entries after a cursor, and the cursor that follows (None: there is no more);
        raises DeliveryError. ``reply``: what an entry says; raises OutcomeUnknownError."""
        self._system = system
        self._size = size
        self._page = page
        self._reply = reply
        self._cursor: str | None = None

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        """One sequence a page, until the department has no more. Raises DeliveryError."""
        while True:
            entries, following = await self._page(self._cursor)
            if entries:
                yield [reply for entry in entries if (reply := self._listed(entry)) is not None]
            if following is None or following == self._cursor:
                return
            self._cursor = following
            if len(entries) < self._size:
                return

    def _listed(self, entry: Entry) -> Reply | None:
        """An unreadable entry must not hold back the others: its delivery stays waiting, grows overdue and is enquired."""
        try:
            return self._reply(entry)
        except OutcomeUnknownError as error:
            log.warning("an entry of the results of %s was left out: %s", self._system, error.code)
            return None
