"""A whole city on loopback around one hub process: the departments of a site folder, the people, the senders, and the clock.

    async with world(Plan(folder=..., site=...)) as city:
        await city.start_hub()
        async with await city.sender("counter-1") as counter:
            case_no = await counter.submit("m-1", application)
        await city.settled()

Everything that the oracle reads lies under ``folder``:

    data/        the hub's database and blobs        senders/    what was sent and acknowledged, a file a sender
    keys/        its demo key and the secrets        ledgers/    what each department received, did and answered
    sheets/      printed task sheets                 files/      the folder that each SFTP department shows
    logs/        the hub's own log                   onedoor.toml
"""

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from contracts.catalogue import ResultKind
from contracts.site import Site, SystemFile
from contracts.situation import Situation
from simulators import centre_staff, clerk
from simulators.contract_answers import ContractAnswers
from simulators.departments import Running, WorkingHabits, open_department, sending_channel
from simulators.dial import FaultDial
from simulators.faults import Fault
from simulators.hub_process import HubProcess, serve_command
from simulators.ledger import Ledger
from simulators.made_secrets import secret, secret_names
from simulators.plausible import SHARES
from simulators.rest import RestDepartment
from simulators.senders import Sender
from simulators.settings_text import toml_lines
from simulators.sftp import SftpDepartment
from simulators.site_folders import site_with_packages

MONDAY_MORNING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""Monday, 2 March 2026, nine o'clock by Chinese time: every office has just opened."""


