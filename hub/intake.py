"""Intake: what a sender hands in is read, checked against its scope and the item's form, and stored; 202 only after the commit.

Everything here ends in ``hub.commit``; nothing here moves a step or a case.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from contracts.api import BadField
from contracts.catalogue import Item
from contracts.envelope import CASE_TYPE, EVENT_TYPE, CaseApplication, CaseEvent, CaseEventKind, MaterialRef
from contracts.errors import OnedoorError
from hub import form_check, results, traces
from hub.city import NotReceivable, milliseconds
from hub.clients import Client, Forbidden, Right
from hub.cloud_events import BadData, Message, read_data
from hub.results.casework import Change
from hub.results.errors import IdConflict, NotFoundHere
from hub.store import reading, registry
from hub.store.connection import Connection

if TYPE_CHECKING:
    from hub.app import Hub

ACCEPTING_ONLY = frozenset(
    {
        CaseEventKind.ACCEPT,
        CaseEventKind.ASK_CORRECTION,
        CaseEventKind.REFUSE_ACCEPTANCE,
        CaseEventKind.SUSPEND,
        CaseEventKind.RESUME,
        CaseEventKind.VOID,
    }
)
"""Under 收受分离 any centre may receive, but only the accepting centre decides."""


async def submit(hub: "Hub", client: Client, message: Message) -> Change:
    """Receive a case; verdict ``applied`` or ``duplicate``. Raises BadData, NotReceivable, Forbidden, IdConflict, StoreUnavailable."""
    require(client, Right.SUBMIT)
    require_source(client, message)
    envelope = message.envelope
    digest = hub.keys.message_digest(message.canonical)
    now = hub.runtime.now()
    at = milliseconds(now)
    try:
        application, item = await _checked(hub, client, message, now)
    except (BadData, NotReceivable) as refused:
        # What was received once stays received, even if the catalogue has moved on since (R1).
        return await _answered_before(hub, message, digest, refused)
    new = results.NewCase(
        application=application,
        item=item,
        source=envelope.source,
        message_id=envelope.id,
        digest=digest,
        client=client.id,
        trace=traces.trace_id(message.traceparent),
    )
    return await hub.commit("receive", lambda connection: results.receive(connection, hub.city, new, at))


async def event(hub: "Hub", client: Client, case_no: str, message: Message) -> Change:
    """Put an event to a case. Raises BadData, Forbidden, NotFoundHere, NotAllowed, IdConflict, StoreUnavailable."""
    require(client, Right.EVENT)
    require_source(client, message)
    envelope = message.envelope
    _require_type(message, EVENT_TYPE)
    if envelope.subject is not None and envelope.subject != case_no:
        raise BadData(
            "the subject names another case", (BadField(pointer="/subject", message="not the case of the address"),)
        )
    found = read_data(CaseEvent, envelope.data, message.pointer)
    await _check_materials(hub, found.materials or (), message.pointer)
    digest = hub.keys.message_digest(message.canonical)
    now = hub.runtime.now()
    at = milliseconds(now)

    def unit(connection: Connection) -> Change:
        row = reachable_case(connection, hub.city.region, client, case_no)
        if found.event in ACCEPTING_ONLY and not client.scope.covers_centre(row["accepting_centre"]):
            raise Forbidden("only the accepting centre of the case may do this: use a key of that centre")
        told = found
        if registry.inbox(connection, hub.city.region, envelope.source, envelope.id) is None:
            told = form_check.of_event(hub, row, found, site_day(hub, now), message.pointer)
        return results.event(connection, hub.city, case_no, (envelope.source, envelope.id), digest, told, at)

    return await hub.commit("event", unit)


def reachable_case(connection: Connection, region: str, client: Client, case_no: str) -> Mapping[str, Any]:
    """The row of a case in the sender's scope. Raises NotFoundHere; a foreign case is not told from a missing one."""
    row = reading.case_row(connection, region, case_no)
    if row is None or not client.scope.covers_case(row):
        raise NotFoundHere(f"there is no case {case_no} here: check the number")
    return row


