"""Later answers of a SOAP department: the operation that lists results behind a cursor."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence

from pydantic import JsonValue

from adapters.soap_answers import SoapOperation, fault_error, later_reply, rows_of
from adapters.soap_calls import SoapCalls
from adapters.soap_envelope import Fault
from adapters.soap_table import SoapPoll, SoapTable
from contracts.delivery import Reply
from contracts.errors import OutcomeUnknownError
from contracts.plugin import Runtime
from contracts.records import Fields
from contracts.site import SystemFile

log = logging.getLogger(__name__)


class ResultPages:
    """Reads pages of results; the cursor moves only when the page before it is committed.

    The cursor is not kept over a restart: the department lists again what it still has, and a reply is stored once anyway.
    """

    def __init__(
        self,
        system: SystemFile,
        table: SoapTable,
        poll: SoapPoll,
        operation: str,
        operations: Mapping[str, SoapOperation],
        calls: SoapCalls,
        runtime: Runtime,
    ) -> None:
        """``operation``: the WSDL's name of the one that lists."""
        self._system = system
        self._table = table
        self._poll = poll
        self._operation = operation
        self._operations = operations
        self._calls = calls
        self._runtime = runtime
        self._cursor: str | None = None

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        """One sequence a page, until the department has no more. Raises DeliveryError."""
        while True:
            entries, following = await self._page()
            if entries:
                yield [reply for entry in entries if (reply := self._listed(entry)) is not None]
            if following is None or following == self._cursor:
                return
            self._cursor = following
            if len(entries) < self._poll.page_size:
                return

    async def _page(self) -> tuple[Sequence[Fields], str | None]:
        question: dict[str, JsonValue] = {self._poll.limit: self._poll.page_size}
        if self._cursor is not None:
            question[self._poll.since] = self._cursor
        message_id = self._calls.new_id()
        answer = await self._calls.call(self._operation, self._calls.message(self._operation, question, message_id))
        if isinstance(answer, Fault):
            raise fault_error(self._system, self._table, None, answer, message_id, message_id)
        following = answer.fields.get(self._poll.following)
        return rows_of(answer.fields, self._table), following.strip() or None if isinstance(following, str) else None

    def _listed(self, entry: Fields) -> Reply | None:
        """An unreadable entry must not hold back the others: its delivery stays waiting, grows overdue and is enquired."""
        try:
            return later_reply(self._system, self._table, self._operations, entry, self._runtime.now())
        except OutcomeUnknownError as error:
            log.warning("an entry of the results of %s was left out: %s", self._system.key, error.code)
            return None
