"""The door of a department with an API: it listens, and can be shut and opened again, as when a machine is switched off."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from aiohttp import web

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class HttpDoor:
    """Opened on the same port each time. ``url`` is its address."""

    def __init__(self, handler: Handler) -> None:
        self.url = ""
        self._handler = handler
        self._server: web.Server | None = None
        self._runner: web.ServerRunner | None = None
        self._site: web.TCPSite | None = None
        self._place = ("127.0.0.1", 0)

    @property
    def is_open(self) -> bool:
        """Whether somebody listens."""
        return self._site is not None

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[None]:
        """Open until the block ends."""
        self._server = web.Server(self._handler, access_log=None)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            self._place = (host, port)
            await self.open()
            yield
        finally:
            await self._runner.cleanup()
            self._site = self._runner = None

    async def open(self) -> None:
        """Listen. Raises OSError when somebody else has taken the port meanwhile."""
        if self._site is not None or self._runner is None:
            return
        host, port = self._place
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self._site, self._place = site, (host, self._runner.addresses[0][1])
        self.url = f"http://{host}:{self._place[1]}"

    async def shut(self) -> None:
        """Nobody listens any more: connections are refused, those that are open are cut."""
        if self._site is None:
            return
        site, self._site = self._site, None
        await site.stop()
        for connection in self._server.connections if self._server else ():
            if connection.transport is not None:
                connection.transport.abort()
