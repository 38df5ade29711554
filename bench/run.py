"""`make bench`: accept-and-deliver beside a bare client posting the same bytes to the same mock, in the same minutes.

Only ratios mean anything: the machine is noisy, so raw and hub take turns (A B A B) and medians are compared. Every check
prints its figure, its bound and whether it holds; all figures go to docs/results/bench.json. Exit code 1 when a bound fails.
"""

import json
import os
import platform
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "docs" / "results" / "bench.json"
SYSTEMS = ("BE-fast", "BE-slow", "BE-hang")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CASES = int(os.environ.get("BENCH_CASES", "6000"))
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "100000"))
CONNECTIONS = 64


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Until something listens. Raises TimeoutError."""
    for _ in range(300):
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


class Bench:
    """A mock department and a hub in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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
        self.runs = 0

    def load(self, url: str, count: int, item: str, rate: float | None = None) -> dict[str, Any]:
        """Post ``count`` envelopes from a process of its own."""
        self.runs += 1
        run = f"{os.getpid()}-{self.runs}"
        command = [sys.executable, str(HERE / "load.py"), url, run, str(count), item, str(CONNECTIONS), self.key]
        found = subprocess.run([*command, *([str(rate)] if rate else [])], capture_output=True, check=True)
        answer: dict[str, Any] = json.loads(found.stdout)
        return answer

    def raw(self, count: int) -> float:
        """Posts a second straight to the mock."""
        found = self.load(f"http://127.0.0.1:{self.mock_port}/fast", count, "BE001")
        self.arrivals()
        return count / float(found["seconds"])

    def through_hub(self, count: int, item: str = "BE001", rate: float | None = None) -> dict[str, Any]:
        """Through the hub until every *result* is durable; counts what reached the mock."""
        before = self.done()
        self.arrivals()
        found = self.load(f"http://127.0.0.1:{self.hub_port}/v1/cases", count, item, rate)
        while self.done() < before + count:
            time.sleep(0.02)
        seconds = time.monotonic() - float(found["began"])
        arrived = self.arrivals()
        took = sorted(at - float(found["sent"][str(serial)]) for serial, at in arrived if str(serial) in found["sent"])
        return {
            "rate": count / seconds,
            "refused": found["refused"],
            "arrived": len(arrived),
            "unique": len({serial for serial, _ in arrived}),
            "p50_ms": 1000 * took[len(took) // 2],
            "p99_ms": 1000 * took[int(len(took) * 0.99)],
        }

    def arrivals(self) -> list[tuple[int, float]]:
        """What reached the mock since the last time."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.mock_port}/arrivals") as answer:
            found: list[tuple[int, float]] = json.loads(answer.read())
            return found

    def done(self) -> int:
        """Deliveries that are settled, as the database knows."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            number: int = connection.execute("SELECT count(*) FROM attempt WHERE state = 'completed'").fetchone()[0]
            return number


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


def checked(figures: dict[str, Any], name: str, value: float, bound: float, *, at_most: bool = False) -> bool:
    """Note a figure with its bound and say whether it holds."""
    holds = value <= bound if at_most else value >= bound
    figures[name] = {"value": round(value, 3), "bound": bound, "holds": holds}
    sign = "<=" if at_most else ">="
    print(f"  {'ok  ' if holds else 'FAIL'} {name}: {value:.2f} (wanted {sign} {bound:g})", flush=True)
    return holds


def throughput(bench: Bench, hub: int) -> dict[str, Any]:
    """Raw and hub in turn; medians."""
    bench.through_hub(CASES // 4)
    raw, through, cpu = [], [], []
    for turn in range(ROUNDS):
        raw.append(bench.raw(CASES))
        before = cpu_seconds(hub)
        through.append(bench.through_hub(CASES))
        cpu.append((cpu_seconds(hub) - before) / CASES * 1000)
        print(f"  round {turn + 1}: raw {raw[-1]:.0f}/s, hub {through[-1]['rate']:.0f}/s", flush=True)
    return {
        "raw_rate": statistics.median(raw),
        "hub_rate": statistics.median(one["rate"] for one in through),
        "ratio": statistics.median(one["rate"] / rate for one, rate in zip(through, raw, strict=True)),
        "cpu_seconds_per_1000": statistics.median(cpu),
        "arrived": sum(one["arrived"] for one in through),
        "unique_arrivals": sum(one["unique"] for one in through),
        "p50_ms": statistics.median(one["p50_ms"] for one in through),
        "p99_ms": statistics.median(one["p99_ms"] for one in through),
        "memory_mb": memory_mb(hub),
    }


def settings_of(bench: Bench) -> dict[str, Any]:
    """What was measured on, and with which durability."""
    with sqlite3.connect(f"file:{bench.database}?mode=ro", uri=True) as connection:
        journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "durability": f"journal_mode={journal}, synchronous=FULL (asserted by the hub at every start)",
        "cases": CASES,
        "connections": CONNECTIONS,
        "backlog": BACKLOG,
    }


def measure(bench: Bench) -> bool:
    """All sections; whether every bound holds."""
    figures: dict[str, Any] = {"settings": settings_of(bench)}
    good = True
    with process(sys.executable, str(HERE / "mock.py"), str(bench.mock_port)):
        wait_for(bench.mock_port)
        serve = str(Path(sys.executable).with_name("onedoor"))
        with process(serve, "serve", "--demo", "--settings", str(bench.settings)) as hub:
            wait_for(bench.hub_port)
            print("accept and deliver, from an empty start", flush=True)
            empty = figures["empty"] = throughput(bench, hub.pid)
            good &= checked(figures, "ratio_to_bare_client", empty["ratio"], 0.25)
            good &= checked(
                figures, "arrivals_per_case", empty["arrived"] / empty["unique_arrivals"], 1.0, at_most=True
            )
            calm = figures["at_50_a_second"] = bench.through_hub(500, rate=50)
            print(f"  at 50 a second: p50 {calm['p50_ms']:.1f} ms, p99 {calm['p99_ms']:.1f} ms", flush=True)

            print("one system hangs", flush=True)
            bench.load(f"http://127.0.0.1:{bench.hub_port}/v1/cases", 100, "BE003")
            beside = figures["beside_hanging"] = bench.through_hub(500, rate=50)
            good &= checked(figures, "p50_beside_hanging", beside["p50_ms"] / calm["p50_ms"], 1.5, at_most=True)

            print(f"{BACKLOG} deliveries wait for another system", flush=True)
            before = memory_mb(hub.pid)
            bench.load(f"http://127.0.0.1:{bench.hub_port}/v1/cases", BACKLOG, "BE002")
            full = figures["with_backlog"] = throughput(bench, hub.pid)
            good &= checked(figures, "ratio_with_backlog_to_empty", full["ratio"] / empty["ratio"], 0.8)
            good &= checked(figures, "memory_growth_mb", memory_mb(hub.pid) - before, 100, at_most=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    print(f"figures: {RESULTS}")
    return good


def main() -> None:
    """Entry point."""
    with tempfile.TemporaryDirectory(prefix="onedoor-bench-") as folder:
        raise SystemExit(0 if measure(Bench(Path(folder))) else 1)


if __name__ == "__main__":
    main()
