"""How a hub starts, claims and takes cases with a million deliveries waiting before it, beside the same hub with none. `make backlog`.

The queue is made by repeating stored cases (``bench.backlog_fill``). The two hubs take turns (empty, full, empty, full): each is killed
and started again, and takes cases for another system at a steady pace. In the end every delivery of the queue is claimed, so that
none is found to be forgotten. The figures go to docs/results/backlog.json. Exit code 1 when a bound does not hold.
"""

import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import backlog_fill, machine
from bench.backlog_fill import Opened
from bench.run import HERE, RESULTS, Bench, Figures, memory_mb, onedoor, process, wait_for
from hub import outbox
from hub.at_hand import PREFETCH
from hub.offline import closed_city
from hub.settings import load_settings

BACKLOG = int(os.environ.get("BACKLOG") or "1000000")
ROUNDS = int(os.environ.get("BACKLOG_ROUNDS") or "5")
PACED = int(os.environ.get("BACKLOG_PACED") or "1000")
A_SECOND = 50
SEED = 200
"""Cases that are handed in and then repeated."""

START_SECONDS, CLAIM_MS, TIMES_EMPTY = 5.0, 20.0, 2.0
MEASURED = 2000
"""Claims of the size that a lane makes, whose times count; the rest of the queue is claimed in larger ones."""

AT_ONCE = 1000
BOUNDARIES = (999, 1000, 1001, 99_999, 100_000, 100_001)
"""Lengths at which buffers and counters of queues tend to end."""

LIMIT = PREFETCH + 4
LANE = "limits = { concurrency = 4, rate_per_second = 20 }"
QUEUE = "BE-slow"
CLAIMS = f'onedoor_claim_seconds_count{{system="{QUEUE}"}}'
QUICK_CLAIMS = f'onedoor_claim_seconds_bucket{{le="0.02",system="{QUEUE}"}}'


def prepared(folder: Path) -> Bench:
    """A hub over the bench city whose slow system takes 20 a second, so that its lane goes on claiming."""
    folder.mkdir()
    site = folder / "site"
    shutil.copytree(HERE / "site", site)
    table = site / "bench" / "department.toml"
    table.write_text(re.sub(r"limits = \{ concurrency = 1, .*\}", LANE, table.read_text("utf-8")), encoding="utf-8")
    bench = Bench(folder)
    bench.deadline = time.monotonic() + 7200
    bench.settings.write_text(bench.settings.read_text().replace(f'"{HERE / "site"}"', f'"{site}"'))
    return bench


@contextmanager
def started(bench: Bench) -> Iterator[float]:
    """A hub, killed in the end; the seconds from the start of its process until it is ready."""
    serve = str(Path(sys.executable).with_name("onedoor"))
    began = time.monotonic()
    with process(serve, "serve", "--demo", "--settings", str(bench.settings)) as hub:
        while not _is_ready(bench):
            time.sleep(0.01)
            if hub.poll() is not None:
                raise SystemExit("the hub does not start")
        took = time.monotonic() - began
        bench.hub_pid = hub.pid
        yield took
        hub.kill()
        hub.wait()


