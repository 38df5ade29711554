"""A trial of a department's plugin: what one case would send to it, shown and not sent; or sent once, to a simulator.

The way is the hub's own (form, allow-list, gateway, seal); in a trial only the network is missing (``hub.recorder``). Nothing is
stored and no database is opened. What would come of earlier answers is made up, by the types of the answers' fields.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import JsonValue

from contracts.api import BadField
from contracts.catalogue import CodeList, Column, FieldType, Item, Operation, ReplyField, Step
from contracts.delivery import Batch, Delivery, Document, Outcome
from contracts.envelope import CaseApplication
from contracts.errors import DeliveryError, OnedoorError, OutcomeUnknownError
from contracts.plugin import BatchGateway, Gateway, Preparing, Runtime
from contracts.records import Fields, record
from contracts.site import Site
from contracts.situation import Situation
from hub.city import minimised, source
from hub.forms import compile_form
from hub.numbers import case_number
from hub.recorder import NOT_SENT, Recorder, Sent, TrialRuntime
from hub.systems import OpenChannel, Registered, open_systems


class TrialRefused(OnedoorError):
    """There is nothing to try: the text says what is missing."""


@record
class Subject:
    """What is tried: a case on a site, and what earlier steps are taken to have answered (step -> reply)."""

    site: Site
    registered: Registered
    application: CaseApplication
    at: datetime
    replies: Mapping[str, Fields]


@record
class Message:
    """One delivery of a step. ``missing``: required fields that the case does not fill, with their sources."""

    delivery: Delivery
    missing: Mapping[str, str]


@record
class Trial:
    """What a step would send to its system: its deliveries and the bytes. ``error``: why there are none, code and detail."""

    step: str
    system: str
    operation: str
    situation: Situation
    messages: Sequence[Message]
    sent: Sequence[Sent]
    error: str | None


@record
class Answered:
    """What the department said to one delivery that was really sent."""

    delivery: Delivery
    outcome: Outcome | DeliveryError


def item_of(subject: Subject) -> Item:
    """The newest version of the item that the case names, in force or not. Raises TrialRefused."""
    wanted = subject.application.item
    versions = [item for item in subject.registered.items if item.code == wanted]
    if not versions:
        raise TrialRefused(f"the site has no item {wanted[:32]}: name one of its items in the case's data.item")
    return max(versions, key=lambda item: item.version)


def form_mistakes(subject: Subject) -> tuple[BadField, ...]:
    """What the item's form says of the case. Raises TrialRefused."""
    form = compile_form(item_of(subject), subject.site.field_groups, subject.site.code_lists)
    return form.check(subject.application, subject.at.astimezone(UTC).date())[1]


async def tried(
    subject: Subject, systems: frozenset[str], places: Mapping[str, Mapping[str, Fields]], way: Situation | None = None
) -> tuple[Trial, ...]:
    """What the case would send to ``systems``, a trial a step. Raises TrialRefused when its item never calls one of them.

    ``way``: the channel to try instead of the one that sends. ``places``: addresses; made-up ones where there are none.
    """
    recorder = Recorder()
    found: list[Trial] = []
    async with _open(subject, systems, _filled(places, systems), TrialRuntime(subject.at, recorder), way) as steps:
        for step, opened, gateway in steps:
            messages = tuple(_messages(subject, step, lambda row: UUID(int=row)))
            recorder.start()
            error = None
            try:
                await _send(opened, gateway, [one.delivery for one in messages], recorder)
            except DeliveryError as failed:
                error = None if failed.code == NOT_SENT else f"{failed.code}: {failed.detail}"
            found.append(
                Trial(
                    step=step.id,
                    system=opened.system,
                    operation=str(step.operation),
                    situation=opened.channel.situation,
                    messages=messages,
                    sent=tuple(recorder.sent),
                    error=error,
                )
            )
    return tuple(found)


