"""The statutory clock, row by row. Times in the tables are local (Asia/Shanghai); a time left out is 10:00.

2026: 1-3 January off, 4 January (Sunday) works; 14 February (Saturday) works, 15-23 February off, 28 February (Saturday) works;
4-6 April off; 1-5 May off, 9 May (Saturday) works; 19-21 June off; 20 September (Sunday) works, 25-27 September off;
1-7 October off, 10 October (Saturday) works. 1 March is a Sunday. The calendars of 2025 and 2026 are published, 2024 and 2027 are not.
"""

import os
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import DayType
from contracts.records import adapter
from contracts.site import CalendarYear
from contracts.situation import Batching, OpeningHours
from hub.clock import (
    Calendar,
    Lamp,
    MissingYear,
    NotYet,
    Pause,
    add_days,
    calendar,
    deemed_accepted,
    due,
    due_at,
    lamp,
    next_cut_off,
    next_open,
    remaining_days,
)

SITE = Path(__file__).parents[2] / "plugins" / "calendar"
SHANGHAI = ZoneInfo("Asia/Shanghai")
YEARS = {
    year: adapter(CalendarYear).validate_python(tomllib.loads((SITE / f"{year}.toml").read_text("utf-8")))
    for year in (2025, 2026)
}
TABLE = calendar("Asia/Shanghai", YEARS)
W, N = DayType.WORKING, DayType.NATURAL


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def local(text: str) -> datetime:
    """``2026-03-02`` or ``2026-03-02 23:59:59`` of Shanghai, in UTC as the hub keeps it."""
    return datetime.fromisoformat(text if " " in text else f"{text} 10:00").replace(tzinfo=SHANGHAI).astimezone(UTC)


def pauses_of(text: str) -> list[Pause]:
    """``03-04 10:00 .. 03-06 15:00; ...``, in 2026 unless a year is given; nothing after the dots: still paused."""
    found = []
    for span in filter(None, map(str.strip, text.split(";"))):
        start, end = (part.strip() for part in span.split(".."))
        start, end = (part if len(part) < 5 or part[4] == "-" else f"2026-{part}" for part in (start, end))
        found.append(Pause(start=local(start), end=local(end) if end else None))
    return found


