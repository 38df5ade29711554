"""Counting and logging of answers, by route."""

import logging
from functools import cache

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from prometheus_client import Counter, Histogram

from hub import metrics

_log = logging.getLogger("onedoor.access")


@cache
def _series(route: str, status: int) -> tuple[Counter, Histogram]:
    """The series of a route and status, found once: the library looks them up under a lock each time."""
    return metrics.REQUESTS.labels(route, str(status)), metrics.REQUEST_SECONDS.labels(route)


class AccessLog(AbstractAccessLogger):
    """Counts each answer by its route and logs it: a refusal at INFO, what went well at DEBUG (a line costs a tenth of a case).

    Paths and queries as they came may hold what a resident wrote: never logged.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Called by aiohttp after each answer; ``time`` in seconds."""
        route = route_of(request)
        count, duration = _series(route, response.status)
        count.inc()
        duration.observe(time)
        level = logging.DEBUG if response.status < 400 else logging.INFO
        if _log.isEnabledFor(level):
            told = (request.method, route, response.status, response.body_length, time * 1000)
            _log.log(level, "%s %s %d %d %.1f ms", *told)

    @property
    def enabled(self) -> bool:
        """Always: the metrics hang on it."""
        return True


def route_of(request: web.BaseRequest) -> str:
    """The template of the route, such as ``/v1/cases/{case_no}``; ``-`` where none matched."""
    match = getattr(request, "_match_info", None)
    resource = match.route.resource if match is not None else None
    return resource.canonical if resource is not None else "-"
