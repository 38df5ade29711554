"""The machine's own time zone changes no date (H09): what is stored is UTC, what counts is the site's."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json
from datetime import UTC, datetime, timedelta
from contracts.catalogue import DayType
from contracts.site import load_site
from hub.app import site_folder
from hub.city import milliseconds
from hub.clock import calendar, due
from hub.numbers import case_number
from hub.settings import Settings

site = load_site(site_folder(Settings()))
table = calendar(site.timezone, site.calendars)
found = []
for hours in range(0, 24 * 60, 5):
    at = datetime(2026, 1, 25, 14, 59, 59, tzinfo=UTC) + timedelta(hours=hours)
    for kind in DayType:
        ends = due(at, 5, kind, (), table).at
        found.append([milliseconds(at), None if ends is None else milliseconds(ends), str(table.local_day(at))])
print(json.dumps(found))
"""


def dates(zone: str) -> list[list[object]]:
    """Dates that a process computes whose machine lives in that zone."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
    )
    found: list[list[object]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def at_the_site() -> list[list[object]]:
    return dates("Asia/Shanghai")


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu", ":/nonsense"])
def test_h09_every_date_is_the_same_wherever_the_machine_is(at_the_site: list[list[object]], zone: str) -> None:
    assert len(at_the_site) > 500
    assert dates(zone) == at_the_site
