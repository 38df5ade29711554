"""`make bench`: accept-and-deliver beside a bare client posting the same bytes to the same mock, in the same minutes.

Only ratios mean anything: the machine is noisy, so raw and hub take turns (A B A B) and medians are compared. Every check
prints its figure, its bound and whether it holds; all figures go to docs/results/bench.json. Exit code 1 when a bound fails, or
when the whole takes longer than ``BENCH_MINUTES``.
"""

import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # behind what is installed, which is what is measured

from bench import forms, machine

HERE = Path(__file__).resolve().parent
RESULTS = Path(os.environ.get("BENCH_RESULTS", HERE.parent / "docs" / "results" / "bench.json"))
SYSTEMS = ("BE-fast", "BE-slow", "BE-hang")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
CASES = int(os.environ.get("BENCH_CASES", "4000"))
PACED = int(os.environ.get("BENCH_PACED", "500"))
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "100000"))
MINUTES = float(os.environ.get("BENCH_MINUTES", "12"))
CONNECTIONS = 64


class TookTooLong(Exception):
    """The machine is too busy, or something hangs: the figures would mean nothing."""


class Bench:
    """A mock department and a hub in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.deadline = time.monotonic() + 60 * MINUTES
        self.mock_port, self.hub_port = free_port(), free_port()
        self.settings = folder / "onedoor.toml"
        self.database = folder / "data" / "onedoor.db"
        places = "\n".join(f'[systems."{name}".api]\nurl = "http://127.0.0.1:{self.mock_port}"' for name in SYSTEMS)
        self.settings.write_text(
            f'data = "{folder / "data"}"\nsite = "{HERE / "site"}"\nport = {self.hub_port}\n'
            f'master_key = "{folder / "master.key"}"\n{places}\n'
        )
        onedoor("init", "--demo", "--settings", str(self.settings))
        made = onedoor("clients", "create", "--name", "bench", "--demo", "--settings", str(self.settings))
        self.key = next(word for word in made.split() if word.startswith("onedoor_"))
        self.hub_pid = 0
        self.runs = 0

    def load(self, url: str, count: int, item: str, rate: float | None = None) -> dict[str, Any]:
        """Post ``count`` envelopes from a process of its own."""
        self.runs += 1
        run = f"{os.getpid()}-{self.runs}"
        told = self.settings.with_name("load.json")
        command: list[str | Path] = [
            sys.executable,
            HERE / "load.py",
            told,
            url,
            run,
            str(count),
            item,
            str(CONNECTIONS),
            self.key,
        ]
        try:
            subprocess.run([*command, *([str(rate)] if rate else [])], check=True, timeout=self.left())
        except subprocess.TimeoutExpired as error:
            raise TookTooLong from error
        answer: dict[str, Any] = json.loads(told.read_bytes())
        return answer

    def left(self) -> float:
        """Seconds until the whole must be over. Raises TookTooLong."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TookTooLong
        return left

    def raw(self, count: int) -> float:
        """Posts a second straight to the mock."""
        found = self.load(f"http://127.0.0.1:{self.mock_port}/fast", count, "BE001")
        self.arrivals()
        return count / float(found["seconds"])

    def at_least(self, count: int, port: int) -> float:
        """Messages a second through ``floor.py``, until their results are there."""
        before = fetched(port, "/done")
        found = self.load(f"http://127.0.0.1:{port}/v1/cases", count, "BE001")
        while fetched(port, "/done") - before < count:
            self.left()
            time.sleep(0.02)
        seconds = time.monotonic() - float(found["began"])
        self.arrivals()
        return count / seconds

    def through_hub(self, count: int, item: str = "BE001", rate: float | None = None) -> dict[str, Any]:
        """Through the hub until every *result* is durable; counts what reached the mock."""
        before, cpu = self.newest_attempt(), cpu_seconds(self.hub_pid)
        self.arrivals()
        found = self.load(f"{self.front_door}/v1/cases", count, item, rate)
        while self.done_since(before) < count:
            self.left()
            time.sleep(0.02)
        seconds = time.monotonic() - float(found["began"])
        arrived = self.arrivals()
        took = sorted(at - float(found["sent"][str(serial)]) for serial, at in arrived if str(serial) in found["sent"])
        return {
            "rate": count / seconds,
            "cpu_seconds_per_1000": (cpu_seconds(self.hub_pid) - cpu) / count * 1000,
            "refused": found["refused"],
            "arrived": len(arrived),
            "unique": len({serial for serial, _ in arrived}),
            "p50_ms": 1000 * took[len(took) // 2],
            "p99_ms": 1000 * took[int(len(took) * 0.99)],
        }

    @property
    def front_door(self) -> str:
        """Where the hub listens."""
        return f"http://127.0.0.1:{self.hub_port}"

    def arrivals(self) -> list[tuple[int, float]]:
        """What reached the mock since the last time."""
        found: list[tuple[int, float]] = fetched(self.mock_port, "/arrivals")
        return found

    def newest_attempt(self) -> int:
        """Where attempts end in the database."""
        return self._number("SELECT coalesce(max(rowid), 0) FROM attempt")

    def done_since(self, attempt: int) -> int:
        """Later attempts whose outcome is on disk."""
        return self._number(f"SELECT count(*) FROM attempt WHERE rowid > {attempt} AND state = 'completed'")

    def _number(self, query: str) -> int:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            number: int = connection.execute(query).fetchone()[0]
            return number


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetched(port: int, path: str) -> Any:
    """What one of the helper processes says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return json.loads(answer.read())


def wait_for(port: int) -> None:
    """Until something listens. Raises TimeoutError."""
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, ended with the block."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def onedoor(*arguments: str) -> str:
    """Run the command line; its output."""
    done = subprocess.run(
        [Path(sys.executable).with_name("onedoor"), *arguments], capture_output=True, check=False, text=True
    )
    if done.returncode:
        raise SystemExit(f"onedoor {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000


class Figures(dict[str, Any]):
    """What was measured; ``good`` while every bound holds."""

    good = True

    def check(self, name: str, value: float, bound: float, *, at_most: bool = False) -> None:
        """Note a figure with its bound and say whether it holds."""
        holds = value <= bound if at_most else value >= bound
        self.good &= holds
        self[name] = {"value": round(value, 3), "bound": bound, "holds": holds}
        sign = "<=" if at_most else ">="
        print(f"  {'ok  ' if holds else 'FAIL'} {name}: {value:.2f} (wanted {sign} {bound:g})", flush=True)


def throughput(bench: Bench) -> dict[str, Any]:
    """Raw and hub in turn; medians."""
    bench.through_hub(max(CASES // 4, 1))
    raw, through = [], []
    for turn in range(ROUNDS):
        raw.append(bench.raw(CASES))
        through.append(bench.through_hub(CASES))
        told = f"raw {raw[-1]:.0f}/s, hub {through[-1]['rate']:.0f}/s, ratio {through[-1]['rate'] / raw[-1]:.3f}"
        print(f"  round {turn + 1}: {told}, {through[-1]['cpu_seconds_per_1000']:.2f} CPU s per 1,000", flush=True)
    medians = ("rate", "cpu_seconds_per_1000", "p50_ms", "p99_ms")
    return {
        "raw_rate": statistics.median(raw),
        **{name: statistics.median(one[name] for one in through) for name in medians},
        "ratio": statistics.median(one["rate"] / rate for one, rate in zip(through, raw, strict=True)),
        "arrived": sum(one["arrived"] for one in through),
        "unique_arrivals": sum(one["unique"] for one in through),
        "memory_mb": memory_mb(bench.hub_pid),
    }


def floor(bench: Bench, database: str) -> dict[str, float]:
    """What a program without any hub in it reaches in times of the bare client; ``database`` empty: it keeps nothing."""
    port = free_port()
    command = (str(HERE / "floor.py"), str(port), f"http://127.0.0.1:{bench.mock_port}/fast", *filter(None, [database]))
    ratios = []
    with process(sys.executable, *command) as running:
        wait_for(port)
        bench.at_least(max(CASES // 4, 1), port)
        before = cpu_seconds(running.pid)
        for _ in range(ROUNDS):
            raw = bench.raw(CASES)
            ratios.append(bench.at_least(CASES, port) / raw)
        cpu = (cpu_seconds(running.pid) - before) / (ROUNDS * CASES) * 1000
    return {"ratio": statistics.median(ratios), "cpu_seconds_per_1000": cpu}


def floors(bench: Bench, figures: Figures) -> None:
    """What can be had at best on this machine, and with these libraries."""
    for name, database in (("keeping_nothing", ""), ("synced_rows_only", str(bench.database.with_name("floor.db")))):
        found = figures[f"floor_{name}"] = floor(bench, database)
        told = f"{found['ratio']:.2f} of the bare client, {found['cpu_seconds_per_1000']:.2f} CPU s per 1,000"
        print(f"  two HTTP exchanges, {name.replace('_', ' ')}: {told}", flush=True)


def from_an_empty_start(bench: Bench, figures: Figures) -> None:
    """Throughput, and nothing sent twice."""
    empty = figures["empty"] = throughput(bench)
    figures.check("ratio_to_bare_client", empty["ratio"], 0.25)
    figures.check("arrivals_per_case", empty["arrived"] / empty["unique_arrivals"], 1.0, at_most=True)


def one_system_hangs(bench: Bench, figures: Figures) -> None:
    """What others feel of a system that takes messages and never answers."""
    calm = figures["at_50_a_second"] = bench.through_hub(PACED, rate=50)
    print(f"  at 50 a second: p50 {calm['p50_ms']:.1f} ms, p99 {calm['p99_ms']:.1f} ms", flush=True)
    bench.load(f"{bench.front_door}/v1/cases", 100, "BE003")
    beside = figures["beside_hanging"] = bench.through_hub(PACED, rate=50)
    figures.check("p50_beside_hanging", beside["p50_ms"] / calm["p50_ms"], 1.5, at_most=True)


def many_wait(bench: Bench, figures: Figures) -> None:
    """Throughput while deliveries wait for another system, and what they cost in memory."""
    before = memory_mb(bench.hub_pid)
    filled = bench.load(f"{bench.front_door}/v1/cases/batch", BACKLOG, "BE002")
    figures.check("waiting", filled["taken"], BACKLOG)
    full = figures["with_backlog"] = throughput(bench)
    figures.check("ratio_with_backlog_to_empty", full["ratio"] / figures["empty"]["ratio"], 0.8)
    figures.check("memory_growth_mb", memory_mb(bench.hub_pid) - before, 100, at_most=True)


def form_check(bench: Bench, figures: Figures) -> None:
    """In this process."""
    figures.check("form_check_in_times_of_json_loads", forms.cost_beside_parsing(), 10, at_most=True)


SECTIONS: tuple[tuple[str, Callable[[Bench, Figures], None]], ...] = (
    ("what checking a form costs beside parsing its message", form_check),
    ("no hub at all: the least that a message costs", floors),
    ("accept and deliver, from an empty start", from_an_empty_start),
    ("one system hangs", one_system_hangs),
    (f"{BACKLOG:,} deliveries wait for another system", many_wait),
)


def measure(bench: Bench, figures: Figures) -> None:
    """All sections, each told as it ends. Raises TookTooLong."""
    with process(sys.executable, str(HERE / "mock.py"), str(bench.mock_port)):
        wait_for(bench.mock_port)
        serve = str(Path(sys.executable).with_name("onedoor"))
        with process(serve, "serve", "--demo", "--settings", str(bench.settings)) as hub:
            wait_for(bench.hub_port)
            bench.hub_pid = hub.pid
            for title, section in SECTIONS:
                print(title, flush=True)
                section(bench, figures)


def main() -> None:
    """Entry point."""
    figures = Figures()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="onedoor-bench-") as folder:
        bench = Bench(Path(folder))
        figures["machine"] = machine.described(Path(folder))
        figures["settings"] = {
            "durability": "journal_mode=WAL, synchronous=FULL (asserted by the hub at every start)",
            "cases_a_round": CASES,
            "rounds": ROUNDS,
            "connections": CONNECTIONS,
            "waiting": BACKLOG,
        }
        try:
            measure(bench, figures)
        except TookTooLong:
            figures.check("minutes", (time.monotonic() - began) / 60, MINUTES, at_most=True)
    figures["seconds"] = round(time.monotonic() - began)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    print(f"figures: {RESULTS}")
    raise SystemExit(0 if figures.good else 1)


if __name__ == "__main__":
    main()
