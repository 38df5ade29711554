"""A clerk at a running hub, over its HTTP API: he has sheets printed, reads the paper, decides, and keys it as his habits have it.

    GET /v1/tasks -> POST /v1/tasks/{id}/print -> a PDF, read as a person would -> in-tray -> POST /v1/tasks/{number}/complete

Of a sheet he knows what stands on its paper and nothing else. One sheet at a time, in his hours; what comes in between waits. His ledger
has, beside arrival, effect and reply, a line ``slip`` for each thing he did wrong, with what the hub said to it:

    wrong_sheet 409     keyed while another sheet was open on the screen
"""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import aiohttp

from contracts.envelope import TaskCompletion
from contracts.records import adapter
from contracts.site import Site
from simulators.clerk import RETURNING, Ticked, completion_of, decide
from simulators.clerk_habits import ClerkHabits, Slip
from simulators.ledger import Ledger
from simulators.sheet_reader import ReadSheet, UnreadableSheetError, read_sheet
from simulators.world import CivilClock

_LONGEST_LOOK_SECONDS: Final = 2.0
"""Real seconds after which he looks up, so that new habits count soon."""

_LOOKS: Final = 3
"""Prints that he has made of a sheet before he lets it be, where none can be had or read."""

_AWAY: Final = (aiohttp.ClientError, TimeoutError)
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})


@dataclass(slots=True)
class DeskTally:
    """What he did: sheets taken in, sheets done, those he could not read, slips by kind, answers of the hub by status."""

    taken: int = 0
    done: int = 0
    unreadable: int = 0
    lying: int = 0
    slips: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class _Tray:
    """A sheet that waits, and from when on he takes it up."""

    sheet: ReadSheet
    task: str
    slip: Slip | None
    from_: datetime


