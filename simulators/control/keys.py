"""Where handlers find the board."""

from typing import Final

from aiohttp import web

from simulators.control.board import Board

BOARD: Final = web.AppKey("board", Board)
