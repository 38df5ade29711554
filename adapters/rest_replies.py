"""Later answers of a REST department: the callback it makes, and the list of results it keeps."""

import time
from collections.abc import Mapping
from urllib.parse import urlencode

import orjson
from pydantic import JsonValue

from adapters.rest_answers import WireOperation, later_reply, parsed
from adapters.rest_calls import Calls
from adapters.rest_table import AnswerForm, Callback, Poll, RestTable
from adapters.result_pages import ResultPages
from adapters.signature import ForgedError, Verifier
from contracts.delivery import Answer, Inbound, Received, Reply
from contracts.errors import DeliveryError, InboundRefused, OutcomeUnknownError
from contracts.plugin import Runtime
from contracts.site import SystemFile


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


def result_list(
    system: SystemFile,
    table: RestTable,
    poll: Poll,
    operations: Mapping[str, WireOperation],
    calls: Calls,
    runtime: Runtime,
) -> ResultPages[JsonValue]:
    """The list of results behind ``poll.path``.

    GET <poll.path>?limit=200&since=<cursor>  ->  {"results": [{...}, ...], "next": "<cursor>"}
    """

    async def page(cursor: str | None) -> tuple[list[JsonValue], str | None]:
        query = {"limit": str(poll.page_size), **({poll.cursor: cursor} if cursor else {})}
        answer = await calls.call("GET", f"{poll.path}?{urlencode(query)}")
        if answer.status != 200:
            raise calls.error_of(answer)
        said = parsed(answer.body, table.encoding)
        entries, following = said.get("results"), said.get("next")
        if not isinstance(entries, list):
            raise OutcomeUnknownError("unreadable_answer", "the list of results has no results")
        return entries, following if isinstance(following, str) else None

    def reply(entry: JsonValue) -> Reply:
        return later_reply(system, table, operations, entry, runtime.now())

    return ResultPages(system.key, poll.page_size, page, reply)
