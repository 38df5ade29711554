"""What became of a day: the oracle's findings, the states of every case and delivery, and who waited for what.

The oracle reads senders' logs, ledgers, folders and the database when everything is over; it is the one that judges the demo.
"""

import argparse
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final

from contracts.site import SystemFile
from simulators.day.departments import sending_channel
from simulators.day.lateness import lateness
from simulators.day.plan import DayPlan
from simulators.oracle.__main__ import examine

LONGEST: Final = 10
"""How many of those who waited longest are named."""

MINUTE_MS: Final = 60_000


def judged(plan: DayPlan, folder: Path) -> dict[str, Any]:
    """Everything that can be told from what the day left behind."""
    systems = [system for department in plan.site.departments for system in department.systems]
    unsafe = [system.key for system in systems if not sending_channel(system).resend_is_safe]
    report = examine(
        argparse.Namespace(
            database=folder / "data" / "onedoor.db",
            senders=folder / "senders",
            ledgers=folder / "ledgers",
            files=folder / "files",
            metrics=None,
            logs=None,
            anchor=None,
            canaries=None,
            resend_unsafe=",".join(unsafe),
            stopped=True,
        )
    )
    told = report.as_json()
    end = int((plan.start.timestamp() + plan.until) * 1000)
    with closing(sqlite3.connect(f"file:{folder / 'data' / 'onedoor.db'}?mode=ro", uri=True)) as connection:
        return {
            "lost": report.lost,
            "doubled": told.get("undetected_duplicates"),
            "findings": [sentence for check in report.checks.values() for sentence in check.found],
            **_states(connection),
            **lateness(connection, plan, end),
            **_waits(connection, end, {system.key: system for system in systems}),
        }


def _states(connection: sqlite3.Connection) -> dict[str, Any]:
    def pairs(statement: str) -> dict[str, int]:
        return {str(name): int(number) for name, number in connection.execute(statement)}

    def number(statement: str) -> int:
        return int(connection.execute(statement).fetchone()[0])

    return {
        "forgotten": [case_no for (case_no,) in connection.execute(_FORGOTTEN)],
        "cases_by_status": pairs("SELECT status, count(*) FROM case_file GROUP BY status ORDER BY status"),
        "deliveries_total": number("SELECT count(*) FROM delivery"),
        "deliveries": pairs("SELECT state, count(*) FROM delivery GROUP BY state ORDER BY state"),
        "attempts": pairs("SELECT state, count(*) FROM attempt GROUP BY state ORDER BY state"),
        "possible_duplicates": number("SELECT count(*) FROM attempt WHERE possible_duplicate"),
    }


_FORGOTTEN: Final = (
    "SELECT case_no FROM case_file c WHERE status IN ('10', '20', '30', '40', '50', '51', '60')"
    " AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.region = c.region AND d.case_no = c.case_no"
    " AND d.state NOT IN ('done', 'returned', 'cancelled', 'dead'))"
    " AND NOT EXISTS (SELECT 1 FROM task t WHERE t.region = c.region AND t.case_no = c.case_no"
    " AND t.state IN ('ready', 'reserved', 'to_confirm'))"
    " AND NOT EXISTS (SELECT 1 FROM case_step s WHERE s.region = c.region AND s.case_no = c.case_no AND s.state = 'returned')"
    " ORDER BY case_no"
)
"""Cases that are not over although nothing is on its way, nobody has a task and nothing was given back: nobody would ever move them."""


def _waits(connection: sqlite3.Connection, end: int, systems: dict[str, SystemFile]) -> dict[str, Any]:
    """How long deliveries waited for their department, from the moment their step opened: by system, and the longest of all."""
    minutes: dict[str, list[int]] = defaultdict(list)
    still: dict[str, int] = defaultdict(int)
    rows = connection.execute(
        "SELECT d.system, d.created_at, d.settled_at, d.state, d.case_no, d.step, d.subject, c.item FROM delivery d"
        " JOIN case_file c ON c.region = d.region AND c.case_no = d.case_no WHERE d.state != 'cancelled'"
    )
    longest: list[tuple[int, str, str, str, str, str, str]] = []
    for system, since, until, state, case_no, step, subject, item in rows:
        waited = ((end if until is None else until) - since) // MINUTE_MS
        minutes[system].append(waited)
        still[system] += until is None
        longest.append((-waited, case_no, step, subject, system, item, state))
    return {
        "waiting": {system: still[system] for system in sorted(still) if still[system]},
        "waits": {
            system: {
                "situation": sending_channel(systems[system]).situation.value,
                "deliveries": len(minutes[system]),
                "waiting": still[system],
                "median_minutes": int(median(minutes[system])),
                "longest_minutes": max(minutes[system]),
            }
            for system in sorted(minutes)
        },
        "waited_longest": list(_named(sorted(longest)[:LONGEST], systems)),
    }


def _named(
    longest: list[tuple[int, str, str, str, str, str, str]], systems: dict[str, SystemFile]
) -> Iterator[dict[str, Any]]:
    for waited, case_no, step, _, system, item, state in longest:
        situation = sending_channel(systems[system]).situation.value
        yield {
            "case_no": case_no,
            "item": item,
            "step": step,
            "system": system,
            "situation": situation,
            "state": state,
            "minutes": -waited,
        }
