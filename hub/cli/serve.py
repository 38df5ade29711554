"""``onedoor serve``: the hub itself."""

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import Annotated

import typer
import uvloop

from hub import logs
from hub.app import open_hub
from hub.cli.options import Demo, SettingsFile, SiteFolder, settings_from
from hub.client import prepare_demo
from hub.loop_watch import loop_watch
from hub.settings import Settings
from hub.web.server import serving

app = typer.Typer()

IMPATIENT = 130
"""Exit code after a second signal: as for a shell's Ctrl-C. Nothing is lost, the next start recovers."""


@app.command()
def serve(
    settings: SettingsFile = None,
    demo: Demo = False,
    site: SiteFolder = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Run the hub until SIGTERM, SIGHUP or Ctrl-C; what is in flight is finished or given back first.

    Example: onedoor serve --settings /etc/onedoor/onedoor.toml
    """
    logs.configure(log_level.upper())
    found = settings_from(settings, demo=demo, site=site, host=host, port=port)
    prepare_demo(found)
    uvloop.run(run(found))
    _leave()


async def run(settings: Settings) -> None:
    """The hub and its sockets, until a signal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, _stop, stop)
    async with open_hub(settings) as hub, serving(hub) as port, loop_watch(settings.blocked_seconds):
        _settle_memory()
        typer.echo(f"Onedoor listens on http://{settings.host}:{port}")
        await stop.wait()
        await hub.drain()  # answers of departments are still taken meanwhile, new cases are not


def _settle_memory() -> None:
    """What the start has built stays: the collector need not walk over it again, nor look so often (measured: p99 by half)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _leave() -> None:
    """Everything is closed. Python would still join the threads of pools, and one that a plugin lets hang would keep the process for ever."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _stop(stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(IMPATIENT)
    stop.set()
