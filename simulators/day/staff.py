"""The staff of the centres and the clerks of departments without IT: three rounds an hour through the lists that the hub shows them.

Staff do the centre's own steps, send dead or doubtful deliveries again, and mend what departments gave back. Clerks confirm sheets by
number, some late, some twice, some with an outdated version first.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from contracts.api import TaskView
from contracts.catalogue import Item, Operation, ResultKind
from contracts.envelope import TaskCompletion
from contracts.errors import OnedoorError
from contracts.records import adapter
from contracts.situation import Situation
from simulators.day.hours import HOUR
from simulators.day.people import City, all_papers, ask_for_papers, event, now, until
from simulators.day.plan import MENDED
from simulators.plausible import decide, plausible

ROUND_SECONDS: Final = 1200.0
"""Everybody looks at their list three times an hour."""

RESENDS: Final = 2
"""How often somebody has a doubtful delivery sent again, or a case mended, before giving up."""

PATIENCE: Final = 2 * HOUR
"""How long a task is left alone that the hub would not let go, such as serving a result while its case is suspended."""

REFUSES: Final = 0.03
UNSENDABLE: Final = frozenset({"not_encodable", "field_missing", "field_too_long", "bad_field"})
LATE, TWICE, OUTDATED = 0.1, 0.03, 0.02
"""Shares of sheets that a clerk leaves lying for hours, keys twice, or first keys with a version that no longer counts."""

_ALL: Final = 1_000_000


class Rounds:
    """The lists of one day. Nobody does a task twice, and what the hub refuses is tried again later."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._not_before: dict[str, float] = {}
        self._sheets: set[tuple[str, int]] = set()
        self._resent: Counter[tuple[str, str]] = Counter()
        self._mended: Counter[str] = Counter()

    async def run(self) -> None:
        """Until the day is over."""
        city, hours = self._city, self._city.plan.hours
        async with asyncio.TaskGroup() as desks:
            while now() < city.plan.until:
                at_centre, at_desks = hours.centre_is_open(now()), hours.office_is_open(now())
                if at_centre or at_desks:
                    tasks = await city.hub.tasks(_ALL)
                    if at_centre:
                        await self._staff(tasks)
                        await self._mend(desks)
                    if at_desks:
                        self._fetch(tasks, desks)
                await asyncio.sleep(ROUND_SECONDS)

    async def _staff(self, tasks: Sequence[TaskView]) -> None:
        for task in tasks:
            if task.kind != "sheet" and self._not_before.get(str(task.id), 0.0) <= now() and self._may(task):
                await self._work(task)

    def _may(self, task: TaskView) -> bool:
        """While papers are missing nobody accepts."""
        item = item_of(self._city, task)
        return not (item is not None and item.accepts == task.step and task.case_no in self._city.incomplete)

    async def _work(self, task: TaskView) -> None:
        city = self._city
        self._not_before[str(task.id)] = math.inf
        told = TaskCompletion(id=f"staff:{task.id}", by="staff-1", **await self._decision(task))
        try:
            await city.hub.complete(str(task.id), told)
        except OnedoorError as error:
            city.doings.refused[f"{task.kind}: {type(error).__name__}"] += 1
            self._not_before[str(task.id)] = now() + PATIENCE
        else:
            city.doings.completed[task.kind] += 1

    async def _decision(self, task: TaskView) -> dict[str, Any]:
        """What to say of a task: what no machine may settle, a refusal now and then, else that it is done."""
        city = self._city
        if task.kind in ("unknown", "dead"):
            return {"decision": await self._again(task), "reason_code": "data_refused"}
        dice = city.dice(task.case_no, task.step)
        if task.kind in ("decide", "review") and dice.random() < REFUSES:
            return {"decision": "refused", "reason_code": "not_eligible", "confirmed_by": "staff-2"}
        operation = asked(city, task) if task.kind == "decide" and task.system else None
        fields = {one.name: plausible(one, dice, city.site.code_lists) for one in operation.reply} if operation else {}
        return {"decision": "done", "fields": fields}

    async def _again(self, task: TaskView) -> str:
        """What is doubtful goes again, twice; what a department does not take goes again once, then back to be mended.

        What cannot be written in the department's characters is not sent: somebody at the centre decides the step.
        """
        key = (str(task.case_no), task.step)
        self._resent[key] += 1
        if task.kind == "unknown":
            return "resend" if self._resent[key] <= RESENDS else "cancel"
        if await self._never_left(task):
            return "cancel"
        return "replay" if self._resent[key] == 1 else "returned"

    async def _never_left(self, task: TaskView) -> bool:
        """Whether a dead letter is one that could not even be written down as the department wants it."""
        case = await self._city.hub.case(str(task.case_no))
        tries = [one.attempts for one in case.deliveries if one.step == task.step and one.state == "dead"]
        return any(attempts and attempts[-1].error_code in UNSENDABLE for attempts in tries)

    async def _mend(self, desks: asyncio.TaskGroup) -> None:
        """部门退回: what departments gave back since the last round."""
        city = self._city
        for case_no in await city.hub.returned(_ALL):
            if case_no in city.incomplete:
                continue  # its applicant was asked
            self._mended[case_no] += 1
            when = f"mended-{self._mended[case_no]}"
            kinds = list(MENDED)
            (kind,) = city.dice(case_no, when).choices(kinds, weights=[MENDED[one] for one in kinds])
            if self._mended[case_no] > RESENDS or kind == "return":
                told: dict[str, Any] = {"event": "return", "by": "staff-1", "reason_code": "other_procedure"}
                await event(city, case_no, when, told)
            elif kind == "ask_correction":
                desks.create_task(_asked_again(city, case_no, when))
            else:
                told = {"event": "resubmit", "by": "staff-1", "materials": all_papers(city.numbers[case_no])}
                await event(city, case_no, when, told)

    def _fetch(self, tasks: Sequence[TaskView], desks: asyncio.TaskGroup) -> None:
        """What the courier brought, by issue of the sheet."""
        for task in tasks:
            key = (str(task.sheet_no), task.sheet_version or 0)
            if task.kind == "sheet" and key not in self._sheets:
                self._sheets.add(key)
                desks.create_task(_sheet(self._city, task))


