"""One day, from its first applicant to the end of the night, and what became of it.

The judgement is the oracle's own: it reads senders' logs, ledgers, folders and the database when everything is over.
"""

import argparse
import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from random import Random
from typing import Any, Final

from contracts.client import HubClient, OpenHub
from contracts.delivery import Inbound
from contracts.site import Site, SystemFile
from contracts.situation import ChannelStatus, Situation
from simulators.day.loop import VirtualLoop
from simulators.day.network import CityRuntime, Network
from simulators.day.people import City, clerks, counters, staff
from simulators.day.plan import ANSWERS, FAULTS, FILE_FAULTS, HOUR, NIGHT_RUN, DayPlan
from simulators.dial import FaultDial
from simulators.faults import Fault
from simulators.file_department import FileDepartment, Habits
from simulators.ledger import Ledger
from simulators.made_secrets import secret_names
from simulators.oracle.__main__ import examine
from simulators.rest import RestDepartment, rest_desk
from simulators.rest_desk import Habits as DeskHabits
from simulators.senders import SenderLog
from simulators.soap import soap_desk

SETTINGS: Final[Mapping[str, Any]] = {
    "allow_demo_keys": True,
    "look_seconds": 300.0,
    "max_waiting": 100_000,
    "seal_seconds": 3600.0,
    "integrity_hours": 1000.0,
    "retry": {"first_seconds": 30.0, "cap_seconds": 1800.0},
}
"""A hub that is always told what is due need not look by itself every few seconds."""

HOST: Final = "city.invalid"