class CivilClock:
    """The time of the city: ``speed`` seconds of it pass in one of ours."""

    def __init__(self, start: datetime, speed: float) -> None:
        self.speed = speed
        self._start = start
        self._began = time.monotonic()

    def now(self) -> datetime:
        """Aware UTC."""
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self.speed)

    def restart(self) -> None:
        """Begin anew. Only for a hub that is never started again: its own time would go back."""
        self._began = time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What kind of city. ``faults``: probabilities by situation; ``due_faults``: those that must come once at least, shared out
    over its systems; ``settings``: more keys of the hub's settings file.

    ``city``: the site as somebody else has loaded it; ``contracts``: by system, what answers must look like where nothing but a contract file
    describes it. ``systems``: those whose departments work, None: all; ``system_ports``: the first of them listens there, the next one above,
    0: on free ports. ``command``: how the hub is started, None: the installed ``onedoor serve``. Seconds are real ones; ``folder`` should have
    a short path, since a socket lies in it.
    """

    folder: Path
    site: Path
    city: Site | None = None
    contracts: Mapping[str, ContractAnswers] = field(default_factory=dict)
    start: datetime = MONDAY_MORNING
    speed: float = 600.0
    seed: int = 1
    port: int = 0
    systems: frozenset[str] | None = None
    system_ports: int = 0
    faults: Mapping[Situation, Mapping[Fault, float]] = field(default_factory=dict)
    due_faults: Mapping[Situation, Sequence[Fault]] = field(default_factory=dict)
    shares: Mapping[ResultKind, float] = field(default_factory=lambda: SHARES)
    reply_delay_seconds: float = 0.2
    slow_seconds: float = 1.0
    pace_seconds: float = 0.2
    settings: Mapping[str, Any] = field(default_factory=dict)
    command: Sequence[str] | None = None


@dataclass(slots=True, kw_only=True)
class World:
    """A running city. ``open``: by system, what a hub's settings need to reach it. ``dials`` hold the counts of injected faults, by system (``clerk`` for paper)."""

    plan: Plan
    site: Site
    clock: CivilClock
    hub: HubProcess
    paper_ledger: Ledger
    dials: dict[str, FaultDial] = field(default_factory=dict)
    departments: dict[str, Running] = field(default_factory=dict)
    open: dict[str, dict[str, Any]] = field(default_factory=dict)
    staff: centre_staff.Tally = field(default_factory=centre_staff.Tally)
    keyed: clerk.Tally = field(default_factory=clerk.Tally)
    _key: str = ""
    _people: list[asyncio.Task[Any]] = field(default_factory=list)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _senders: list[Sender] = field(default_factory=list)

    @property
    def rest(self) -> dict[str, RestDepartment]:
        """Those with a REST interface."""
        return {key: one.software for key, one in self.departments.items() if isinstance(one.software, RestDepartment)}

    @property
    def sftp(self) -> dict[str, SftpDepartment]:
        """Those that exchange files."""
        return {key: one.software for key, one in self.departments.items() if isinstance(one.software, SftpDepartment)}

    @property
    def folder(self) -> Path:
        """Where everything lies."""
        return self.plan.folder

    @property
    def database(self) -> Path:
        """The hub's database."""
        return self.folder / "data" / "onedoor.db"

    async def start_hub(self, environment: Mapping[str, str] | None = None) -> None:
        """Start, or start again, at the present time of the city. Raises HubEndedError, TimeoutError."""
        self.write_settings()
        await self.hub.start(environment)
        await self._people_come()

    async def launch_hub(self, environment: Mapping[str, str] | None = None) -> None:
        """The same without waiting for it to be ready: it may be meant to die on the way."""
        self.write_settings()
        await self.hub.launch(environment)

    def write_settings(self) -> None:
        """The hub's settings file; its clock goes on where the city's stands."""
        url = self.hub.url
        values: dict[str, Any] = {
            "data": str(self.folder / "data"),
            "site": str(self.plan.site),
            "secrets": str(self.folder / "keys" / "secrets"),
            "host": "127.0.0.1",
            "port": int(url.rpartition(":")[2]),
            "public_url": url,
            "allow_demo_keys": True,
            **self.plan.settings,
            "clock": {"start": self.clock.now().isoformat(), "speed": self.clock.speed},
            "systems": self.open,
        }
        (self.folder / "onedoor.toml").write_text("".join(toml_lines(values)), encoding="utf-8")

    def write_places(self) -> Path:
        """A settings file with which a hub, or a trial of a plugin, reaches these departments. Returns its path."""
        values = {
            "data": str(self.folder / "data"),
            **({} if self.plan.contracts else {"site": str(self.plan.site)}),
            "secrets": str(self.folder / "keys" / "secrets"),
            "systems": self.open,
        }
        file = self.folder / "onedoor.toml"
        file.write_text("".join(toml_lines(values)), encoding="utf-8")
        return file

    async def client_key(self, name: str) -> str:
        """A new key that reaches everything, made over the hub's local socket as its command line does."""
        connector = aiohttp.UnixConnector(str(self.folder / "data" / "onedoor.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.post("http://hub/admin/clients", json={"name": name, "scope": {}}) as answer,
        ):
            answer.raise_for_status()
            made = await answer.json()
        return str(made["key"])

    async def key(self) -> str:
        """The key that everybody of this city uses."""
        if not self._key:
            self._key = await self.client_key("样例经办人")
        return self._key

    async def sender(self, name: str) -> Sender:
        """A counter that hands in cases under the source ``urn:onedoor:sample:counter:<name>``. Close it, or use ``async with``."""
        log = self.folder / "senders" / f"{name}.jsonl"
        found = Sender(self.hub.url, await self.key(), f"urn:onedoor:sample:counter:{name}", log)
        self._senders.append(found)
        return found

    async def _people_come(self) -> None:
        """The clerk and the staff, once: they know how to wait for a hub that is away."""
        if self._people:
            return
        key, plan, sheets = await self.key(), self.plan, self.folder / "sheets"
        office = centre_staff.Office(
            hub=self.hub.url, key=key, sheets=sheets, site=self.site, seed=plan.seed, pace_seconds=plan.pace_seconds
        )
        desk = clerk.Desk(
            folder=sheets,
            hub=self.hub.url,
            key=key,
            ledger=self.paper_ledger,
            dial=self.dial("clerk", Situation.PAPER),
            seed=plan.seed,
            pace_seconds=plan.pace_seconds,
        )
        self._people = [
            asyncio.create_task(centre_staff.staff(office, self._stop, self.staff)),
            asyncio.create_task(clerk.clerk(desk, self._stop, self.keyed)),
            asyncio.create_task(self._returned_cases_go_again()),
        ]

    async def _people_go(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._people, return_exceptions=True)

    def dial(self, name: str, situation: Situation) -> FaultDial:
        """The fault dial of one system, made at its first use."""
        if name not in self.dials:
            number = len(self.dials)
            due = self.plan.due_faults.get(situation, ())
            # Each system begins with another one, so that a short run has them all.
            turn = number % len(due) if due else 0
            self.dials[name] = FaultDial(
                self.plan.faults.get(situation, {}),
                self.plan.seed + number,
                (*due[turn:], *due[:turn]),
                system=name,
                now=self.clock.now,
                timezone=self.site.timezone,
            )
        return self.dials[name]

    async def _returned_cases_go_again(self) -> None:
        """Where a department returned a case, the centre mends the papers and hands it in once more."""
        over: set[str] = set()
        while not self._stop.is_set():
            open_cases = [(sender, one) for sender in self._senders for one in sender.cases if one not in over]
            for sender, case_no in open_cases:
                view = await self.case(case_no)
                if view is not None and view["status"] in ENDED:
                    over.add(case_no)
                if view is not None and view["status"] == "32":
                    rounds = sum(one["round"] for one in view["deliveries"])
                    told = {"event": "resubmit", "by": "staff-1"}
                    await sender.event(f"resubmit-{case_no}-{rounds}", case_no, told)
            # Looking costs the hub work: with many open cases nobody looks without a pause.
            await asyncio.sleep(max(self.plan.pace_seconds * 2, len(open_cases) * 0.006))

    async def case(self, case_no: str) -> dict[str, Any] | None:
        """A case as the hub shows it; None while the hub is away."""
        return await self._ask(f"/v1/cases/{case_no}")

    async def tasks(self) -> list[dict[str, Any]]:
        """The open tasks."""
        found = await self._ask("/v1/tasks?limit=1000")
        return list(found["tasks"]) if found else []

    async def _ask(self, path: str) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {await self.key()}"}
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as http,
                http.get(self.hub.url + path) as answer,
            ):
                return await answer.json() if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def settled(self, seconds: float = 60.0) -> dict[str, str]:
        """Wait until every case of every sender has come to its end; the state of each. Raises TimeoutError."""
        statuses: dict[str, str] = {}
        async with asyncio.timeout(seconds):
            while True:
                for case_no in [one for sender in self._senders for one in sender.cases]:
                    if statuses.get(case_no) not in ENDED:
                        view = await self.case(case_no)
                        statuses[case_no] = view["status"] if view else ""
                if all(status in ENDED for status in statuses.values()):
                    return statuses
                await asyncio.sleep(self.plan.pace_seconds)

    def injected(self) -> dict[str, int]:
        """Faults injected so far, by kind."""
        counts: dict[str, int] = {}
        for dial in self.dials.values():
            for fault, number in dial.counts.items():
                counts[fault.value] = counts.get(fault.value, 0) + number
        return counts


