"""What kind of day: who comes when and for what, which systems are out of order and when, what people do besides. All from the seed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from contracts.catalogue import Item, ResultKind
from contracts.records import record
from contracts.site import Site
from simulators.day.hours import DAY_SECONDS, HOUR, Hours
from simulators.day.network import Outage
from simulators.faults import Fault
from simulators.plausible import SHARES

DAY: Final = date(2026, 3, 3)
"""A Tuesday with nothing special before or after it."""

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


@record
class Visit:
    """A kind of visit: items with so many department steps, and the share of the applicants who come for one of them."""

    name: str
    least: int
    most: int
    share: float
    instant: bool = False


MIX: Final[Sequence[Visit]] = (
    Visit(name="settled at the counter", least=0, most=99, share=0.34, instant=True),
    Visit(name="one department", least=0, most=1, share=0.22),
    Visit(name="several departments", least=2, most=5, share=0.375),
    Visit(name="means check", least=6, most=99, share=0.065),
)
"""What people come for. A city of 25 million has 88,000 department tasks on a weekday with 38,500 cases, 2.3 a case; a yearly round
of housing aid alone (30,000 households in 20 days) is 1,500 means checks a day, 4 % of the cases, and relief needs as many again, with one query
for each source and person. Within a kind every item comes equally often."""

TURNS: Final[Mapping[str, float]] = {"withdraw": 0.008, "suspend": 0.006, "void": 0.002}
"""Share of cases with a turn of their own, some time after they were handed in: the applicant takes it back, the centre opens a special
procedure and closes it hours later, or it was entered in error."""

MENDED: Final[Mapping[str, float]] = {"resubmit": 0.75, "ask_correction": 0.17, "return": 0.08}
"""What a centre does with a case that a department gave back: it mends the papers itself, asks the applicant, or gives up."""

BRINGS: Final = 0.66
"""Share of the applicants asked for a paper who bring it within hours."""

AT_THE_COUNTER: Final = 1.0
"""Hours for which the applicant of an instant case waits for the decision; who has none by then goes home and is late."""

MIDDAY_RUN, NIGHT_RUN = 12.5, 20.0
"""The hours at which departments with file exchanges take what came: in the night, and at noon where files close before it."""

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
    """``start``: midnight of the day, aware; seconds count from there. ``until``: when it is judged, the next noon or a later one.

    ``mix``: the item each applicant comes for, in the order of ``arrivals``.
    """

    site: Site
    seed: int
    cases: int
    start: datetime
    until: float
    hours: Hours
    arrivals: Sequence[float]
    mix: Sequence[Item]
    outages: Sequence[Outage]


def day_plan(site: Site, cases: int, seed: int, day: date = DAY, days: int = 1) -> DayPlan:
    """The plan of one day, judged at the noon after ``days`` days. Raises ValueError for a day without a published calendar."""
    dice = Random(f"day/{seed}")  # noqa: S311 - repeatable, no secret
    hours = Hours(site=site, first=day)
    hours.works(days * DAY_SECONDS)  # the calendar reaches to the end
    return DayPlan(
        site=site,
        seed=seed,
        cases=cases,
        start=datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(site.timezone)),
        until=timedelta(days=days, hours=12).total_seconds(),
        hours=hours,
        arrivals=tuple(sorted(_arrivals(cases, dice, hours))),
        mix=tuple(_mix(site, cases, seed, day)),
        outages=tuple(_outages(site, dice)),
    )


def _arrivals(cases: int, dice: Random, hours: Hours) -> Iterator[float]:
    opens, closes = hours.centre(0.0)
    spans = [(hour, min(hour // 1 + 1.0, closes / HOUR), share) for hour, share in PEAKS]
    spans = [(since, until, share) for since, until, share in spans if opens / HOUR <= since < until]
    for since, until, _ in dice.choices(spans, weights=[share for _, _, share in spans], k=cases):
        yield (since + dice.random() * (until - since)) * HOUR


def _mix(site: Site, cases: int, seed: int, day: date) -> Iterator[Item]:
    """Which item each applicant comes for. A kind of visit that the catalogue does not have leaves its share to the others."""
    dice = Random(f"mix/{seed}")  # noqa: S311 - repeatable, no secret
    items = sorted((item for item in site.items if item.valid_from <= day.isoformat()), key=lambda item: item.code)
    kinds = [(visit, [item for item in items if _belongs(item, visit)]) for visit in MIX]
    found = [(visit.share, fitting) for visit, fitting in kinds if fitting]
    for _, fitting in dice.choices(found, weights=[share for share, _ in found], k=cases):
        yield dice.choice(fitting)


def _belongs(item: Item, visit: Visit) -> bool:
    tasks = sum(step.system is not None for step in item.steps)
    return (item.case_type == "instant") == visit.instant and visit.least <= tasks <= visit.most


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
