"""What deploy/ holds speaks of metrics, labels, commands and settings that exist."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub import metrics, metrics_page
from hub.cli import own_commands
from hub.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus/onedoor.rules.yml").read_text("utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana/onedoor.json").read_text("utf-8"))
LABEL_ADDED_BY_PROMETHEUS = {"job", "instance"}


def queries() -> Iterator[tuple[str, str]]:
    """Where, and what is asked."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def exposed() -> dict[str, set[str]]:
    """Each series name that a query may use, with its labels."""
    found: dict[str, set[str]] = {"up": set()}
    for metric in metrics.REGISTRY.collect():
        labels = set(metrics_page.labels_of(metric.name))
        found[metrics_page.exposed_name(metric)] = labels
        if metric.type == "histogram":
            for part in ("bucket", "count", "sum"):
                found[f"{metric.name}_{part}"] = labels | ({"le"} if part == "bucket" else set())
        if metric.name.startswith("process"):
            found[metric.name] = set()
    return found


@pytest.mark.parametrize(("place", "query"), list(queries()))
def test_a_query_names_metrics_and_labels_that_exist(place: str, query: str) -> None:
    known = exposed()
    named = re.findall(r"\b(?:(?:onedoor|process)_[a-z_]+|up(?=\{))", query)
    assert named, place
    assert set(named) <= set(known)
    labels = {label for name in named for label in known[name]} | LABEL_ADDED_BY_PROMETHEUS
    asked = set(re.findall(r"[{,]\s*([a-z_]+)\s*[=!]", query))
    asked |= {one.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", query) for one in group.split(",")}
    assert asked <= labels


def test_every_alert_has_a_severity_says_what_is_wrong_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert rule["annotations"].keys() == {"summary", "action"}, rule["alert"]
    wanted = {"DeliveriesWaitTooLong", "OutcomesUnknown", "DeadLetters", "BreakerOpen", "SheetsOverdue", "FilesMissing"}
    assert wanted | {"CalendarMissing"} <= {rule["alert"] for rule in RULES}


def test_every_alert_is_tested_firing() -> None:
    tests: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus/onedoor.tests.yml").read_text("utf-8"))["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in RULES}


def test_every_panel_has_a_place_of_its_own() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(places) == len(set(places)) >= 12


def test_the_unit_starts_a_command_that_exists_and_hands_over_the_key_that_the_hub_looks_for() -> None:
    text = (DEPLOY / "systemd/onedoor.service").read_text("utf-8")
    (started,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    _, command, *options = shlex.split(started)
    known = {option for parameter in own_commands().commands[command].params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known
    assert "LoadCredential=onedoor-master-key:" in text


def test_prometheus_asks_the_port_where_a_hub_listens() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    assert config["scrape_configs"][0]["static_configs"][0]["targets"] == ["127.0.0.1:8080"]
    assert Settings.model_fields["port"].default == 8080
