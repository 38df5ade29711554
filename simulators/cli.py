"""``onedoor simulate``: departments to test a hub against, with their ledgers and a dial for faults."""

import asyncio
import logging
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from contracts.errors import OnedoorError
from contracts.site import Site
from contracts.situation import ChannelStatus, Situation
from simulators.clerk_beside import clerk_beside
from simulators.clerk_command import clerk
from simulators.control.app import control_server
from simulators.control.board import Board
from simulators.day.command import day
from simulators.faults import Fault
from simulators.from_contract import contract_city
from simulators.how_to_reach import how_to_reach
from simulators.recording.command import record, replay
from simulators.sample import sample_site
from simulators.scenario import Rule, Scenario
from simulators.scenario_files import load_scenario, shipped
from simulators.site_folders import site_with_packages
from simulators.world import Plan, World, world


class _DepartmentsFirst(TyperGroup):
    """``onedoor simulate NAMES`` runs departments; the other commands are asked for by name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What names no command is meant for the departments."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["departments", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DepartmentsFirst,
    add_completion=False,
    help="Run departments to test a hub against (the names of some, or nothing for all), or a whole day of a city.",
)
app.command()(day)
app.command()(clerk)
app.command()(record)


class SimulateError(OnedoorError):
    """The departments cannot be simulated as asked; the text says what to do."""


@app.command("departments")
def simulate(
    names: Annotated[
        list[str] | None, typer.Argument(help="Departments or systems by their codes and keys; none: all.")
    ] = None,
    site: Annotated[Path | None, typer.Option(help="The site folder of another city.")] = None,
    contract: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="A department made of its contract file alone: .wsdl, OpenAPI (.json, .yaml) or record layout (.csv); repeat. Names are then theirs.",
        ),
    ] = None,
    folder: Annotated[Path, typer.Option(help="For ledgers, exchanged files and secrets.")] = Path("simulate-data"),
    port: Annotated[int, typer.Option(help="Port of the first system, the next one above; 0: free ones.")] = 0,
    hub: Annotated[str, typer.Option(help="Where departments call back.")] = "http://127.0.0.1:8080",
    fault: Annotated[
        list[str] | None,
        typer.Option(help=f"KIND=PROBABILITY for every department; repeat. Kinds: {', '.join(Fault)}."),
    ] = None,
    delay: Annotated[float, typer.Option(help="Seconds until a later answer.")] = 1.0,
    slow: Annotated[float, typer.Option(help="Seconds that the fault `delay` takes.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Of what they decide and when faults come.")] = 1,
    scenario: Annotated[
        str, typer.Option(help="A scenario file, or the name of one that comes along: what goes wrong when.")
    ] = "",
    control_port: Annotated[int, typer.Option(help="Port of the control page and its API; 0: a free one.")] = 0,
    clerk_key: Annotated[
        Path | None, typer.Option(help="File with a hub's key for tasks: then a clerk confirms the hub's task sheets.")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option("--replay", help="Instead: a department that answers as this recording has it.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Recorded seconds that a replay lets pass in one of ours.")] = 1.0,
) -> None:
    """Run departments of a site until Ctrl-C, and write the settings of a hub that reaches them."""
    # Connections break here on purpose; paramiko would tell of each on the screen.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    if recording is not None:
        replay(recording, folder, port, speed, contract[0] if contract else None, site, names or ())
        return
    place = (site or sample_site()).resolve()
    made = contract_city(contract, names or ()) if contract else None
    found = made.site if made else site_with_packages(place)
    begins = begun(scenario, found, seed, dialled(fault or ()))
    plan = Plan(
        folder=folder.resolve(),
        site=place,
        city=found,
        contracts=made.answers if made else {},
        start=datetime.now(UTC),
        speed=1.0,
        seed=seed,
        systems=None if made else chosen(found, names or ()),
        system_ports=port,
        reply_delay_seconds=delay,
        slow_seconds=slow,
    )
    asyncio.run(_run(plan, hub, begins, control_port, clerk_key, Console(highlight=False)))


def chosen(site: Site, names: Sequence[str]) -> frozenset[str] | None:
    """The systems that the names mean; None: all. Raises SimulateError."""
    of = {department.code: [system.key for system in department.systems] for department in site.departments}
    of |= {system.key: [system.key] for department in site.departments for system in department.systems}
    unknown = [name for name in names if name not in of]
    if unknown:
        raise SimulateError(f"this site has no department or system {', '.join(unknown)}; it has {', '.join(of)}")
    return frozenset(system for name in names for system in of[name]) if names else None


def dialled(faults: Sequence[str]) -> Mapping[Fault, float]:
    """``kind=probability`` texts. Raises SimulateError."""
    found: dict[Fault, float] = {}
    for text in faults:
        kind, _, probability = text.partition("=")
        try:
            found[Fault(kind.strip())] = float(probability)
        except ValueError as error:
            raise SimulateError(f"--fault {text}: give a kind ({', '.join(Fault)}), = and a probability") from error
    if any(not 0 <= share <= 1 for share in found.values()) or sum(found.values()) > 1:
        raise SimulateError("probabilities of faults lie between 0 and 1, all of them together too")
    return found


def begun(scenario: str, site: Site, seed: int, dial: Mapping[Fault, float]) -> Scenario:
    """The scenario of that name or file, and for everybody what was dialled by hand. Raises ScenarioError."""
    found = load_scenario(shipped().get(scenario, Path(scenario)), site) if scenario else Scenario(name="-", seed=seed)
    by_hand = tuple(Rule(fault=kind, probability=share) for kind, share in dial.items())
    return replace(found, rules=(*found.rules, *by_hand))


async def _run(
    plan: Plan, hub: str, scenario: Scenario, control_port: int, clerk_key: Path | None, console: Console
) -> None:
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with world(plan) as city, clerk_beside(city, hub, clerk_key) as at_work:
        for department in city.rest.values():
            if department.caller is not None:
                department.caller.hub_url = hub
        board = Board(city=city, scenario=scenario, clerk=at_work)
        board.begin(scenario)
        async with control_server(board, control_port) as control:
            _tell(city, console)
            console.print(f"Control page, fault dials and their API: {control}/", soft_wrap=True)
            console.print("End with Ctrl-C.")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                # This is how it is meant to end.
                if task is not None:
                    task.uncancel()
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(city.injected().items()))
        console.print(f"Ended. Faults injected: {counts or 'none'}.")


def _tell(city: World, console: Console) -> None:
    """Who listens where, and what goes into the hub's settings."""
    for key, places in city.open.items():
        for situation, place in places.items():
            where = place.get("url") or f"sftp://{place['host']}:{place['port']}, its folder is {city.sftp[key].root}"
            console.print(f"{key:<16} {situation:<10} {where}", soft_wrap=True)
        for line in how_to_reach(city, key) if city.plan.contracts else ():
            console.print(f"  {line}", soft_wrap=True, markup=False)
    for key in _on_paper(city.site, city.plan.systems):
        console.print(f"{key:<16} paper      nothing runs for it here", soft_wrap=True)
    console.print(f"Ledgers: {city.folder / 'ledgers'}", soft_wrap=True)
    settings = city.write_places()
    console.print(f"Settings of a hub that reaches them: {settings}", soft_wrap=True)
    console.print(f"Try one: onedoor plugins try NAME --case FILE --send --settings {settings}", soft_wrap=True)


def _on_paper(site: Site, systems: frozenset[str] | None) -> Sequence[str]:
    return [
        system.key
        for department in site.departments
        for system in department.systems
        for channel in system.channels
        if channel.status is ChannelStatus.SENDING
        and channel.situation is Situation.PAPER
        and (systems is None or system.key in systems)
    ]