def _is_ready(bench: Bench) -> bool:
    try:
        with urllib.request.urlopen(f"{bench.front_door}/readyz", timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def seeded(bench: Bench) -> Opened:
    """Hand in some cases to a hub that has a queue for them; the database that it leaves."""
    with started(bench):
        bench.load(f"{bench.front_door}/v1/cases/batch", SEED, "BE002")
    return backlog_fill.opened(load_settings(bench.settings, allow_demo_keys=True))


def queue(bench: Bench, number: int) -> None:
    """A queue of so many: what the hub has stored of some is repeated."""
    began = time.monotonic()
    file = seeded(bench)
    backlog_fill.fill(file, QUEUE, number)
    file.connection.close()
    size = bench.database.stat().st_size / 1e6
    print(f"  {number:,} deliveries in {time.monotonic() - began:.0f} s, {size:,.0f} MB", flush=True)


def round_of(bench: Bench) -> dict[str, float]:
    """Start, take cases at a steady pace, look at the metrics, die."""
    with started(bench) as seconds:
        time.sleep(1)  # what every lane claims at the start is part of the start
        before = _metrics(bench)
        found = bench.load(f"{bench.front_door}/v1/cases", PACED, "BE001", A_SECOND)
        answered = sorted(found["answered"])
        began = time.monotonic()
        told = _metrics(bench)
        return {
            "start_seconds": seconds,
            "intake_p50_ms": 1000 * answered[len(answered) // 2],
            "intake_p99_ms": 1000 * answered[int(len(answered) * 0.99)],
            "metrics_seconds": time.monotonic() - began,
            "memory_mb": memory_mb(bench.hub_pid),
            "claims": told[CLAIMS] - before[CLAIMS],
            "claims_within_20_ms": told[QUICK_CLAIMS] - before[QUICK_CLAIMS],
            "deliveries": sum(
                value for name, value in told.items() if name.startswith("onedoor_deliveries{") and QUEUE in name
            ),
        }


def _metrics(bench: Bench) -> dict[str, float]:
    with urllib.request.urlopen(f"{bench.front_door}/metrics", timeout=120) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] not in ("#", ""))
    }


def claimed(file: Opened, measured: int) -> tuple[list[float], int, int]:
    """Claim the whole queue: the milliseconds of the first claims (each with its commit), how many were claimed, how many ids."""
    city = closed_city(file.settings, file.connection, file.keys)
    now = backlog_fill.now_ms()
    took: list[float] = []
    seen: set[str] = set()
    number = 0
    while True:
        limit = LIMIT if len(took) < measured else AT_ONCE
        began = time.monotonic()
        file.connection.run("BEGIN IMMEDIATE")
        found = outbox.claim(file.connection, city, QUEUE, limit, "bench", now, now + 60_000)
        file.connection.run("COMMIT")
        if len(took) < measured:
            took.append(1000 * (time.monotonic() - began))
        number += len(found.rows)
        seen.update(row["id"] for row in found.rows)
        if not found.rows:
            return took, number, len(seen)


def boundaries(bench: Bench, figures: Figures) -> None:
    """At each length every delivery that is due is claimed, once, by claims of either size; then it is undone."""
    file = seeded(bench)
    city, now, first = closed_city(file.settings, file.connection, file.keys), backlog_fill.now_ms(), 0
    wrong: dict[str, int] = {}
    for length in (length for length in BOUNDARIES if length <= max(BACKLOG, 1001)):
        backlog_fill.fill(file, QUEUE, length, first)
        first = length
        due = backlog_fill.counted(file.connection, file.region, QUEUE)["due"]
        for limit in (LIMIT, AT_ONCE):
            seen: list[str] = []
            file.connection.run("BEGIN IMMEDIATE")
            while found := outbox.claim(file.connection, city, QUEUE, limit, "bench", now, now + 60_000).rows:
                seen += (row["id"] for row in found)
            file.connection.run("ROLLBACK")
            if not len(seen) == len(set(seen)) == due:
                wrong[f"{length} by {limit}"] = len(seen)
        figures[f"claimed_of_{length}_and_the_seed"] = due
    figures.check("wrong_lengths", len(wrong), 0, at_most=True)
    file.connection.close()


