"""However many ids, paths and names pass through, the number of series is that of the site (H02)."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from hub import metrics
from hub.web.access import AccessLog, route_of
from hub.web.api import make_app
from tests.front_door import front_door

DISTINCT = 100_000
MOST_SERIES = 2_000


def series() -> list[str]:
    """Every line of the exposition that is a sample."""
    return [line for line in metrics.exposition().decode().splitlines() if not line.startswith("#")]


def paths(number: int) -> Iterator[tuple[str, str]]:
    """Requests that differ in everything a caller can choose."""
    shapes = (
        ("GET", "/v1/cases/{:024d}"),
        ("POST", "/v1/cases/{:024d}/events"),
        ("POST", "/v1/tasks/{uuid}/complete"),
        ("POST", "/v1/tasks/{uuid}/print"),
        ("POST", "/v1/callbacks/SYSTEM-{}"),
        ("GET", "/v1/tasks?kind={uuid}"),
        ("GET", "/nothing/{uuid}"),
        ("GET", "/tasks/{uuid}"),
        ("DELETE", "/v1/cases/{:024d}"),
        ("BREW", "/{uuid}"),
    )
    for count in range(number):
        method, shape = shapes[count % len(shapes)]
        yield method, shape.replace("{uuid}", str(uuid4())).format(count)


async def test_h02_100_000_distinct_ids_leave_fewer_than_2_000_series(tmp_path: Path) -> None:
    before = set(series())  # other tests of this process have left some
    async with front_door(tmp_path) as door:
        app = make_app(door.hub)
        log = AccessLog(logging.getLogger("test"), "")
        routes = set()
        of_method = {method: make_mocked_request(method, "/", app=app) for method in ("GET", "POST", "DELETE", "BREW")}
        for method, path in paths(DISTINCT):
            request = of_method[method].clone(rel_url=path)
            request._match_info = await app.router.resolve(request)
            status = 404 if path.startswith("/nothing") else 200
            log.log(request, web.Response(status=status), 0.001)
            routes.add(route_of(request))
        # And through the front door itself, with everything that a handler may count.
        for _ in range(50):
            await door.call("POST", f"/v1/callbacks/S{uuid4().hex[:8]}", "", data=b"{}")
            await door.call("GET", f"/v1/cases/{time.monotonic_ns():024d}")
            await door.call("GET", f"/{uuid4()}")
        _, text, _ = await door.call("GET", "/metrics", "")
    told = text.decode()
    assert len({one.rpartition(" ")[0] for one in series()} - {one.rpartition(" ")[0] for one in before}) < MOST_SERIES
    assert all("{" in route or not any(char.isdigit() for char in route.removeprefix("/v1")) for route in routes)
    assert '/v1/cases/{case_no}"' in told
    assert "SYSTEM-" not in told
