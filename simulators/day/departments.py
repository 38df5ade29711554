"""The departments of a virtual city, each behind its sending channel: answers at once or in office hours, file runs, faults by the seed."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from contracts.client import HubClient
from contracts.delivery import Inbound
from contracts.site import ChannelFile, SystemFile
from contracts.situation import ChannelStatus, Situation
from simulators.day.hours import DAY_SECONDS, HOUR
from simulators.day.network import CityRuntime, Network
from simulators.day.plan import ANSWERS, FAULTS, FILE_FAULTS, MIDDAY_RUN, NIGHT_RUN, DayPlan
from simulators.dial import FaultDial
from simulators.file_department import FileDepartment, Habits
from simulators.ledger import Ledger
from simulators.rest import RestDepartment, rest_desk
from simulators.rest_desk import Habits as DeskHabits
from simulators.soap import soap_desk

HOST: Final = "city.invalid"


class Departments:
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
        self._files: list[tuple[ChannelFile, FileDepartment]] = []
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
        sending = sending_channel(system)
        if sending.situation is Situation.PAPER:
            return
        ledger = self._stack.enter_context(Ledger(self._folder / "ledgers" / f"{system.key}.jsonl", synced=False))
        is_file = sending.situation is Situation.FILE_DROP
        dial = FaultDial(FILE_FAULTS if is_file else FAULTS, self._plan.seed + len(self.dials))
        self.dials.append(dial)
        for channel in system.channels:
            if channel.situation is Situation.FILE_DROP:
                self._file_department(system, channel, ledger if is_file else None, dial if is_file else None)
        habits = DeskHabits(
            seed=self._plan.seed,
            shares=ANSWERS,
            code_lists=self._plan.site.code_lists,
            reply_delay_seconds=2.5 * HOUR,
            office=self._plan.hours.after_work,
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

    def _file_department(
        self, system: SystemFile, channel: ChannelFile, ledger: Ledger | None, dial: FaultDial | None
    ) -> None:
        root = self._folder / "files" / system.key
        root.mkdir(parents=True)
        habits = Habits(
            seed=self._plan.seed,
            shares=ANSWERS,
            code_lists=self._plan.site.code_lists,
            now=self._runtime.now,
            monotonic=self._runtime.monotonic,
            result_delay_seconds=1.5 * HOUR,
            later_seconds=0.5 * HOUR,
        )
        department = FileDepartment(system, root, habits, ledger=ledger, dial=dial, secret=self._secrets.__getitem__)
        self._files.append((channel, department))
        self._network.folders[system.key] = root

    def find(self, hub: HubClient) -> None:
        """Tell those who call back where the hub is."""
        for system, desk in self._rest:
            if desk.caller is not None:
                desk.caller.post = _calling(hub, system.key, self._network)

    async def work(self) -> None:
        """File runs: at noon where a cut-off lies before it, and in the night; what was taken is answered some time after."""
        await asyncio.sleep(MIDDAY_RUN * HOUR)
        while self._runtime.monotonic() < self._plan.until:
            # Rounded: each round ends where the one before began, plus ten minutes, in floating point.
            since_noon = round(self._runtime.monotonic() - MIDDAY_RUN * HOUR) % DAY_SECONDS
            for channel, department in self._files:
                if (since_noon == 0 and _cut_off_before_noon(channel)) or since_noon >= _NIGHT:
                    department.take()
                department.answer()
            await asyncio.sleep(600.0)


def sending_channel(system: SystemFile) -> ChannelFile:
    """The one by which a system is reached."""
    return next(one for one in system.channels if one.status is ChannelStatus.SENDING)


def _cut_off_before_noon(channel: ChannelFile) -> bool:
    return channel.batching is not None and any(at < "12:00" for at in channel.batching.cut_offs)


_NIGHT: Final = (NIGHT_RUN - MIDDAY_RUN) * HOUR

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
