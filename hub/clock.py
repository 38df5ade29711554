"""The statutory clock: limits in working or natural days, pauses, deemed acceptance, lamps; opening hours and cut-offs.

One rule decides every case: *a day counts when the clock runs at its first moment.* From it follows that the day of acceptance does not
count and the next one does (Civil Code art. 201), that a Saturday's acceptance has Monday as day 1, that the day on which a pause begins
still counts and the day on which it ends does not, and that a pause within one day moves nothing. Of a limit in working days only working
days count. The limit ends at 23:59:59 local time of its last day. A natural-day limit ends on its day even when that is a holiday.

Pure functions. Times go in and come out as aware UTC; the zone is the site's, never the server's.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from contracts.catalogue import DayType
from contracts.errors import OnedoorError
from contracts.records import record
from contracts.site import CalendarYear
from contracts.situation import Batching, OpeningHours

_DAY = timedelta(days=1)
_LAST_MOMENT = time(23, 59, 59)
NOTICE_DAYS = 5
"""Working days within which an applicant must hear what is missing (Administrative Licensing Law art. 32)."""


class MissingYear(OnedoorError):
    """A year without a published calendar: raise an alarm, leave the date open, compute it when the table arrives."""

    def __init__(self, year: int) -> None:
        """``year``: the one that the site has no file for."""
        super().__init__(f"no calendar for {year}: put the published one into calendar/{year}.toml of the site")
        self.year = year


@record
class Calendar:
    """The published years of a site and its time zone."""

    zone: ZoneInfo
    years: Mapping[int, CalendarYear]

    def works(self, day: date) -> bool:
        """A make-up workday, or Monday to Friday and no holiday. Raises MissingYear."""
        year = self.years.get(day.year)
        if year is None:
            raise MissingYear(day.year)
        return day in year.makeup_workdays or (day.weekday() < 5 and day not in year.holidays)

    def counts(self, day: date, day_type: DayType) -> bool:
        """Whether a limit of that kind counts the day. Raises MissingYear for working days only."""
        return day_type is DayType.NATURAL or self.works(day)

    def local_day(self, at: datetime) -> date:
        """The site's date at ``at``."""
        return _aware(at).astimezone(self.zone).date()

    def first_moment(self, day: date) -> datetime:
        """00:00:00 of a local day."""
        return datetime.combine(day, time.min, self.zone).astimezone(UTC)

    def last_moment(self, day: date) -> datetime:
        """23:59:59 of a local day."""
        return datetime.combine(day, _LAST_MOMENT, self.zone).astimezone(UTC)

    def ends_at(self) -> datetime:
        """When the last published year is over; limits that reach beyond it stay open. 1970 where no year is published."""
        return self.first_moment(date(max(self.years, default=1969) + 1, 1, 1))


@record
class Pause:
    """A time in which the clock stood: from ``start`` until just before ``end``; None while it still stands."""

    start: datetime
    end: datetime | None = None


class NotYet(StrEnum):
    """Why a case has no due date."""

    NO_CLOCK = "no_clock"
    PAUSED = "paused"
    MISSING_YEAR = "missing_year"


@record
class Due:
    """A due date, or why there is none. ``year`` names the missing calendar."""

    at: datetime | None
    why: NotYet | None = None
    year: int | None = None


class Lamp(StrEnum):
    """时限灯; ``NONE`` for an instant case and where no due date is known."""

    NONE = "none"
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


def calendar(timezone: str, years: Mapping[int, CalendarYear]) -> Calendar:
    """The calendar of a site. Raises ZoneInfoNotFoundError for an unknown zone."""
    return Calendar(zone=ZoneInfo(timezone), years=years)


def add_days(day: date, days: int, day_type: DayType, table: Calendar) -> date:
    """The day on which ``days`` days after ``day`` are full; ``day`` itself when it is 0. Raises MissingYear."""
    while days > 0:
        day += _DAY
        days -= table.counts(day, day_type)
    return day


