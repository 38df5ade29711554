"""The desk 办理台: what people do with their tasks. A ticked box is read by the sheet's own gateway, a print is counted first."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
from hub.results import Change, NotAllowed, NotFoundHere
from hub.store import reading
from hub.store.connection import Connection

if TYPE_CHECKING:
    from hub.app import Hub

_FIELD_OF = {"unknown_box": "/result_code", "reason_missing": "/reason_code"}
"""Where in the completion a gateway's refusal of it points; anything else is about the fields."""


@record
class PrintedSheet:
    """A printed task sheet. ``print_no`` counts from 1."""

    pdf: bytes
    number: str
    version: int
    print_no: int
    system: str


async def complete(hub: "Hub", client: Client, task: str, completion: TaskCompletion) -> Change:
    """End a task by its id or its sheet's number; verdict ``applied``, ``duplicate`` or ``to_confirm``.

    Raises Forbidden, NotFoundHere, BadData (a box that the sheet does not have), NotAllowed, Overtaken, StoreUnavailable.
    """
    require(client, Right.TASK)
    row = await hub.read(lambda connection: _reachable(connection, hub.city.region, client, task))
    outcome = None
    if row["sheet_no"] is not None and completion.result_code is not None:
        outcome = await _confirmed(hub, row, completion)
    now = hub.runtime.now()

    def unit(connection: Connection) -> Change:
        if row["completion"] != completion.id:
            form_check.of_acceptance(hub, connection, row, completion, site_day(hub, now))
        return results.complete(connection, hub.city, row["id"], completion, milliseconds(now), outcome)

    return await hub.commit("complete", unit)


async def print_sheet(hub: "Hub", client: Client, task: str) -> PrintedSheet:
    """Count a print, then make the page. Raises Forbidden, NotFoundHere, NotAllowed, StoreUnavailable."""
    require(client, Right.TASK)
    row = await hub.read(lambda connection: _reachable(connection, hub.city.region, client, task))
    number, system = row["sheet_no"], row["system"]
    if number is None:
        raise NotAllowed("this task has no sheet: it is done at the centre")
    if row["completed_at"] is not None:
        raise NotAllowed("this sheet is settled: there is nothing left to print")
    gateway = _printing(hub, system)
    at = milliseconds(hub.runtime.now())
    counted = await hub.commit(
        "print", lambda connection: results.count_print(connection, hub.city, number, at, client.id)
    )
    pdf = await gateway.print_sheet(_numbered(hub, system, counted, at, client.name))
    return PrintedSheet(
        pdf=pdf, number=number, version=counted.row["version"], print_no=counted.row["prints"], system=system
    )


def _reachable(connection: Connection, region: str, client: Client, task: str) -> Mapping[str, Any]:
    row = reading.task_row(connection, region, task)
    if row is None or not (client.scope.covers_centre(row["centre"]) and client.scope.covers_item(row["item"])):
        raise NotFoundHere(f"there is no task {task} here: check the number")
    return row


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
        print_no=row["prints"],
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
