"""The people of the centres: they do the tasks of the centre, see to what no machine may settle, and print the sheets.

They know the hub only by its API. What they are asked twice they do once, and a hub that is away is asked again later.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp

_RESENDS: Final = 5
"""Times that somebody has a dead or unknown delivery sent again before the case is settled by hand."""

_AWAY: Final = (aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Office:
    """What the people work with. ``key``: of a client with the right to tasks; ``sheets``: where prints are put down.

    ``refuses``: share of the decisions of the centre that are a refusal.
    """

    hub: str
    key: str
    sheets: Path
    seed: int = 0
    pace_seconds: float = 0.2
    refuses: float = 0.0


@dataclass(slots=True)
class Tally:
    """What was done: tasks completed by kind, sheets printed, answers of the hub by status."""

    completed: Counter[str] = field(default_factory=Counter)
    printed: int = 0
    statuses: Counter[int] = field(default_factory=Counter)


async def staff(office: Office, stop: asyncio.Event, tally: Tally | None = None) -> Tally:
    """Work through the list of tasks, again and again, until ``stop`` is set."""
    done = tally or Tally()
    person = _Person(office, done)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {office.key}"}, timeout=aiohttp.ClientTimeout(total=15)
    ) as http:
        while not stop.is_set():
            with suppress(*_AWAY):
                for task in await _ready(office, http):
                    await person.work(http, task)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), office.pace_seconds)
    return done


async def _ready(office: Office, http: aiohttp.ClientSession) -> list[dict[str, Any]]:
    async with http.get(f"{office.hub}/v1/tasks", params={"state": "ready", "limit": "500"}) as answer:
        if answer.status != 200:
            return []
        found: list[dict[str, Any]] = (await answer.json())["tasks"]
        return found


class _Person:
    """Remembers what was printed and how often something was sent again."""

    def __init__(self, office: Office, done: Tally) -> None:
        self._office = office
        self._done = done
        self._printed: set[tuple[str, int]] = set()
        self._ids: dict[str, str] = {}
        self._resent: Counter[tuple[str, str]] = Counter()

    async def work(self, http: aiohttp.ClientSession, task: Mapping[str, Any]) -> None:
        if task["kind"] == "sheet":
            await self._print(http, task)
        else:
            await self._complete(http, task)

    async def _print(self, http: aiohttp.ClientSession, task: Mapping[str, Any]) -> None:
        """Each issue of a sheet once; what got lost on the way from the printer is printed again."""
        key = (task["id"], task["sheet_version"])
        if key in self._printed:
            return
        async with http.post(f"{self._office.hub}/v1/tasks/{task['id']}/print") as answer:
            self._done.statuses[answer.status] += 1
            if answer.status != 200:
                return
            pdf = await answer.read()
        name = f"{task['sheet_no']}-{task['sheet_version']:02d}.pdf"
        await asyncio.to_thread(_put_down, self._office.sheets / name, pdf)
        self._printed.add(key)
        self._done.printed += 1

    async def _complete(self, http: aiohttp.ClientSession, task: Mapping[str, Any]) -> None:
        # The id stays the same until the hub has answered: asked again, it must not do it twice.
        completion_id = self._ids.setdefault(task["id"], f"staff:{task['id']}")
        told = {"id": completion_id, "by": "staff-1", **self._decision(task)}
        async with http.post(f"{self._office.hub}/v1/tasks/{task['id']}/complete", json=told) as answer:
            self._done.statuses[answer.status] += 1
            if answer.status == 200:
                self._done.completed[task["kind"]] += 1
                if task["kind"] in _BY_HAND:
                    self._resent[task["case_no"], task["step"]] += 1
            elif 400 <= answer.status < 500:
                # Not to be done like this, or settled meanwhile; if it is still there next time, it is a new keying.
                self._ids[task["id"]] = f"staff:{uuid4()}"

    def _decision(self, task: Mapping[str, Any]) -> dict[str, Any]:
        by_hand = _BY_HAND.get(task["kind"])
        if by_hand is not None:
            times = self._resent[task["case_no"], task["step"]]
            if task["kind"] == "dead" and 1 <= times < _RESENDS:
                # What the department will not take as it is goes back to be mended, and out again as a new round.
                return {"decision": "returned", "reason_code": "data_refused"}
            return {"decision": "cancel" if times >= _RESENDS else by_hand}
        dice = random.Random(f"{self._office.seed}/{task['case_no']}/{task['step']}").random()  # noqa: S311 - repeatable
        if task["kind"] in _DECIDING and dice < self._office.refuses:
            return {"decision": "refused", "reason_code": "not_eligible"}
        return {"decision": "done"}


_BY_HAND: Final[Mapping[str, str]] = {"unknown": "resend", "dead": "replay"}
_DECIDING: Final = frozenset({"decide", "review"})


def _put_down(path: Path, pdf: bytes) -> None:
    """Under its name a print is whole from the first moment."""
    part = path.with_suffix(".part")
    part.write_bytes(pdf)
    part.replace(path)
