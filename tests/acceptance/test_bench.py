"""The benchmark runs, says what it measured and what holds; the figures of so small a run mean nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parents[2] / "bench" / "run.py"
SMALL = {"BENCH_ROUNDS": "1", "BENCH_CASES": "30", "BENCH_PACED": "10", "BENCH_BACKLOG": "300", "BENCH_MINUTES": "4"}

BOUNDS = {
    "form_check_in_times_of_json_loads",
    "ratio_to_bare_client",
    "arrivals_per_case",
    "p50_beside_hanging",
    "waiting",
    "ratio_with_backlog_to_empty",
    "memory_growth_mb",
}


def run(folder: Path, **more: str) -> tuple[int, dict[str, Any], str]:
    results = folder / "bench.json"
    environment = {**os.environ, **SMALL, **more, "BENCH_RESULTS": str(results)}
    done = subprocess.run(
        [sys.executable, BENCH], env=environment, capture_output=True, check=False, text=True, timeout=280
    )
    assert results.exists(), done.stderr
    return done.returncode, json.loads(results.read_text("utf-8")), done.stdout


def test_the_benchmark_measures_every_bound_and_its_exit_code_says_whether_all_hold(tmp_path: Path) -> None:
    code, figures, told = run(tmp_path)
    assert {name for name, found in figures.items() if isinstance(found, dict) and "holds" in found} == BOUNDS
    assert code == (0 if all(figures[name]["holds"] for name in BOUNDS) else 1)
    assert figures["waiting"]["value"] == 300
    assert figures["arrivals_per_case"]["value"] == 1
    assert figures["machine"]["cores"] == os.cpu_count()
    assert all(name in told for name in BOUNDS)


def test_a_benchmark_that_takes_too_long_ends_and_fails(tmp_path: Path) -> None:
    code, figures, _ = run(tmp_path, BENCH_MINUTES="0.0001")
    assert code == 1
    assert figures["minutes"]["holds"] is False
