"""A small TCP proxy that cuts a connection after so many bytes have gone up."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress


class CuttingProxy:
    """Forwards to a port on loopback. ``cut_after``: bytes of the next connection that still go up; None: all. ``up``: what went up."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.cut_after: int | None = None
        self.up = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        limit, self.cut_after = self.cut_after, None
        self.up = 0
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        down = asyncio.create_task(_copy(there, writer))
        try:
            while data := await reader.read(4096):
                part = data if limit is None else data[: limit - self.up]
                self.up += len(part)
                back.write(part)
                await back.drain()
                if limit is not None and self.up >= limit:
                    await asyncio.sleep(0.05)  # what has gone up shall arrive
                    break
        except ConnectionError:
            pass
        finally:
            for end in (back, writer):
                end.transport.abort()
            down.cancel()


async def _ended(tasks: Iterable["asyncio.Task[None]"]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextmanager
def cutting_proxy(target: int) -> Iterator[CuttingProxy]:
    """Runs in a thread of its own until the block ends."""
    proxy = CuttingProxy(target)
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def listen() -> asyncio.Server:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        ready.set()
        return server

    def run() -> None:
        server = loop.run_until_complete(listen())
        loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait_for(_ended(tasks), 10))
        loop.run_until_complete(asyncio.sleep(0))  # an aborted connection closes its socket in the next turn
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
