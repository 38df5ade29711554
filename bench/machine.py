"""What the figures were measured on."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any


def described(folder: Path) -> dict[str, Any]:
    """Processor, memory, system, versions, how long the disk under ``folder`` takes to sync, and how busy the machine is."""
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1_000_000, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sync_ms": round(_sync_ms(folder), 2),
        "load_before": round(os.getloadavg()[0], 1),
    }


def _first(file: str, name: str) -> str | None:
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _sync_ms(folder: Path) -> float:
    """Median of what it takes to have 4 kB on the disk."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            began = time.monotonic()
            os.fsync(file.fileno())
            took.append(1000 * (time.monotonic() - began))
    return statistics.median(took)
