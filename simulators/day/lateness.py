"""Who was late in a day, against what was promised: to an applicant at the counter, by the date of the case, by a department.

The promises are those of the site and the dates that the hub has set; what came of them is told by the times in its tables.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import orjson

from contracts.records import record
from contracts.site import SystemFile
from simulators.day.departments import sending_channel
from simulators.day.plan import AT_THE_COUNTER, DayPlan

NAMED: Final = 10
"""How many of those who were latest are named."""

PROMISES: Final = ("counter", "date", "answer")
"""An instant case is decided while its applicant waits; any case by its date; a department answers within its declared time."""

CENTRE: Final = "centre"
"""Who was waited for where no department was."""

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000


@record
class Late:
    """A promise that was not kept. ``promised``, ``came``: epoch milliseconds; ``came`` None: nothing has come yet.

    ``system``: whose answer was missing when the time was over; ``CENTRE``: the case lay there.
    """

    case_no: str
    item: str
    promise: str
    promised: int
    came: int | None
    step: str
    system: str


def lateness(connection: sqlite3.Connection, plan: DayPlan, end: int) -> dict[str, Any]:
    """``late``: cases to which a promise was not kept by ``end``; by kind of promise, by who was waited for; and the latest of them."""
    late = [*_cases(connection, plan, end), *_answers(connection, plan, end)]
    latest = sorted(late, key=lambda one: (one.promised - (one.came or end), one.case_no, one.promise, one.step))
    waited_for = Counter(system for _, system in {(one.case_no, one.system) for one in late})
    return {
        "late": len({one.case_no for one in late}),
        "late_by_promise": {kind: len({one.case_no for one in late if one.promise == kind}) for kind in PROMISES},
        "late_by_system": dict(sorted(waited_for.items())),
        "latest": [_told(one, end) for one in latest[:NAMED]],
    }


def _told(one: Late, end: int) -> dict[str, Any]:
    return {
        "case_no": one.case_no,
        "item": one.item,
        "promise": one.promise,
        "step": one.step,
        "system": one.system,
        "minutes_late": ((one.came or end) - one.promised) // MINUTE_MS,
        "came": one.came is not None,
    }


_CASES: Final = (
    "SELECT c.region, c.case_no, c.item, c.status, c.accepted_at, c.due_at, c.paused_at, c.pauses, c.changed_at FROM case_file c"
    " WHERE c.accepted_at IS NOT NULL ORDER BY c.case_no"
)
_DECIDED: Final = frozenset({"50", "51", "60", "70", "80"})
_ENDED: Final = frozenset({"13", "52", "53"})
"""Withdrawn, voided, returned: over without a decision, and nothing has moved them since."""


def _cases(connection: sqlite3.Connection, plan: DayPlan, end: int) -> Iterator[Late]:
    """Cases that were not decided in time. While one is suspended, or waits for its applicant, no time runs."""
    items = {item.code: item for item in plan.site.items}
    patience = int(AT_THE_COUNTER * HOUR_MS)
    for region, case_no, code, status, accepted, due, paused, pauses, changed in connection.execute(_CASES):
        item = items[code]
        stood_still = [start for start, _ in orjson.loads(pauses)] + ([] if paused is None else [paused])
        promises = [("date", due)] if due is not None and (paused is None or due < paused) else []
        if item.case_type == "instant" and accepted + patience < min(stood_still, default=end):
            promises.append(("counter", accepted + patience))
        if not any(promised < end for _, promised in promises):
            continue
        came = changed if status in _ENDED else None
        if status in _DECIDED:
            (came,) = connection.execute(_CLOSED, (region, case_no, item.decides)).fetchone()
        for kind, promised in promises:
            if promised < (end if came is None else came):
                step, system = _waited_for(connection, region, case_no, promised)
                yield Late(
                    case_no=case_no, item=code, promise=kind, promised=promised, came=came, step=step, system=system
                )


_CLOSED: Final = "SELECT closed_at FROM case_step WHERE region = ? AND case_no = ? AND step = ?"
_OUT_THEN: Final = (
    "SELECT step, system FROM delivery WHERE region = :region AND case_no = :case_no AND created_at <= :at"
    " AND (settled_at IS NULL OR settled_at > :at) ORDER BY created_at, step, subject LIMIT 1"
)
_OPENED_LAST: Final = (
    "SELECT step FROM case_step WHERE region = :region AND case_no = :case_no AND opened_at <= :at"
    " ORDER BY opened_at DESC, position DESC LIMIT 1"
)


def _waited_for(connection: sqlite3.Connection, region: str, case_no: str, at: int) -> tuple[str, str]:
    """The step and the system of what was out at a moment; where nothing was, the step that had been opened last, and the centre."""
    asked = {"region": region, "case_no": case_no, "at": at}
    out: tuple[str, str] | None = connection.execute(_OUT_THEN, asked).fetchone()
    if out is not None:
        return out
    (step,) = connection.execute(_OPENED_LAST, asked).fetchone() or ("",)
    return step, CENTRE


_ANSWERS: Final = (
    "SELECT d.case_no, c.item, d.step, d.via, a.started_at, d.settled_at FROM delivery d"
    " JOIN attempt a ON a.region = d.region AND a.delivery = d.id AND a.number = 1"
    " JOIN case_file c ON c.region = d.region AND c.case_no = d.case_no"
    " WHERE d.system = ? AND d.state != 'cancelled' ORDER BY d.id"
)


def _answers(connection: sqlite3.Connection, plan: DayPlan, end: int) -> Iterator[Late]:
    """Answers that took longer, from the first try on, than the channel declares by ``reply_within_hours``."""
    for system in (one for department in plan.site.departments for one in department.systems):
        within = _within(system)
        if not within:
            continue
        for case_no, item, step, via, asked, settled in connection.execute(_ANSWERS, (system.key,)):
            hours = within.get(via)
            promised = end if hours is None else asked + int(hours * HOUR_MS)
            if promised < (end if settled is None else settled):
                yield Late(
                    case_no=case_no,
                    item=item,
                    promise="answer",
                    promised=promised,
                    came=settled,
                    step=step,
                    system=system.key,
                )


def _within(system: SystemFile) -> dict[str, float]:
    """Hours in which a system says that it answers: by situation, and under a blank name for the channel that sends."""
    channels = [("", sending_channel(system)), *((one.situation.value, one) for one in system.channels)]
    return {name: one.limits.reply_within_hours for name, one in channels if one.limits.reply_within_hours is not None}
