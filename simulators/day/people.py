"""The people of a virtual city. They see what the hub shows them, keep their hours, and sometimes do the wrong thing.

Counters hand cases in; a centre's staff work through their list in rounds; applicants bring what was missing some hours later;
clerks of departments without IT confirm sheets by number, some late, some twice, some with an outdated version first.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from contracts.api import TaskView
from contracts.catalogue import Operation, ResultKind
from contracts.client import HubClient
from contracts.envelope import EVENT_TYPE, Envelope, TaskCompletion
from contracts.errors import OnedoorError
from contracts.records import adapter
from contracts.site import Site
from contracts.situation import Situation
from simulators.cases import SampleCase, sample_case
from simulators.day.plan import HOUR, DayPlan
from simulators.ledger import Ledger
from simulators.plausible import decide, plausible
from simulators.senders import SenderLog

ROUND_SECONDS: Final = 1200.0
"""A centre's staff look at their list three times an hour."""

OPEN: Final = (8.5, 16.5)
OFFICE: Final = ((9.0, 11.75), (13.0, 17.0))
"""Hours of the centres, and of departments' desks with their lunch."""

RESENDS: Final = 2
LATE, TWICE, OUTDATED = 0.1, 0.03, 0.02
"""Shares of sheets that a clerk leaves lying for hours, keys twice, or first keys with a version that no longer counts."""


@dataclass
class Doings:
    """What people did, counted; ``refused`` by what the hub said no to."""

    handed_in: int = 0
    completed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass
class City:
    """What all people share. ``numbers``: the case of each message id that was acknowledged."""

    plan: DayPlan
    hub: HubClient
    log: SenderLog
    sheets: Ledger
    doings: Doings = field(default_factory=Doings)
    numbers: dict[str, SampleCase] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    resent: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def site(self) -> Site:
        """The city's folder, loaded."""
        return self.plan.site


def _now() -> float:
    return asyncio.get_running_loop().time()


async def until(moment: float) -> None:
    """Wait for a second of the day."""
    await asyncio.sleep(max(moment - _now(), 0.0))


async def counters(city: City, mix: Sequence[str]) -> None:
    """Hand every case in when its applicant comes. ``mix``: item codes, one a case."""
    items = {item.code: item for item in city.site.items}
    async with asyncio.TaskGroup() as applicants:
        for number, (moment, code) in enumerate(zip(city.plan.arrivals, mix, strict=True), 1):
            await until(moment)
            case = sample_case(city.site, items[code], seed=city.plan.seed, number=number, today=city.plan.start.date())
            applicants.create_task(_hand_in(city, case))


async def _hand_in(city: City, case: SampleCase) -> None:
    envelope = case.envelope
    city.log.write("sent", envelope.source, envelope.id)
    try:
        receipt = await city.hub.submit(envelope)
    except OnedoorError as error:
        city.doings.refused[type(error).__name__] += 1
        city.log.write("refused", envelope.source, envelope.id, status=422)
        return
    city.log.write("acked", envelope.source, envelope.id, receipt.case_no, 202)
    city.doings.handed_in += 1
    city.numbers[receipt.case_no] = case
    if case.missing:
        await _bring_what_is_missing(city, receipt.case_no, case)


async def _bring_what_is_missing(city: City, case_no: str, case: SampleCase) -> None:
    """补正: the centre says once what is missing; two of three applicants bring it the same day."""
    dice = Random(f"{city.plan.seed}/{case_no}/missing")  # noqa: S311 - repeatable, no secret
    wanted = [paper.material for paper in case.missing]
    await event(
        city,
        case_no,
        "ask",
        {"event": "ask_correction", "by": "staff-1", "wanted": wanted, "reason_code": "papers_missing"},
    )
    if dice.random() < 0.34:
        return
    await asyncio.sleep(dice.uniform(1.0, 4.0) * HOUR)
    brought = [
        *case.application.get("materials", []),
        *(
            {"material": one.material, "originals": one.originals, "copies": one.copies, "pages": one.pages}
            for one in case.missing
        ),
    ]
    await event(city, case_no, "brought", {"event": "corrected", "by": "applicant", "materials": brought})


async def event(city: City, case_no: str, what: str, data: Mapping[str, Any]) -> None:
    """Put an event to a case; what the hub refuses is counted."""
    source = "urn:onedoor:sample:counter:events"
    envelope = Envelope(
        id=f"{what}-{case_no}", source=source, type=EVENT_TYPE, datacontenttype="application/json", data=dict(data)
    )
    try:
        await city.hub.event(case_no, envelope)
    except OnedoorError as error:
        city.doings.refused[type(error).__name__] += 1


async def staff(city: City) -> None:
    """Everybody at the centres: a round every twenty minutes while they are open."""
    while _now() < city.plan.until:
        hour = _now() / HOUR % 24
        if OPEN[0] <= hour < OPEN[1]:
            for task in await city.hub.tasks(1_000_000):
                if task.kind != "sheet" and str(task.id) not in city.done:
                    await _work(city, task)
        await asyncio.sleep(ROUND_SECONDS)