DUE = """
# accepted            | days | pauses | due or why not | what the row shows
2026-03-02            | 1    |        | 2026-03-03     | the day of acceptance does not count
2026-03-02            | 5    |        | 2026-03-09     | a week has five working days
2026-03-06 16:29      | 1    |        | 2026-03-09     | from Friday to Monday
2026-03-02 00:00:00   | 1    |        | 2026-03-03     | accepted at the first moment of a day
2026-03-02 23:59:59   | 1    |        | 2026-03-03     | accepted at the last second of a day
2026-03-03 00:00:00   | 1    |        | 2026-03-04     | one second later is another day
2026-03-07 09:00      | 1    |        | 2026-03-09     | accepted on Saturday: Monday is day 1
2026-03-08 11:30      | 1    |        | 2026-03-09     | accepted on Sunday: Monday is day 1
2026-03-07            | 5    |        | 2026-03-13     | Saturday acceptance, five days: Friday
2026-03-06            | 5    |        | 2026-03-13     | Friday acceptance ends on the same day as Saturday's
2026-03-08 23:59:59   | 5    |        | 2026-03-13     | so does the last second of Sunday
2026-03-09 00:00:00   | 5    |        | 2026-03-16     | the first of Monday does not
2026-03-02            | 20   |        | 2026-03-30     | four weeks
2026-03-02            | 25   |        | 2026-04-07     | five weeks with Qingming in them
2026-04-03            | 1    |        | 2026-04-07     | the last working day before Qingming
2026-04-04            | 1    |        | 2026-04-07     | accepted on a holiday that is a Saturday
2026-04-06            | 1    |        | 2026-04-07     | accepted on a holiday that is a Monday
2025-12-30            | 1    |        | 2025-12-31     | the last day of a year
2025-12-30            | 2    |        | 2026-01-04     | over New Year to a make-up Sunday
2025-12-31            | 1    |        | 2026-01-04     | New Year's Eve
2025-12-31            | 2    |        | 2026-01-05     | the Monday after the make-up Sunday
2026-01-01            | 1    |        | 2026-01-04     | accepted on New Year's Day
2026-01-03            | 1    |        | 2026-01-04     | accepted on the last day off
2026-01-04            | 1    |        | 2026-01-05     | accepted on a make-up Sunday
2026-02-13            | 1    |        | 2026-02-14     | Friday to a make-up Saturday
2026-02-13            | 2    |        | 2026-02-24     | and over the nine days of Spring Festival
2026-02-14            | 1    |        | 2026-02-24     | accepted on the make-up Saturday
2026-02-14            | 5    |        | 2026-02-28     | ends on the second make-up Saturday
2026-02-14            | 6    |        | 2026-03-02     | one more: Monday
2026-02-15            | 1    |        | 2026-02-24     | accepted on the first day off
2026-02-23 23:59:59   | 1    |        | 2026-02-24     | accepted in the last second off
2026-02-27            | 1    |        | 2026-02-28     | a make-up Saturday counts
2026-02-27            | 2    |        | 2026-03-02     | the Sunday after it does not
2026-02-28            | 1    |        | 2026-03-02     | accepted on it
2026-03-01            | 1    |        | 2026-03-02     | accepted on the Sunday after it
2026-04-30            | 1    |        | 2026-05-06     | over Labour Day
2026-04-30            | 4    |        | 2026-05-09     | to the make-up Saturday
2026-04-30            | 5    |        | 2026-05-11     | past it
2026-05-01            | 1    |        | 2026-05-06     | accepted on Labour Day
2026-05-05            | 1    |        | 2026-05-06     | accepted on a Tuesday off
2026-05-08            | 1    |        | 2026-05-09     | Friday to the make-up Saturday
2026-05-09            | 1    |        | 2026-05-11     | accepted on it
2026-05-10            | 1    |        | 2026-05-11     | accepted on the Sunday after it
2026-06-18            | 1    |        | 2026-06-22     | over the Dragon Boat Festival
2026-06-19            | 1    |        | 2026-06-22     | accepted on it
2026-06-21            | 2    |        | 2026-06-23     | two days from its Sunday
2026-09-18            | 1    |        | 2026-09-20     | Friday to a make-up Sunday over an ordinary Saturday
2026-09-19            | 1    |        | 2026-09-20     | accepted on that Saturday
2026-09-20            | 1    |        | 2026-09-21     | accepted on the make-up Sunday
2026-09-24            | 1    |        | 2026-09-28     | over Mid-Autumn
2026-09-30            | 1    |        | 2026-10-08     | over the National Day week
2026-09-30            | 3    |        | 2026-10-10     | to the make-up Saturday
2026-09-30            | 4    |        | 2026-10-12     | past it
2026-10-01            | 1    |        | 2026-10-08     | accepted on National Day
2026-10-07            | 1    |        | 2026-10-08     | accepted on the last day off
2026-09-18            | 15   |        | 2026-10-15     | through both autumn holidays
2025-01-24            | 1    |        | 2025-01-26     | another year, another table: a make-up Sunday
2025-01-24            | 3    |        | 2025-02-05     | over Spring Festival of 2025
2025-02-07            | 1    |        | 2025-02-08     | to the make-up Saturday of 2025
2025-09-30            | 3    |        | 2025-10-11     | National Day and Mid-Autumn of 2025 in one
2025-12-25            | 10   |        | 2026-01-09     | from one year into the next
2025-12-31            | 248  |        | 2026-12-31     | 2026 has 248 working days
2024-12-31            | 248  |        | 2025-12-31     | so has 2025; the year of acceptance itself is not asked
2024-12-31            | 496  |        | 2026-12-31     | two whole years
2026-12-30            | 1    |        | 2026-12-31     | the last day that is published
2026-12-01            | 22   |        | 2026-12-31     | a limit that just fits
2026-12-01            | 23   |        | missing 2027   | one day more needs a year that is not published
2026-12-31            | 1    |        | missing 2027   | the same at once
2025-12-31            | 249  |        | missing 2027   | and after a long way
2027-03-01            | 1    |        | missing 2027   | accepted in it
2024-12-30            | 1    |        | missing 2024   | a year before the first
2026-03-02            | 0    |        | no_clock       | an instant case has no clock

# pauses; without one the limit of these rows ends on 2026-03-09 unless said otherwise
2026-03-02 | 5 | 03-04 10:00 .. 03-06 15:00                                | 2026-03-11 | the first day of a pause counts, the last does not
2026-03-02 | 5 | 03-04 09:00 .. 03-04 17:00                                | 2026-03-09 | a pause within one day moves nothing
2026-03-02 | 5 | 03-06 12:00 .. 03-09 09:00                                | 2026-03-10 | over a weekend it takes one working day
2026-03-02 | 5 | 03-07 10:00 .. 03-08 10:00                                | 2026-03-09 | within a weekend it takes none
2026-03-02 | 5 | 03-04 00:00:00 .. 03-05 00:00:00                          | 2026-03-10 | from midnight to midnight takes that day
2026-03-02 | 5 | 03-03 23:59:59 .. 03-04 00:00:01                          | 2026-03-10 | two seconds over midnight take the day they end on
2026-03-02 | 5 | 03-04 00:00:01 .. 03-04 23:59:59                          | 2026-03-09 | nearly a whole day takes none
2026-03-02 | 5 | 03-02 11:00 .. 03-04 10:00                                | 2026-03-11 | paused on the day of acceptance
2026-03-02 | 5 | 02-24 10:00 .. 02-27 10:00                                | 2026-03-09 | over before acceptance
2026-03-02 | 5 | 03-10 10:00 .. 03-12 10:00                                | 2026-03-09 | begun after the limit
2026-03-02 | 5 | 03-09 10:00 .. 03-11 10:00                                | 2026-03-09 | begun on its last day
2026-03-02 | 5 | 03-03 10:00 .. 03-04 10:00; 03-09 10:00 .. 03-11 10:00    | 2026-03-12 | two pauses
2026-03-02 | 5 | 03-09 10:00 .. 03-11 10:00; 03-03 10:00 .. 03-04 10:00    | 2026-03-12 | in any order
2026-03-02 | 5 | 03-04 10:00 .. 03-06 10:00; 03-05 10:00 .. 03-09 10:00    | 2026-03-12 | overlapping ones are counted once
2026-03-02 | 5 | 03-04 10:00 .. 03-06 15:00; 03-05 09:00 .. 03-05 10:00    | 2026-03-11 | one inside the other
2026-03-02 | 5 | 03-04 10:00 .. 03-05 10:00; 03-05 10:00 .. 03-06 15:00    | 2026-03-11 | one ends when the next begins
2026-03-02 | 5 | 03-04 10:00 .. 03-05 10:00; 03-05 14:00 .. 03-06 15:00    | 2026-03-11 | a few running hours between them count for nothing
2026-03-02 | 5 | 03-03 09:00 .. 03-03 11:00; 03-04 09:00 .. 03-04 11:00; 03-05 09:00 .. 03-05 11:00 | 2026-03-09 | three short ones
2026-03-02 | 5 | 03-04 10:00 ..                                            | paused     | still paused: the end is open
2026-03-02 | 5 | 03-06 10:00 ..                                            | paused     | with one day left
2026-03-02 | 5 | 03-09 10:00 ..                                            | 2026-03-09 | paused on the last day: it counts
2026-03-02 | 5 | 03-03 10:00 .. 03-04 10:00; 03-05 10:00 ..                | paused     | the second one is open
2026-04-01 | 5 |                                                           | 2026-04-09 | over Qingming, not paused
2026-04-01 | 5 | 04-03 12:00 .. 04-07 12:00                                | 2026-04-10 | paused over Qingming: one working day
2026-04-01 | 5 | 04-04 09:00 .. 04-06 18:00                                | 2026-04-09 | paused within Qingming: none
2026-02-12 | 5 | 02-14 10:00 .. 02-24 10:00                                | 2026-02-27 | paused over Spring Festival
2026-02-12 | 5 | 02-14 10:00 .. 02-23 23:59:59                             | 2026-02-26 | resumed in its last second: nothing lost
2026-02-26 | 3 | 02-27 10:00 .. 03-01 10:00                                | 2026-03-03 | a make-up Saturday in the pause
2026-03-02 | 20 | 03-10 09:00 .. 04-10 09:00                               | 2026-04-30 | a month for an appraisal
2025-12-29 | 5 | 2025-12-30 10:00 .. 2026-01-04 10:00                      | 2026-01-08 | over New Year, resumed on a make-up Sunday
2026-12-28 | 5 | 12-29 10:00 .. 12-31 10:00                                | missing 2027 | pushed into a year that is not published
2026-12-28 | 5 | 12-29 10:00 .. 2027-01-10 10:00                           | missing 2027 | paused until then
"""

