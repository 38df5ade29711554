"""``onedoor simulate day``: a city's day in minutes, and who was lost, doubled, late or left waiting in it."""

import gc
import logging
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated

import orjson
import structlog
import typer
from rich.console import Console

from contracts.client import OpenHub
from contracts.site import load_site
from simulators.day.plan import DAY, day_plan
from simulators.day.run import run_day
from simulators.day.screen import show
from simulators.sample import sample_site


def day(
    context: typer.Context,
    cases: Annotated[int, typer.Option(help="How many applicants come; 38,500 is a weekday of Shanghai.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.")] = 1,
    on: Annotated[
        str, typer.Option("--date", help="Which day: before a holiday, or after one, is another day.")
    ] = DAY.isoformat(),
    days: Annotated[
        int, typer.Option(min=1, max=60, help="How many days are played; nobody new comes after the first.")
    ] = 1,
    site: Annotated[Path | None, typer.Option(help="The site folder of another city.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Keep everything there; without it nothing is kept.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, byte for byte the same for the same seed.")] = False,
) -> None:
    """Play a day of the city on a virtual clock, in one process: counters, departments, outages, night runs, clerks.

    Example: onedoor simulate day --cases 500 --seed 7
    """
    open_hub: OpenHub = context.obj
    # What goes wrong here mostly goes wrong on purpose: only what nobody expects is told, beside the accounts.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        plan = day_plan(load_site((site or sample_site()).resolve()), cases, seed, date.fromisoformat(on), days)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--date") from error
    # Hundreds of thousands of objects live as long as the day: looking through them again and again takes a tenth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    place = folder or Path(tempfile.mkdtemp(prefix="onedoor-day-", dir=_memory()))
    try:
        told = {"seed": seed, "cases": cases, "day": on, "days": days, **run_day(plan, place, open_hub)}
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)
    if as_json:
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    else:
        show(Console(highlight=False), told, plan.site)
    if told["lost"] or told["doubled"] or told["findings"] or told["forgotten"]:
        raise typer.Exit(1)


def _memory() -> str | None:
    """A folder in memory, where there is one: a city that cannot crash needs no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - mkdtemp makes a folder of its own there
