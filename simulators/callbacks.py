"""Calling the hub back, politely: signed anew each time, again after a pause, and not for ever."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

import aiohttp

from adapters.rest_table import Callback, RestTable
from adapters.signature import signed_headers

Post: TypeAlias = Callable[[str, Mapping[str, str], bytes], Awaitable[int]]
"""Path, headers and body of a call to the hub; the status of its answer, 0 when it could not be reached."""


class Caller:
    """Sends the later replies of one system to the hub. ``hub_url`` may be set when the hub's port is known.

    ``post``: another way to the hub than HTTP, for a city in one process.
    """

    post: Post | None = None

    def __init__(
        self,
        system: str,
        table: RestTable,
        key: str,
        hub_url: str | None,
        *,
        tries: int = 8,
        first_pause_seconds: float = 0.1,
    ) -> None:
        """``key``: the secret that the hub checks with. Pauses double up to five seconds."""
        self.hub_url = hub_url
        self.given_up = 0
        callback = table.callback or Callback()
        self._path = callback.path.replace("{system}", system)
        self._key = key.encode()
        self._algorithm = callback.algorithm or table.auth.algorithm
        self._header = callback.header
        self.tries = tries
        self._first_pause = first_pause_seconds

    async def call(self, session: aiohttp.ClientSession | None, body: bytes) -> int:
        """The status of the last try; 0 when the hub could not be reached at all."""
        status = 0
        for number in range(self.tries):
            if number:
                await asyncio.sleep(min(self._first_pause * 2 ** (number - 1), 5.0))
            status = await self._try(session, body)
            if 200 <= status < 300:
                return status
        self.given_up += 1
        return status

    async def _try(self, session: aiohttp.ClientSession | None, body: bytes) -> int:
        proof = signed_headers(
            self._key,
            self._algorithm,
            "POST",
            self._path,
            body,
            at=time.time(),
            nonce=secrets.token_hex(16),
            header=self._header,
        )
        headers = {"Content-Type": "application/json", **proof}
        if self.post is not None:
            return await self.post(self._path, headers, body)
        if session is None or self.hub_url is None:
            return 0
        # A proxy in front of the hub may add a prefix; what is signed is the path that both sides have agreed on.
        prefix = urlsplit(self.hub_url).geturl().rstrip("/")
        try:
            async with session.post(prefix + self._path, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0