ENDED = frozenset({"12", "13", "52", "53", "70", "80"})
"""Codes of the states after which nothing but archiving follows."""


@asynccontextmanager
async def world(plan: Plan) -> AsyncIterator[World]:
    """The city, its departments open, its hub not yet started; at the end everybody goes home and the hub is stopped."""
    for name in ("data", "senders", "ledgers", "sheets", "files", "logs", "keys/secrets"):
        (plan.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    site = await asyncio.to_thread(site_with_packages, plan.site) if plan.city is None else plan.city
    url = f"http://127.0.0.1:{plan.port or _free_port()}"
    command = plan.command or serve_command(plan.folder / "onedoor.toml")
    hub = HubProcess(command, url, plan.folder / "logs" / "hub.log")
    async with AsyncExitStack() as stack:
        ledger = stack.enter_context(Ledger(plan.folder / "ledgers" / "clerk.jsonl"))
        city = World(plan=plan, site=site, clock=CivilClock(plan.start, plan.speed), hub=hub, paper_ledger=ledger)
        for system in (system for department in site.departments for system in department.systems):
            if plan.systems is None or system.key in plan.systems:
                await _open(city, system, stack)
        try:
            yield city
        finally:
            await city._people_go()  # noqa: SLF001 - the world's own other half
            if hub.running:
                await hub.stop()


async def _open(city: World, system: SystemFile, stack: AsyncExitStack) -> None:
    """The department's own software behind the channel that sends; secrets for every channel."""
    plan, sending = city.plan, sending_channel(system)
    values = {name: secret(plan.folder / "keys" / "secrets" / name) for name in secret_names(system)}
    if sending is None or sending.situation is Situation.PAPER:
        return
    ledger = stack.enter_context(Ledger(plan.folder / "ledgers" / f"{system.key}.jsonl"))
    running = await open_department(
        system,
        stack,
        site=city.site,
        secret=values.__getitem__,
        ledger=ledger,
        dial=city.dial(system.key, sending.situation),
        files=plan.folder / "files",
        port=plan.system_ports + len(city.open) if plan.system_ports else 0,
        hub_url=city.hub.url,
        habits=WorkingHabits(
            seed=plan.seed,
            shares=plan.shares,
            now=city.clock.now,
            reply_delay_seconds=plan.reply_delay_seconds,
            slow_seconds=plan.slow_seconds,
            contract=plan.contracts.get(system.key),
        ),
    )
    city.departments[system.key] = running
    city.open[system.key] = {sending.situation.value: dict(running.place)}


def _free_port() -> int:
    """A port that nobody uses now. The hub keeps it through all its lives, since senders and departments know it.

    Not one that the system hands out by itself: while the hub is away, somebody who tries to reach it could be given its port.
    """
    while True:
        port = secrets.choice(range(20_000, 30_000))
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
