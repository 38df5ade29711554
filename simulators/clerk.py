"""A clerk of a department without IT: knows a sheet only by its paper, decides, fills it in, and has his confirmation keyed.

    folder of PDFs -> read -> tick a box -> fill the lines -> ledger -> POST /v1/tasks/{sheet number}/complete

What he decides depends on the seed and the sheet number alone, so a reprint gets the answer of the first print and a restarted
clerk decides as he did before. His habits come from the fault dial:

    delay            the sheet lies on the desk for a while
    refuse           the courier finds the door closed; the sheet is taken in later
    duplicate_reply  two people key the same stamped sheet
    lost_reply       the answered sheet never comes back: keyed much later, or lost before anyone acted, and a reprint is asked for
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import aiohttp

from contracts.envelope import TaskCompletion
from contracts.records import adapter
from simulators.dial import FaultDial
from simulators.faults import Fault
from simulators.ledger import Ledger
from simulators.sheet_reader import Blank, ReadSheet, UnreadableSheetError, read_sheet

_HABITS: Final = frozenset({Fault.DELAY, Fault.REFUSE, Fault.DUPLICATE_REPLY, Fault.LOST_REPLY})
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
_REFUSING: Final = ("不同意", "不予", "不准", "not agreed", "refused")
RETURNING: Final = ("补正", "退回", "papers missing", "returned")
_LOST: Final = ("遗失", "lost")

_REASONS: Final = ("理由", "原因", "reason")


@dataclass(frozen=True, slots=True)
class Ticked:
    """What stands on the sheet when it goes back."""

    box: str
    fields: dict[str, str]
    reason_code: str | None = None
    wanted: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """In a word, for the ledger: a clerk who agrees does not know whether that grants something or only does it."""
        return (
            "returned"
            if self.wanted or self.reason_code == "papers_missing"
            else "refused"
            if self.reason_code
            else "agreed"
        )


@dataclass(slots=True)
class Tally:
    """What the clerk has done so far. ``verdicts``: answers of the hub to his confirmations, by HTTP status."""

    sheets: int = 0
    confirmed: int = 0
    unreadable: int = 0
    verdicts: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the clerk works with. ``key``: of a client that may confirm sheets; ``clock``: the civil time of the city, None: not stated.

    ``asks_reprints``: half of the lost sheets are reported with the box for that; somebody must then print again.
    """

    folder: Path
    hub: str
    key: str
    ledger: Ledger
    dial: FaultDial
    seed: int
    name: str = "clerk"
    pace_seconds: float = 0.2
    clock: Callable[[], datetime] | None = None
    asks_reprints: bool = True


async def clerk(desk: Desk, stop: asyncio.Event, tally: Tally | None = None) -> Tally:
    """Work until ``stop`` is set; confirmations under way are then given up, and made again by the next clerk."""
    done = tally or Tally()
    seen: dict[Path, _Print] = {}
    turned_away: set[Path] = set()
    one_by_one: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
    session = aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {desk.key}"}, timeout=aiohttp.ClientTimeout(total=10)
    )
    async with session as http, asyncio.TaskGroup() as tasks:
        under_way: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            for path, print_ in await asyncio.to_thread(_arrivals, desk.folder, seen):
                sheet = await asyncio.to_thread(_taken_in, path, print_)
                habit = None if sheet is None or path in turned_away else desk.dial.draw(_HABITS)
                if habit is Fault.REFUSE:
                    turned_away.add(path)
                    continue
                seen[path] = print_
                if sheet is None:
                    done.unreadable += 1
                    continue
                task = tasks.create_task(_work(desk, http, sheet, habit, one_by_one[sheet.number], done))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await _pause(stop, desk.pace_seconds)
        for task in under_way:
            task.cancel()
    return done


_Print = tuple[int, int]
"""Time and size of a file: what tells one print from the next under the same name."""


def _arrivals(folder: Path, seen: dict[Path, _Print]) -> list[tuple[Path, _Print]]:
    """Files that are new, or printed again."""
    now = [(path, _print_of(path)) for path in sorted(folder.glob("*.pdf"))]
    return [(path, print_) for path, print_ in now if seen.get(path) != print_]


def _print_of(path: Path) -> _Print:
    try:
        status = path.stat()
    except FileNotFoundError:
        # Taken away between the listing and this look.
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _taken_in(path: Path, print_: _Print) -> ReadSheet | None:
    """The sheet, if one can be made out. What is still being written will look like a new print when it is whole."""
    try:
        sheet = read_sheet(path)
    except (UnreadableSheetError, FileNotFoundError):
        return None
    return sheet if _print_of(path) == print_ else None


