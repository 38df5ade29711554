"""A weekday of a large city, whole: its accounts, and how long this machine needs for them. `make day`.

The accounts (docs/results/day.json) are the same on every machine; what depends on the machine stands beside them, in
docs/results/day-run.json. Exit code 1 when something was lost, doubled or forgotten, or the time is over the bound.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import machine
from bench.run import RESULTS, Figures

CASES = int(os.environ.get("CASES") or "38500")
SEED = int(os.environ.get("SEED") or "1")
DAY_CASES, DAY_DELIVERIES, BOUND_SECONDS = 38_500, 88_000, 300.0
"""A full weekday, the deliveries that it must have, and how long it may take."""


def main() -> None:
    """Entry point."""
    folder = RESULTS.parent
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="onedoor-day-") as place:
        figures = Figures(machine=machine.described(Path(place)), cases=CASES, seed=SEED)
    command = [str(Path(sys.executable).with_name("onedoor")), "simulate", "day"]
    began = time.monotonic()
    played = subprocess.run(
        [*command, "--cases", str(CASES), "--seed", str(SEED), "--json"], stdout=subprocess.PIPE, check=False
    )
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not played.stdout:
        raise SystemExit(played.returncode or 1)
    (folder / "day.json").write_bytes(played.stdout)
    told = json.loads(played.stdout)
    figures["deliveries_total"] = told["deliveries_total"]
    figures["in_memory"] = Path("/dev/shm").is_dir()
    figures["cpu_seconds"] = round(used.ru_utime + used.ru_stime, 1)
    figures["memory_mb"] = used.ru_maxrss // 1024
    for name in ("lost", "doubled"):
        figures.check(name, told[name], 0, at_most=True)
    figures.check("findings", len(told["findings"]) + len(told["forgotten"]), 0, at_most=True)
    if CASES >= DAY_CASES:
        figures.check("deliveries", told["deliveries_total"], DAY_DELIVERIES)
        figures.check("seconds", seconds, BOUND_SECONDS, at_most=True)
    else:
        figures["seconds"] = round(seconds, 1)
    (folder / "day-run.json").write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    raise SystemExit(0 if figures.good else 1)


if __name__ == "__main__":
    main()
