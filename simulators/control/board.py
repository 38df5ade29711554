"""What the control server acts on: the departments that run, and the scenario that all of their dials follow."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from contracts.errors import OnedoorError
from simulators.clerk_at_hub import ClerkAtHub
from simulators.clerk_habits import ClerkHabits
from simulators.departments import Running
from simulators.recording.running import Recordings
from simulators.scenario import Latency, Rule, Scenario, for_system
from simulators.scenario_files import checked
from simulators.world import World

LOOK_SECONDS = 0.2
"""How often doors are looked after."""


class NoSuchSystem(OnedoorError):
    """Nothing of that name runs here."""


@dataclass(slots=True, kw_only=True)
class Board:
    """``scenario`` is the master: each dial has its part of it. ``blocked``: doors that could not be opened again, by system."""

    city: World
    scenario: Scenario
    clerk: ClerkAtHub | None = None
    recordings: Recordings | None = None
    blocked: dict[str, str] = field(default_factory=dict)

    @property
    def departments(self) -> dict[str, Running]:
        """By system."""
        return self.city.departments

    def running(self, system: str) -> Running:
        """Raises NoSuchSystem."""
        if system not in self.departments:
            raise NoSuchSystem(f"no system {system} runs here; there are {', '.join(self.departments)}")
        return self.departments[system]

    def begin(self, scenario: Scenario) -> None:
        """A scenario from its start: its seed, its clock, its numbers. Raises ScenarioError, and leaves everything as it was."""
        self.scenario = checked(scenario, self.city.site)
        for key, dial in self.city.dials.items():
            dial.begin(*for_system(self.scenario, key), self.scenario.seed)
        self._tell_the_clerk()

    @property
    def habits(self) -> ClerkHabits:
        """Those of the scenario's clerk; its seed is his, where he has none of his own."""
        told = self.scenario.clerk or ClerkHabits()
        return told if "seed" in told.model_fields_set else told.model_copy(update={"seed": self.scenario.seed})

    def work_like(self, habits: ClerkHabits) -> None:
        """New habits for the clerk; the rest of the scenario goes on as it was."""
        self.scenario = replace(self.scenario, clerk=habits)
        self._tell_the_clerk()

    def _tell_the_clerk(self) -> None:
        if self.clerk is not None:
            self.clerk.habits = self.habits

    def turn(
        self, system: str | None, operation: str | None, rules: Sequence[Rule], latencies: Sequence[Latency]
    ) -> None:
        """Set the dial of one operation, of a system (``operation`` None) or of all (``system`` None); the rest goes on as it was.
        Raises ScenarioError."""
        here = (system, operation)
        changed = replace(
            self.scenario,
            rules=(
                *(one for one in self.scenario.rules if (one.system, one.operation) != here),
                *(replace(one, system=system, operation=operation) for one in rules),
            ),
            latencies=(
                *(one for one in self.scenario.latencies if (one.system, one.operation) != here),
                *(replace(one, system=system, operation=operation) for one in latencies),
            ),
        )
        self.scenario = checked(changed, self.city.site)
        for key, dial in self.city.dials.items():
            dial.turn(*for_system(self.scenario, key))

    def dialled(self, system: str | None, operation: str | None) -> tuple[tuple[Rule, ...], tuple[Latency, ...]]:
        """What is set just there."""
        here = (system, operation)
        return (
            tuple(one for one in self.scenario.rules if (one.system, one.operation) == here),
            tuple(one for one in self.scenario.latencies if (one.system, one.operation) == here),
        )

    async def switch(self, system: str, *, on: bool) -> None:
        """Switch a department on or off, as somebody would the machine. Raises NoSuchSystem."""
        running = self.running(system)
        running.stopped = not on
        await self._mind(running)

    async def reset(self, system: str) -> None:
        """Let it forget everything. Raises NoSuchSystem."""
        await asyncio.to_thread(self.running(system).forget)

    async def _mind(self, running: Running) -> None:
        try:
            await running.mind_the_door()
            self.blocked.pop(running.system.key, None)
        except OSError as error:
            self.blocked[running.system.key] = error.strerror or str(error)

    @asynccontextmanager
    async def minded(self) -> AsyncIterator["Board"]:
        """Outages of the dials come and go until the block ends; recordings end with it."""
        minding = asyncio.create_task(self._mind_all())
        try:
            yield self
        finally:
            if self.recordings is not None:
                await self.recordings.close()
            minding.cancel()
            with suppress(asyncio.CancelledError):
                await minding

    async def _mind_all(self) -> None:
        while True:
            for running in self.departments.values():
                await self._mind(running)
            await asyncio.sleep(LOOK_SECONDS)
