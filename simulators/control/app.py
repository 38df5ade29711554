"""The control server: one small application on loopback beside the departments."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from contracts.errors import OnedoorError
from simulators.control import api, pages, people
from simulators.control.board import Board
from simulators.control.guard import add_headers, guard
from simulators.control.keys import BOARD

HOST = "127.0.0.1"


class PortTaken(OnedoorError):
    """Somebody else listens where the control server should."""


def control_app(board: Board) -> web.Application:
    """Every route."""
    app = web.Application(middlewares=[api.errors_as_json, guard])
    app[BOARD] = board
    app.on_response_prepare.append(add_headers)
    app.add_routes(api.ROUTES)
    app.add_routes(pages.ROUTES)
    app.add_routes(people.ROUTES)
    app.add_routes(people.PAGES)
    return app


@asynccontextmanager
async def control_server(board: Board, port: int = 0) -> AsyncIterator[str]:
    """Serve until the block ends; gives its address. Outages of the dials are looked after meanwhile. Raises PortTaken."""
    runner = web.AppRunner(control_app(board), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            raise PortTaken(f"port {port} is taken: give another --control-port, or 0 for a free one") from error
        async with board.minded():
            yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
