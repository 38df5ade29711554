"""The sockets of a running hub: the API on TCP, the command line's on a file."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from contracts.errors import OnedoorError
from hub.web.access import AccessLog
from hub.web.api import make_app
from hub.web.local import make_local_app
from hub.web.policy import check_policies

if TYPE_CHECKING:
    from hub.app import Hub

KEEPALIVE_SECONDS = 15.0
"""Also how long a connection may stay silent, or send half a head."""

SHUTDOWN_SECONDS = 2.0
"""What requests have to finish that are still in flight when everything is drained."""

LONGEST_SOCKET_PATH = 100
"""Bytes; the system's own limit is 108."""


class CannotListen(OnedoorError):
    """An address that cannot be listened on. The text says which and what to do."""


@asynccontextmanager
async def serving(hub: "Hub") -> AsyncIterator[int]:
    """Listen until the context ends; gives the TCP port (the settings' port may be 0). Raises CannotListen, PolicyMissing."""
    api = make_app(hub)
    at_home = make_local_app(api)
    check_policies((api, at_home))
    runner, local = _runner(api), _runner(at_home)
    try:
        await runner.setup()
        await local.setup()
        await _listen_locally(local, socket_path(hub.settings.data))
        site = web.TCPSite(runner, hub.settings.host, hub.settings.port)
        try:
            await site.start()
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {hub.settings.host}:{hub.settings.port}: {error.strerror}: choose another port"
            ) from error
        yield _port(runner)
    finally:
        await runner.cleanup()
        await local.cleanup()


def socket_path(data: Path) -> Path:
    """Where the command line finds a running hub."""
    return data / "onedoor.sock"


async def _listen_locally(runner: web.AppRunner, path: Path) -> None:
    _make_way(path)
    await web.UnixSite(runner, path).start()
    _close_to_others(path)


def _make_way(path: Path) -> None:
    """Remove what a killed process left; the lock of the database says that none is running."""
    if len(bytes(path.resolve())) > LONGEST_SOCKET_PATH:
        raise CannotListen(f"the path of {path} is too long for a socket: choose a data folder with a shorter one")
    path.unlink(missing_ok=True)


def _close_to_others(path: Path) -> None:
    path.chmod(0o600)


def _runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(
        app,
        access_log_class=AccessLog,
        access_log=logging.getLogger("onedoor.access"),
        logger=_quiet_logger(),
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
        handle_signals=False,
    )


def _quiet_logger() -> logging.Logger:
    """aiohttp logs what it could not parse, bytes included: the class of the error must do."""
    logger = logging.getLogger("onedoor.http")
    if not logger.filters:
        logger.addFilter(_without_content)
    return logger


def _without_content(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None:
        record.msg, record.args = "broken request: %s", (record.exc_info[0].__name__,)
        record.exc_info = None
    return True


def _port(runner: web.AppRunner) -> int:
    address = next(iter(runner.addresses))
    return int(address[1]) if isinstance(address, tuple) else socket.INADDR_NONE
