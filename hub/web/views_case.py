"""The case page: everything about one case on one page, for those who may see it."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
from aiohttp import web

from contracts.api import CaseView
from contracts.envelope import EVENT_TYPE, CaseEvent, CaseEventKind, Envelope
from contracts.records import adapter, record
from hub import intake, labels, reach, readings, views, worklist
from hub.case_states import CASE_STATES, Actor, CaseState, Clock, Event, case_transitions
from hub.cloud_events import BadMessage, message_of
from hub.people import CASEWORK, Account, Role
from hub.readings import Reading, Way, What
from hub.results.errors import NotAllowed, NotFoundHere
from hub.store import reading
from hub.store.connection import Connection, Row
from hub.web.asking import HUB
from hub.web.journal_words import ATTEMPT, DELIVERY, READ, SITUATION, STEP, journal_words
from hub.web.page_errors import sentence
from hub.web.pages import person, show, text
from hub.web.task_words import KINDS, REASONS, STATES
from hub.web.texts import N_
from hub.web.views_task import SOURCE
from hub.worklist import due_date

if TYPE_CHECKING:
    from hub.app import Hub

MAY_SEE = CASEWORK | {Role.OPERATOR, Role.AUDITOR}

FLAGS = {
    "returned": N_("a part was returned"),
    "special": N_("special procedure"),
    "blocked": N_("blocked"),
    "contradiction": N_("answers contradict"),
    "receipt_due": N_("receipt due"),
}

_ON_PAGE = frozenset(
    {
        CaseEventKind.ASK_CORRECTION,
        CaseEventKind.CORRECTED,
        CaseEventKind.RESUBMIT,
        CaseEventKind.RETURN,
        CaseEventKind.WITHDRAW,
        CaseEventKind.SUSPEND,
        CaseEventKind.RESUME,
    }
)
"""Events that a person may cause here; acceptance and service are tasks, and voiding needs two people at once."""

MOST_READERS = 100
"""Readers that an auditor sees on the page; `onedoor journal readers` shows more."""

_NEEDS_REASON = frozenset({CaseEventKind.ASK_CORRECTION, CaseEventKind.RETURN, CaseEventKind.SUSPEND})


@record
class Pause:
    """A time in which the statutory clock stood; ``until`` None while it stands."""

    since: int
    until: int | None


@record
class Move:
    """An event that the case's state allows."""

    event: str
    name_zh: str
    name_en: str
    reason: bool
    risky: bool


async def show_case(request: web.Request) -> web.Response:
    """GET /cases/{case_no}."""
    return await page(request)


async def page(request: web.Request, *, revealed: str = "", problem: str = "", status: int = 200) -> web.Response:
    """The page; ``revealed``: the one path that is shown whole this time."""
    hub, me = request.app[HUB], person(request)
    case_no = request.match_info["case_no"]

    def read(connection: Connection) -> dict[str, Any]:
        row = _case(connection, hub, me, case_no)
        view = views.case_view(connection, hub.city.region, hub.keys, me.sender, case_no)
        item = hub.city.items.get((row["item"], row["item_version"]))
        sees = me.is_any(*CASEWORK)
        data = worklist.data_of(hub, row) if sees else {}
        readers = (
            readings.readers(connection, hub.city.region, case_no, MOST_READERS) if me.is_any(Role.AUDITOR) else ()
        )
        people = {one.by for one in view.journal} | {one.by for one in readers}
        return {
            "readers": readers,
            "view": view,
            "row": row,
            "item": item,
            "steps": {step.id: step for step in item.steps} if item else {},
            "due": due_date(hub.city, row["due_at"], item, hub.now_ms()),
            "pauses": _pauses(row),
            "sections": labels.sections(hub, item, data, revealed) if item and sees else (),
            "materials": data.get("materials") or [],
            "names": worklist.names(connection, hub, people),
            "replies": _replies(view) if sees else {},
        }

    known = await hub.read(read)
    await hub.readings.shown(Reading(of=case_no, what=What.CASE, by=me.login, way=Way.PAGE), hub.now_ms())
    state = CASE_STATES[CaseState(known["row"]["status"])]
    return show(
        request,
        "case.html",
        status,
        case_no=case_no,
        state=state,
        clock_words=_clock_words(state.clock),
        moves=_moves(me, CaseState(known["row"]["status"])),
        flags=[FLAGS.get(flag, flag) for flag in known["view"].flags],
        systems=hub.city.systems,
        centres=hub.city.centres,
        kinds=KINDS,
        task_states=STATES,
        step_states=STEP,
        delivery_states=DELIVERY,
        attempt_states=ATTEMPT,
        situations=SITUATION,
        reasons=REASONS,
        material_names=hub.city.materials,
        says=journal_words(request, known["item"]),
        read_words=READ,
        form_id=str(uuid4()),
        may_reveal=me.is_any(*CASEWORK),
        problem=problem,
        **known,
    )


