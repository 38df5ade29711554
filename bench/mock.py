"""A department that answers at once, counts what arrives, and on another path never answers."""

import asyncio
import sys
import time
from typing import Any

import orjson
import uvloop
from aiohttp import web

ARRIVALS: list[tuple[int, float]] = []


async def fast(request: web.Request) -> web.Response:
    """Answer at once with the result code that the bench city declares."""
    message = orjson.loads(await request.read())
    serial = message.get("serial") or message.get("data", {}).get("form", {}).get("serial", 0)
    ARRIVALS.append((serial, time.monotonic()))
    delivery = request.headers.get("X-Delivery-Id", "")
    answer: dict[str, Any] = {"delivery_id": delivery, "result_code": "GRANTED", "decision_no": "样例1号"}
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


async def hang(request: web.Request) -> web.Response:
    """Take the message and say nothing."""
    await asyncio.sleep(3600)
    return web.Response()


async def arrivals(request: web.Request) -> web.Response:
    """What arrived since the last time: serial and monotonic time."""
    body = orjson.dumps(ARRIVALS)
    ARRIVALS.clear()
    return web.Response(body=body, content_type="application/json")


async def serve(port: int) -> None:
    """Until the process ends."""
    app = web.Application()
    app.add_routes(
        [web.post("/fast", fast), web.post("/slow", fast), web.post("/hang", hang), web.get("/arrivals", arrivals)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
