"""The page of the manual about the metrics, written from their definitions: ``python -m hub.metrics_page``."""

import sys
from collections.abc import Iterator

from prometheus_client import Metric

from hub import metrics

_UNITS = {"timestamp_seconds": "seconds since 1970", "seconds": "seconds", "bytes": "bytes", "info": "always 1"}


def page() -> str:
    """Markdown."""
    return "\n".join(
        (
            "# Metrics",
            "",
            "`GET /metrics`, Prometheus text format. Labels come from small closed sets, never from a message: however many ids, names and",
            "paths pass through the hub, the number of series is that of the site. Alert rules, a dashboard and the systemd unit are in `deploy/`.",
            "",
            "| metric | type | unit | labels | tells |",
            "|---|---|---|---|---|",
            *(_row(metric) for metric in metrics.REGISTRY.collect()),
            "",
            "## Labels",
            "",
            "| label | values |",
            "|---|---|",
            *(f"| `{name}` | {values} |" for name, values in metrics.LABELS.items()),
            "",
            "Gauges that are counted in the tables are counted at most so often that counting takes a twentieth of the time.",
            "",
        )
    )


def exposed_name(metric: Metric) -> str:
    """The name as a query writes it, without the parts of a histogram."""
    return {"counter": f"{metric.name}_total", "info": f"{metric.name}_info"}.get(metric.type, metric.name)


def _row(metric: Metric) -> str:
    name = exposed_name(metric)
    labels = ", ".join(label for label in labels_of(metric.name))
    return f"| `{name}` | {metric.type} | {_unit(name)} | {labels} | {metric.documentation} |"


def _unit(name: str) -> str:
    base = name.removesuffix("_total")
    return next((unit for ending, unit in _UNITS.items() if base.endswith(f"_{ending}")), "count")


def labels_of(name: str) -> Iterator[str]:
    """The labels with which a metric was defined; of the process's own metrics: none."""
    for defined in vars(metrics).values():
        if getattr(defined, "_name", None) == name:
            yield from getattr(defined, "_labelnames", ())
            if name == "onedoor_build":
                yield "version"


if __name__ == "__main__":
    sys.stdout.write(page())
