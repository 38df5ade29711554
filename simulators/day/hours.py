"""Who is there when, on workdays and on days off: centres, and the offices of departments with their lunch.

Moments are seconds since the midnight with which the day begins; the next days follow on.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from contracts.records import record
from contracts.site import Site

HOUR: Final = 3600.0
DAY_SECONDS: Final = 24 * HOUR

CENTRE: Final = (8.5, 16.5)
"""Hours of a centre on a workday, through noon; on a day off it opens in the morning only."""

CENTRE_OFF: Final = (8.5, 11.5)
OFFICE: Final[Sequence[tuple[float, float]]] = ((9.0, 11.75), (13.0, 17.0))
"""Hours of a department's people: closed at noon, and the whole of a day off."""


@record
class Hours:
    """The hours of one site, from the midnight of ``first`` on."""

    site: Site
    first: date

    def works(self, moment: float) -> bool:
        """Whether a moment lies on a workday. Raises ValueError for a year without a published calendar."""
        return is_workday(self.site, self.first + timedelta(days=moment // DAY_SECONDS))

    def centre(self, moment: float) -> tuple[float, float]:
        """When the centres open and close on the day of a moment."""
        opens, closes = CENTRE if self.works(moment) else CENTRE_OFF
        midnight = moment // DAY_SECONDS * DAY_SECONDS
        return midnight + opens * HOUR, midnight + closes * HOUR

    def centre_is_open(self, moment: float) -> bool:
        """Whether somebody is at the centres."""
        opens, closes = self.centre(moment)
        return opens <= moment < closes

    def at_centre(self, moment: float) -> float:
        """The moment itself while the centres are open, else when they open next."""
        opens, closes = self.centre(moment)
        if moment < closes:
            return max(moment, opens)
        return self.centre(moment + DAY_SECONDS)[0]

    def office(self, moment: float) -> Sequence[tuple[float, float]]:
        """When the departments' people are there on the day of a moment; not at all on a day off."""
        midnight = moment // DAY_SECONDS * DAY_SECONDS
        return [(midnight + since * HOUR, midnight + until * HOUR) for since, until in OFFICE if self.works(moment)]

    def office_is_open(self, moment: float) -> bool:
        """Whether the departments' people are at their desks."""
        return any(since <= moment < until for since, until in self.office(moment))

    def after_work(self, moment: float, seconds: float) -> float:
        """When people who begin at ``moment`` have worked for so many seconds: lunch, nights and days off do not count."""
        for _ in range(60):
            for since, until in self.office(moment):
                begin = max(moment, since)
                if begin + seconds <= until:
                    return begin + seconds
                seconds -= max(until - begin, 0.0)
            moment = (moment // DAY_SECONDS + 1) * DAY_SECONDS
        raise ValueError("nobody works for two months: look into the calendar of the site")


def is_workday(site: Site, day: date) -> bool:
    """By the published table of the year. Raises ValueError where there is none."""
    table = site.calendars.get(day.year)
    if table is None:
        raise ValueError(
            f"{day} lies in a year without a published calendar: choose another day, or add calendar/{day.year}.toml"
        )
    return day in table.makeup_workdays or (day.weekday() < 5 and day not in table.holidays)
