"""The handover list 交接清单: what a courier takes from a centre to one department in one run, and signs for.

A list has a number that says where and when it was made, not whose papers are on it:

    JJ <centre, 9 digits> <day, 8 digits> <number of the day, 3 digits> <check digit, ISO 7064 mod 11,10>
"""

import re
from collections.abc import Sequence
from datetime import datetime

from contracts.records import record

HANDOVER_NUMBER = re.compile("JJ[0-9]{21}", re.ASCII)


@record
class Courier:
    """When papers leave for a department and when they are missed. ``weekdays``: 1 Monday to 7 Sunday; ``time``: ``HH:MM``, local.

    ``weekdays`` is empty where the runs follow no weekly plan. ``remind_after_working_days`` None: nobody is reminded.
    """

    weekdays: tuple[int, ...] = ()
    time: str = ""
    carrier: str = "courier"
    skip_holidays: bool = True
    remind_after_working_days: int | None = None


@record
class HandoverLine:
    """One sheet on a list. ``applicant`` is masked already; ``originals``, ``copies``, ``pages`` count the papers that go with it."""

    seq: int
    sheet_no: str
    sheet_version: int
    case_no: str
    item_name: str
    applicant: str
    originals: int
    copies: int
    pages: int


@record
class Handover:
    """A list as it is printed. ``run_at``: when the courier is expected, None where no plan says so."""

    number: str
    centre_name: str
    department_name: str
    carrier: str
    run_at: datetime | None
    made_at: datetime
    made_by: str
    print_no: int
    printed_at: datetime
    lines: Sequence[HandoverLine]


def masked_name(name: str) -> str:
    """A person's or a company's name with all but its first character hidden, and its last where it is long."""
    if len(name) <= 1:
        return name and "*"
    return name[0] + "*" * (len(name) - 1) if len(name) <= 3 else name[0] + "*" * (len(name) - 2) + name[-1]
