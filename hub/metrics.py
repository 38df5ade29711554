"""Every metric of the hub. Names are ``onedoor_<noun>_<unit>``; labels come from small closed sets, never from a message.

``python -m hub.metrics_page > docs/reference/metrics.md`` writes the page of the manual from what is defined here.
"""

import importlib.metadata
from collections.abc import Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from contracts.records import record
from hub.store.connection import Row

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST

LABELS: Mapping[str, str] = {
    "route": "templates of the paths of the API, `-` where none matched",
    "status": "HTTP status codes; of `onedoor_cases`: the codes of the case states",
    "kind": "case, event, completion, callback; of `onedoor_tasks`: the kinds of manual tasks",
    "verdict": "accepted, duplicate and the other verdicts of intake; of a scanned page: what was found on it",
    "system": "the systems of the site",
    "department": "the departments of the site",
    "centre": "the centres of the site, empty for a desk that serves all",
    "state": "the states of a delivery or of a manual task",
    "result": "the states in which an attempt ends; of a scanned file: read or refused",
    "where": "the parts of the hub",
    "way": "page, command, api",
    "version": "the installed release",
    "le": "the bounds of a histogram",
}
"""Where the values of each label come from: sets that a site fixes, so that no message can make a new series."""

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_CLAIM = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
_SLOW = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

