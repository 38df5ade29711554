"""The applicants of a virtual city, and what all its people share.

They come while the centres are open, hand in a case, bring what was missing some hours later, and a few change their minds.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from contracts.catalogue import Item, Operation
from contracts.client import HubClient
from contracts.envelope import EVENT_TYPE, Envelope
from contracts.errors import OnedoorError
from contracts.site import Site
from simulators.cases import SampleCase
from simulators.day.hours import HOUR
from simulators.day.plan import BRINGS, TURNS, DayPlan
from simulators.ledger import Ledger
from simulators.senders import SenderLog


@dataclass
class Doings:
    """What people did, counted: tasks by kind, events of cases; ``refused`` by what the hub said no to."""

    handed_in: int = 0
    completed: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass
class City:
    """What all people share. ``numbers``: the case of each message that was acknowledged; ``incomplete``: those that lack a paper."""

    plan: DayPlan
    hub: HubClient
    log: SenderLog
    sheets: Ledger
    items: Mapping[str, Item]
    operations: Mapping[tuple[str, str], Operation]
    doings: Doings = field(default_factory=Doings)
    numbers: dict[str, SampleCase] = field(default_factory=dict)
    incomplete: set[str] = field(default_factory=set)

    @property
    def site(self) -> Site:
        """The city's folder, loaded."""
        return self.plan.site

    def dice(self, *about: object) -> Random:
        """Dice for one matter: the same for the same seed, whatever else happens."""
        return Random("/".join(map(str, (self.plan.seed, *about))))  # noqa: S311 - repeatable, no secret


def now() -> float:
    """Seconds since the midnight of the day."""
    return asyncio.get_running_loop().time()


async def until(moment: float) -> None:
    """Wait for a second of the day."""
    await asyncio.sleep(max(moment - now(), 0.0))


async def counters(city: City, cases: Iterable[SampleCase]) -> None:
    """Hand every case in when its applicant comes."""
    async with asyncio.TaskGroup() as applicants:
        for moment, case in zip(city.plan.arrivals, cases, strict=True):
            await until(moment)
            applicants.create_task(_hand_in(city, case))


async def _hand_in(city: City, case: SampleCase) -> None:
    envelope = case.envelope
    city.log.write("sent", envelope.source, envelope.id)
    try:
        receipt = await city.hub.submit(envelope)
    except OnedoorError as error:
        city.doings.refused[f"hand in: {type(error).__name__}"] += 1
        city.log.write("refused", envelope.source, envelope.id, status=422)
        return
    case_no = receipt.case_no
    city.log.write("acked", envelope.source, envelope.id, case_no, 202)
    city.doings.handed_in += 1
    city.numbers[case_no] = case
    if case.missing:
        city.incomplete.add(case_no)
        await ask_for_papers(city, case_no, [paper.material for paper in case.missing], "reception")
    else:
        await _turn(city, case_no)


async def ask_for_papers(city: City, case_no: str, wanted: list[str], when: str) -> bool:
    """补正: the centre says once what is missing; two of three applicants bring it within hours. Returns whether they did."""
    city.incomplete.add(case_no)
    asked = {"event": "ask_correction", "by": "staff-1", "wanted": wanted, "reason_code": "papers_missing"}
    if not await event(city, case_no, when, asked):
        return False
    dice = city.dice(case_no, when)
    if dice.random() >= BRINGS:
        return False
    await until(city.plan.hours.at_centre(now() + dice.uniform(1.0, 4.0) * HOUR))
    if now() >= city.plan.until:
        return False
    told = {"event": "corrected", "by": "applicant", "materials": all_papers(city.numbers[case_no])}
    brought = await event(city, case_no, when, told)
    city.incomplete.discard(case_no)
    return brought


def all_papers(case: SampleCase) -> list[dict[str, Any]]:
    """What was handed in, and what was missing from it."""
    missing = (
        {"material": one.material, "originals": one.originals, "copies": one.copies, "pages": one.pages}
        for one in case.missing
    )
    return [*case.application.get("materials", []), *missing]


async def _turn(city: City, case_no: str) -> None:
    """What a few cases meet some time after they were handed in."""
    dice = city.dice(case_no, "turn")
    drawn = dice.random()
    for kind, share in TURNS.items():
        drawn -= share
        if drawn < 0:
            await until(city.plan.hours.at_centre(now() + dice.uniform(0.1, 5.0) * HOUR))
            await _TURNS[kind](city, case_no)
            return


async def _withdraw(city: City, case_no: str) -> None:
    """Nobody looks first: what has been decided meanwhile cannot be taken back, and the hub says so."""
    await event(city, case_no, "turn", {"event": "withdraw", "by": "applicant"})


async def _void(city: City, case_no: str) -> None:
    if (await city.hub.case(case_no)).status in _UNDECIDED:
        told = {"event": "void", "by": "staff-1", "confirmed_by": "staff-2", "reason_code": "entered_in_error"}
        await event(city, case_no, "turn", told)


async def _suspend(city: City, case_no: str) -> None:
    if (await city.hub.case(case_no)).status not in _CLOCK_RUNS:
        return
    told = {"event": "suspend", "by": "staff-1", "reason_code": "public_notice"}
    if await event(city, case_no, "turn", told):
        lasts = city.dice(case_no, "notice").uniform(1.0, 6.0) * HOUR
        await until(city.plan.hours.at_centre(now() + lasts))
        if now() < city.plan.until:
            await event(city, case_no, "turn", {"event": "resume", "by": "staff-1"})


_TURNS = {"withdraw": _withdraw, "suspend": _suspend, "void": _void}
_CLOCK_RUNS = frozenset({"30", "40"})
_UNDECIDED = frozenset({"20", "30", "31", "32", "40"})


async def event(city: City, case_no: str, when: str, told: Mapping[str, Any]) -> bool:
    """Put an event to a case, once for a name of the occasion. Returns False when the hub refuses it, which is counted."""
    name = str(told["event"])
    envelope = Envelope(
        id=f"{when}-{name}-{case_no}",
        source="urn:onedoor:sample:counter:events",
        type=EVENT_TYPE,
        datacontenttype="application/json",
        data=dict(told),
    )
    try:
        await city.hub.event(case_no, envelope)
    except OnedoorError as error:
        city.doings.refused[f"{name}: {type(error).__name__}"] += 1
        return False
    city.doings.events[name] += 1
    return True
