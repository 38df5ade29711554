"""The desk 办理台: what people do with their tasks. A ticked box is read by the sheet's own gateway, a print is counted first."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pypdf

from contracts.api import BadField
from contracts.catalogue import DayType
from contracts.delivery import Confirmation, Outcome
from contracts.envelope import TaskCompletion
from contracts.errors import DeliveryError, PermanentError
from contracts.plugin import Printing
from contracts.records import record
from contracts.task_sheet import NumberedSheet
from hub import clock, form_check, results
from hub.city import milliseconds, moment
from hub.clients import Client, Right
from hub.cloud_events import BadData
from hub.deliveries import stored_delivery
from hub.intake import require, site_day
from hub.numbers import BadNumber, read_sheet_number
from hub.reach import covers_task
from hub.results import Change, NotAllowed, NotFoundHere, Overtaken
from hub.store import reading
from hub.store.connection import Connection

if TYPE_CHECKING:
    from hub.app import Hub

_FIELD_OF = {"unknown_box": "/result_code", "reason_missing": "/reason_code"}
"""Where in the completion a gateway's refusal of it points; anything else is about the fields."""


@record
class PrintedSheet:
    """A task sheet that was printed. ``print_no`` counts the prints of this version, from 1."""

    number: str
    version: int
    print_no: int
    system: str


@record
class Printed:
    """One PDF and the sheets in it, in their order."""

    pdf: bytes
    sheets: tuple[PrintedSheet, ...]


async def complete(hub: "Hub", client: Client, task: str, completion: TaskCompletion) -> Change:
    """End a task by its id or its sheet's number; verdict ``applied``, ``duplicate`` or ``to_confirm``.

    Raises Forbidden, NotFoundHere, BadData (a box that the sheet does not have), NotAllowed, Overtaken, StoreUnavailable.
    """
    require(client, Right.TASK)
    row = await _task(hub, client, task)
    outcome = None
    if row["sheet_no"] is not None and completion.result_code is not None:
        outcome = await _confirmed(hub, row, completion)
    now = hub.runtime.now()

    def unit(connection: Connection) -> Change:
        if row["completion"] != completion.id:
            form_check.of_acceptance(hub, connection, row, completion, site_day(hub, now))
        return results.complete(connection, hub.city, row["id"], completion, milliseconds(now), outcome)

    try:
        return await hub.commit("complete", unit)
    except (NotAllowed, Overtaken) as error:
        await _note_refusal(hub, row, getattr(error, "code", "overtaken"), completion.by)
        raise


async def print_sheets(hub: "Hub", client: Client, tasks: Sequence[str]) -> Printed:
    """Count the prints, all or none, then make the pages. Raises Forbidden, NotFoundHere, NotAllowed, StoreUnavailable."""
    counted = await count_prints(hub, client, tasks)
    parts = [
        await _printing(hub, system).print_sheets([sheet for _, sheet in group])
        for system, group in groupby(counted, key=lambda pair: pair[0])
    ]
    pdf = parts[0] if len(parts) == 1 else await hub.runtime.in_thread(_joined, parts)
    return Printed(
        pdf=pdf,
        sheets=tuple(
            PrintedSheet(number=sheet.number, version=sheet.version, print_no=sheet.print_no, system=system)
            for system, sheet in counted
        ),
    )


async def count_prints(hub: "Hub", client: Client, tasks: Sequence[str]) -> list[tuple[str, NumberedSheet]]:
    """Count the prints: of each sheet its system and what it says. Raises as ``print_sheets`` does."""
    require(client, Right.TASK)
    rows = [await _task(hub, client, task) for task in dict.fromkeys(tasks)]
    for row in rows:
        _require_printable(row)
        _printing(hub, row["system"])
    at = milliseconds(hub.runtime.now())

    def unit(connection: Connection) -> list[results.Print]:
        return [results.count_print(connection, hub.city, row["sheet_no"], at, client.id) for row in rows]

    counted = await hub.commit("print", unit)
    return [
        (str(row["system"]), _numbered(hub, row["system"], one, at, client.name))
        for row, one in zip(rows, counted, strict=True)
    ]


