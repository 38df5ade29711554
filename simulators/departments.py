"""The departments of a site, each open behind the channel that sends; one way to handle them, whatever they speak."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from contracts.catalogue import ResultKind
from contracts.records import record
from contracts.site import ChannelFile, Site, SystemFile
from contracts.situation import ChannelStatus, Situation
from simulators.contract_answers import ContractAnswers
from simulators.dial import FaultDial
from simulators.file_department import file_drop_table
from simulators.ledger import Ledger
from simulators.rest import RestDepartment, rest_department
from simulators.sftp import SftpDepartment, sftp_department
from simulators.soap import SoapDepartment, soap_department

Software: TypeAlias = RestDepartment | SoapDepartment | SftpDepartment


@record
class WorkingHabits:
    """How they work. ``now``: the civil clock; seconds are real ones; ``contract``: answers as a contract file has them."""

    seed: int
    shares: Mapping[ResultKind, float]
    now: Callable[[], datetime]
    reply_delay_seconds: float
    slow_seconds: float
    contract: ContractAnswers | None = None


@dataclass(slots=True, kw_only=True)
class Running:
    """A department that works. ``place``: what a hub's settings need to reach it; ``stopped``: switched off by somebody."""

    system: SystemFile
    situation: Situation
    software: Software
    place: Mapping[str, str | int]
    dial: FaultDial
    ledger: Ledger
    stopped: bool = False

    @property
    def protocol(self) -> str:
        """``rest``, ``soap`` or ``sftp``."""
        names = {RestDepartment: "rest", SoapDepartment: "soap", SftpDepartment: "sftp"}
        return names[type(self.software)]

    @property
    def address(self) -> str:
        """For people."""
        place = self.place
        return str(place.get("url") or f"sftp://{place['username']}@{place['host']}:{place['port']}")

    @property
    def is_open(self) -> bool:
        """Whether somebody listens."""
        software = self.software
        return software.server.is_open if isinstance(software, SftpDepartment) else software.door.is_open

    async def mind_the_door(self) -> None:
        """Shut it while somebody has switched the department off or its dial has an outage, open it again afterwards. Raises OSError
        when the port has been taken meanwhile."""
        wanted = not (self.stopped or self.dial.is_out)
        if wanted is self.is_open:
            return
        if isinstance(self.software, SftpDepartment):
            server = self.software.server
            await asyncio.to_thread(server.open if wanted else server.shut)
        elif wanted:
            await self.software.door.open()
        else:
            await self.software.door.shut()

    def forget(self) -> None:
        """Begin anew: nothing held, a new ledger; the old one stays beside it."""
        software = self.software
        (software.department if isinstance(software, SftpDepartment) else software).forget()
        self.ledger.begin_anew()


def sending_channel(system: SystemFile) -> ChannelFile | None:
    """The channel behind which a department works."""
    return next((one for one in system.channels if one.status is ChannelStatus.SENDING), None)


async def open_department(
    system: SystemFile,
    stack: AsyncExitStack,
    *,
    site: Site,
    secret: Callable[[str], str],
    ledger: Ledger,
    dial: FaultDial,
    files: Path,
    port: int,
    hub_url: str,
    habits: WorkingHabits,
) -> Running:
    """The department's own software, until ``stack`` is closed. ``files``: where the folders of file exchanges lie."""
    sending = sending_channel(system)
    if sending is None or sending.situation is Situation.PAPER:
        raise ValueError(f"{system.key} has no software of its own")
    software, place = await _software(system, sending, stack, site, secret, ledger, dial, files, port, hub_url, habits)
    return Running(system=system, situation=sending.situation, software=software, place=place, dial=dial, ledger=ledger)


async def _software(
    system: SystemFile,
    sending: ChannelFile,
    stack: AsyncExitStack,
    site: Site,
    secret: Callable[[str], str],
    ledger: Ledger,
    dial: FaultDial,
    files: Path,
    port: int,
    hub_url: str,
    habits: WorkingHabits,
) -> tuple[Software, Mapping[str, str | int]]:
    if sending.situation is Situation.FILE_DROP:
        password = file_drop_table(system).auth.password
        exchange = stack.enter_context(
            sftp_department(
                system,
                root=files / system.key,
                port=port,
                ledger=ledger,
                dial=dial,
                seed=habits.seed,
                result_delay_seconds=habits.reply_delay_seconds,
                password=secret(password) if password else "",
                shares=habits.shares,
                code_lists=site.code_lists,
                now=habits.now,
                secret=secret,
            )
        )
        return exchange, exchange.place
    if sending.soap is not None:
        service = await stack.enter_async_context(
            soap_department(
                system,
                folder=_folder(site, system),
                secret=secret,
                port=port,
                ledger=ledger,
                dial=dial,
                seed=habits.seed,
                reply_delay_seconds=habits.reply_delay_seconds,
                slow_seconds=habits.slow_seconds,
                contract=habits.contract,
                now=habits.now,
                shares=habits.shares,
                code_lists=site.code_lists,
            )
        )
        return service, {"url": service.url}
    department = await stack.enter_async_context(
        rest_department(
            system,
            secret=secret,
            port=port,
            ledger=ledger,
            dial=dial,
            hub_url=hub_url,
            seed=habits.seed,
            reply_delay_seconds=habits.reply_delay_seconds,
            slow_seconds=habits.slow_seconds,
            contract=habits.contract,
            now=habits.now,
            shares=habits.shares,
            code_lists=site.code_lists,
        )
    )
    return department, {"url": department.url}


def _folder(site: Site, system: SystemFile) -> Path:
    """Where the files of the system's department lie, its WSDL among them."""
    code = next(department.code for department in site.departments if system in department.systems)
    return (Path(site.root) / site.files[code]).parent