class ClerkAtHub:
    """One clerk. ``habits`` may be replaced while he works; they count from the next sheet on."""

    def __init__(
        self,
        hub: str,
        key: str,
        habits: ClerkHabits,
        *,
        ledger: Ledger,
        folder: Path,
        clock: CivilClock,
        site: Site | None = None,
        system: str | None = None,
        name: str = "clerk",
    ) -> None:
        """``key``: of a client that may work on tasks; ``site``: whose calendar counts; ``system``: only its sheets."""
        self.habits = habits
        self.tally = DeskTally()
        self._hub = hub.rstrip("/")
        self._key = key
        self._ledger = ledger
        self._folder = folder
        self._clock = clock
        self._calendars = site.calendars if site else {}
        self._zone = ZoneInfo(site.timezone if site else "Asia/Shanghai")
        self._system = system
        self._name = name
        self._tray: list[_Tray] = []
        self._seen: set[str] = set()
        self._looked_at: Counter[str] = Counter()

    @property
    def is_open(self) -> bool:
        """Whether he is at his desk now."""
        return self.habits.is_open(self._local(), self._calendars)

    async def work(self, stop: asyncio.Event, *, once: bool = False) -> DeskTally:
        """Until ``stop`` is set; ``once``: until no sheet is left."""
        headers = {"Authorization": f"Bearer {self._key}"}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=30)) as http:
            while not stop.is_set():
                closed = self.habits.until_open(self._local(), self._calendars)
                if closed:
                    await self._pause(stop, closed)
                    continue
                found = await self._fetch(http)
                next_ = min(self._tray, key=lambda one: one.from_, default=None)
                if next_ is not None and next_.from_ <= self._clock.now():
                    self._tray.remove(next_)
                    await self._pause(stop, timedelta(minutes=self.habits.pace_minutes), whole=True)
                    await self._do(http, next_)
                elif once and next_ is None and not found:
                    break
                else:
                    await self._pause(stop, next_.from_ - self._clock.now() if next_ else timedelta(minutes=10))
                self.tally.lying = len(self._tray)
        return self.tally

    def _local(self) -> datetime:
        return self._clock.now().astimezone(self._zone)

    async def _pause(self, stop: asyncio.Event, span: timedelta, *, whole: bool = False) -> None:
        """Wait for ``span`` of the city's time; unless ``whole``, only until he would look up."""
        seconds = span.total_seconds() / self._clock.speed
        try:
            await asyncio.wait_for(stop.wait(), seconds if whole else min(seconds, _LONGEST_LOOK_SECONDS))
        except TimeoutError:
            return

    async def _fetch(self, http: aiohttp.ClientSession) -> bool:
        """Have printed what is new, and put it into the tray; whether the hub was away or had anything."""
        asked = {
            "kind": "sheet",
            "state": "ready",
            "limit": "200",
            **({"system": self._system} if self._system else {}),
        }
        try:
            async with http.get(f"{self._hub}/v1/tasks", params=asked) as answer:
                self.tally.statuses[answer.status] += answer.status != 200
                tasks: list[dict[str, Any]] = (await answer.json())["tasks"] if answer.status == 200 else []
        except _AWAY:
            return True
        fresh = [str(one["id"]) for one in tasks if str(one["id"]) not in self._seen]
        for task in fresh:
            await self._take_in(http, task)
        return bool(fresh)

    async def _take_in(self, http: aiohttp.ClientSession, task: str) -> None:
        sheet = await self._printed(http, task)
        self._looked_at[task] += 1
        if sheet is None:
            if self._looked_at[task] >= _LOOKS:
                self._seen.add(task)
            return
        self._seen.add(task)
        slip, lies = self.habits.drawn(sheet.case_no, sheet.form, sheet.version)
        later = timedelta(hours=self.habits.late_hours) if lies else timedelta()
        self._tray.append(_Tray(sheet=sheet, task=task, slip=slip, from_=self._clock.now() + later))
        self.tally.taken += 1
        await self._note("arrival", sheet, "late" if lies else "")

    async def _printed(self, http: aiohttp.ClientSession, task: str) -> ReadSheet | None:
        """A print as he reads it; the paper does not stay: what is on it is somebody's."""
        try:
            async with http.post(f"{self._hub}/v1/tasks/{task}/print") as answer:
                if answer.status != 200:
                    self.tally.statuses[answer.status] += 1
                    return None
                pdf = await answer.read()
        except _AWAY:
            return None
        try:
            return await asyncio.to_thread(_read, self._folder / f"{task}.pdf", pdf)
        except UnreadableSheetError:
            self.tally.unreadable += 1
            return None

    async def _do(self, http: aiohttp.ClientSession, on_top: _Tray) -> None:
        """One sheet: decide, go wrong where that is due, and key it right in the end."""
        sheet = on_top.sheet
        rule = random.Random(f"{self.habits.seed}/{sheet.case_no}/{sheet.form}/{sheet.version}")  # noqa: S311 - repeats itself
        ticked = decide(sheet, rule)
        if not self._ledger.effects(sheet.number):
            await self._note("effect", sheet, ticked.box)
        match on_top.slip:
            case Slip.WRONG_SHEET:
                told = self._told(sheet, ticked, "wrong-sheet")
                await self._slip(http, sheet, Slip.WRONG_SHEET, told, open_is=self._other(sheet))
            case Slip.UNREADABLE:
                smudged = replace(self._told(sheet, ticked, "smudged"), sheet_code=sheet.code[:-4] + "????")
                await self._slip(http, sheet, Slip.UNREADABLE, smudged)
            case Slip.WRONG_BOX:
                await self._slip(http, sheet, Slip.WRONG_BOX, self._told(sheet, _another(sheet, ticked), "wrong-box"))
            case Slip.OLD_VERSION:
                # Printed again, and then the paper of another version is the one at hand.
                sheet = await self._printed(http, on_top.task) or sheet
                old = replace(
                    self._told(sheet, ticked, "old-paper"),
                    sheet_code=None,
                    sheet_no=sheet.number,
                    sheet_version=sheet.version - 1 or sheet.version + 1,
                )
                await self._slip(http, sheet, Slip.OLD_VERSION, old)
        told = self._told(sheet, ticked, "first")
        if on_top.slip is Slip.UNREADABLE:
            told = replace(told, sheet_code=None, sheet_no=sheet.number, sheet_version=sheet.version)
        await self._note("reply", sheet, ticked.meaning)
        status, said = await self._key_in(http, sheet.number, told)
        if "outdated" in said and (new := await self._printed(http, on_top.task)):
            # While it lay here somebody corrected the case: the new print counts.
            await self._note("slip", sheet, f"outdated {status}")
            await self._key_in(http, new.number, self._told(new, ticked, "first"))
        if on_top.slip is Slip.WRONG_BOX:
            # A hub that took the wrong box takes no second word for it: then a person must see to it.
            await self._note("slip", sheet, f"correction {status}")
        if on_top.slip is Slip.TWICE:
            await self._slip(http, sheet, Slip.TWICE, self._told(sheet, ticked, "second"))
        self.tally.done += 1

    def _other(self, sheet: ReadSheet) -> str:
        """Another sheet of his; where there is none, the number with its last sign mistyped."""
        others = [one.sheet.number for one in self._tray if one.sheet.number != sheet.number]
        return others[0] if others else sheet.number[:-1] + ("A" if sheet.number[-1] != "A" else "B")

    def _told(self, sheet: ReadSheet, ticked: Ticked, which: str) -> TaskCompletion:
        return completion_of(self._name, sheet, ticked, which, swapped=which == "second")

    async def _slip(
        self, http: aiohttp.ClientSession, sheet: ReadSheet, slip: Slip, told: TaskCompletion, *, open_is: str = ""
    ) -> None:
        """Go wrong, and write down what the hub said to it. ``open_is``: the sheet that is open on the screen instead."""
        status, _ = await self._key_in(http, open_is or sheet.number, told)
        self.tally.slips[slip.value] += 1
        await self._note("slip", sheet, f"{slip.value} {status}")

    async def _key_in(self, http: aiohttp.ClientSession, number: str, told: TaskCompletion) -> tuple[int, str]:
        """Until the hub has answered; status of its answer, and what is wrong in its words. One that is away is asked again, more slowly each time."""
        body, wait = adapter(TaskCompletion).dump_json(told), 0.2
        while True:
            try:
                headers = {"Content-Type": "application/json"}
                async with http.post(f"{self._hub}/v1/tasks/{number}/complete", data=body, headers=headers) as answer:
                    if answer.status not in _TRY_AGAIN:
                        self.tally.statuses[answer.status] += 1
                        return answer.status, _detail(await answer.read())
            except _AWAY:
                # The same id goes again, so it does not matter whether the hub had read the first one.
                pass
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)

    async def _note(self, kind: str, sheet: ReadSheet, note: str) -> None:
        await asyncio.to_thread(self._ledger.write, kind, self._name, sheet.number, sheet.form, sheet.digest, note)


def _another(sheet: ReadSheet, ticked: Ticked) -> Ticked:
    """A box that is not his: the one for a return if he agrees, else the first."""
    others = [(code, words) for code, words in sheet.boxes if code != ticked.box]
    returning = next((code for code, words in others if words.startswith(RETURNING)), None)
    if returning and ticked.meaning == "agreed":
        return Ticked(returning, {}, reason_code="papers_missing", wanted=("1",) if sheet.papers else ())
    return Ticked(others[0][0] if others else ticked.box, {})


def _detail(body: bytes) -> str:
    """The sentence in a refusal; blank where there is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found.get("detail", "")) if isinstance(found, dict) else ""


def _read(path: Path, pdf: bytes) -> ReadSheet:
    path.write_bytes(pdf)
    try:
        return read_sheet(path)
    finally:
        path.unlink()
