"""The least that any hub on these libraries can do, without a hub: takes a message, answers, posts it on. Nothing is kept.

What it reaches, in times of the bare client, is the ceiling of ``ratio_to_bare_client`` on the machine at hand: two HTTP exchanges a
message in one process, no validation, no storage, no journal.
"""

import asyncio
import sys

import aiohttp
import orjson
import uvloop
from aiohttp import web

CONNECTIONS = 64


async def serve(port: int, department: str) -> None:
    """Until the process ends."""
    waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        await waiting.put((str(orjson.loads(body)["id"]), body))
        return web.Response(status=202, body=b'{"status":"received"}', content_type="application/json")

    async def carry(session: aiohttp.ClientSession) -> None:
        while True:
            key, body = await waiting.get()
            headers = {"Content-Type": "application/json", "X-Delivery-Id": key}
            async with session.post(department, data=body, headers=headers) as answer:
                orjson.loads(await answer.read())

    app = web.Application()
    app.add_routes([web.post("/v1/cases", take)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(carry(session))


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
