"""What the API document says is what the hub serves, and the metrics keep their naming."""

import re
from importlib.resources import files
from typing import Any, cast

import yaml  # type: ignore[import-untyped]
from aiohttp import web

from hub import metrics
from hub.web.api import add_routes


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


def test_metrics_are_named_after_what_they_count_and_have_a_help_text() -> None:
    found = list(metrics.REGISTRY.collect())
    assert len(found) > 10
    for metric in found:
        assert re.fullmatch(r"onedoor_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.documentation.endswith(".")
