"""The paper channel: a department without IT gets a task sheet, and a person brings its answer back.

Nothing leaves the house before somebody prints: ``deliver`` only says what the sheet holds, so it can be repeated freely and a
lost print is printed again. What the department ticked and wrote comes back through ``confirm``.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from adapters.field_map import BadValueError, ValueForm, outcome_of, read_value
from adapters.handover_printing import render_handover
from adapters.paper_table import PaperSettings, PaperTable, WirePaper
from adapters.sheet_content import keyed_label, reply_fields, sheet_of
from adapters.sheet_printing import render
from contracts.catalogue import CodeList, Operation, ResultKind
from contracts.delivery import AwaitingReply, Confirmation, Delivery, Outcome
from contracts.errors import DeliveryError, PermanentError
from contracts.handover import Courier, Handover
from contracts.plugin import Channel, Gateway, Runtime, channel
from contracts.records import adapter
from contracts.site import ChannelFile, SystemFile
from contracts.situation import Situation
from contracts.task_sheet import NumberedSheet, TaskSheet, sheet_content, with_duplicate_warning

WRITTEN_FORM = ValueForm(text=True, true="是", false="否", separator="、")
"""How a person writes a typed value: 是 or 否, 2026-11-23, 12.50."""

_NEEDS_REASON = frozenset({ResultKind.REFUSED, ResultKind.RETURNED})
_YES_NO: Mapping[str, bool] = {"yes": True, "no": False, "true": True, "false": False}


class PaperGateway:
    """An open paper channel; made by the channel that ``make`` returns."""

    def __init__(
        self,
        table: PaperTable,
        operations: Mapping[str, tuple[Operation, WirePaper]],
        code_lists: Mapping[str, CodeList],
        settings: PaperSettings,
        runtime: Runtime,
    ) -> None:
        self._table = table
        self._operations = operations
        self._code_lists = code_lists
        self._zone = ZoneInfo(settings.timezone)
        self._runtime = runtime

    def prepare(self, delivery: Delivery, /) -> bytes:
        """The content of the sheet, canonical JSON. Raises PermanentError."""
        operation, wire = self._operation(delivery)
        sheet = sheet_of(operation, wire, self._table.sheet, delivery, self._code_lists)
        return sheet_content(with_duplicate_warning(sheet) if delivery.possible_duplicate else sheet)

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        """The sheet to print; the same delivery gives the same sheet. Raises PermanentError."""
        content = self.prepare(delivery) if delivery.payload is None else delivery.payload
        sheet = adapter(TaskSheet).validate_json(content)
        return AwaitingReply(task_sheet=with_duplicate_warning(sheet) if delivery.possible_duplicate else sheet)

    async def check(self) -> None:
        """A department on paper can always be reached: by walking there."""

    async def print_sheets(self, sheets: Sequence[NumberedSheet], /) -> bytes:
        """One PDF of all of them in their order, one page a copy where it fits."""
        return await self._runtime.in_thread(render, sheets, self._table.sheet, self._zone)

    async def print_handover(self, handover: Handover, /) -> bytes:
        """The PDF of a handover list."""
        return await self._runtime.in_thread(render_handover, handover, self._table.sheet.language, self._zone)

    def confirm(self, delivery: Delivery, confirmation: Confirmation, /) -> Outcome | DeliveryError:
        """What the ticked box means. Raises PermanentError: ``unknown_box``, ``reason_missing``, ``unknown_field``, ``bad_field``.

        ``confirmation.fields`` may be keyed by a field's name or by its printed label. A refusal or a return needs a reason:
        as ``reason_code``, in the field ``reason``, or, for a return, as what is wanted.
        """
        operation, _wire = self._operation(delivery)
        box = operation.result_codes.get(Situation.PAPER, {}).get(confirmation.result_code)
        if box is None:
            raise PermanentError("unknown_box", "the sheet has no such box: key the letter beside the ticked box")
        reply = _typed(operation, confirmation)
        returned = box.outcome is ResultKind.RETURNED
        given = confirmation.reason_code or reply.get("reason") or (confirmation.wanted if returned else None)
        if box.outcome in _NEEDS_REASON and not given:
            raise PermanentError("reason_missing", "this box needs the reason that the department wrote")
        if confirmation.reason_code and box.outcome is ResultKind.REFUSED and "reason" in reply_fields(operation):
            reply.setdefault("reason", confirmation.reason_code)
        return outcome_of(
            operation,
            Situation.PAPER,
            confirmation.result_code,
            reply,
            wanted=confirmation.wanted,
            reason_code=confirmation.reason_code,
        )

    def _operation(self, delivery: Delivery) -> tuple[Operation, WirePaper]:
        found = self._operations.get(delivery.operation)
        if found is None:
            raise PermanentError("unknown_operation", f"{delivery.system} has no task sheet for {delivery.operation}")
        return found


def _typed(operation: Operation, confirmation: Confirmation) -> dict[str, JsonValue]:
    """The keyed fields under their names and in the forms of the hub. Raises PermanentError."""
    known = reply_fields(operation)
    reply: dict[str, JsonValue] = {}
    for label, raw in confirmation.fields.items():
        field = known.get(keyed_label(label))
        if field is None:
            raise PermanentError("unknown_field", f"the sheet of {operation.key} has no such line")
        plain = raw.strip() if isinstance(raw, str) else raw
        if field.type == "bool" and isinstance(plain, str):
            plain = _YES_NO.get(plain.lower(), plain)
        if plain is None or plain == "":
            continue
        try:
            reply[field.name] = read_value(plain, field.type, WRITTEN_FORM, field.columns)
        except BadValueError as error:
            raise PermanentError("bad_field", f"{field.name}: {error}") from error
    return reply


def make(system: SystemFile, file: ChannelFile, code_lists: Mapping[str, CodeList] | None = None) -> Channel:
    """The paper channel of a system. Raises pydantic's ValidationError for a bad key in the table or in ``wire.paper``.

    ``code_lists`` of the site let the sheet print a code with its name.
    """
    table = PaperTable.model_validate(dict(file.paper or {}))
    operations = {
        operation.key: (operation, WirePaper.model_validate(dict(operation.wire[Situation.PAPER])))
        for operation in system.operations
        if Situation.PAPER in operation.wire
    }

    @asynccontextmanager
    async def connect(settings: PaperSettings, runtime: Runtime) -> AsyncIterator[Gateway]:
        yield PaperGateway(table, operations, code_lists or {}, settings, runtime)

    return channel(
        Situation.PAPER,
        PaperSettings,
        connect,
        resend_is_safe=file.resend_is_safe,
        status=file.status,
        limits=file.limits,
        batching=file.batching,
        courier=_courier(table),
        own_loop=False,
    )


def _courier(table: PaperTable) -> Courier | None:
    if not table.handover_list:
        return None
    plan = table.pickup
    if plan is None:
        return Courier(remind_after_working_days=table.remind_after_working_days)
    return Courier(
        weekdays=() if plan.batch else plan.weekdays,
        time=plan.time,
        carrier=plan.carrier,
        skip_holidays=plan.skip_holidays,
        remind_after_working_days=table.remind_after_working_days,
    )
