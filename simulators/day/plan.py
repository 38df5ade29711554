"""What kind of day: who comes when, which systems are out of order and when, how departments keep their hours. All from the seed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from contracts.catalogue import ResultKind
from contracts.records import record
from contracts.site import Site
from simulators.day.network import Outage
from simulators.faults import Fault
from simulators.plausible import SHARES

DAY: Final = date(2026, 3, 3)
"""A Tuesday with nothing special before or after it."""

HOUR: Final = 3600.0

PEAKS: Final[Sequence[tuple[float, float]]] = (
    (8.5, 0.09),
    (9.0, 0.18),
    (10.0, 0.18),
    (11.0, 0.12),
    (12.0, 0.07),
    (13.0, 0.12),
    (14.0, 0.12),
    (15.0, 0.09),
    (16.0, 0.03),
)
"""Share of a day's visitors by the hour in which they come (centres are open from 8:30 to 16:30, through noon); the peak hour has 18 %."""

NIGHT_RUN: Final = 20.0
"""The hour at which departments with file exchanges take what came during the day; answers follow in the night."""

ANSWERS: Final[Mapping[ResultKind, float]] = {**SHARES, ResultKind.TEMPORARY: 0.01, ResultKind.PERMANENT: 0.005}
FAULTS: Final[Mapping[Fault, float]] = {
    Fault.REFUSE: 0.004,
    Fault.DELAY: 0.01,
    Fault.UNAVAILABLE_503: 0.006,
    Fault.ERROR_AFTER_EFFECT_500: 0.003,
    Fault.LOST_REPLY: 0.003,
    Fault.DUPLICATE_REPLY: 0.01,
}
FILE_FAULTS: Final[Mapping[Fault, float]] = {
    Fault.LOST_REPLY: 0.02,
    Fault.TRUNCATED_FILE: 0.05,
    Fault.DUPLICATE_REPLY: 0.05,
}


@record
class DayPlan:
    """``start``: midnight of the day, aware; seconds count from there. ``until``: when the day is judged, the next morning."""

    site: Site
    seed: int
    cases: int
    start: datetime
    until: float
    arrivals: Sequence[float]
    outages: Sequence[Outage]


def day_plan(site: Site, cases: int, seed: int, day: date = DAY) -> DayPlan:
    """The plan of one day."""
    dice = Random(f"day/{seed}")  # noqa: S311 - repeatable, no secret
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(site.timezone))
    return DayPlan(
        site=site,
        seed=seed,
        cases=cases,
        start=start,
        until=timedelta(days=1, hours=8).total_seconds(),
        arrivals=tuple(sorted(_arrivals(cases, dice))),
        outages=tuple(_outages(site, dice)),
    )


def _arrivals(cases: int, dice: Random) -> Iterator[float]:
    hours, shares = [hour for hour, _ in PEAKS], [share for _, share in PEAKS]
    for hour in dice.choices(hours, weights=shares, k=cases):
        width = 0.5 if hour in (8.5, 16.0) else 1.0
        yield (hour + dice.random() * width) * HOUR


def _outages(site: Site, dice: Random) -> Iterator[Outage]:
    """Two or three systems fail for a while, one of them for most of a morning; each has its maintenance in the night."""
    systems = sorted(system.key for department in site.departments for system in department.systems)
    for number, system in enumerate(dice.sample(systems, k=min(3, len(systems)))):
        since = dice.uniform(8.5, 15.0)
        length = dice.uniform(2.0, 3.5) if number == 0 else dice.uniform(0.1, 0.8)
        yield Outage(system=system, since=since * HOUR, until=(since + length) * HOUR)
    for system in systems:
        since = dice.uniform(22.0, 26.0)
        yield Outage(system=system, since=since * HOUR, until=(since + 0.5) * HOUR)
