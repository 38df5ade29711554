"""What Prometheus and systemd themselves say about deploy/."""

import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
EXPOSURE_AT_MOST = 20
"""Tenths of systemd's measure of what a service could do to the machine: 0 nothing, 100 everything. Its own "OK" ends at 50."""


def told(*command: str | Path) -> tuple[int, str]:
    """Exit code and everything said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_promtool_accepts_the_configuration_and_the_rules(promtool: Path) -> None:
    code, words = told(promtool, "check", "config", DEPLOY / "prometheus/prometheus.yml")
    assert code == 0, words
    rules = (DEPLOY / "prometheus/onedoor.rules.yml").read_text("utf-8").count("- alert:")
    assert rules >= 14
    assert f"{rules} rules found" in words


def test_each_alert_fires_when_it_must_and_only_then(promtool: Path) -> None:
    code, words = told(promtool, "test", "rules", DEPLOY / "prometheus/onedoor.tests.yml")
    assert code == 0, words


def test_a_rule_that_is_wrong_fails_its_test(promtool: Path, tmp_path: Path) -> None:
    for name in ("onedoor.rules.yml", "onedoor.tests.yml"):
        text = (DEPLOY / "prometheus" / name).read_text("utf-8")
        (tmp_path / name).write_text(
            text.replace('expr: sum by (system) (onedoor_deliveries{state="dead"}) > 0', "expr: vector(0) > 1")
        )
    code, words = told(promtool, "test", "rules", tmp_path / "onedoor.tests.yml")
    assert code != 0
    assert "DeadLetters" in words


@pytest.mark.parametrize(("threshold", "passes"), [(EXPOSURE_AT_MOST, True), (1, False)])
def test_the_service_may_do_little_to_its_machine(systemd_analyze: Path, threshold: int, passes: bool) -> None:
    unit = DEPLOY / "systemd/onedoor.service"
    code, words = told(systemd_analyze, "security", "--offline=true", f"--threshold={threshold}", unit)
    assert (code == 0) is passes, words