async def _asked_again(city: City, case_no: str, when: str) -> None:
    """The applicant brings what the department wanted, and the centre accepts the case once more."""
    papers = [str(one["material"]) for one in all_papers(city.numbers[case_no])]
    if await ask_for_papers(city, case_no, papers[-1:] or ["other"], when):
        await event(city, case_no, when, {"event": "accept", "by": "staff-1"})


def item_of(city: City, task: TaskView) -> Item | None:
    """The item of a task's case; None for a case that nobody here handed in."""
    case = city.numbers.get(str(task.case_no))
    return city.items[case.item] if case is not None else None


def asked(city: City, task: TaskView) -> Operation | None:
    """What the task's step asks of its department."""
    item = item_of(city, task)
    step = next((one for one in item.steps if one.id == task.step), None) if item else None
    return city.operations[step.system, step.operation] if step and step.system and step.operation else None


async def _sheet(city: City, task: TaskView) -> None:
    """One sheet, from the printer to the hub. Keyed twice it must have one effect; with an outdated version none."""
    operation = asked(city, task)
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
    dice = city.dice(known_as)
    city.sheets.write("arrival", "clerk", number, operation.key)
    work = dice.uniform(0.2, 2.0) * HOUR * (4 if dice.random() < LATE else 1)
    await until(city.plan.hours.after_work(now(), work))
    if now() >= city.plan.until:
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
        await _key(city, number, {**told, **old, "id": f"{number}:{version}:old"}, "sheet of another version")
    if not city.sheets.effects(number):
        city.sheets.write("effect", "clerk", number, operation.key)
    city.sheets.write("reply", "clerk", number, operation.key, note=_SAID.get(verdict.kind, "agreed"))
    whole = {**told, "sheet_code": sheet.code}
    await _key(city, number, {**whole, "id": f"{number}:{version}:0"}, "sheet")
    if dice.random() < TWICE:
        await _key(city, number, {**whole, "id": f"{number}:{version}:1"}, "sheet keyed twice")


_REASONS: Final = {ResultKind.REFUSED: "not_eligible", ResultKind.RETURNED: "papers_missing"}
_SAID: Final = {ResultKind.REFUSED: "refused", ResultKind.RETURNED: "returned"}


async def _key(city: City, number: str, told: dict[str, Any], what: str) -> None:
    try:
        await city.hub.complete(number, adapter(TaskCompletion).validate_python(told))
    except OnedoorError as error:
        city.doings.refused[f"{what}: {type(error).__name__}"] += 1
        return
    city.doings.completed["sheet"] += 1