NATURAL = """
2026-03-02 | 1   |                            | 2026-03-03 | natural days
2026-03-07 | 1   |                            | 2026-03-08 | a Sunday counts
2026-02-14 | 7   |                            | 2026-02-21 | a holiday counts, also as the last day
2026-05-31 | 31  |                            | 2026-07-01 | over two months
2026-12-31 | 30  |                            | 2027-01-30 | no calendar is needed
2028-02-28 | 1   |                            | 2028-02-29 | a leap day
2026-12-30 | 365 |                            | 2027-12-30 | a year
2026-03-02 | 7   | 03-04 10:00 .. 03-08 10:00 | 2026-03-13 | a pause takes its Sunday too
"""


def show(case: list[str]) -> str:
    return f"{case[0]} {case[-1]}"


def assert_due(case: list[str], day_type: DayType) -> None:
    accepted, days, pauses, expected, _ = case
    found = due(local(accepted), int(days), day_type, pauses_of(pauses), TABLE)
    if expected.startswith("missing"):
        assert (found.at, found.why, found.year) == (None, NotYet.MISSING_YEAR, int(expected.split()[1]))
    elif expected in {"paused", "no_clock"}:
        assert (found.at, found.why) == (None, NotYet(expected))
    else:
        assert found.at == local(f"{expected} 23:59:59")
        assert found.at.tzinfo is UTC
        assert found.why is None
    assert due_at(local(accepted), int(days), day_type, pauses_of(pauses), TABLE) == found.at