def _case(connection: Connection, hub: "Hub", me: Account, case_no: str) -> Row:
    """The row in reach. Raises NotFoundHere, also for a foreign one."""
    row = reading.case_row(connection, hub.city.region, case_no)
    if row is None or not reach.covers_case(hub.city, me.sender.scope, row):
        raise NotFoundHere("there is no such case here: check the number")
    return row


def _pauses(row: Row) -> list[Pause]:
    found = [Pause(since=start, until=end) for start, end in orjson.loads(row["pauses"])]
    return [*found, Pause(since=row["paused_at"], until=None)] if row["paused_at"] is not None else found


def _clock_words(clock: Clock) -> str:
    return {Clock.RUNNING: N_("running"), Clock.PAUSED: N_("paused"), Clock.STOPPED: N_("stopped")}[clock]


def _replies(view: CaseView) -> dict[str, dict[str, Any]]:
    """The departments' fields of finished steps, flat ones only: tables stand on the sheets and in the API."""
    return {
        step.id: {name: value for name, value in step.reply.items() if not isinstance(value, list | dict)}
        for step in view.steps
        if step.reply
    }


def _moves(me: Account, state: CaseState) -> list[Move]:
    if not me.is_any(*CASEWORK):
        return []
    found = {}
    for event in Event:
        if event.value not in set(CaseEventKind) or CaseEventKind(event.value) not in _ON_PAGE:
            continue
        for row in case_transitions(state, event):
            if row.by is not Actor.DEPARTMENT:
                kind = CaseEventKind(event.value)
                risky = kind in (CaseEventKind.RETURN, CaseEventKind.WITHDRAW)
                found[event] = Move(
                    event=event.value,
                    name_zh=row.name_zh,
                    name_en=row.name_en,
                    reason=kind in _NEEDS_REASON,
                    risky=risky,
                )
    return list(found.values())


async def reveal(request: web.Request) -> web.Response:
    """POST /cases/{case_no}/reveal: one masked value is shown, and the journal says to whom."""
    hub, me = request.app[HUB], person(request)
    case_no, path = request.match_info["case_no"], str((await request.post()).get("path", ""))

    def unit(connection: Connection) -> None:
        _case(connection, hub, me, case_no)
        labels.reveal(connection, hub, case_no, path, me.login)

    await hub.writer.run(unit)
    return await page(request, revealed=path)


async def cause(request: web.Request) -> web.StreamResponse:
    """POST /cases/{case_no}/events: what a person does with the case as a whole."""
    hub, me = request.app[HUB], person(request)
    case_no, posted = request.match_info["case_no"], await request.post()
    wanted = tuple(str(code) for code in posted.getall("wanted", []))
    reason = str(posted.get("reason_code", "")) or None
    event = str(posted.get("event", ""))
    if event not in set(CaseEventKind) or CaseEventKind(event) not in _ON_PAGE:
        return await page(request, problem=text(request, N_("Say what to do with the case.")), status=422)
    if CaseEventKind(event) in _NEEDS_REASON and reason is None:
        return await page(
            request, problem=text(request, N_("Choose a reason: the applicant gets it in writing.")), status=422
        )
    data = CaseEvent(event=CaseEventKind(event), by=me.login, reason_code=reason, wanted=wanted)
    envelope = Envelope(
        id=str(posted.get("form_id", ""))[:64] or str(uuid4()),
        source=SOURCE,
        type=EVENT_TYPE,
        data=adapter(CaseEvent).dump_python(data, mode="json", exclude_none=True),
    )
    await hub.read(lambda connection: _case(connection, hub, me, case_no))
    try:
        await intake.event(hub, me.sender, case_no, message_of(envelope))
    except (NotAllowed, BadMessage) as error:
        return await page(request, problem=sentence(request, error), status=409)
    raise web.HTTPSeeOther(f"/cases/{case_no}")


_CASE = "{case_no:[0-9]{24}}"
ROUTES = [
    web.get(f"/cases/{_CASE}", show_case),
    web.post(f"/cases/{_CASE}/reveal", reveal),
    web.post(f"/cases/{_CASE}/events", cause),
]
