"""How a system is reached, and the limits that hold there."""

from enum import StrEnum

from contracts.records import record


class Situation(StrEnum):
    """接入方式: the three equals."""

    API = "api"
    FILE_DROP = "file_drop"
    PAPER = "paper"


class ChannelStatus(StrEnum):
    """One channel of a system sends; others may be fallback, or collect what is still to come."""

    SENDING = "sending"
    FALLBACK = "fallback"
    FORMER = "former"


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
    ``collect_seconds``: how often a collecting channel is asked (civil clock).
    """

    concurrency: int = 4
    rate_per_second: float | None = None
    attempt_seconds: float = 30.0
    reply_within_hours: float | None = None
    max_attempts: int = 12
    collect_seconds: float = 60.0
    opening_hours: OpeningHours = OpeningHours()


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
