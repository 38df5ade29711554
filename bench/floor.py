"""The least that a hub on these libraries does: takes a message, answers, posts it on, notes the answer. No hub is in here.

Beside ``ratio_to_bare_client`` this tells what the two HTTP exchanges of a message cost alone (nothing is kept), and what they cost with
the least that survives a power cut: a row that is on disk before the sender and the department hear of the message, and its result.
No validation, no item, no step, no journal, no encryption, no retry.
"""

import asyncio
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import orjson
import uvloop
from aiohttp import web

CONNECTIONS = 64
TAKE = "INSERT INTO message (id, body, state) VALUES (?, ?, 'sending')"
END = "UPDATE message SET answer = ?, state = 'done' WHERE id = ?"


class Memory:
    """Keeps nothing."""

    async def put(self, statement: str, *values: str | bytes) -> None:
        """Nothing."""

    async def run(self) -> None:
        """Nothing."""


class Disk(Memory):
    """One table, synced: whoever waits while a commit runs shares the next one."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE message (id TEXT PRIMARY KEY, body BLOB, state TEXT, answer BLOB)")
        self._waiting: list[tuple[str, tuple[str | bytes, ...], asyncio.Future[None]]] = []
        self._any = asyncio.Event()
        self._thread = ThreadPoolExecutor(1)

    async def put(self, statement: str, *values: str | bytes) -> None:
        """Returns when it is on disk."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((statement, values, done))
        self._any.set()
        await done

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._any.wait()
            self._any.clear()
            group, self._waiting = self._waiting, []
            self._database.execute("BEGIN IMMEDIATE")
            for statement, values, _ in group:
                self._database.execute(statement, values)
            await asyncio.get_running_loop().run_in_executor(self._thread, self._database.execute, "COMMIT")
            for *_, done in group:
                done.set_result(None)


async def serve(port: int, department: str, store: Memory) -> None:
    """Until the process ends. GET /done: how many results there are."""
    ended = 0
    waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        message = str(orjson.loads(body)["id"])
        await store.put(TAKE, message, body)
        waiting.put_nowait((message, body))
        return web.Response(status=202, body=b'{"status":"received"}', content_type="application/json")

    async def count(_: web.Request) -> web.Response:
        return web.Response(text=str(ended))

    async def carry(session: aiohttp.ClientSession) -> None:
        while True:
            message, body = await waiting.get()
            headers = {"Content-Type": "application/json", "X-Delivery-Id": message}
            async with session.post(department, data=body, headers=headers) as answer:
                said = await answer.read()
            group.create_task(end(message, said))

    async def end(message: str, said: bytes) -> None:
        nonlocal ended
        await store.put(END, orjson.dumps(orjson.loads(said)), message)
        ended += 1

    app = web.Application()
    app.add_routes([web.post("/v1/cases", take), web.get("/done", count)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        group.create_task(store.run())
        for _ in range(CONNECTIONS):
            group.create_task(carry(session))


async def main(port: str, department: str, database: str = "") -> None:
    """floor.py PORT DEPARTMENT [DATABASE]."""
    await serve(int(port), department, Disk(database) if database else Memory())


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
