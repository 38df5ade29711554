"""How long after its start a hub that was killed resumes its first delivery, with a queue before it. `make restart`.

The time runs from the start of the process, interpreter and imports included, to the arrival of the first delivery at the department.
The figures go to docs/results/restart.json. Exit code 1 when the median is over the bound.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench import machine
from bench.run import HERE, RESULTS, Bench, Figures, cpu_seconds, onedoor, process, wait_for

QUEUE = int(os.environ.get("RESTART_QUEUE", "1000"))
ROUNDS = int(os.environ.get("RESTART_ROUNDS", "3"))
BOUND_SECONDS = 3.0


def resumed_after(bench: Bench) -> tuple[float, float]:
    """Seconds from the start to the first arrival, and processor seconds until then. The hub is killed again."""
    bench.arrivals()
    serve = str(Path(sys.executable).with_name("onedoor"))
    began = time.monotonic()
    with process(serve, "serve", "--demo", "--settings", str(bench.settings)) as hub:
        while not (arrived := bench.arrivals()):
            time.sleep(0.005)
        worked = cpu_seconds(hub.pid)
        hub.kill()
        hub.wait()
    return min(at for _, at in arrived) - began, worked


def fill(bench: Bench) -> None:
    """A queue that stands: its lane is paused while the cases come, and released after the hub's death."""
    serve = str(Path(sys.executable).with_name("onedoor"))
    with process(serve, "serve", "--demo", "--settings", str(bench.settings)) as hub:
        wait_for(bench.hub_port)
        onedoor("lanes", "pause", "BE-fast", "--demo", "--settings", str(bench.settings))
        bench.load(f"http://127.0.0.1:{bench.hub_port}/v1/cases", QUEUE, "BE001")
        hub.kill()
        hub.wait()
    onedoor("lanes", "resume", "BE-fast", "--demo", "--settings", str(bench.settings))


def main() -> None:
    """Entry point."""
    took: list[float] = []
    worked: list[float] = []
    with tempfile.TemporaryDirectory(prefix="onedoor-restart-") as folder:
        bench = Bench(Path(folder))
        with process(sys.executable, str(HERE / "mock.py"), str(bench.mock_port)):
            wait_for(bench.mock_port)
            for turn in range(ROUNDS):
                fill(bench)
                seconds, processor = resumed_after(bench)
                took.append(round(seconds, 2))
                worked.append(round(processor, 2))
                print(
                    f"  round {turn + 1}: first delivery after {seconds:.2f} s, {processor:.2f} s of them work",
                    flush=True,
                )
            figures = Figures(
                machine=machine.described(Path(folder)), queue=QUEUE, seconds=took, processor_seconds=worked
            )
    figures.check("restart_to_first_delivery_seconds", statistics.median(took), BOUND_SECONDS, at_most=True)
    target = RESULTS.with_name("restart.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    raise SystemExit(0 if figures.good else 1)


if __name__ == "__main__":
    main()
