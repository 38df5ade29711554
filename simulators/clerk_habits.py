"""How a simulated clerk works: his hours with a break for lunch, his pace, and how often he does what clerks do.

    [clerk]
    seed = 7
    hours = ["09:00-11:45", "13:00-17:00"]   # by the city's clock; none: at any time
    days = "working"                         # of the site's calendar, make-up days included; or "all"
    pace_minutes = 3                         # a sheet
    late = 0.1                               # lets a sheet lie ..
    late_hours = 24                          # .. so long
    twice = 0.03                             # two people key the same sheet
    wrong_sheet = 0.02                       # confirms while another sheet is open on the screen
    old_version = 0.02                       # prints again, and keys the paper of another version
    wrong_box = 0.03                         # ticks another box, and corrects it
    unreadable = 0.02                        # the code on the paper is smudged: keyed by number

Of the last five at most one meets a sheet; where one of them is given, those that are not do not happen. Which does depends on seed, case, form and version alone, not on the hour or the order.
"""

import random
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from adapters.strict_tables import Strict
from contracts.errors import OnedoorError
from contracts.site import CalendarYear

Share = Annotated[float, Field(ge=0, le=1)]


class HabitsRefused(OnedoorError):
    """Habits that cannot be; the text names the key."""


class Slip(StrEnum):
    """What a clerk may do wrong with a sheet."""

    TWICE = "twice"
    WRONG_SHEET = "wrong_sheet"
    OLD_VERSION = "old_version"
    WRONG_BOX = "wrong_box"
    UNREADABLE = "unreadable"


class ClerkHabits(Strict):
    """The whole table. Shares lie between 0 and 1; those of slips together do not exceed 1."""

    seed: int = 1
    hours: tuple[str, ...] = ("09:00-11:45", "13:00-17:00")
    days: Literal["working", "all"] = "working"
    pace_minutes: float = Field(default=3.0, ge=0)
    late: Share = 0.1
    late_hours: float = Field(default=24.0, ge=0)
    twice: Share = 0.03
    wrong_sheet: Share = 0.02
    old_version: Share = 0.02
    wrong_box: Share = 0.03
    unreadable: Share = 0.02

    @field_validator("hours")
    @classmethod
    def _are_spans(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [mistake for text in value if (mistake := _wrong_span(text))]:
            raise ValueError("; ".join(wrong))
        return value

    @model_validator(mode="before")
    @classmethod
    def _only_what_is_said(cls, told: Any) -> Any:
        """Who names one slip means that one: those that are not named then do not happen."""
        if isinstance(told, dict) and any(slip.value in told for slip in Slip):
            return {**{slip.value: 0.0 for slip in Slip}, **{str(name): value for name, value in told.items()}}
        return told

    @model_validator(mode="after")
    def _one_slip_a_sheet(self) -> Self:
        if wrong := contradictions({slip.value: share for slip, share in self.shares().items()}):
            raise ValueError("; ".join(wrong))
        return self

    def shares(self) -> Mapping[Slip, float]:
        """How often each slip comes."""
        return {slip: float(getattr(self, slip.value)) for slip in Slip}

    def is_open(self, at: datetime, calendars: Mapping[int, CalendarYear]) -> bool:
        """Whether he is at his desk. ``at``: local time of the city; ``calendars``: by year; one that nobody published has Monday to Friday."""
        if self.days == "working" and not _works(at.date(), calendars):
            return False
        return not self.hours or any(begin <= at.time() < end for begin, end in map(_span, self.hours))

    def until_open(self, at: datetime, calendars: Mapping[int, CalendarYear]) -> timedelta:
        """How long until he sits there; nothing while he does. Weeks ahead at most, since calendars end."""
        if self.is_open(at, calendars):
            return timedelta()
        begins = sorted(_span(text)[0] for text in self.hours) or [time()]
        for days in range(30):
            for begin in begins:
                moment = datetime.combine(at.date() + timedelta(days=days), begin, at.tzinfo)
                if moment > at and self.is_open(moment, calendars):
                    return moment - at
        return timedelta(days=30)

    def drawn(self, case_no: str, form: str, version: int) -> tuple[Slip | None, bool]:
        """What goes wrong with a sheet, and whether it is let lie."""
        dice = random.Random(f"{self.seed}/{case_no}/{form}/{version}/slip")  # noqa: S311 - must repeat itself, no secret
        number, lies = dice.random(), dice.random() < self.late
        for slip, share in self.shares().items():
            number -= share
            if number < 0:
                return slip, lies
        return None, lies


def contradictions(told: Mapping[str, Any]) -> list[str]:
    """Keys that do not go together, as far as they can be read."""
    shares = [share for slip in Slip if isinstance(share := told.get(slip.value), int | float)]
    return [] if sum(shares) <= 1 else [f"{', '.join(list(Slip)[:-1])} and {list(Slip)[-1]} together must not exceed 1"]


def _wrong_span(text: str) -> str:
    try:
        begin, end = _span(text)
    except ValueError as error:
        return str(error)
    return f"{text} ends before it begins" if begin >= end else ""


def _span(text: str) -> tuple[time, time]:
    begin, dash, end = text.partition("-")
    try:
        found = time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())
    except ValueError as error:
        raise ValueError(f"{text}: write hours as 09:00-17:00") from error
    if not dash:
        raise ValueError(f"{text}: write hours as 09:00-17:00")
    return found


def _works(day: date, calendars: Mapping[int, CalendarYear]) -> bool:
    year = calendars.get(day.year)
    if year is None:
        return day.weekday() < 5
    return day in year.makeup_workdays or (day.weekday() < 5 and day not in year.holidays)


def habits_of(table: Mapping[str, Any]) -> ClerkHabits:
    """The habits that a table says. Raises HabitsRefused naming every wrong key."""
    try:
        return ClerkHabits.model_validate(dict(table))
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, one['loc'])) or 'clerk'}: {one['msg']}" for one in error.errors(include_url=False)
        ]
        raise HabitsRefused("; ".join(wrong)) from error


def read_habits(file: Path) -> ClerkHabits:
    """The ``[clerk]`` table of a file. Raises HabitsRefused."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("clerk")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise HabitsRefused(f"{file} cannot be read as TOML: {error}") from error
    if not isinstance(table, dict):
        raise HabitsRefused(f"{file} has no [clerk] table: begin it with [clerk]")
    return habits_of(table)
