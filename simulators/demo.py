"""``onedoor demo``: a whole city on this machine, with everything that can go wrong going wrong, and the proof that nothing was lost.

folder -> world (departments, hub, people) -> play (cases, corrections) -> figures -> oracle -> summary -> serve, or end
"""

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import aiohttp
import typer
from rich.console import Console

from contracts.errors import OnedoorError
from contracts.records import record
from contracts.site import Site, load_site
from simulators import demo_play
from simulators.cases import SampleCase, sample_cases
from simulators.demo_figures import Figures, figures
from simulators.demo_folder import demo_folder
from simulators.demo_people import demo_accounts
from simulators.demo_play import Play, Seen
from simulators.demo_screen import bars, show_figures, show_verdict
from simulators.faults import CLASSIC, Fault
from simulators.sample import sample_site
from simulators.world import Plan, World, world

app = typer.Typer(add_completion=False)

SUMMARY: Final = "demo-summary.json"

SOUGHT: Final = 60
"""Applicants whose numbers the oracle looks for. Each is sought in a dozen forms in all that was written down: that of every one
would take as long as the days of the city."""


@record
class Wishes:
    """The options of the command."""

    once: bool
    site: Path
    port: int
    cases: int
    seed: int


class DemoError(OnedoorError):
    """The demo cannot go on; the text says why."""


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the days are over, instead of serving.")] = False,
    site: Annotated[Path | None, typer.Option(help="The site folder of another city.")] = None,
    port: Annotated[int, typer.Option(help="Port of the hub; 0 takes a free one.")] = 0,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its database, sheets and summary.")] = Path(
        "demo-data"
    ),
    cases: Annotated[int, typer.Option(min=1, max=5000, help="How many cases.")] = 300,
    seed: Annotated[int, typer.Option(help="Another seed makes other cases and other faults.")] = 1,
) -> None:
    """A city on this machine: departments of every kind, faults, cases, and an independent check of every one."""
    console = Console(highlight=False)
    # Connections break here on purpose; paramiko would tell of each on the screen.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    with demo_folder(folder) as place:
        wishes = Wishes(once=once, site=(site or sample_site()).resolve(), port=port, cases=cases, seed=seed)
        try:
            code = asyncio.run(run(wishes, place, console))
        except (KeyboardInterrupt, asyncio.CancelledError):
            console.print("\nThe demo was ended.")
            code = 130
    raise typer.Exit(code)


async def run(wishes: Wishes, folder: Path, console: Console) -> int:
    """The whole demo; the exit code: 0, or 1 when something was lost, doubled, or in no state that has a name."""
    began = time.monotonic()
    _end_on_signals()
    site = await asyncio.to_thread(load_site, wishes.site)
    start = demo_play.START.replace(tzinfo=ZoneInfo(site.timezone))
    cases = sample_cases(site, wishes.cases, seed=wishes.seed, today=start.date())
    plan = _plan(wishes, folder, start)
    _introduce(console, site, plan, cases)
    async with world(plan) as city:
        await city.start_hub()
        # Starting took hours of the city: its first day begins when the hub is open.
        city.clock.restart()
        play = Play(city, cases)
        try:
            seen = await _played(play, console)
            found = figures(site, seen.views)
            verdict = await _ask_oracle(city, cases)
            summary = _summary(city, found, verdict, seen, wishes, time.monotonic() - began)
            text = json.dumps(summary, ensure_ascii=False, indent=2) + "\n"
            await asyncio.to_thread((folder / SUMMARY).write_text, text, encoding="utf-8")
            show_figures(console, found, summary["faults"])
            show_verdict(console, verdict)
            _conclude(console, city, summary)
            if not wishes.once:
                await _serve(console, city, seen)
        finally:
            await play.close()
    return 0 if summary["passed"] else 1