async def _work(
    desk: Desk,
    http: aiohttp.ClientSession,
    sheet: ReadSheet,
    habit: Fault | None,
    one_at_a_time: asyncio.Lock,
    done: Tally,
) -> None:
    """One print of one sheet, from the in-tray to the hub."""
    await _note(desk, "arrival", sheet, "" if habit is None else habit.value)
    done.sheets += 1
    rule = random.Random(f"{desk.seed}:{sheet.digest}")  # noqa: S311 - repeatable, no secret
    await asyncio.sleep(desk.pace_seconds * rule.uniform(0.5, 1.5) * (10 if habit is Fault.DELAY else 1))
    if habit is Fault.LOST_REPLY:
        lost_box = next((code for code, words in sheet.boxes if any(word in words for word in _LOST)), None)
        if lost_box and desk.asks_reprints and not desk.ledger.effects(sheet.number) and rule.random() < 0.5:
            await _note(desk, "reply", sheet, "temporary")
            await _confirm(desk, http, sheet, _lost(desk, sheet, lost_box), done)
            return
        await asyncio.sleep(desk.pace_seconds * 25)
    async with one_at_a_time:
        ticked = decide(sheet, random.Random(f"{desk.seed}:{sheet.number}"))  # noqa: S311 - the same, print after print
        if not desk.ledger.effects(sheet.number):
            await _note(desk, "effect", sheet, ticked.box)
    for keyed in ("first", "second") if habit is Fault.DUPLICATE_REPLY else ("first",):
        await _note(desk, "reply", sheet, ticked.meaning)
        await _confirm(desk, http, sheet, _completion(desk, sheet, ticked, keyed), done)


def _lost(desk: Desk, sheet: ReadSheet, box: str) -> TaskCompletion:
    """Lost before anyone acted. There is nothing to scan: the number is keyed from the handover list."""
    report = _completion(desk, sheet, Ticked(box, {}), f"lost:{sheet.digest[:8]}")
    return replace(report, sheet_code=None, sheet_no=sheet.number, sheet_version=sheet.version)


def decide(sheet: ReadSheet, rule: random.Random) -> Ticked:
    """Mostly the first box, which grants or does; now and then a refusal with its reason, or a return with what is wanted."""
    dice = rule.random()
    refusing = [code for code, words in sheet.boxes if words.startswith(_REFUSING)]
    returning = [code for code, words in sheet.boxes if words.startswith(RETURNING)]
    if dice < 0.08 and refusing:
        lines = {blank.label: "样例:不符合条件" for blank in sheet.blanks if _asks_reason(blank)}
        return Ticked(refusing[0], lines, reason_code="not_eligible")
    if dice < 0.14 and returning:
        first = ("1",) if sheet.papers else ()  # by its number on the sheet: a paper's name is no code
        return Ticked(rule.choice(returning), {}, reason_code="papers_missing", wanted=first)
    written = {"int": str(rule.randint(1, 4)), "decimal": "10.5", "money": f"{rule.randint(100, 2000)}.00"}
    written |= {"date": f"2027-{rule.randint(1, 12):02d}-28", "month": "2027-01", "bool": "是"}
    number = rule.randint(1, 99999)
    return Ticked(
        sheet.boxes[0][0],
        {
            blank.label: written.get(blank.kind, f"样例{number:05d}")
            for blank in sheet.blanks
            if not _asks_reason(blank)
        },
    )


def _asks_reason(blank: Blank) -> bool:
    return any(word in blank.label.lower() for word in _REASONS)


def _completion(desk: Desk, sheet: ReadSheet, ticked: Ticked, which: str) -> TaskCompletion:
    told = completion_of(desk.name, sheet, ticked, which, swapped=which == "second")
    return replace(told, happened_at=desk.clock() if desk.clock else None)


def completion_of(name: str, sheet: ReadSheet, ticked: Ticked, which: str, *, swapped: bool = False) -> TaskCompletion:
    """The stamped sheet as it is keyed. The id says which keying this is: a repeated call is the same, a second person's another.

    Two people see each sheet, since a refusal counts only so; ``swapped``: the colleague keys it and ``name`` agrees.
    """
    people = name, f"{name}-colleague"
    by, confirmed_by = reversed(people) if swapped else people
    return TaskCompletion(
        id=f"{name}:{sheet.number}:{sheet.version:02d}:{which}",
        by=by,
        confirmed_by=confirmed_by,
        sheet_code=sheet.code,
        result_code=ticked.box,
        reason_code=ticked.reason_code,
        wanted=ticked.wanted,
        fields=dict(ticked.fields),
    )


async def _confirm(
    desk: Desk, http: aiohttp.ClientSession, sheet: ReadSheet, completion: TaskCompletion, done: Tally
) -> None:
    """Key it until the hub has answered. A hub that is away, or says come back later, is asked again, more slowly each time."""
    url = f"{desk.hub.rstrip('/')}/v1/tasks/{sheet.number}/complete"
    body = adapter(TaskCompletion).dump_json(completion)
    wait = desk.pace_seconds
    while True:
        try:
            async with http.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                if answer.status not in _TRY_AGAIN:
                    done.verdicts[answer.status] += 1
                    done.confirmed += answer.status < 300
                    return
                asked = answer.headers.get("Retry-After", "")
                wait = max(wait, min(float(asked), 5.0)) if asked.isdecimal() else wait
        except (aiohttp.ClientError, TimeoutError):
            # The same id goes again, so it does not matter whether the hub had read the first one.
            pass
        await asyncio.sleep(wait)
        wait = min(wait * 2, max(2.0, desk.pace_seconds))


async def _note(desk: Desk, kind: str, sheet: ReadSheet, note: str) -> None:
    await asyncio.to_thread(desk.ledger.write, kind, desk.name, sheet.number, sheet.form, sheet.digest, note)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
