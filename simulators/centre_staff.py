"""The people of the centres: they do the tasks of the centre, see to what no machine may settle, and print the sheets.

They know the hub only by its API. What they are asked twice they do once, and a hub that is away is asked again later.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
from pydantic import JsonValue

from contracts.catalogue import Operation
from contracts.site import Site
from simulators.plausible import plausible

_RESENDS: Final = 5
"""Times that somebody has a dead or unknown delivery sent again before the case is settled by hand."""

_UNSENDABLE: Final = frozenset({"not_encodable", "field_missing", "field_too_long", "bad_field"})
"""What never left the house, since it cannot be written down as the department wants it: sending it again would not help."""

_PATIENCE: Final = 25
"""Paces for which a task is left alone that the hub would not let go, such as accepting a case whose papers are not there."""

_AWAY: Final = (aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Office:
    """What the people work with. ``key``: of a client with the right to tasks; ``sheets``: where prints are put down.

    ``refuses``: share of the decisions of the centre that are a refusal. ``site`` says what each step asks of its department: where
    a machine cannot, somebody asks by telephone and keys the answer. None: keyed without its fields.
    """

    hub: str
    key: str
    sheets: Path
    seed: int = 0
    pace_seconds: float = 0.2
    refuses: float = 0.0
    site: Site | None = None


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
        self._not_before: dict[str, float] = {}

    async def work(self, http: aiohttp.ClientSession, task: Mapping[str, Any]) -> None:
        if task["kind"] == "sheet":
            await self._print(http, task)
        elif self._not_before.get(task["id"], 0.0) <= time.monotonic():
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
        told = {"id": completion_id, "by": "staff-1", **await self._decision(http, task)}
        async with http.post(f"{self._office.hub}/v1/tasks/{task['id']}/complete", json=told) as answer:
            self._done.statuses[answer.status] += 1
            if answer.status == 200:
                self._done.completed[task["kind"]] += 1
                if task["kind"] in _BY_HAND:
                    self._resent[task["case_no"], task["step"]] += 1
            elif 400 <= answer.status < 500:
                # Not to be done like this, or settled meanwhile; if it is still there next time, it is a new keying.
                self._ids[task["id"]] = f"staff:{uuid4()}"
                self._not_before[task["id"]] = time.monotonic() + self._office.pace_seconds * _PATIENCE

    async def _decision(self, http: aiohttp.ClientSession, task: Mapping[str, Any]) -> dict[str, Any]:
        by_hand = _BY_HAND.get(task["kind"])
        if by_hand is not None:
            times = self._resent[task["case_no"], task["step"]]
            if times >= _RESENDS or (task["kind"] == "dead" and _unsendable(await self._case(http, task), task)):
                return {"decision": "cancel"}
            if task["kind"] == "dead" and times >= 1:
                # What the department will not take as it is goes back to be mended, and out again as a new round.
                return {"decision": "returned", "reason_code": "data_refused"}
            return {"decision": by_hand}
        dice = random.Random(f"{self._office.seed}/{task['case_no']}/{task['step']}").random()  # noqa: S311 - repeatable
        if task["kind"] in _DECIDING and dice < self._office.refuses:
            return {"decision": "refused", "reason_code": "not_eligible", "confirmed_by": "staff-2"}
        if task["kind"] == "decide" and task.get("system"):
            return {"decision": "done", "fields": self._by_telephone(await self._case(http, task), task)}
        return {"decision": "done"}

    async def _case(self, http: aiohttp.ClientSession, task: Mapping[str, Any]) -> Mapping[str, Any]:
        async with http.get(f"{self._office.hub}/v1/cases/{task['case_no']}") as answer:
            found: Mapping[str, Any] = await answer.json() if answer.status == 200 else {}
            return found

    def _by_telephone(self, case: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, JsonValue]:
        """What the department says that the hub could not ask."""
        site = self._office.site
        asked = _operation(site, case.get("item", ""), task["step"]) if site else None
        if site is None or asked is None or asked.repeat:
            return {}
        dice = random.Random(f"{self._office.seed}/{task['id']}")  # noqa: S311 - repeatable, no secret
        return {one.name: plausible(one, dice, site.code_lists) for one in asked.reply}


def _operation(site: Site, item: str, step: str) -> Operation | None:
    """What a step of an item asks of its department."""
    wanted = {(one.system, one.operation) for of in site.items if of.code == item for one in of.steps if one.id == step}
    return next(
        (
            operation
            for department in site.departments
            for system in department.systems
            for operation in system.operations
            if (system.key, operation.key) in wanted
        ),
        None,
    )


def _unsendable(case: Mapping[str, Any], task: Mapping[str, Any]) -> bool:
    """Whether the dead letter of this task is one that could not even be written down."""
    dead = [one for one in case.get("deliveries", ()) if one["step"] == task["step"] and one["state"] == "dead"]
    return any(one["attempts"] and one["attempts"][-1]["error_code"] in _UNSENDABLE for one in dead)


_BY_HAND: Final[Mapping[str, str]] = {"unknown": "resend", "dead": "replay"}
_DECIDING: Final = frozenset({"decide", "review"})


def _put_down(path: Path, pdf: bytes) -> None:
    """Under its name a print is whole from the first moment."""
    part = path.with_suffix(".part")
    part.write_bytes(pdf)
    part.replace(path)