@pytest.mark.parametrize("case", rows(DUE), ids=show)
def test_a_limit_in_working_days_ends(case: list[str]) -> None:
    assert_due(case, W)


@pytest.mark.parametrize("case", rows(NATURAL), ids=show)
def test_a_limit_in_natural_days_ends(case: list[str]) -> None:
    assert_due(case, N)


def test_the_table_is_large_enough_to_trust() -> None:
    assert len(rows(DUE)) + len(rows(NATURAL)) >= 100


WORKS = """
2026-03-02 | works | an ordinary Monday
2026-03-07 | rests | an ordinary Saturday
2026-03-08 | rests | an ordinary Sunday
2026-01-01 | rests | New Year's Day
2026-01-04 | works | a make-up Sunday
2026-02-14 | works | a make-up Saturday
2026-02-16 | rests | a Monday off
2026-09-25 | rests | a Friday off
2025-10-06 | rests | Mid-Autumn of 2025
2025-10-11 | works | a make-up Saturday of 2025
"""


@pytest.mark.parametrize("case", rows(WORKS), ids=show)
def test_a_day_works_or_rests(case: list[str]) -> None:
    assert TABLE.works(date.fromisoformat(case[0])) is (case[1] == "works")


def test_a_published_year_has_the_number_of_working_days_of_its_notice() -> None:
    for year in (2025, 2026):
        days = (date(year, 1, 1) + timedelta(days=n) for n in range(365))
        assert sum(map(TABLE.works, days)) == 248


def test_a_year_that_is_not_published_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(MissingYear, match=r"put the published one into calendar/2027\.toml") as caught:
        TABLE.works(date(2027, 1, 4))
    assert caught.value.year == 2027
    with pytest.raises(MissingYear):
        add_days(date(2026, 12, 31), 1, W, TABLE)
    assert add_days(date(2026, 12, 31), 0, W, TABLE) == date(2026, 12, 31)


DEEMED = """
2026-03-02           | 2026-03-09   | received on Monday: the next Monday is the last day for a notice
2026-03-07           | 2026-03-13   | received on Saturday
2026-02-13           | 2026-02-27   | over Spring Festival, with a make-up Saturday
2026-02-12 23:59:59  | 2026-02-26   | in the last second of a day
2026-12-28           | missing 2027 | never guessed
"""


@pytest.mark.parametrize("case", rows(DEEMED), ids=show)
def test_a_case_without_notice_is_deemed_accepted_after_five_working_days(case: list[str]) -> None:
    found = deemed_accepted(local(case[0]), TABLE)
    if case[1].startswith("missing"):
        assert (found.at, found.year) == (None, 2027)
    else:
        assert found.at == local(f"{case[1]} 23:59:59")


