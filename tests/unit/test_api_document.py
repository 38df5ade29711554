"""What the API document says is what the hub serves, and the metrics keep their naming."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import yaml
from aiohttp import web

from hub import metrics, metrics_page
from hub.clients import Right
from hub.web.api import add_routes
from hub.web.problems import KINDS, UNEXPECTED


def _document() -> dict[str, Any]:
    text = (files("contracts") / "schemas/openapi.yaml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", yaml.safe_load(text))


def test_every_documented_call_is_served_and_every_served_call_is_documented() -> None:
    app = web.Application()
    add_routes(app)
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    documented = {(method, path) for path, calls in _document()["paths"].items() for method in calls}
    assert served == documented


def _rows(page: str) -> list[list[str]]:
    """The cells of the table rows of a page of the manual."""
    text = (Path(__file__).parents[2] / "docs/reference" / page).read_text(encoding="utf-8")
    rows = [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    assert rows
    return rows


def test_the_manual_explains_every_problem_with_its_status() -> None:
    known = {(kind.name, kind.status) for _, kind in KINDS} | {(UNEXPECTED.name, UNEXPECTED.status)}
    assert {(row[0], int(row[1])) for row in _rows("problems.md")} == known


def test_the_manual_explains_every_right() -> None:
    assert [row[0] for row in _rows("senders.md")] == list(Right)


def test_the_page_about_metrics_is_written_from_their_definitions() -> None:
    page = Path(__file__).parents[2] / "docs/reference/metrics.md"
    assert page.read_text("utf-8") == metrics_page.page(), "run: python -m hub.metrics_page > docs/reference/metrics.md"


def test_every_label_of_a_metric_is_explained_and_no_other() -> None:
    used = {label for metric in metrics.REGISTRY.collect() for label in metrics_page.labels_of(metric.name)}
    assert used | {"le"} == set(metrics.LABELS)


def test_metrics_are_named_after_what_they_count_and_have_a_help_text() -> None:
    found = list(metrics.REGISTRY.collect())
    assert len(found) > 10
    for metric in found:
        assert re.fullmatch(r"(onedoor|process)(_[a-z]+)+", metric.name)
        assert metric.documentation.endswith(".")