def due(accepted_at: datetime, days: int, day_type: DayType, pauses: Sequence[Pause], table: Calendar) -> Due:
    """When a limit of ``days`` that began at ``accepted_at`` ends. Pauses come in any order and may overlap.

    A pause without an end leaves the date open unless the limit was over before it began; so does a missing year. 0 days: no clock.
    """
    if days <= 0:
        return Due(at=None, why=NotYet.NO_CLOCK)
    day = table.local_day(accepted_at)
    left = days
    while left:
        day += _DAY
        moment = table.first_moment(day)
        standing = [
            pause
            for pause in pauses
            if _aware(pause.start) <= moment and (pause.end is None or moment < _aware(pause.end))
        ]
        if any(pause.end is None for pause in standing):
            return Due(at=None, why=NotYet.PAUSED)
        if standing:
            continue
        try:
            left -= table.counts(day, day_type)
        except MissingYear as missing:
            return Due(at=None, why=NotYet.MISSING_YEAR, year=missing.year)
    return Due(at=table.last_moment(day))


def due_at(
    accepted_at: datetime, days: int, day_type: DayType, pauses: Sequence[Pause], table: Calendar
) -> datetime | None:
    """``due`` without the reason."""
    return due(accepted_at, days, day_type, pauses, table).at


def deemed_accepted(received_at: datetime, table: Calendar) -> Due:
    """The last moment for a notice of missing papers. After it the case counts as accepted *as of* ``received_at``, not as of then."""
    return due(received_at, NOTICE_DAYS, DayType.WORKING, (), table)


def remaining_days(now: datetime, due_at: datetime, day_type: DayType, table: Calendar) -> int:
    """Whole days left after today: 0 on the last day; negative when overdue, counted from the first day after it.

    Raises MissingYear.
    """
    today, last = table.local_day(now), table.local_day(due_at)
    if today <= last:
        return _count(today, last, day_type, table)
    return -_count(last, today, day_type, table)


def lamp(now: datetime, due_at: datetime | None, day_type: DayType, table: Calendar) -> Lamp:
    """Green with at least one whole day left, yellow on the last, red after it. Raises MissingYear."""
    if due_at is None:
        return Lamp.NONE
    if now > due_at:
        return Lamp.RED
    return Lamp.GREEN if remaining_days(now, due_at, day_type, table) >= 1 else Lamp.YELLOW


def next_open(at: datetime, hours: OpeningHours, table: Calendar) -> datetime:
    """``at`` itself while the system is open, else its next opening. An end not after its start lies on the next day.

    Raises MissingYear where the hours hold on working days only and the year is not published.
    """
    start, end = _clock_time(hours.start), _clock_time(hours.end)
    length = end - start if end > start else end - start + _DAY
    at = _aware(at).astimezone(UTC)
    # A window over midnight that began yesterday may still be open.
    today = table.local_day(at)
    for day in _days_from(today - _DAY if start + length > _DAY else today, hours.days, table):
        if _moment(day, start + length, table) > at:
            return max(at, _moment(day, start, table))
    raise AssertionError  # the days never end: they return, or a missing year is raised


def next_cut_off(after: datetime, batching: Batching, table: Calendar) -> datetime | None:
    """The first cut-off later than ``after``; None where batches are not sealed by the clock. Raises MissingYear."""
    if not batching.cut_offs:
        return None
    times = sorted(map(_clock_time, batching.cut_offs))
    for day in _days_from(table.local_day(after), batching.calendar, table):
        for cut_off in times:
            moment = _moment(day, cut_off, table)
            if moment > after:
                return moment
    raise AssertionError  # as above


def _days_from(day: date, which: str, table: Calendar) -> Iterator[date]:
    kind = DayType.WORKING if which == "working" else DayType.NATURAL
    while True:
        if table.counts(day, kind):
            yield day
        day += _DAY


def _count(after: date, until: date, day_type: DayType, table: Calendar) -> int:
    days = (after + timedelta(days=n) for n in range(1, (until - after).days + 1))
    return sum(table.counts(day, day_type) for day in days)


def _clock_time(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


DAY_TYPES: Mapping[str, DayType] = {"working": DayType.WORKING, "daily": DayType.NATURAL}
"""The names of calendars in channels."""


def moment_of(day: date, time_of_day: str, table: Calendar) -> datetime:
    """``HH:MM`` of a local day, aware UTC."""
    return _moment(day, _clock_time(time_of_day), table)


def _moment(day: date, since_midnight: timedelta, table: Calendar) -> datetime:
    # Built from the wall clock, so that 09:00 stays 09:00 in a zone that changes its offset that night.
    wall = datetime.combine(day, time.min) + since_midnight
    return wall.replace(tzinfo=table.zone).astimezone(UTC)


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a time without a zone: pass aware UTC")
    return at