REQUESTS = Counter(
    "onedoor_requests_total", "HTTP requests answered, by route and status.", ["route", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "onedoor_request_seconds", "Time from a request's head to its answer.", ["route"], buckets=_FAST, registry=REGISTRY
)
MESSAGES = Counter(
    "onedoor_messages_total",
    "Messages taken: case, event, completion, callback; by verdict.",
    ["kind", "verdict"],
    registry=REGISTRY,
)
UPLOADS = Counter("onedoor_uploads_bytes", "Bytes of papers taken by upload.", registry=REGISTRY)
PRINTS = Counter("onedoor_prints_total", "Task sheets printed, reprints included.", ["system"], registry=REGISTRY)
SCANS = Counter(
    "onedoor_scans_total",
    "Scanned files that were read, or refused because nothing can be made of them.",
    ["result"],
    registry=REGISTRY,
)
SCANNED_PAGES = Counter(
    "onedoor_scanned_pages_total", "Scanned pages, by what was found on them.", ["verdict"], registry=REGISTRY
)
ATTEMPTS = Counter(
    "onedoor_attempts_total",
    "Attempts ended, by the class of what came of them.",
    ["system", "result"],
    registry=REGISTRY,
)
ATTEMPT_SECONDS = Histogram(
    "onedoor_attempt_seconds", "Duration of attempts.", ["system"], buckets=_SLOW, registry=REGISTRY
)
WATCHDOG = Counter(
    "onedoor_watchdog_total", "Attempts ended because the gateway gave no answer.", ["system"], registry=REGISTRY
)
BUGS = Counter("onedoor_bugs_total", "Errors that nobody declared, by where they arose.", ["where"], registry=REGISTRY)
REFUSED_CALLBACKS = Counter(
    "onedoor_refused_callbacks_total", "Callbacks that were not genuine or not readable.", ["system"], registry=REGISTRY
)
CLAIM_SECONDS = Histogram(
    "onedoor_claim_seconds",
    "Time from asking for due deliveries to the commit that claims them.",
    ["system"],
    buckets=_CLAIM,
    registry=REGISTRY,
)
BREAKER_OPEN = Gauge(
    "onedoor_breaker_open", "1 while the circuit breaker of a lane is not closed.", ["system"], registry=REGISTRY
)
SEALS = Counter("onedoor_journal_seals_total", "Seals put on batches of journal entries.", registry=REGISTRY)
FORGED = Counter(
    "onedoor_journal_forged_entries_total", "Journal entries that the hub did not write itself.", registry=REGISTRY
)
UNANCHORED = Gauge(
    "onedoor_journal_unanchored", "1 while heads of the journal cannot be noted at the anchor.", registry=REGISTRY
)

READINGS = Counter(
    "onedoor_readings_total",
    "Times that somebody was shown a journal or took a file with personal data, by way; of a program each request.",
    ["way"],
    registry=REGISTRY,
)
READINGS_KEPT = Gauge(
    "onedoor_readings_kept", "Readings that wait for the journal, because it takes no writes.", registry=REGISTRY
)

CASES = Gauge("onedoor_cases", "Cases by status.", ["status"], registry=REGISTRY)
DELIVERIES = Gauge("onedoor_deliveries", "Deliveries by state.", ["system", "state"], registry=REGISTRY)
TASKS = Gauge("onedoor_tasks", "Open manual tasks.", ["kind", "state"], registry=REGISTRY)
OLDEST_DUE_SECONDS = Gauge(
    "onedoor_oldest_due_seconds", "Age of the delivery that is due longest.", ["system"], registry=REGISTRY
)
HELD_LANES = Gauge(
    "onedoor_held_lanes", "1 where a lane is held by staff or a refused login.", ["system"], registry=REGISTRY
)
OPEN_DATES = Gauge(
    "onedoor_open_dates", "Accepted cases whose due date waits for a published calendar.", registry=REGISTRY
)
PROCESS_TASKS = Gauge("onedoor_process_tasks", "Tasks of the event loop.", registry=REGISTRY)
PROCESS_THREADS = Gauge("onedoor_process_threads", "Threads of the process.", registry=REGISTRY)
LOOP_LAG_SECONDS = Histogram(
    "onedoor_loop_lag_seconds", "How late the event loop has its turn.", buckets=_FAST, registry=REGISTRY
)
LOOP_BLOCKED = Counter(
    "onedoor_loop_blocked_total", "Times that something kept the event loop for a second or more.", registry=REGISTRY
)
ROOMS_LEFT = Counter(
    "onedoor_rooms_left_total",
    "Times that a department's own code hung and its channel was opened anew in another thread.",
    ["system"],
    registry=REGISTRY,
)
OVERDUE_SHEETS = Gauge(
    "onedoor_overdue_sheets", "Task sheets that should have been confirmed by now.", ["system"], registry=REGISTRY
)
FILES_MISSING = Gauge(
    "onedoor_files_missing", "Result files that should have come by now.", ["system"], registry=REGISTRY
)
FILE_SEQUENCE_GAPS = Gauge(
    "onedoor_file_sequence_gaps", "Numbers missing in the sequence of files.", ["system"], registry=REGISTRY
)
CALENDAR_END = Gauge(
    "onedoor_calendar_end_timestamp_seconds",
    "Unix time at which the published calendar ends; dates beyond it stay open.",
    registry=REGISTRY,
)
STORE_FAILED = Gauge(
    "onedoor_store_failed", "1 after a failed sync or a damaged page: no writes until a restart.", registry=REGISTRY
)
CLOCK_JUMPS = Counter("onedoor_clock_jumps_total", "Times that somebody set the wall clock.", registry=REGISTRY)
LOG_LINES_DROPPED = Counter(
    "onedoor_log_lines_dropped_total", "Log lines lost because nobody took them.", registry=REGISTRY
)
UNRETURNED_SHEETS = Gauge(
    "onedoor_unreturned_sheets",
    "Task sheets that a courier took and that should be back by now.",
    ["department"],
    registry=REGISTRY,
)
ODD_PAGES = Gauge("onedoor_odd_pages", "Scanned pages that wait for a person, by desk.", ["centre"], registry=REGISTRY)
WAITING_WRITES = Gauge("onedoor_waiting_writes", "Units that wait for the writer.", registry=REGISTRY)
BUILD = Info("onedoor_build", "The installed release.", registry=REGISTRY)
BUILD.info({"version": importlib.metadata.version("onedoor")})
ProcessCollector(registry=REGISTRY)


@cache
def taken(kind: str, verdict: str) -> Counter:
    """The series of ``MESSAGES``, found once: the library looks a series up under a lock each time."""
    return MESSAGES.labels(kind, verdict)


@cache
def attempts(system: str, result: str) -> Counter:
    """The series of ``ATTEMPTS``, found once."""
    return ATTEMPTS.labels(system, result)


@cache
def attempt_seconds(system: str) -> Histogram:
    """The series of ``ATTEMPT_SECONDS``, found once."""
    return ATTEMPT_SECONDS.labels(system)


@record
class Counts:
    """What the gauges are set from: one reading of the tables."""

    cases: list[Row]
    deliveries: list[Row]
    tasks: list[Row]
    lanes: list[Row]
    open_dates: int
    overdue_sheets: list[Row]
    unreturned: list[Row]
    odd_pages: list[Row]


def set_gauges(counts: Counts, now: int) -> None:
    """Set what is counted anew, so that what is gone is gone from the exposition too. ``now``: ms UTC."""
    gauges = (CASES, DELIVERIES, TASKS, OLDEST_DUE_SECONDS, HELD_LANES, OVERDUE_SHEETS, UNRETURNED_SHEETS, ODD_PAGES)
    for gauge in gauges:
        gauge.clear()
    for row in counts.cases:
        CASES.labels(row["status"]).set(row["number"])
    for row in counts.deliveries:
        DELIVERIES.labels(row["system"], row["state"]).set(row["number"])
        if row["state"] == "due":
            OLDEST_DUE_SECONDS.labels(row["system"]).set(max(0, now - row["oldest"]) / 1000)
    for row in counts.tasks:
        TASKS.labels(row["kind"], row["state"]).set(row["number"])
    for row in counts.lanes:
        HELD_LANES.labels(row["system"]).set(1)
    for row in counts.overdue_sheets:
        OVERDUE_SHEETS.labels(row["system"] or "").set(row["number"])
    for row in counts.unreturned:
        UNRETURNED_SHEETS.labels(row["department"]).set(row["number"])
    for row in counts.odd_pages:
        ODD_PAGES.labels(row["centre"]).set(row["number"])
    OPEN_DATES.set(counts.open_dates)


def exposition() -> bytes:
    """All metrics in the Prometheus text format."""
    return generate_latest(REGISTRY)
