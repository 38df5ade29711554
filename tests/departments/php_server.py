"""PHP's own web server in a process, for departments whose software is not ours and not Python."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

HERE = Path(__file__).parent


def php() -> str:
    """The command. Fails in one line where it is missing."""
    found = shutil.which("php")
    assert found, "this environment needs PHP with SOAP: apt-get install php-cli php-soap"
    return found


@asynccontextmanager
async def php_server(script: str, environment: Mapping[str, str]) -> AsyncIterator[str]:
    """The script behind every path of a free port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    running = await asyncio.create_subprocess_exec(
        php(),
        "-S",
        f"127.0.0.1:{port}",
        str(HERE / script),
        env={**os.environ, "PHP_CLI_SERVER_WORKERS": "4", **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        # Its workers are of its session and of nobody else's.
        os.killpg(running.pid, 9)
        await running.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