def whole(bench: Bench, figures: Figures) -> None:
    """No hub runs any more: what was filled in is all there, and every delivery that is due can be claimed, once."""
    onedoor("journal", "verify", "--demo", "--settings", str(bench.settings))
    file = backlog_fill.opened(load_settings(bench.settings, allow_demo_keys=True))
    figures.check("copies_there", backlog_fill.copies_there(file.connection, file.region), BACKLOG)
    before = backlog_fill.counted(file.connection, file.region, QUEUE)
    figures["states_in_the_end"] = before
    began = time.monotonic()
    took, number, distinct = claimed(file, MEASURED)
    took.sort()
    figures["claim_p50_ms"] = round(took[len(took) // 2], 2)
    figures.check("claim_p99_ms", took[int(len(took) * 0.99)], CLAIM_MS, at_most=True)
    waited = before.get("due", 0)
    figures.check("claimed_of_those_due", number / max(waited, 1), 1.0)
    figures.check("claims_a_delivery", number / max(distinct, 1), 1.0, at_most=True)
    print(f"  {number:,} claimed in {time.monotonic() - began:.0f} s", flush=True)
    file.connection.close()


def compared(empty: Bench, full: Bench, figures: Figures) -> None:
    """The two in turn."""
    rounds: dict[str, list[dict[str, float]]] = {"empty": [], "full": []}
    for turn in range(ROUNDS):
        for name, bench in (("empty", empty), ("full", full)):
            found = round_of(bench)
            rounds[name].append(found)
            told = f"start {found['start_seconds']:.2f} s, intake p50 {found['intake_p50_ms']:.1f} p99 {found['intake_p99_ms']:.1f} ms"
            print(
                f"  round {turn + 1}, {name}: {told}, {found['memory_mb']:.0f} MB, metrics {found['metrics_seconds']:.2f} s",
                flush=True,
            )
    figures["rounds"] = {
        name: [{key: round(value, 2) for key, value in one.items()} for one in all_] for name, all_ in rounds.items()
    }

    def median(name: str, key: str) -> float:
        return statistics.median(one[key] for one in rounds[name])

    figures.check("start_seconds", median("full", "start_seconds"), START_SECONDS, at_most=True)
    times = median("full", "intake_p99_ms") / median("empty", "intake_p99_ms")
    figures.check("intake_p99_in_times_of_empty", times, TIMES_EMPTY, at_most=True)
    shares = [one["claims_within_20_ms"] / max(one["claims"], 1) for one in rounds["full"]]
    figures["claims_of_the_running_hub"] = sum(one["claims"] for one in rounds["full"])
    figures.check("share_of_them_within_20_ms", statistics.median(shares), 0.99)
    wrong = max(abs(one["deliveries"] - BACKLOG - SEED) for one in rounds["full"])
    figures.check("miscounted_by_the_hub", wrong, 0, at_most=True)


def measure(folder: Path, figures: Figures) -> None:
    """All of it."""
    empty, full, other = (prepared(folder / name) for name in ("empty", "full", "boundaries"))
    figures["machine"] = machine.described(folder)
    figures["settings"] = {"waiting": BACKLOG, "rounds": ROUNDS, "cases_a_round": PACED, "a_second": A_SECOND}
    with ExitStack() as stack:
        for bench in (empty, full, other):
            stack.enter_context(process(sys.executable, str(HERE / "mock.py"), str(bench.mock_port)))
            wait_for(bench.mock_port)
        steps: tuple[tuple[str, Callable[[], Any]], ...] = (
            (f"{BACKLOG:,} deliveries are made to wait", lambda: queue(full, BACKLOG)),
            ("an empty hub and a full one, in turn", lambda: compared(empty, full, figures)),
            ("the queue itself", lambda: whole(full, figures)),
            ("queues of odd lengths", lambda: boundaries(other, figures)),
        )
        for title, step in steps:
            print(title, flush=True)
            step()


def main() -> None:
    """Entry point."""
    figures = Figures()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="onedoor-backlog-", dir=os.environ.get("BACKLOG_DIR")) as folder:
        measure(Path(folder), figures)
    figures["seconds"] = round(time.monotonic() - began)
    target = Path(os.environ.get("BACKLOG_RESULT") or RESULTS.with_name("backlog.json"))
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    raise SystemExit(0 if figures.good else 1)


if __name__ == "__main__":
    main()
