"""``onedoor simulate clerk``: a clerk who confirms the task sheets of a running hub, well or badly."""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from contracts.errors import OnedoorError
from simulators.clerk_at_hub import ClerkAtHub, DeskTally
from simulators.clerk_habits import ClerkHabits, habits_of, read_habits
from simulators.ledger import Ledger
from simulators.site_folders import site_with_packages
from simulators.world import CivilClock


class ClerkRefused(OnedoorError):
    """The clerk cannot begin; the text says what is missing."""


Share = Annotated[float | None, typer.Option(help="Share of sheets, 0 to 1.")]


def clerk(
    hub: Annotated[str, typer.Option(help="Address of the hub.")],
    key_file: Annotated[Path, typer.Option(help="File with the key of a client that may work on tasks.")],
    habits: Annotated[
        Path | None, typer.Option(help="TOML file with his habits in a table named clerk; the options below win.")
    ] = None,
    site: Annotated[
        Path | None, typer.Option(help="The site folder, for its holidays; none: Monday to Friday.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="Only the sheets of this system.")] = None,
    folder: Annotated[Path, typer.Option(help="For his ledger.")] = Path("simulate-data"),
    hours: Annotated[
        list[str] | None, typer.Option(help="When he works, as 09:00-12:00; repeat. 'always': at any time, any day.")
    ] = None,
    pace_minutes: Annotated[float | None, typer.Option(help="Minutes a sheet takes him.")] = None,
    late: Share = None,
    late_hours: Annotated[float | None, typer.Option(help="How long a late sheet lies.")] = None,
    twice: Share = None,
    wrong_sheet: Share = None,
    old_version: Share = None,
    wrong_box: Share = None,
    unreadable: Share = None,
    seed: Annotated[int | None, typer.Option(help="Of what he decides and what goes wrong.")] = None,
    speed: Annotated[float, typer.Option(help="Seconds of his that pass in one of ours.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="End when no sheet is left.")] = False,
) -> None:
    """Print, read and confirm task sheets until Ctrl-C; what he does is in the ledger clerk.jsonl.

    Example: onedoor simulate clerk --hub http://127.0.0.1:8080 --key-file clerk.key --late 0.2 --twice 0.1
    """
    told: dict[str, Any] = {
        "pace_minutes": pace_minutes,
        "late": late,
        "late_hours": late_hours,
        "twice": twice,
        "wrong_sheet": wrong_sheet,
        "old_version": old_version,
        "wrong_box": wrong_box,
        "unreadable": unreadable,
        "seed": seed,
    }
    if hours:
        told |= {"hours": [], "days": "all"} if hours == ["always"] else {"hours": hours}
    key = key_in(key_file)
    found = _habits(habits, told)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    console = Console(highlight=False)
    with Ledger(folder / "clerk.jsonl") as ledger:
        at_work = ClerkAtHub(
            hub,
            key,
            found,
            ledger=ledger,
            folder=folder,
            clock=CivilClock(datetime.now(UTC), speed),
            site=site_with_packages(site) if site else None,
            system=system,
        )
        console.print(f"Works for {hub}; ledger: {folder / 'clerk.jsonl'}. End with Ctrl-C.", soft_wrap=True)
        tally = asyncio.run(_until_stopped(at_work, once=once))
    slips = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.slips.items()))
    console.print(
        f"Ended. Sheets taken in {tally.taken}, done {tally.done}, lying {tally.lying}. Slips: {slips or 'none'}."
    )
    answers = ", ".join(f"{status}: {count}" for status, count in sorted(tally.statuses.items()) if count)
    console.print(f"Answers of the hub: {answers or 'none'}.")


def key_in(file: Path) -> str:
    """The key that a file holds. Raises ClerkRefused."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ClerkRefused(f"{file} cannot be read: give the file that holds the client's key") from error


def _habits(file: Path | None, told: dict[str, Any]) -> ClerkHabits:
    """Those of the file, with what was said on the command line."""
    base = read_habits(file).model_dump(exclude_unset=True) if file else {}
    return habits_of(base | {name: value for name, value in told.items() if value is not None})


async def _until_stopped(at_work: ClerkAtHub, *, once: bool) -> DeskTally:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await at_work.work(stop, once=once)
