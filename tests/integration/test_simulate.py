"""``onedoor simulate``: what may be asked of it, and departments that answer."""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from contracts.site import load_site
from simulators.cli import SimulateError, chosen, dialled
from simulators.demo_folder import MARK, FolderRefusedError, demo_folder
from simulators.dial import FaultDial
from simulators.faults import Fault
from simulators.sample import NoSampleError, sample_site
from simulators.settings_text import toml_lines

ONEDOOR = Path(sys.executable).with_name("onedoor")
SITE = load_site(Path(str(files("plugins"))))


def test_departments_and_systems_are_chosen_by_name() -> None:
    assert chosen(SITE, []) is None
    assert chosen(SITE, ["DA"]) == frozenset({"DA-archive"})
    assert chosen(SITE, ["WJ-family", "DA"]) == frozenset({"WJ-family", "DA-archive"})
    with pytest.raises(SimulateError, match="no department or system XX"):
        chosen(SITE, ["DA", "XX"])


def test_faults_are_dialled_by_kind_and_probability() -> None:
    assert dialled(["delay=0.25", "refuse = 0.5"]) == {Fault.DELAY: 0.25, Fault.REFUSE: 0.5}
    for wrong in ("thunder=0.1", "delay", "delay=often", "delay=-1"):
        with pytest.raises(SimulateError):
            dialled([wrong])
    with pytest.raises(SimulateError, match="all of them together"):
        dialled(["delay=0.7", "refuse=0.7"])


def test_a_fault_that_is_due_comes_where_it_is_possible() -> None:
    dial = FaultDial({}, 1, due=[Fault.TRUNCATED_FILE, Fault.DELAY])
    at_the_door = frozenset({Fault.REFUSE, Fault.DELAY})
    assert [dial.draw(at_the_door) for _ in range(3)] == [Fault.DELAY, None, None]
    assert dial.draw() is Fault.TRUNCATED_FILE
    assert dial.counts == {Fault.DELAY: 1, Fault.TRUNCATED_FILE: 1}


def test_settings_are_written_as_toml() -> None:
    values = {"a": 1, "b c": "样例\n", "systems": {"X-1": {"api": {"url": "http://x"}}}, "empty": {}}
    assert tomllib.loads("".join(toml_lines(values))) == {name: values[name] for name in ("a", "b c", "systems")}


def test_a_demo_begins_afresh_in_its_own_folder_and_touches_no_other(tmp_path: Path) -> None:
    with demo_folder(tmp_path / "city") as folder:
        (folder / "data").mkdir()
        (folder / "data" / "onedoor.db").write_text("old")
        (folder / "notes.txt").write_text("mine")
        with pytest.raises(FolderRefusedError, match="another demo runs"), demo_folder(tmp_path / "city"):
            pass
    with demo_folder(tmp_path / "city") as folder:
        assert sorted(path.name for path in folder.iterdir()) == [MARK, "notes.txt"]
    (tmp_path / "file").write_text("")
    for unusable in (tmp_path / "file" / "below", tmp_path / ("x" * 90), tmp_path):
        with pytest.raises(FolderRefusedError), demo_folder(unusable):
            pass


def test_without_a_sample_city_a_site_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (sample_site() / "site.toml").exists()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NoSampleError, match="--site"):
        sample_site()


def test_a_scenario_that_cannot_be_used_is_told_in_lines_and_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('name = "x"\n[[rules]]\nfault = "refuze"\n')
    command: list[str | Path] = [ONEDOOR, "simulate", "DA", "--folder", tmp_path / "city", "--scenario"]
    ended = subprocess.run([*command, tmp_path / "s.toml"], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    said = "".join(ended.stderr.split())
    assert "s.toml:3:rules.0.fault:" in said
    assert "didyoumeanrefuse?" in said
    assert "Traceback" not in ended.stderr
    missing = subprocess.run([*command, "bad-tuesday"], capture_output=True, text=True, check=False)
    assert "bad-monday" in missing.stderr


def tried_at_the_simulator(settings: Path) -> dict[str, Any]:
    """What a department that runs here answers to one of its sample cases."""
    case = sample_site() / "archives" / "samples" / "DA001_marriage.json"
    command: list[str | Path] = [
        ONEDOOR,
        "plugins",
        "try",
        "DA",
        "--case",
        case,
        "--send",
        "--settings",
        settings,
        "--json",
    ]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def test_departments_answer_until_ctrl_c(tmp_path: Path) -> None:
    command: list[str | Path] = [
        ONEDOOR,
        "simulate",
        "DA",
        "WJ",
        "JY",
        "--folder",
        tmp_path / "city",
        "--fault",
        "delay=0.01",
        "--scenario",
        tmp_path / "night.toml",
    ]
    scenario = 'name = "Night"\nseed = 5\n[[rules]]\nsystem = "WJ-family"\nsequence = "ok x9, refuse"\n'
    (tmp_path / "night.toml").write_text(scenario)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        (tmp_path / "screen").open("w") as screen,
        subprocess.Popen(command, stdout=screen, stderr=subprocess.STDOUT, env=environment) as running,
    ):
        try:
            until = time.monotonic() + 30
            while "End with Ctrl-C" not in (shown := (tmp_path / "screen").read_text()):
                assert running.poll() is None, shown
                assert time.monotonic() < until, shown
                time.sleep(0.1)
            settings = tomllib.loads((tmp_path / "city" / "onedoor.toml").read_text())
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(settings["systems"]["DA-archive"]["api"]["url"], timeout=5)
            place = settings["systems"]["WJ-family"]["file_drop"]
            with socket.create_connection((place["host"], place["port"]), timeout=5) as line:
                assert line.recv(4) == b"SSH-"
            assert Path(settings["secrets"], "da_archive_key").read_text()
            assert re.search(r"JY-office +paper", shown)
            (control,) = re.findall(r"Control page, fault dials and their API: (http://127.0.0.1:\d+/)", shown)
            with urllib.request.urlopen(control + "v1/scenario", timeout=20) as answer:
                begun = json.load(answer)
            assert (begun["name"], begun["seed"], len(begun["rules"])) == ("Night", 5, 2)
            with urllib.request.urlopen(control, timeout=20) as answer:
                assert "模拟部门" in answer.read().decode()
            told = tried_at_the_simulator(tmp_path / "city" / "onedoor.toml")
            assert [one["outcome"] in ("granted", "refused", "returned") for one in told["answers"]] == [True]
        finally:
            running.send_signal(signal.SIGINT)
            code = running.wait(30)
    assert code == 0
    assert "Ended. Faults injected" in (tmp_path / "screen").read_text()
    assert (tmp_path / "city" / "ledgers" / "DA-archive.jsonl").exists()
