"""The real world, as plugins and the hub see it: a civil clock, threads, secrets from files, materials from the blob store."""

import asyncio
import copy
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from contracts.delivery import Document
from contracts.errors import CredentialsError
from contracts.plugin import Http, RemoteFiles

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32
"""Blocking work of the hub itself (PDFs, blobs) that may run at once."""

SYSTEM_THREADS = 16
"""The same of one system: what hangs in a department's threads keeps neither the hub nor another department waiting."""


class RealRuntime:
    """Implements ``contracts.plugin.Runtime``. With ``start`` and ``speed`` the civil clock is an accelerated one."""

    def __init__(
        self,
        secrets: Path,
        *,
        start: datetime | None = None,
        speed: float = 1.0,
        material: Callable[[str], bytes] | None = None,
    ) -> None:
        """``secrets``: folder of files named after the secret. ``material``: reads the blob store; blocks."""
        self._secrets = secrets
        self._material = material
        self._speed = speed
        self._began = time.monotonic()
        self._start = start or datetime.now(UTC)
        self._random = random.SystemRandom()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="onedoor")
        self._accelerated = start is not None or speed != 1.0
        self._pools = [self._threads]

    def of_system(self, system: str) -> "RealRuntime":
        """The same world for the gateways of one system, with threads of its own (started when they are needed)."""
        threads = ThreadPoolExecutor(SYSTEM_THREADS, thread_name_prefix=f"onedoor-{system}")
        self._pools.append(threads)
        own = copy.copy(self)
        own._threads = threads  # noqa: SLF001 - our own class
        return own

    def now(self) -> datetime:
        """The civil clock, aware UTC."""
        if not self._accelerated:
            return datetime.now(UTC)
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self._speed)

    def monotonic(self) -> float:
        """Seconds, for measuring durations."""
        return time.monotonic()

    @property
    def random(self) -> random.Random:
        """For jitter and for ids that nobody can guess."""
        return self._random

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))

    async def pause(self, civil_seconds: float) -> None:
        """Wait that long by the civil clock; at most ten minutes of real time, so that a changed clock is noticed."""
        await asyncio.sleep(min(max(civil_seconds / self._speed, 0.0), 600.0))

    def secret(self, name: str) -> str:
        """A secret by name: a file of the secrets folder. Raises CredentialsError when there is none, or it is open to others."""
        path = self._secrets / name
        try:
            if path.stat().st_mode & 0o077:
                raise CredentialsError(
                    "secret_readable", f"the secret {name} can be read by others: run chmod 600 on it"
                )
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CredentialsError(
                "secret_missing", f"there is no secret {name}: put it into the secrets folder"
            ) from error

    async def material(self, document: Document) -> bytes:
        """The bytes of an uploaded paper."""
        if self._material is None:
            raise CredentialsError("no_materials", "this runtime has no blob store")
        return await self.in_thread(self._material, document.key)

    def http(self) -> Http | None:
        """None: adapters open sockets of their own."""
        return None

    def files(self) -> RemoteFiles | None:
        """None: adapters open connections of their own."""
        return None

    def close(self) -> None:
        """Give the threads back; what hangs in one does not hold up the end."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
