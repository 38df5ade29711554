"""One day, from its first applicant to the next noon, and what became of it."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any, Final

from contracts.client import OpenHub
from contracts.site import Site
from simulators.day.applicants import handed_in
from simulators.day.departments import Departments
from simulators.day.judgement import judged
from simulators.day.loop import VirtualLoop
from simulators.day.network import CityRuntime, Network
from simulators.day.people import City, counters, until
from simulators.day.plan import DayPlan
from simulators.day.staff import Rounds
from simulators.faults import Fault
from simulators.ledger import Ledger
from simulators.made_secrets import secret_names
from simulators.senders import SenderLog

SETTINGS: Final[Mapping[str, Any]] = {
    "allow_demo_keys": True,
    "look_seconds": 900.0,
    "max_waiting": 100_000,
    "seal_seconds": 3600.0,
    "integrity_hours": 1000.0,
    "retry": {"first_seconds": 30.0, "cap_seconds": 1800.0},
}
"""A hub that is always told what is due need not look by itself every few seconds."""


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
        cases = stack.enter_context(handed_in(plan))
        departments = Departments(plan, folder, network, secrets, runtime, stack)
        places = departments.open()
        settings = {**SETTINGS, "data": str(folder / "data"), "site": plan.site.root, "systems": places}
        hub = await stack.enter_async_context(open_hub(settings, runtime))
        departments.find(hub)
        sheets = stack.enter_context(Ledger(folder / "ledgers" / "clerk.jsonl", synced=False))
        log = SenderLog(folder / "senders" / "counters.jsonl", synced=False)
        stack.callback(log.close)
        city = City(
            plan=plan,
            hub=hub,
            log=log,
            sheets=sheets,
            items={item.code: item for item in plan.site.items},
            operations={
                (system.key, operation.key): operation
                for department in plan.site.departments
                for system in department.systems
                for operation in system.operations
            },
        )
        with suppress(TimeoutError):
            async with asyncio.timeout_at(plan.until), asyncio.TaskGroup() as everybody:
                everybody.create_task(counters(city, cases))
                everybody.create_task(Rounds(city).run())
                everybody.create_task(departments.work())
                everybody.create_task(until(plan.until + 1))
        faults = sum((dial.counts for dial in departments.dials), Counter[Fault]())
    return {
        "handed_in": city.doings.handed_in,
        "tasks_done": dict(sorted(city.doings.completed.items())),
        "case_events": dict(sorted(city.doings.events.items())),
        "refused": dict(sorted(city.doings.refused.items())),
        "faults": {fault.value: number for fault, number in sorted(faults.items())},
        "connections_refused": network.refused,
    }


def _secrets(site: Site) -> Iterator[str]:
    for department in site.departments:
        for system in department.systems:
            yield from secret_names(system)
