"""Later answers of a REST department: the callback it makes, and the list of results it keeps."""

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlencode

import orjson
from pydantic import JsonValue

from adapters.rest_answers import WireOperation, later_reply, parsed
from adapters.rest_calls import Calls
from adapters.rest_table import AnswerForm, Callback, Poll, RestTable
from adapters.signature import ForgedError, Verifier
from contracts.delivery import Answer, Inbound, Received, Reply
from contracts.errors import DeliveryError, InboundRefused, OutcomeUnknownError
from contracts.plugin import Runtime
from contracts.site import SystemFile

log = logging.getLogger(__name__)


class CallbackDoor:
    """Receives the callbacks of one system."""

    def __init__(
        self, system: SystemFile, table: RestTable, operations: Mapping[str, WireOperation], runtime: Runtime
    ) -> None:
        """Raises CredentialsError where the secret is missing."""
        self._system = system
        self._table = table
        self._operations = operations
        self._runtime = runtime
        self._callback = table.callback or Callback()
        self._path = self._callback.path.replace("{system}", system.key)
        self._verifier = Verifier(
            runtime.secret(self._callback.secret or table.auth.secrets[0]).encode(),
            self._callback.algorithm or table.auth.algorithm,
            header=self._callback.header,
            window_seconds=self._callback.window_seconds,
            take_replays=self._callback.replays == "take",
        )

    async def receive(self, inbound: Inbound, /) -> Received:
        """Authenticate and parse. Raises InboundRefused in the department's own form."""
        forms = self._callback.answer
        try:
            self._verifier.verify("POST", self._path, inbound.headers, inbound.body, at=time.time())
            answer = parsed(inbound.body, self._table.encoding)
            reply = later_reply(self._system, self._table, self._operations, answer, self._runtime.now())
        except (ForgedError, OutcomeUnknownError) as error:
            refused = _answer(forms.refused)
            code = error.code if isinstance(error, DeliveryError) else str(error)
            raise InboundRefused(
                code, status=refused.status, body=refused.body, content_type=refused.content_type
            ) from error
        return Received(replies=(reply,), answer=_answer(forms.ok), failure=_answer(forms.failure))


def _answer(form: AnswerForm) -> Answer:
    body = form.body.encode() if isinstance(form.body, str) else b"" if form.body is None else orjson.dumps(form.body)
    return Answer(status=form.status, body=body, content_type=form.content_type)


class ResultList:
    """Reads pages of results behind a cursor, which moves only when the page before it is committed.

        GET <poll.path>?limit=200&since=<cursor>  ->  {"results": [{...}, ...], "next": "<cursor>"}

    The cursor is not kept over a restart: the department lists again what it still has, and a reply is stored once anyway.
    """

    def __init__(
        self,
        system: SystemFile,
        table: RestTable,
        poll: Poll,
        operations: Mapping[str, WireOperation],
        calls: Calls,
        runtime: Runtime,
    ) -> None:
        """``poll`` has a path."""
        self._system = system
        self._table = table
        self._poll = poll
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

    async def _page(self) -> tuple[list[JsonValue], str | None]:
        query = {"limit": str(self._poll.page_size), **({self._poll.cursor: self._cursor} if self._cursor else {})}
        answer = await self._calls.call("GET", f"{self._poll.path}?{urlencode(query)}")
        if answer.status != 200:
            raise self._calls.error_of(answer)
        page = parsed(answer.body, self._table.encoding)
        entries, following = page.get("results"), page.get("next")
        if not isinstance(entries, list):
            raise OutcomeUnknownError("unreadable_answer", "the list of results has no results")
        return entries, following if isinstance(following, str) else None

    def _listed(self, entry: JsonValue) -> Reply | None:
        """An unreadable entry must not hold back the others: its delivery stays waiting, grows overdue and is enquired."""
        try:
            return later_reply(self._system, self._table, self._operations, entry, self._runtime.now())
        except OutcomeUnknownError as error:
            log.warning("an entry of the results of %s was left out: %s", self._system.key, error.code)
            return None