def require(client: Client, right: Right) -> None:
    """Raises Forbidden when the sender lacks the right."""
    if not client.scope.allows(right):
        raise Forbidden(f"this key may not {right.value}: ask for a key with that right")


def require_source(client: Client, message: Message) -> None:
    """Raises Forbidden when the sender may not speak for the message's source."""
    if not client.scope.covers_source(message.envelope.source):
        raise Forbidden("this key may not send for this source")


async def _checked(hub: "Hub", client: Client, message: Message, now: datetime) -> tuple[CaseApplication, Item]:
    """The normalised application and the version it falls under."""
    _require_type(message, CASE_TYPE)
    application = read_data(CaseApplication, message.envelope.data, message.pointer)
    _require_reach(client, application)
    _require_centres(hub, application, message.pointer)
    today = site_day(hub, now)
    item = hub.catalogue.current(application.item, today, application.item_version)
    application, errors = hub.catalogue.form(item).check(application, today)
    if errors:
        below = tuple(BadField(pointer=message.pointer + one.pointer, message=one.message) for one in errors)
        raise BadData(f"the form of item {item.code} is not filled in correctly", below)
    await _check_materials(hub, application.materials, message.pointer)
    return application, item


async def _answered_before(hub: "Hub", message: Message, digest: str, refused: OnedoorError) -> Change:
    envelope = message.envelope
    earlier = await hub.read(
        lambda connection: registry.inbox(connection, hub.city.region, envelope.source, envelope.id)
    )
    if earlier is None:
        raise refused
    if earlier["digest"] != digest:
        raise IdConflict(
            "this id came before with another content: give a changed message an id of its own"
        ) from refused
    return Change(case_no=earlier["case_no"], status=earlier["status"], verdict="duplicate")


def _require_type(message: Message, wanted: str) -> None:
    if message.envelope.type != wanted:
        raise BadData(
            f"this address takes messages of type {wanted}", (BadField(pointer="/type", message=f"must be {wanted}"),)
        )


def _require_reach(client: Client, application: CaseApplication) -> None:
    if not client.scope.covers_item(application.item):
        raise Forbidden("this key does not reach this item")
    if not client.scope.covers_centre(application.receiving_centre):
        raise Forbidden("this key does not reach the receiving centre")
    accepting = application.accepting_centre or application.receiving_centre
    if application.accepted and not client.scope.covers_centre(accepting):
        raise Forbidden(
            "only the accepting centre may accept: send the case without accepted, or use a key of that centre"
        )


def _require_centres(hub: "Hub", application: CaseApplication, pointer: str) -> None:
    named = {
        "receiving_centre": application.receiving_centre,
        "accepting_centre": application.accepting_centre,
        "paper_holder": application.paper_holder,
    }
    errors = tuple(
        BadField(pointer=f"{pointer}/{name}", message="no centre of this site has that code")
        for name, code in named.items()
        if code is not None and code not in hub.city.centres
    )
    if errors:
        raise BadData("a centre is not known here", errors)


async def _check_materials(hub: "Hub", materials: tuple[MaterialRef, ...], pointer: str) -> None:
    keys = frozenset(one.key for one in materials if one.key is not None)
    if not keys:
        return
    known = await hub.read(lambda connection: registry.material_keys(connection, hub.city.region, keys))
    errors = tuple(
        BadField(pointer=f"{pointer}/materials/{index}/key", message="no upload has this key: upload the paper first")
        for index, one in enumerate(materials)
        if one.key is not None and one.key not in known
    )
    if errors:
        raise BadData("a paper was not uploaded", errors)


def site_day(hub: "Hub", now: datetime) -> date:
    """The day at the site."""
    return hub.city.calendar.local_day(now)
