"""The demo as anybody runs it: the installed command, a folder, an end, and a summary whose figures can be checked."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from contracts.site import load_site
from simulators.sample import sample_site

ONEDOOR = Path(sys.executable).with_name("onedoor")
KEYS = {
    "cases",
    "completed",
    "waiting",
    "by_situation",
    "centre_steps",
    "faults",
    "retries",
    "unknown",
    "dead_letters",
    "lost",
    "undetected_duplicates",
    "clock",
    "items",
    "by_system",
}


def onedoor(*arguments: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([ONEDOOR, *arguments], cwd=cwd, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A small demo that ran to its end."""
    place = tmp_path_factory.mktemp("demo")
    done = onedoor("demo", "--once", "--cases", "30", "--folder", "city", cwd=place)
    return place / "city", done


@pytest.fixture(scope="module")
def summary(ended: tuple[Path, "subprocess.CompletedProcess[str]"]) -> dict[str, Any]:
    folder, done = ended
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "demo-summary.json").read_text("utf-8"))
    return found


def test_nothing_is_lost_or_doubled_and_every_case_is_accounted_for(summary: dict[str, Any]) -> None:
    assert summary.keys() >= KEYS
    assert summary["lost"] == 0
    assert summary["undetected_duplicates"] == 0
    assert summary["cases"] == 30
    assert summary["completed"] + summary["waiting"] == 30
    assert sum(summary["waiting_for"].values()) == summary["waiting"]
    assert summary["in_no_named_state"] == []
    assert summary["completed"] > 15
    assert summary["oracle"] == "ok"
    assert all(summary["invariants"].values())


def test_every_situation_is_reached_and_its_figures_agree(summary: dict[str, Any]) -> None:
    assert set(summary["by_situation"]) == {"api", "paper", "file_drop"}
    for line in summary["by_situation"].values():
        assert 0 < line["cases"] <= line["deliveries"]
        assert line["attempts"] - line["retries"] <= line["deliveries"]
        assert sum(line["waiting_for"].values()) == line["waiting"]
    for figure in ("retries", "unknown"):
        assert summary[figure] == sum(line[figure] for line in summary["by_situation"].values())
    assert summary["centre_steps"]["cases"] > 0
    assert summary["centre_steps"]["done"] > 0


def test_the_summary_counts_items_and_every_system_of_the_site(summary: dict[str, Any]) -> None:
    """As many cases as a short run has are of as many items; a default run has every item and reaches every system."""
    site = load_site(sample_site())
    assert summary["items"] == {"run": 30, "of_site": len({item.code for item in site.items})}
    assert set(summary["by_system"]) == {system.key for one in site.departments for system in one.systems}
    for figure in ("deliveries", "attempts"):
        ways, systems = (sum(one[figure] for one in summary[by].values()) for by in ("by_situation", "by_system"))
        assert ways == systems > 0
    for line in summary["by_system"].values():
        assert line["answered"] <= line["deliveries"]
        assert (line["cases"] > 0) == (line["deliveries"] > 0)


def test_every_kind_of_fault_was_injected(summary: dict[str, Any]) -> None:
    assert set(summary["faults"]) == {
        "refuse",
        "delay",
        "unavailable_503",
        "error_after_effect_500",
        "lost_reply",
        "duplicate_reply",
        "truncated_file",
    }
    assert all(count > 0 for count in summary["faults"].values()), summary["faults"]
    assert summary["retries"] > 0
    assert summary["unknown"] > 0


def test_the_summary_and_the_screen_say_that_time_is_accelerated(
    summary: dict[str, Any], ended: tuple[Path, "subprocess.CompletedProcess[str]"]
) -> None:
    clock = summary["clock"]
    assert clock["start"] == "2026-03-02T09:00:00+08:00"
    assert clock["timezone"] == "Asia/Shanghai"
    assert clock["speed"] > 1
    assert "accelerated from a fixed date" in clock["note"]
    screen = " ".join(ended[1].stdout.split())
    assert "Time is accelerated from a fixed date: it begins on Monday 2026-03-02 09:00 (Asia/Shanghai)" in screen
    assert "What came of it" in screen
    assert "Lost 0" in screen


def test_the_task_sheets_lie_in_the_folder(
    summary: dict[str, Any], ended: tuple[Path, "subprocess.CompletedProcess[str]"]
) -> None:
    sheets = sorted((ended[0] / "sheets").glob("*.pdf"))
    assert sheets
    assert Path(summary["task_sheets"]["folder"]) == (ended[0] / "sheets").resolve()
    assert "办件编号" in PdfReader(sheets[0]).pages[0].extract_text()


def test_no_process_is_left_behind(ended: tuple[Path, "subprocess.CompletedProcess[str]"]) -> None:
    settings = str(ended[0].resolve() / "onedoor.toml").encode()
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes())
        except OSError:
            continue
    assert not any(settings in line for line in lines)


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("important")
    done = onedoor("demo", "--once", "--folder", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert "no demo made" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_demo_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    """It says what to open, refuses a second demo in its folder, and shuts everything down on Ctrl-C."""
    with (
        (tmp_path / "screen").open("w") as screen,
        subprocess.Popen(
            [ONEDOOR, "demo", "--cases", "4", "--folder", tmp_path / "city"],
            stdout=screen,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as running,
    ):
        try:
            shown = wait_for(tmp_path / "screen", "v1/tasks", running)
            metrics = next(word for word in shown.split() if word.endswith("/metrics"))
            with urllib.request.urlopen(metrics, timeout=10) as answer:
                assert b"onedoor_" in answer.read()
            accounts = re.findall(r"^\s+([a-z]001)\s+([a-z0-9-]{20})\s+\w", shown, re.MULTILINE)
            assert len(accounts) == len({password for _, password in accounts}) == 7
            with urllib.request.urlopen(metrics.replace("/metrics", "/sign-in"), timeout=10) as answer:
                assert "工号" in answer.read().decode()
            case = next(word for word in shown.split() if "/v1/cases/" in word)
            key = (tmp_path / "city" / "client.key").read_text()
            asked = urllib.request.Request(case, headers={"Authorization": f"Bearer {key}"})
            with urllib.request.urlopen(asked, timeout=10) as answer:
                assert json.load(answer)["case_no"] in case
            second = onedoor("demo", "--once", "--folder", tmp_path / "city", cwd=tmp_path)
            assert second.returncode == 2
            assert "another demo runs" in second.stderr
        finally:
            running.send_signal(signal.SIGINT)
            code = running.wait(60)
    assert code == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(metrics, timeout=2)


def wait_for(screen: Path, text: str, running: "subprocess.Popen[bytes]", seconds: float = 150) -> str:
    """What is on the screen once ``text`` is."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        shown = screen.read_text("utf-8")
        if text in shown:
            return shown
        assert running.poll() is None, shown
        time.sleep(0.3)
    raise AssertionError(screen.read_text("utf-8"))
