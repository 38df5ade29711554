"""``RemoteFiles`` for code on the event loop: each call in a thread, one at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import suppress
from typing import ParamSpec, TypeVar

from contracts.plugin import RemoteFiles, Runtime

P = ParamSpec("P")
T = TypeVar("T")


class RemoteFolders:
    """The calls of ``RemoteFiles``, awaited. Sending and collecting share one connection, so they take turns."""

    def __init__(self, files: RemoteFiles, runtime: Runtime) -> None:
        self._files = files
        self._runtime = runtime
        self._turn = asyncio.Lock()

    async def list(self, folder: str, limit: int) -> Sequence[tuple[str, int, float]]:
        """As ``RemoteFiles.list``."""
        return await self._call(self._files.list, folder, limit)

    async def pages(self, folder: str, size: int) -> AsyncGenerator[Sequence[tuple[str, int, float]], None]:
        """As ``RemoteFiles.pages``; a call in between waits for one page at most."""
        pages = self._files.pages(folder, size)
        try:
            while page := await self._call(_following, pages):
                yield page
        finally:
            # A page that is still being fetched ends with its own deadline and with it its listing.
            with suppress(ValueError):
                await self._call(pages.close)

    async def read(self, path: str, max_bytes: int) -> bytes:
        """As ``RemoteFiles.read``."""
        return await self._call(self._files.read, path, max_bytes)

    async def write(self, path: str, content: bytes) -> None:
        """As ``RemoteFiles.write``."""
        await self._call(self._files.write, path, content)

    async def rename(self, old: str, new: str) -> None:
        """As ``RemoteFiles.rename``."""
        await self._call(self._files.rename, old, new)

    async def exists(self, path: str) -> bool:
        """As ``RemoteFiles.exists``."""
        return await self._call(self._files.exists, path)

    async def remove(self, path: str) -> None:
        """As ``RemoteFiles.remove``."""
        await self._call(self._files.remove, path)

    async def _call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._turn:
            return await self._runtime.in_thread(function, *args, **kwargs)


def _following(pages: Generator[T, None, None]) -> T | None:
    """StopIteration cannot be raised into a future."""
    return next(pages, None)