def _end_on_signals() -> None:
    """End on SIGTERM and when the terminal is closed as on Ctrl-C: everything is shut down in order."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _plan(wishes: Wishes, folder: Path, start: datetime) -> Plan:
    return Plan(
        folder=folder,
        site=wishes.site,
        start=start,
        speed=demo_play.SPEED,
        seed=wishes.seed,
        port=wishes.port,
        faults=demo_play.FAULTS,
        due_faults={situation: tuple(kinds) for situation, kinds in demo_play.FAULTS.items()},
        shares=demo_play.ANSWERS,
        settings=demo_play.SETTINGS,
    )


def _introduce(console: Console, site: Site, plan: Plan, cases: Sequence[SampleCase]) -> None:
    systems = sum(len(department.systems) for department in site.departments)
    console.print(
        f"[bold]{site.name_zh} {site.name_en}[/bold]: {len(site.departments)} departments with {systems} systems,"
        f" {len(cases)} made-up cases of {len({case.item for case in cases})} items.\n"
        f"Time is accelerated from a fixed date: it begins on {plan.start:%A %Y-%m-%d %H:%M} ({site.timezone}),"
        f" and one second is {plan.speed / 3600:g} hour of the city."
    )


async def _played(play: Play, console: Console) -> Seen:
    """Until it is over: the last look."""
    city = play.city
    headers = {"Authorization": f"Bearer {await city.key()}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=30)) as http:
        handing_in = asyncio.create_task(play.hand_in())
        try:
            with bars(console, city, len(play.cases)) as display:
                while True:
                    seen = await play.look(http)
                    display.show(seen)
                    if handing_in.done():
                        # An exception of a counter ends the demo: a case that the hub refuses is a mistake of ours.
                        handing_in.result()
                        if play.is_over(seen):
                            return seen
                    await asyncio.sleep(0.5)
        finally:
            handing_in.cancel()
            await asyncio.gather(handing_in, return_exceptions=True)


async def _ask_oracle(city: World, cases: Sequence[SampleCase]) -> Mapping[str, Any]:
    """The verdict of a process of its own. Raises DemoError when it cannot look."""
    folder = city.folder
    canaries = folder / "canaries.txt"
    await asyncio.to_thread(canaries.write_text, "\n".join(_personal(cases)) + "\n", encoding="utf-8")
    places = {name: folder / name for name in ("senders", "ledgers", "files", "logs")}
    options = [word for name, place in places.items() for word in (f"--{name}", str(place))]
    unsafe = ",".join(_resend_unsafe(city.site))
    oracle = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators.oracle", "--json", "--database", str(city.database)),
        *(*options, "--canaries", str(canaries), "--resend-unsafe", unsafe),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await oracle.communicate()
    if oracle.returncode not in (0, 1):
        raise DemoError(f"the oracle gave no verdict: {complaint.decode(errors='replace').strip()[-500:]}")
    verdict: Mapping[str, Any] = json.loads(said)
    return verdict


def _personal(cases: Sequence[SampleCase]) -> Sequence[str]:
    """Identity numbers of applicants, evenly out of all of them: they may stand nowhere in the open."""
    found = {str(case.application["applicant"].get("id_no", "")) for case in cases}
    numbers = sorted(number for number in found if len(number) == 18)
    return numbers[:: -(-len(numbers) // SOUGHT) or 1]


def _resend_unsafe(site: Site) -> Sequence[str]:
    return sorted(
        system.key
        for department in site.departments
        for system in department.systems
        if not all(channel.resend_is_safe for channel in system.channels)
    )


def _summary(
    city: World, found: Figures, verdict: Mapping[str, Any], seen: Seen, wishes: Wishes, seconds: float
) -> dict[str, Any]:
    zone = ZoneInfo(city.site.timezone)
    injected = city.injected()
    return {
        "passed": verdict["verdict"] == "ok" and not found.unnamed,
        "cases": found.cases,
        "completed": found.completed,
        "waiting": found.cases - found.completed,
        "waiting_for": dict(found.waiting),
        "in_no_named_state": list(found.unnamed),
        "outcomes": dict(found.outcomes),
        "by_situation": {situation.value: line.as_json() for situation, line in found.by_situation.items()},
        "centre_steps": found.centre.as_json(),
        "items": {"run": found.items, "of_site": found.items_of_site},
        "by_system": {system: line.as_json() for system, line in found.by_system.items()},
        "faults": {fault.value: injected.get(fault.value, 0) for fault in Fault if fault in CLASSIC},
        "retries": found.retries,
        "unknown": found.unknown,
        "dead_letters": found.dead_letters,
        "lost": verdict["lost"],
        "undetected_duplicates": verdict["undetected_duplicates"],
        "possible_duplicates": verdict["possible_duplicates"],
        "oracle": verdict["verdict"],
        "invariants": {name: check["ok"] for name, check in verdict["invariants"].items()},
        "clock": {
            "note": "time is accelerated from a fixed date",
            "start": city.plan.start.isoformat(),
            "end": seen.at.astimezone(zone).isoformat(timespec="minutes"),
            "timezone": city.site.timezone,
            "speed": city.clock.speed,
        },
        "site": city.site.name_en,
        "seed": wishes.seed,
        "task_sheets": {"folder": str(city.folder / "sheets"), "printed": city.staff.printed},
        "seconds": round(seconds, 1),
    }


def _conclude(console: Console, city: World, summary: Mapping[str, Any]) -> None:
    sheets, clock = summary["task_sheets"], summary["clock"]
    console.print(
        f"\nTask sheets: {sheets['printed']} prints in {sheets['folder']}\nSummary: {city.folder / SUMMARY}\n"
        f"Time in the city ran from {clock['start'][:16]} to {clock['end'][:16]}, {clock['speed']:g} times as fast"
        f" as ours; all of it took {summary['seconds']:g} seconds.",
        soft_wrap=True,
    )
    if not summary["passed"]:
        console.print("[bold red]The demo failed: what is wrong stands above.[/bold red]")


async def _serve(console: Console, city: World, seen: Seen) -> None:
    """Go on until Ctrl-C; say what can be opened."""
    key_file = city.folder / "client.key"
    key = await city.client_key("visitor")
    await asyncio.to_thread(_write_secret, key_file, key)
    sheets = await asyncio.to_thread(lambda: sorted((city.folder / "sheets").glob("*.pdf")))
    console.print("\n[bold]The hub goes on serving; end it with Ctrl-C.[/bold] To open in a browser:")
    console.print(f"  {city.hub.url}/  with one of these accounts, made for this demo:", soft_wrap=True)
    for one in await demo_accounts(city.folder):
        console.print(f"    {one.login}  {one.password}  {one.role.replace('_', ' ')}", soft_wrap=True, markup=False)
    console.print(f"  {city.hub.url}/metrics", soft_wrap=True)
    if sheets:
        console.print(f"  {sheets[0].as_uri()}", soft_wrap=True)
    console.print("To ask for a case with everything that happened to it, and for what people have to do:")
    for path in (f"v1/cases/{seen.views[0].case_no}", "v1/tasks"):
        ask = f'  curl -H "Authorization: Bearer $(cat {key_file})" {city.hub.url}/{path}'
        console.print(ask, soft_wrap=True, markup=False)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        # This is how a demo is meant to end.
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        console.print("\nEnding: the hub finishes what is in flight.")


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