LAMPS = """
# now                | due        | days left | lamp   | what the row shows
2026-03-02           | 2026-03-09 | 5         | green  | a week
2026-03-06 12:00     | 2026-03-09 | 1         | green  | Friday before
2026-03-07           | 2026-03-09 | 1         | green  | a Saturday takes nothing away
2026-03-08 23:59:59  | 2026-03-09 | 1         | green  | nor does a Sunday
2026-03-09 00:00:00  | 2026-03-09 | 0         | yellow | less than a day is left
2026-03-09 23:59:59  | 2026-03-09 | 0         | yellow | the last second is in time
2026-03-10 00:00:00  | 2026-03-09 | -1        | red    | the next one is not
2026-03-14           | 2026-03-09 | -4        | red    | Saturday, four working days late
2026-04-05           | 2026-04-03 | 0         | red    | overdue, no working day has passed
2026-02-13           | 2026-02-14 | 1         | green  | due on a make-up Saturday
2026-02-14           | 2026-02-24 | 1         | green  | a festival between
2026-02-20           | 2026-02-24 | 1         | green  | in the middle of it
2026-02-24           | 2026-02-24 | 0         | yellow | after it
"""


@pytest.mark.parametrize("case", rows(LAMPS), ids=show)
def test_the_lamp_shows_the_days_left(case: list[str]) -> None:
    now, last = local(case[0]), local(f"{case[1]} 23:59:59")
    assert remaining_days(now, last, W, TABLE) == int(case[2])
    assert lamp(now, last, W, TABLE) is Lamp(case[3])


def test_no_lamp_burns_without_a_due_date() -> None:
    assert lamp(local("2026-03-02"), None, W, TABLE) is Lamp.NONE


def test_days_left_of_a_natural_limit_need_no_calendar() -> None:
    assert remaining_days(local("2026-12-31"), local("2027-01-30"), N, TABLE) == 30
    with pytest.raises(MissingYear):
        remaining_days(local("2026-12-31"), local("2027-01-30"), W, TABLE)


OPEN = """
# hours              | asked                | open at              | what the row shows
working 09:00-17:00  | 2026-03-02 08:59:59  | 2026-03-02 09:00:00  | before opening
working 09:00-17:00  | 2026-03-02 09:00:00  | 2026-03-02 09:00:00  | at opening
working 09:00-17:00  | 2026-03-02 16:59:59  | 2026-03-02 16:59:59  | still open
working 09:00-17:00  | 2026-03-02 17:00:00  | 2026-03-03 09:00:00  | closed at the hour
working 09:00-17:00  | 2026-03-06 17:30:00  | 2026-03-09 09:00:00  | over the weekend
working 09:00-17:00  | 2026-02-14 10:00:00  | 2026-02-14 10:00:00  | a make-up Saturday is open
working 09:00-17:00  | 2026-02-14 18:00:00  | 2026-02-24 09:00:00  | and the festival is not
working 09:00-17:00  | 2025-01-01 08:00:00  | 2025-01-02 09:00:00  | the first published day asks for no earlier year
daily 06:00-22:00    | 2026-02-16 05:00:00  | 2026-02-16 06:00:00  | daily means holidays too
daily 06:00-22:00    | 2026-02-16 22:00:00  | 2026-02-17 06:00:00  | next morning
daily 06:00-22:00    | 2027-05-01 23:00:00  | 2027-05-02 06:00:00  | daily hours need no calendar
daily 00:00-24:00    | 2026-02-16 23:59:59  | 2026-02-16 23:59:59  | always
daily 00:00-24:00    | 2026-02-17 00:00:00  | 2026-02-17 00:00:00  | at midnight too
daily 22:00-06:00    | 2026-03-02 03:00:00  | 2026-03-02 03:00:00  | a night window that began yesterday
daily 22:00-06:00    | 2026-03-02 06:00:00  | 2026-03-02 22:00:00  | between two nights
working 22:00-06:00  | 2026-03-07 05:00:00  | 2026-03-07 05:00:00  | Friday's night ends on Saturday
working 22:00-06:00  | 2026-03-07 06:00:00  | 2026-03-09 22:00:00  | Saturday has none
"""


@pytest.mark.parametrize("case", rows(OPEN), ids=lambda case: f"{case[0]} {case[1]}")
def test_a_system_is_open_next(case: list[str]) -> None:
    days, span = case[0].split()
    start, end = span.split("-")
    hours = OpeningHours(days=days, start=start, end=end)
    found = next_open(local(case[1]), hours, TABLE)
    assert found == local(case[2])
    assert found.tzinfo is UTC