def run_day(plan: DayPlan, folder: Path, open_hub: OpenHub) -> dict[str, Any]:
    """Play the day in ``folder`` and judge it. The same plan gives the same accounts."""
    for name in ("senders", "ledgers", "files"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        told = runner.run(_play(plan, folder, open_hub))
    return {**told, **judged(plan, folder)}


async def _play(plan: DayPlan, folder: Path, open_hub: OpenHub) -> dict[str, Any]:
    dice = Random(f"network/{plan.seed}")  # noqa: S311 - repeatable, no secret
    network = Network(dice=dice, outages=plan.outages)
    secrets = {name: f"made-{number}" for number, name in enumerate(_secrets(plan.site))}
    runtime = CityRuntime(plan.start, network, secrets, Random(f"hub/{plan.seed}"))  # noqa: S311 - repeatable
    async with AsyncExitStack() as stack:
        departments = _Departments(plan, folder, network, secrets, runtime, stack)
        places = departments.open()
        settings = {**SETTINGS, "data": str(folder / "data"), "site": plan.site.root, "systems": places}
        hub = await stack.enter_async_context(open_hub(settings, runtime))
        departments.find(hub)
        sheets = stack.enter_context(Ledger(folder / "ledgers" / "clerk.jsonl", synced=False))
        log = SenderLog(folder / "senders" / "counters.jsonl", synced=False)
        stack.callback(log.close)
        city = City(plan=plan, hub=hub, log=log, sheets=sheets)
        async with asyncio.TaskGroup() as everybody:
            everybody.create_task(counters(city, mix_of(plan)))
            everybody.create_task(staff(city))
            everybody.create_task(clerks(city))
            everybody.create_task(departments.work())
        faults = sum((dial.counts for dial in departments.dials), Counter[Fault]())
    return {
        "handed_in": city.doings.handed_in,
        "tasks_done": dict(sorted(city.doings.completed.items())),
        "refused": dict(sorted(city.doings.refused.items())),
        "faults": {fault.value: number for fault, number in sorted(faults.items())},
        "connections_refused": network.refused,
    }


def mix_of(plan: DayPlan) -> Sequence[str]:
    """Which item each applicant comes for: every item now and then, instant ones oftener."""
    dice = Random(f"mix/{plan.seed}")  # noqa: S311 - repeatable, no secret
    items = sorted(
        (item for item in plan.site.items if item.valid_from <= plan.start.date().isoformat()),
        key=lambda item: item.code,
    )
    weights = [4.0 if item.case_type == "instant" else 1.0 / max(len(item.steps) - 4, 1) for item in items]
    return [item.code for item in dice.choices(items, weights=weights, k=plan.cases)]


def _secrets(site: Site) -> Iterator[str]:
    for department in site.departments:
        for system in department.systems:
            yield from secret_names(system)


class _Departments:
    """Every department behind its sending channel."""

    def __init__(
        self,
        plan: DayPlan,
        folder: Path,
        network: Network,
        secrets: Mapping[str, str],
        runtime: CityRuntime,
        stack: AsyncExitStack,
    ) -> None:
        self.dials: list[FaultDial] = []
        self._plan, self._folder, self._network, self._secrets = plan, folder, network, secrets
        self._runtime, self._stack = runtime, stack
        self._files: list[FileDepartment] = []
        self._rest: list[tuple[SystemFile, RestDepartment]] = []

    def open(self) -> dict[str, dict[str, Any]]:
        """Everybody is in; their places, for the hub's settings."""
        places: dict[str, dict[str, Any]] = {}
        for department in self._plan.site.departments:
            home = (Path(self._plan.site.root) / self._plan.site.files[department.code]).parent
            for system in department.systems:
                for channel in system.channels:
                    if channel.situation is Situation.API:
                        places.setdefault(system.key, {})["api"] = {"url": f"http://{system.key.lower()}.{HOST}"}
                    elif channel.situation is Situation.FILE_DROP:
                        places.setdefault(system.key, {})["file_drop"] = _PLACE
                self._open(system, home)
        return places

    def _open(self, system: SystemFile, home: Path) -> None:
        sending = next(one for one in system.channels if one.status is ChannelStatus.SENDING)
        if sending.situation is Situation.PAPER:
            return
        ledger = self._stack.enter_context(Ledger(self._folder / "ledgers" / f"{system.key}.jsonl", synced=False))
        is_file = sending.situation is Situation.FILE_DROP
        dial = FaultDial(FILE_FAULTS if is_file else FAULTS, self._plan.seed + len(self.dials))
        self.dials.append(dial)
        if any(one.situation is Situation.FILE_DROP for one in system.channels):
            self._file_department(system, ledger if is_file else None, dial if is_file else None)
        habits = DeskHabits(
            seed=self._plan.seed,
            shares=ANSWERS,
            code_lists=self._plan.site.code_lists,
            reply_delay_seconds=2.5 * HOUR,
            slow_seconds=4.0,
            resend_is_safe=sending.resend_is_safe,
            now=self._runtime.now,
        )
        secret = self._secrets.__getitem__
        if sending.rest is not None:
            desk = rest_desk(system, habits, secret=secret, ledger=ledger, dial=dial)
            self._network.departments[system.key] = desk
            self._rest.append((system, desk))
        elif sending.soap is not None:
            self._network.departments[system.key] = soap_desk(
                system, habits, folder=home, secret=secret, ledger=ledger, dial=dial
            )

    def _file_department(self, system: SystemFile, ledger: Ledger | None, dial: FaultDial | None) -> None:
        root = self._folder / "files" / system.key
        root.mkdir(parents=True)
        habits = Habits(
            seed=self._plan.seed,
            shares=ANSWERS,
            code_lists=self._plan.site.code_lists,
            now=self._runtime.now,
            monotonic=self._runtime.monotonic,
            result_delay_seconds=4 * HOUR,
            later_seconds=0.5 * HOUR,
        )
        self._files.append(
            FileDepartment(system, root, habits, ledger=ledger, dial=dial, secret=self._secrets.__getitem__)
        )
        self._network.folders[system.key] = root

    def find(self, hub: HubClient) -> None:
        """Tell those who call back where the hub is."""
        for system, desk in self._rest:
            if desk.caller is not None:
                desk.caller.post = _calling(hub, system.key, self._network)

    async def work(self) -> None:
        """The night's run of the file exchanges: taken in the evening, answered some hours later."""
        await asyncio.sleep(NIGHT_RUN * HOUR)
        while self._runtime.monotonic() < self._plan.until:
            for one in self._files:
                one.take()
                one.answer()
            await asyncio.sleep(600.0)


_PLACE: Final = {
    "host": HOST,
    "port": 22,
    "username": "onedoor",
    "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
}


def _calling(hub: HubClient, system: str, network: Network) -> Any:
    async def post(path: str, headers: Mapping[str, str], body: bytes) -> int:
        if network.is_down(system):
            return 0
        lowered = {name.lower(): value for name, value in headers.items()}
        return await hub.callback(system, Inbound(headers=lowered, body=body))

    return post


def judged(plan: DayPlan, folder: Path) -> dict[str, Any]:
    """The oracle's findings, and the state of every case and delivery at the end."""
    unsafe = [
        system.key
        for department in plan.site.departments
        for system in department.systems
        if not next(one for one in system.channels if one.status is ChannelStatus.SENDING).resend_is_safe
    ]
    report = examine(
        argparse.Namespace(
            database=folder / "data" / "onedoor.db",
            senders=folder / "senders",
            ledgers=folder / "ledgers",
            files=None,
            metrics=None,
            logs=None,
            anchor=None,
            canaries=None,
            resend_unsafe=",".join(unsafe),
            stopped=True,
        )
    )
    told = report.as_json()
    end = int((plan.start.timestamp() + plan.until) * 1000)
    with closing(sqlite3.connect(f"file:{folder / 'data' / 'onedoor.db'}?mode=ro", uri=True)) as connection:
        return {
            "lost": report.lost,
            "doubled": told.get("undetected_duplicates"),
            "findings": [sentence for check in report.checks.values() for sentence in check.found],
            **_states(connection, end),
        }


def _states(connection: sqlite3.Connection, end: int) -> dict[str, Any]:
    def pairs(statement: str) -> dict[str, int]:
        return {str(name): int(number) for name, number in connection.execute(statement)}

    late = "SELECT count(*) FROM case_file WHERE due_at < ? AND decision IS NULL AND accepted_at IS NOT NULL"
    return {
        "late": int(connection.execute(late, (end,)).fetchone()[0]),
        "cases_by_status": pairs("SELECT status, count(*) FROM case_file GROUP BY status ORDER BY status"),
        "deliveries": pairs("SELECT state, count(*) FROM delivery GROUP BY state ORDER BY state"),
        "attempts": pairs("SELECT state, count(*) FROM attempt GROUP BY state ORDER BY state"),
        "possible_duplicates": int(
            connection.execute("SELECT count(*) FROM attempt WHERE possible_duplicate").fetchone()[0]
        ),
        "waiting": pairs(
            "SELECT system, count(*) FROM delivery WHERE settled_at IS NULL GROUP BY system ORDER BY system"
        ),
    }
