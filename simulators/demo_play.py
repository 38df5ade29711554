"""What happens in a demo: counters hand in cases over the first hours, applicants bring what was missing, and everything is watched.

The city runs from Monday morning to Wednesday evening, longer where the machine is slow and something still moves.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp

from contracts.api import CaseView
from contracts.catalogue import ResultKind
from contracts.envelope import MaterialRef
from contracts.records import adapter, record
from contracts.situation import Situation
from simulators.cases import SampleCase
from simulators.demo_figures import ENDED, OPEN_TASK, SETTLED
from simulators.faults import Fault
from simulators.plausible import SHARES
from simulators.senders import Sender
from simulators.world import World

SPEED: Final = 3600.0
"""An hour of the city passes in a second."""

START: Final = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - the zone is the site's
"""A Monday morning; every office has just opened."""

DAYS: Final = timedelta(days=2, hours=9)
"""From then until Wednesday, six in the evening."""

OVERTIME_SECONDS: Final = 45.0
"""Real seconds beyond that, as long as something moves."""

QUIET_SECONDS: Final = 6.0
COUNTERS: Final = 4
HANDING_IN_SECONDS: Final = 18.0
"""Real seconds in which all cases are handed in, the first day at this speed; fewer than a hundred take less."""

MISSING_FOR_GOOD: Final = 3
"""Of those who are asked for a paper, every third does not come back while the demo runs."""

FAULTS: Final[Mapping[Situation, Mapping[Fault, float]]] = {
    Situation.API: {
        Fault.REFUSE: 0.04,
        Fault.DELAY: 0.05,
        Fault.UNAVAILABLE_503: 0.05,
        Fault.ERROR_AFTER_EFFECT_500: 0.04,
        Fault.LOST_REPLY: 0.03,
        Fault.DUPLICATE_REPLY: 0.04,
    },
    Situation.FILE_DROP: {
        Fault.REFUSE: 0.01,
        Fault.DELAY: 0.01,
        Fault.LOST_REPLY: 0.1,
        Fault.TRUNCATED_FILE: 0.1,
        Fault.DUPLICATE_REPLY: 0.1,
    },
    Situation.PAPER: {Fault.REFUSE: 0.05, Fault.DELAY: 0.1, Fault.LOST_REPLY: 0.05, Fault.DUPLICATE_REPLY: 0.1},
}
"""How often each goes wrong. Each that is named here comes once at least, dice or not."""

SETTINGS: Final[Mapping[str, Any]] = {
    "retry": {"first_seconds": 1800.0, "cap_seconds": 14400.0},
    "breaker_seconds": 2.0,
    "sign_in": {"loopback_http": True, "second_factor": "optional"},
}
"""Backoff counts in hours of the city, so that it can be watched; the circuit breaker in real seconds."""

ANSWERS: Final[Mapping[ResultKind, float]] = {**SHARES, ResultKind.TEMPORARY: 0.04, ResultKind.PERMANENT: 0.02}
"""Shares of answers that are no plain yes."""


@record
class Seen:
    """One look at the city. ``handed_in``: cases that the hub acknowledged."""

    at: datetime
    handed_in: int
    views: Sequence[CaseView]


class Play:
    """One run. ``cases`` are handed in in their order, by several counters at once."""

    def __init__(self, city: World, cases: Sequence[SampleCase]) -> None:
        self.city = city
        self.cases = cases
        self._numbers: dict[str, SampleCase] = {}
        self._views: dict[str, CaseView] = {}
        self._senders: list[Sender] = []
        self._signature: tuple[object, ...] = ()
        self._changed_at = time.monotonic()

    async def hand_in(self) -> None:
        """Returns when all are acknowledged and all applicants who were asked have answered, or never will."""
        async with asyncio.TaskGroup() as counters:
            for number in range(COUNTERS):
                counters.create_task(self._counter(number))

    async def _counter(self, number: int) -> None:
        mine = self.cases[number::COUNTERS]
        pause = HANDING_IN_SECONDS * min(len(self.cases) / 100, 1) / max(len(mine), 1)
        sender = await self.city.sender(f"counter-{number + 1}")
        self._senders.append(sender)
        async with asyncio.TaskGroup() as applicants:
            for case in mine:
                case_no = await sender.submit(case.envelope.id, case.application)
                self._numbers[case_no] = case
                if case.missing:
                    turn = sum(bool(other.missing) for other in self._numbers.values())
                    applicants.create_task(_correction(sender, case_no, case, returns=turn % MISSING_FOR_GOOD > 0))
                await asyncio.sleep(pause)

    async def close(self) -> None:
        """The counters close; until then returned cases go out again through them."""
        for sender in self._senders:
            await sender.close()

    async def look(self, http: aiohttp.ClientSession) -> Seen:
        """Ask the hub about every case that is not over."""
        for case_no in list(self._numbers):
            before = self._views.get(case_no)
            if before is None or before.status not in ENDED:
                async with http.get(f"{self.city.hub.url}/v1/cases/{case_no}") as answer:
                    answer.raise_for_status()
                    self._views[case_no] = adapter(CaseView).validate_json(await answer.read())
        signature = tuple((view.case_no, view.status, len(view.journal)) for view in self._views.values())
        if signature != self._signature:
            self._signature, self._changed_at = signature, time.monotonic()
        return Seen(at=self.city.clock.now(), handed_in=len(self._numbers), views=list(self._views.values()))

    def is_over(self, seen: Seen) -> bool:
        """Nothing can move any more; or the days are over and nothing moves; or there is no more time."""
        end = self.city.plan.start + DAYS
        quiet = time.monotonic() - self._changed_at
        if len(self._views) == len(self.cases) and all(_rests(view, end) for view in seen.views):
            return quiet > QUIET_SECONDS / 2 or all(view.status in ENDED for view in seen.views)
        beyond = (seen.at - end).total_seconds() / self.city.clock.speed
        return beyond > OVERTIME_SECONDS or (beyond > 0 and quiet > QUIET_SECONDS)


def _rests(view: CaseView, until: datetime) -> bool:
    """Finished, with an applicant who may be a month, or waiting for a reply that the hub asks about only after the demo."""
    if view.status in {*ENDED, "11"}:
        return True
    parts = [one for one in view.deliveries if one.state not in SETTLED]
    is_late = all(one.state == "waiting" and one.next_at is not None and one.next_at > until for one in parts)
    return bool(parts) and is_late and not any(task.state in OPEN_TASK for task in view.tasks)


async def _correction(sender: Sender, case_no: str, case: SampleCase, *, returns: bool) -> None:
    """补正: the centre says once what is missing; most applicants bring it some hours later."""
    wanted = [paper.material for paper in case.missing]
    asked: dict[str, Any] = {
        "event": "ask_correction",
        "by": "staff-1",
        "wanted": wanted,
        "reason_code": "papers_missing",
    }
    await sender.event(f"ask-{case_no}", case_no, asked)
    if not returns:
        return
    await asyncio.sleep(4.0)
    papers = [*case.application.get("materials", []), *_plain(case.missing)]
    brought = {"event": "corrected", "by": "applicant", "materials": papers}
    await sender.event(f"corrected-{case_no}", case_no, brought)


def _plain(papers: Sequence[MaterialRef]) -> list[Any]:
    found = adapter(tuple[MaterialRef, ...]).dump_python(tuple(papers), mode="json", exclude_none=True)
    return list(found)