def _require_printable(row: Mapping[str, Any]) -> None:
    if row["sheet_no"] is None:
        raise NotAllowed("this task has no sheet: it is done at the centre")
    if row["completed_at"] is not None:
        raise NotAllowed("this sheet is settled: there is nothing left to print")


def _joined(parts: Sequence[bytes]) -> bytes:
    """One PDF of several. Blocks."""
    writer = pypdf.PdfWriter()
    for part in parts:
        writer.append(BytesIO(part))
    joined = BytesIO()
    writer.write(joined)
    return joined.getvalue()


async def _note_refusal(hub: "Hub", row: Mapping[str, Any], code: str, by: str) -> None:
    """A refusal stands in the journal too: who tried what with which sheet."""
    at = hub.now_ms()
    await hub.writer.run(lambda connection: results.note_refusal(connection, hub.city, dict(row), by, at, code))


async def _task(hub: "Hub", client: Client, task: str) -> Mapping[str, Any]:
    """The task's row. Raises NotFoundHere; a sheet of another desk that somebody holds in his hand leaves a journal row."""
    name = _spoken(hub, task)
    row = await hub.read(lambda connection: reading.task_row(connection, hub.city.region, name))
    if row is not None and covers_task(hub.city, client.scope, row):
        return row
    if row is not None and row["sheet_no"] == name:
        await _note_refusal(hub, row, "wrong_desk", client.id)
    raise NotFoundHere(f"there is no task {task} here: check the number, or take the sheet to the centre it names")


def _spoken(hub: "Hub", task: str) -> str:
    """A sheet number as it was given out, however it was keyed; the id of a task as it is."""
    try:
        return read_sheet_number(task, hub.keys.sheet_number_mac)
    except BadNumber:
        return task


async def _confirmed(hub: "Hub", row: Mapping[str, Any], completion: TaskCompletion) -> Outcome | DeliveryError:
    """What the sheet's gateway makes of the ticked box. Raises BadData."""
    gateway = _printing(hub, row["system"])
    stored = await hub.read(lambda connection: reading.delivery_row(connection, hub.city.region, row["delivery"]))
    assert stored is not None, "a sheet's task names its delivery"
    confirmation = Confirmation(
        result_code=completion.result_code or "",
        fields=completion.fields,
        reason_code=completion.reason_code,
        wanted=completion.wanted,
    )
    try:
        return gateway.confirm(stored_delivery(hub.city, stored), confirmation)
    except PermanentError as error:
        pointer = _FIELD_OF.get(error.code, "/fields")
        raise BadData(
            "the sheet cannot be keyed like this", (BadField(pointer=pointer, message=error.detail),)
        ) from error


def _printing(hub: "Hub", system: str) -> Printing:
    gateway = hub.systems.printing(system)
    if gateway is None:
        raise NotAllowed("the paper channel of this system is not open: tell those who run the hub")
    return gateway


def _numbered(hub: "Hub", system: str, counted: "results.Print", at: int, clerk: str) -> NumberedSheet:
    case, row = counted.case, counted.row
    item = hub.city.item(case["item"], case["item_version"])
    due_at = moment(case["due_at"]) if case["due_at"] is not None else None
    return NumberedSheet(
        sheet=counted.content,
        number=row["number"],
        version=row["version"],
        code=counted.code,
        content_hash=row["content_hash"],
        print_no=counted.print_no,
        printed_at=moment(at),
        case_no=case["case_no"],
        item_name=item.name_zh,
        centre_name=hub.city.centres[case["paper_holder"]].name_zh,
        department_name=hub.city.system(system).department_name,
        received_at=moment(case["received_at"]),
        due_at=due_at,
        lamp=_lamp(hub, at, case["due_at"], DayType(item.day_type)),
        clerk=clerk,
    )


def _lamp(hub: "Hub", at: int, due_at: int | None, day_type: DayType) -> str:
    due = moment(due_at) if due_at is not None else None
    try:
        return clock.lamp(moment(at), due, day_type, hub.city.calendar).value
    except clock.MissingYear:
        return clock.Lamp.NONE.value  # never guessed
