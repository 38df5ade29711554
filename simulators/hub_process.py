"""The hub as a process of its own: started, stopped, killed and started again, as an operator or a power cut would."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

KILLED_AT_A_CRASH_POINT = 137
"""The exit code of ``contracts.crash_points``: what a shell shows for a process that was killed."""


class HubEndedError(Exception):
    """The hub ended when it should have run; the text holds its exit code and the end of its log."""


def serve_command(settings: Path) -> Sequence[str]:
    """The command line of a demo hub, from the same installation as this process."""
    onedoor = shutil.which("onedoor", path=str(Path(sys.executable).parent)) or "onedoor"
    return (onedoor, "serve", "--demo", "--settings", str(settings))


class HubProcess:
    """One hub. ``log`` collects what all its lives print; ``lives`` counts them."""

    def __init__(self, command: Sequence[str], url: str, log: Path) -> None:
        self.url = url
        self.log = log
        self.lives = 0
        self._command = tuple(command)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process id of this life, or of the last one."""
        if self._process is None:
            raise HubEndedError("the hub was never started")
        return self._process.pid

    async def launch(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the process without waiting for it to answer. ``environment``: on top of our own."""
        if self.running:
            raise HubEndedError("the hub is running already: stop it first")
        self.lives += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal goes to a whole group: the hub is to be stopped by us, once, and in order.
                process_group=0,
                env={**os.environ, **(environment or {})},
            )

    async def start(self, environment: Mapping[str, str] | None = None, *, seconds: float = 60.0) -> None:
        """Launch, and return when it takes cases. Raises HubEndedError, TimeoutError."""
        await self.launch(environment)
        async with asyncio.timeout(seconds), aiohttp.ClientSession() as http:
            while not await self._is_ready(http):
                if not self.running:
                    raise HubEndedError(f"the hub ended with code {await self.wait()}:\n{self.last_words()}")
                await asyncio.sleep(0.05)

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(total=3)) as answer:
                return answer.status == 200
        return False

    async def wait(self) -> int:
        """Until it ends; the exit code (negative: the signal that ended it)."""
        if self._process is None:
            raise HubEndedError("the hub was never started")
        return await self._process.wait()

    async def stop(self, *, seconds: float = 30.0) -> int:
        """Ask it to end (SIGTERM) and wait; kills it when it does not. Returns the exit code."""
        if self.running:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(seconds):
                    await self.wait()
            except TimeoutError:
                self._signal(signal.SIGKILL)
        return await self.wait()

    async def kill(self) -> None:
        """As a power cut: SIGKILL, nothing is tidied up."""
        if self.running:
            self._signal(signal.SIGKILL)
        await self.wait()

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def last_words(self, characters: int = 2000) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return text[-characters:]