async def _work(city: City, task: TaskView) -> None:
    case_no = str(task.case_no)
    if task.kind == "receive_accept" and case_no in city.numbers and city.numbers[case_no].missing:
        return  # the papers are not complete: nobody accepts
    told = TaskCompletion(
        id=f"staff:{task.id}:{city.resent[case_no, task.step]}", by="staff-1", **_decision(city, task)
    )
    try:
        await city.hub.complete(str(task.id), told)
    except OnedoorError as error:
        city.doings.refused[f"{task.kind}: {type(error).__name__}"] += 1
        city.done.add(str(task.id))
        return
    city.done.add(str(task.id))
    city.doings.completed[task.kind] += 1


def _decision(city: City, task: TaskView) -> dict[str, Any]:
    """What staff do: what is unknown or dead is sent again twice and then given up; now and then they refuse."""
    key = (str(task.case_no), task.step)
    if task.kind in ("unknown", "dead"):
        city.resent[key] += 1
        if city.resent[key] > RESENDS:
            return {"decision": "cancel"}
        return {"decision": "resend" if task.kind == "unknown" else "replay"}
    dice = Random(f"{city.plan.seed}/{task.case_no}/{task.step}")  # noqa: S311 - repeatable, no secret
    if task.kind in ("decide", "review") and dice.random() < 0.03:
        return {"decision": "refused", "reason_code": "not_eligible", "confirmed_by": "staff-2"}
    operation = _asked(city, task) if task.kind == "decide" and task.system else None
    if operation is None:
        return {"decision": "done"}
    fields = {one.name: plausible(one, dice, city.site.code_lists) for one in operation.reply}
    return {"decision": "done", "fields": fields}


def _asked(city: City, task: TaskView) -> Operation | None:
    """What the task's step asks of its department."""
    case = city.numbers.get(str(task.case_no))
    item = next((one for one in city.site.items if case is not None and one.code == case.item), None)
    step = next((one for one in item.steps if one.id == task.step), None) if item else None
    return _operation(city.site, step.system, step.operation) if step and step.system and step.operation else None


def _operation(site: Site, system: str, operation: str) -> Operation | None:
    found = (one for department in site.departments for one in department.systems if one.key == system)
    return next((each for one in found for each in one.operations if each.key == operation), None)


async def clerks(city: City) -> None:
    """Every department's desk: what was fetched is worked on in office hours, and keyed from the handover list by its number."""
    seen: set[tuple[str, int]] = set()
    async with asyncio.TaskGroup() as desks:
        while _now() < city.plan.until:
            hour = _now() / HOUR % 24
            if any(begin <= hour < end for begin, end in OFFICE):
                for task in await city.hub.tasks(1_000_000):
                    key = (str(task.sheet_no), task.sheet_version or 0)
                    if task.kind == "sheet" and key not in seen:
                        seen.add(key)
                        desks.create_task(_sheet(city, task))
            await asyncio.sleep(ROUND_SECONDS)


async def _sheet(city: City, task: TaskView) -> None:
    """One sheet, from the printer to the hub. Keyed twice it must have one effect; with an outdated version none."""
    operation = _asked(city, task)
    if operation is None or task.system is None:
        return
    try:
        sheet = await city.hub.sheet(str(task.id))
    except OnedoorError as error:
        city.doings.refused[f"print: {type(error).__name__}"] += 1
        return
    number, version = sheet.number, sheet.version
    # Not by its number, which holds a code that no seed knows.
    known_as = f"{task.case_no}/{task.step}/{version}"
    dice = Random(f"{city.plan.seed}/{known_as}")  # noqa: S311 - repeatable, no secret
    city.sheets.write("arrival", "clerk", number, operation.key)
    await asyncio.sleep(dice.uniform(0.2, 2.0) * HOUR * (4 if dice.random() < LATE else 1))
    if _now() >= city.plan.until:
        return
    verdict = decide(operation, Situation.PAPER, known_as, city.plan.seed, code_lists=city.site.code_lists)
    told: dict[str, Any] = {
        "by": "clerk-1",
        "confirmed_by": "clerk-2",
        "result_code": verdict.code,
        "reason_code": _REASONS.get(verdict.kind),
        "wanted": ("1",) if verdict.kind is ResultKind.RETURNED else (),
        "fields": verdict.fields,
    }
    if dice.random() < OUTDATED:
        old = {"sheet_no": number, "sheet_version": version + 1}
        await _key(city, number, {**told, **old, "id": f"{number}:{version}:old"})
    if not city.sheets.effects(number):
        city.sheets.write("effect", "clerk", number, operation.key)
    city.sheets.write("reply", "clerk", number, operation.key, note=_SAID.get(verdict.kind, "agreed"))
    for keyed in range(2 if dice.random() < TWICE else 1):
        await _key(city, number, {**told, "id": f"{number}:{version}:{keyed}", "sheet_code": sheet.code})


_REASONS: Final = {ResultKind.REFUSED: "not_eligible", ResultKind.RETURNED: "papers_missing"}
_SAID: Final = {ResultKind.REFUSED: "refused", ResultKind.RETURNED: "returned"}


async def _key(city: City, number: str, told: Mapping[str, Any]) -> None:
    try:
        await city.hub.complete(number, adapter(TaskCompletion).validate_python(dict(told)))
    except OnedoorError as error:
        city.doings.refused[f"sheet: {type(error).__name__}"] += 1
        return
    city.doings.completed["sheet"] += 1