CUT_OFFS = """
# cut-offs     | days    | after                | next                 | what the row shows
17:00          | working | 2026-03-02 16:59:59  | 2026-03-02 17:00:00  | today
17:00          | working | 2026-03-02 17:00:00  | 2026-03-03 17:00:00  | strictly later
17:00          | working | 2026-03-06 18:00:00  | 2026-03-09 17:00:00  | over the weekend
11:30 17:00    | working | 2026-03-02 12:00:00  | 2026-03-02 17:00:00  | the second of the day
17:00 11:30    | working | 2026-03-02 18:00:00  | 2026-03-03 11:30:00  | in any order
17:00          | working | 2026-02-13 18:00:00  | 2026-02-14 17:00:00  | a make-up Saturday has one
17:00          | working | 2026-02-14 18:00:00  | 2026-02-24 17:00:00  | a festival has none
20:00          | daily   | 2026-02-14 21:00:00  | 2026-02-15 20:00:00  | daily
24:00          | daily   | 2026-03-02 21:00:00  | 2026-03-03 00:00:00  | midnight
"""


@pytest.mark.parametrize("case", rows(CUT_OFFS), ids=lambda case: f"{case[0]} {case[2]}")
def test_the_next_cut_off_is(case: list[str]) -> None:
    batching = Batching(cut_offs=tuple(case[0].split()), calendar=case[1])
    assert next_cut_off(local(case[2]), batching, TABLE) == local(case[3])


def test_without_cut_offs_there_is_no_next_one() -> None:
    assert next_cut_off(local("2026-03-02"), Batching(max_wait_seconds=60), TABLE) is None


def test_hours_and_cut_offs_of_working_days_are_not_guessed_either() -> None:
    with pytest.raises(MissingYear):
        next_open(local("2026-12-31 18:00"), OpeningHours(days="working", start="09:00", end="17:00"), TABLE)
    with pytest.raises(MissingYear):
        next_cut_off(local("2026-12-31 18:00"), Batching(cut_offs=("17:00",)), TABLE)


@pytest.fixture(params=["UTC", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def server_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("server_zone")
def test_the_server_s_time_zone_changes_no_date() -> None:
    accepted = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)  # 00:30 of 3 March in Shanghai
    assert due_at(accepted, 1, W, [], TABLE) == datetime(2026, 3, 4, 15, 59, 59, tzinfo=UTC)
    assert next_open(accepted, OpeningHours(days="working", start="09:00", end="17:00"), TABLE) == datetime(
        2026, 3, 3, 1, tzinfo=UTC
    )


def test_a_time_given_in_another_zone_is_the_same_moment() -> None:
    moment = local("2026-03-06 23:00")
    for zone in ("UTC", "America/New_York", "Asia/Shanghai"):
        assert due_at(moment.astimezone(ZoneInfo(zone)), 3, W, [], TABLE) == local("2026-03-11 23:59:59")


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware UTC"):
        due(datetime(2026, 3, 2), 1, W, [], TABLE)  # noqa: DTZ001 - the mistake under test


def test_nine_in_the_morning_stays_nine_where_summer_time_begins() -> None:
    every_day = Calendar(zone=ZoneInfo("Europe/Berlin"), years={})
    hours = OpeningHours(start="09:00", end="17:00")
    assert next_open(datetime(2026, 3, 29, 5, tzinfo=UTC), hours, every_day) == datetime(2026, 3, 29, 7, tzinfo=UTC)


MOMENTS = st.datetimes(datetime(2025, 1, 2), datetime(2025, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
PAUSES = st.lists(
    st.builds(
        lambda start, hours: Pause(start=start, end=start + timedelta(hours=hours)),
        MOMENTS,
        st.floats(min_value=0, max_value=400),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(MOMENTS, st.integers(min_value=1, max_value=40), PAUSES)
def test_a_longer_limit_or_one_more_pause_never_ends_earlier(
    accepted: datetime, days: int, pauses: list[Pause]
) -> None:
    latest = datetime(2027, 1, 1, tzinfo=UTC)
    plain = due_at(accepted, days, W, [], TABLE) or latest
    paused = due_at(accepted, days, W, pauses, TABLE) or latest
    longer = due_at(accepted, days + 1, W, pauses, TABLE) or latest
    assert accepted < plain <= paused <= longer
    assert due_at(accepted, days, W, pauses[::-1], TABLE) == due_at(accepted, days, W, pauses, TABLE)


@settings(deadline=None)
@given(MOMENTS, st.integers(min_value=1, max_value=60))
def test_days_left_at_acceptance_are_the_days_of_the_limit(accepted: datetime, days: int) -> None:
    last = due_at(accepted, days, W, [], TABLE)
    assert last is not None
    assert TABLE.works(TABLE.local_day(last))
    assert remaining_days(accepted, last, W, TABLE) == days
