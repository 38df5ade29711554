"""Later answers of a SOAP department: the operation that lists results behind a cursor."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from adapters.result_pages import ResultPages
from adapters.soap_answers import SoapOperation, fault_error, later_reply, rows_of
from adapters.soap_calls import SoapCalls
from adapters.soap_envelope import Fault
from adapters.soap_table import SoapPoll, SoapTable
from contracts.delivery import Reply
from contracts.plugin import Runtime
from contracts.records import Fields
from contracts.site import SystemFile


def result_pages(
    system: SystemFile,
    table: SoapTable,
    poll: SoapPoll,
    operation: str,
    operations: Mapping[str, SoapOperation],
    calls: SoapCalls,
    runtime: Runtime,
) -> ResultPages[Fields]:
    """The list of results behind ``operation``, the WSDL's name of the one that lists."""

    async def page(cursor: str | None) -> tuple[Sequence[Fields], str | None]:
        question: dict[str, JsonValue] = {poll.limit: poll.page_size}
        if cursor is not None:
            question[poll.since] = cursor
        message_id = calls.new_id()
        answer = await calls.call(operation, calls.message(operation, question, message_id))
        if isinstance(answer, Fault):
            raise fault_error(system, table, None, answer, message_id, message_id)
        following = answer.fields.get(poll.following)
        return rows_of(answer.fields, table), following.strip() or None if isinstance(following, str) else None

    def reply(entry: Fields) -> Reply:
        return later_reply(system, table, operations, entry, runtime.now())

    return ResultPages(system.key, poll.page_size, page, reply)