async def sent(
    subject: Subject, systems: frozenset[str], places: Mapping[str, Mapping[str, Fields]], runtime: Runtime
) -> tuple[Answered, ...]:
    """Send every delivery once, under a new id, with no record of it: to a simulator or a test system, never to a department.

    Raises TrialRefused, also for a system without an address.
    """
    found: list[Answered] = []
    async with _open(subject, systems, places, runtime, None) as steps:
        for step, opened, gateway in steps:
            deliveries = [one.delivery for one in _messages(subject, step, lambda _: uuid4())]
            try:
                outcomes = await _send(opened, gateway, deliveries, None)
            except DeliveryError as failed:
                outcomes = dict.fromkeys((one.id for one in deliveries), failed)
            silent = OutcomeUnknownError("no_verdict", "the channel says nothing of this delivery")
            found += [Answered(delivery=one, outcome=outcomes.get(one.id, silent)) for one in deliveries]
    return tuple(found)


@asynccontextmanager
async def _open(
    subject: Subject,
    systems: frozenset[str],
    places: Mapping[str, Mapping[str, Fields]],
    runtime: Runtime,
    way: Situation | None,
) -> AsyncIterator[list[tuple[Step, OpenChannel, Gateway]]]:
    """The steps of the case's item that call one of the systems, each with its open channel. Raises TrialRefused."""
    item = item_of(subject)
    steps = [step for step in item.steps if step.system in systems and step.operation is not None]
    if not steps:
        names = sorted({step.system for step in item.steps if step.system})
        raise TrialRefused(
            f"item {item.code} never calls this: it calls {', '.join(names) or 'no system'}; take a case of another item"
        )
    async with AsyncExitStack() as stack:
        opened = await open_systems(stack, _only(subject.registered, systems), places, runtime)
        found = []
        for step in steps:
            name = str(step.system)
            channel = opened.channels.get((name, way)) if way else opened.sending(name)
            if channel is None:
                raise TrialRefused(f"system {name} has no such channel: see `onedoor plugins show {name}`")
            if channel.gateway is None:
                raise TrialRefused(f"the {channel.channel.situation} channel of {name}: {channel.why}")
            found.append((step, channel, channel.gateway))
        yield found


def _only(registered: Registered, systems: frozenset[str]) -> Registered:
    """The registered departments with the wanted systems alone: no other channel is opened."""
    departments = tuple(
        replace(one, systems=tuple(system for system in one.systems if system.name in systems))
        for one in registered.departments
    )
    return Registered(departments=departments, broken=registered.broken)


