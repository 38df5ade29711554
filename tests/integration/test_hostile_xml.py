"""Hostile XML is refused, quickly and in little memory, and reaches nothing: no other machine, no file of ours."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.hostile_xml import documents

NAMES = sorted(documents(0, "/nowhere"))
ROOT = Path(__file__).parents[2]
READ = (
    "import sys; sys.path.append(sys.argv[1]); from tests.hostile_xml import main; main(int(sys.argv[2]), sys.argv[3])"
)
"""The checkout comes last: what is read with is what is installed."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What reading each of them cost, by name; under ``callers`` who called the server that they wanted to reach.

    The file that they want is a pipe without a writer: if it were opened, the reader would never come back.
    """
    pipe = tmp_path_factory.mktemp("hostile") / "pipe"
    os.mkfifo(pipe)
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = subprocess.run(
            [sys.executable, "-c", READ, str(ROOT), str(server.getsockname()[1]), str(pipe)],
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        server.setblocking(False)
        callers = []
        while True:
            try:
                callers.append(server.accept()[1])
            except BlockingIOError:
                break
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {**{row["name"]: row for row in rows}, "callers": callers}


def test_there_are_more_than_sixty_of_them() -> None:
    assert len(NAMES) > 60


@pytest.mark.parametrize("name", NAMES)
def test_it_is_refused_within_a_second_and_64_megabytes(name: str, told: Mapping[str, Any]) -> None:
    found = told[name]
    assert found["error"].startswith("OutcomeUnknownError ")
    # Of the processor: how long a loaded machine lets it wait says nothing.
    assert found["cpu_seconds"] < 1.0
    assert found["rss_kilobytes"] < 64 * 1024


def test_nobody_was_called(told: Mapping[str, Any]) -> None:
    assert told["callers"] == []
