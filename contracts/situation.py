"""How a system is reached, and the limits that hold there."""

from enum import StrEnum
from typing import Literal

from contracts.records import record


class Situation(StrEnum):
    """接入方式: the three equals."""

    API = "api"
    FILE_DROP = "file_drop"
    PAPER = "paper"


class ChannelStatus(StrEnum):
    """One channel of a system sends; others may be fallback, or collect what is still to come.

    A shadow gets copies marked as tests; what it answers is compared and settles nothing.
    """

    SENDING = "sending"
    FALLBACK = "fallback"
    FORMER = "former"
    SHADOW = "shadow"


@record
class AutoFallback:
    """When the hub takes a fallback channel by itself; without such a rule only a person does.

    ``breaker_open_minutes``: the sending channel's circuit breaker has not been closed for so long (civil clock).
    ``due_within_working_days``: fewer working days than that are left until the delivery's date.
    ``also_from``: states in which the department may have the message already. The fallback then says so.
    """

    breaker_open_minutes: float | None = None
    due_within_working_days: int | None = None
    also_from: tuple[Literal["unknown", "waiting"], ...] = ()


@record
class OpeningHours:
    """Outside them deliveries wait in the lane. Local time of the site, ``HH:MM``; ``days`` daily or working."""

    days: str = "daily"
    start: str = "00:00"
    end: str = "24:00"


@record
class Limits:
    """What the hub may ask of a system. Seconds are real seconds of a machine, not of the civil clock.

    ``attempt_seconds``: the watchdog ends a try after that. ``reply_within_hours``: a reply later than that is overdue
    (hours of the civil clock; None: never). ``max_attempts``: tries before dead letter.
    ``collect_seconds``: how often a collecting channel is asked (civil clock). ``hand_over_hours``: how long before the
    delivery's date (civil clock) the hub stops trying and a person takes over.
    """

    concurrency: int = 4
    rate_per_second: float | None = None
    attempt_seconds: float = 30.0
    reply_within_hours: float | None = None
    max_attempts: int = 12
    collect_seconds: float = 60.0
    opening_hours: OpeningHours = OpeningHours()
    hand_over_hours: float = 0.0


@record
class ExpectedFile:
    """After the cut-off ``after_cut_off`` (``HH:MM``) with a file of ours, a result file is expected within ``days`` days of the
    calendar, by a time of day; an alarm is raised ``alarm_after_minutes`` later."""

    after_cut_off: str
    days: int = 0
    by: str
    calendar: Literal["working", "daily"] = "working"
    alarm_after_minutes: int = 60


@record
class FileRules:
    """What the hub watches over in an exchange of files. ``receipt_within_minutes``: a receipt for each file is due so soon after it."""

    expected: tuple[ExpectedFile, ...] = ()
    receipt_within_minutes: float | None = None


@record
class Batching:
    """When a batch is sealed: at ``max_size``, ``max_wait_seconds`` (civil clock) after its first member, or at a ``cut_off``
    (``HH:MM``, site time); with cut-offs alone it waits for the next one.

    ``send_empty``: the partner expects a file at every cut-off. ``calendar``: on which days cut-offs happen.
    """

    max_size: int = 5000
    max_wait_seconds: float | None = None
    cut_offs: tuple[str, ...] = ()
    calendar: str = "working"
    send_empty: bool = False