_NOWHERE: Mapping[str, Fields] = {
    "api": {"url": "http://department.invalid"},
    "file_drop": {
        "host": "department.invalid",
        "port": 22,
        "username": "onedoor",
        "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    },
}
"""Places for what is never reached; ``.invalid`` never resolves (RFC 2606)."""


def _filled(places: Mapping[str, Mapping[str, Fields]], systems: frozenset[str]) -> dict[str, dict[str, Fields]]:
    return {name: {**_NOWHERE, **places.get(name, {})} for name in systems}


async def _send(
    opened: OpenChannel, gateway: Gateway, deliveries: Sequence[Delivery], recorder: Recorder | None
) -> Mapping[UUID, Outcome | DeliveryError]:
    """Prepare, seal and send as an attempt does. A recorder keeps the content of a sheet too, which nothing sends."""
    whole: object = gateway
    if isinstance(whole, Preparing):
        deliveries = [replace(one, payload=whole.prepare(one)) for one in deliveries]
    if opened.channel.batching is not None and isinstance(whole, BatchGateway):
        at = deliveries[0].send_before if deliveries else datetime.now(UTC)
        batch = Batch(id=uuid4(), system=opened.system, sequence=1, sealed_at=at, deliveries=tuple(deliveries))
        return await whole.deliver_batch(replace(batch, payload=whole.seal(batch)))
    outcomes: dict[UUID, Outcome | DeliveryError] = {}
    for one in deliveries:
        try:
            outcomes[one.id] = await gateway.deliver(one)
        except DeliveryError as failed:
            if recorder is not None and failed.code != NOT_SENT:
                raise
            outcomes[one.id] = failed
        if recorder is not None and opened.channel.situation is Situation.PAPER:
            recorder.sent.append(Sent(how="sheet", where="task sheet", headers={}, body=one.payload or b""))
    return outcomes


def _messages(subject: Subject, step: Step, name: Callable[[int], UUID]) -> Iterator[Message]:
    """The deliveries of a step, one a row where its operation repeats, each with the required fields that it lacks."""
    item = item_of(subject)
    operation = subject.registered.systems[str(step.system)].operations[str(step.operation)]
    context = _context(subject, item)
    table: Sequence[Any] = [None] if operation.repeat is None else source(operation.repeat)(context) or []
    for number, line in enumerate(table, 1):
        fields = minimised(operation, context if line is None else {**context, "row": line})
        delivery = _delivery(subject, item, step, operation, fields)
        missing = {one.name: one.source for one in operation.request if one.required and one.name not in fields}
        row = None if line is None else str(number)
        yield Message(delivery=replace(delivery, id=name(number), subject=row), missing=missing)


def _context(subject: Subject, item: Item) -> dict[str, Any]:
    """The roots of sources, as a step sees them when all before it have answered."""
    told = subject.application
    at = subject.at.isoformat()
    return {
        "applicant": told.applicant,
        "agent": told.agent,
        "form": told.form,
        "steps": {step.id: {"outcome": "done", "reply": _reply(subject, step)} for step in item.steps},
        "joined": [],
        "case_no": _number(subject),
        "item_code": item.code,
        "item_version": item.version,
        "applicant_type": item.applicant_type,
        "received_at": at,
        "accepted_at": at,
        "receiving_centre": told.receiving_centre,
        "accepting_centre": told.accepting_centre or told.receiving_centre,
        "paper_holder": told.paper_holder or told.receiving_centre,
        "channel": told.channel,
    }


def _reply(subject: Subject, step: Step) -> Fields:
    """What a step is taken to have answered: what was given for it, else something of the right type in every field."""
    given = subject.replies.get(step.id)
    if given is not None:
        return given
    system = subject.registered.systems.get(step.system or "")
    operation = system.operations.get(step.operation or "") if system else None
    lists = subject.site.code_lists
    return {one.name: _made_up(one, lists) for one in operation.reply} if operation else {}


_MADE_UP: Mapping[FieldType, JsonValue] = {
    "bool": True,
    "int": 1,
    "decimal": "1.0",
    "money": "100.00",
    "date": "2026-01-05",
    "month": "2026-01",
    "string": "A1",
    "text": "A1",
    "object": {},
}


def _made_up(field: ReplyField | Column, lists: Mapping[str, CodeList]) -> JsonValue:
    if isinstance(field, ReplyField) and field.type == "table":
        return [{column.name: _made_up(column, lists) for column in field.columns}]
    if field.type in ("code", "codes"):
        codes = lists[field.code_list].codes if field.code_list is not None and field.code_list in lists else ()
        first = codes[0].code if codes else "1"
        return [first] if field.type == "codes" else first
    return _MADE_UP.get(field.type, "A1")


def _number(subject: Subject) -> str:
    return case_number(subject.application.receiving_centre, subject.at.date(), 1)


def _delivery(subject: Subject, item: Item, step: Step, operation: Operation, fields: Fields) -> Delivery:
    told, kinds = subject.application, subject.site.materials
    papers = tuple(
        Document(
            key=one.key or "",
            kind=one.material,
            name=one.name or (kinds[one.material].name_zh if one.material in kinds else one.material),
            media_type="application/pdf",
            size=0,
            originals=one.originals,
            copies=one.copies,
            pages=one.pages,
        )
        for one in told.materials
    )
    return Delivery(
        id=UUID(int=0),
        system=str(step.system),
        operation=operation.key,
        round=1,
        case_no=_number(subject),
        item=item.code,
        item_version=item.version,
        step=step.id,
        centre=told.accepting_centre or told.receiving_centre,
        attempt=1,
        send_before=subject.at + timedelta(days=30),
        due_at=subject.at + timedelta(days=item.promised_days),
        fields=fields,
        materials=papers,
    )
