"""What every handler asks of a request: whose key it carries, and its body within limits of size and time."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from hub.clients import Client, ClientBook
from hub.web.problems import Overloaded, TooLarge, TooSlow, Unauthorised

if TYPE_CHECKING:
    from hub.app import Hub

HUB: web.AppKey["Hub"] = web.AppKey("hub")
BOOK = web.AppKey("clients", ClientBook)

BODY_SECONDS = 10.0
"""aiohttp holds a half-sent body open for ever; this is when it ends."""

UPLOAD_SECONDS = 60.0
"""For a scan of 20 MB over a slow line."""


async def sender(request: web.Request) -> Client:
    """The sender whose key the request carries. Raises Unauthorised, StoreUnavailable."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise Unauthorised("send the key of the sender as Authorization: Bearer")
    client = await request.app[BOOK].find(key.strip())
    if client is None:
        raise Unauthorised("this key is not known, or was revoked: ask for a new one")
    return client


def admit(hub: "Hub") -> None:
    """Raises Overloaded while more arrives than departments and disk can take."""
    seconds = hub.overloaded()
    if seconds is not None:
        raise Overloaded(seconds)


async def body_of(request: web.Request, limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body. Raises TooLarge, TooSlow."""
    require_size(request.content_length or 0, limit)
    content = request.content
    if content.is_eof():  # it came with the head, as most do: nothing to wait for, so no clock to set
        body = content.read_nowait()
        require_size(len(body), limit)
        return body
    received = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in content.iter_any():
                received += chunk
                require_size(len(received), limit)
    except TimeoutError as error:
        raise TooSlow(f"the body did not arrive within {seconds:.0f} seconds") from error
    return bytes(received)


def require_size(size: int, limit: int) -> None:
    """Raises TooLarge."""
    if size > limit:
        raise TooLarge(f"over {limit} bytes")
