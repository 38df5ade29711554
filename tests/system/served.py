"""One hub as a process over the sample city, without departments: what happens to its disk is the subject, not what it sends."""

import asyncio
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from simulators.hub_process import HubProcess, serve_command
from tests.front_door import STRUCTURED, message

SECONDS = aiohttp.ClientTimeout(total=30)


@dataclass
class Served:
    """``acknowledged``: case numbers that the hub has answered with 202."""

    folder: Path
    hub: HubProcess
    http: aiohttp.ClientSession
    key: str = ""
    acknowledged: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """The data folder as the hub's own process sees it, whatever is mounted there."""
        return Path(f"/proc/{self.hub.pid}/root") / self.folder.relative_to("/") / "data"

    async def make_key(self) -> None:
        """A sender's key, over the local socket."""
        connector = aiohttp.UnixConnector(str(self.data / "onedoor.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as local,
            local.post("http://hub/admin/clients", json={"name": "test", "scope": {}}) as answer,
        ):
            self.key = (await answer.json())["key"]

    async def readers(self, case_no: str) -> list[Any]:
        """Who has read a case, over the local socket."""
        connector = aiohttp.UnixConnector(str(self.data / "onedoor.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as local,
            local.post("http://hub/admin/readers", json={"of": case_no, "limit": 9999, "by": "test"}) as answer,
        ):
            return [one for one in await answer.json() if one["way"] == "api"]

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        async with self.http.get(self.hub.url + path, headers=self._authorised(), timeout=SECONDS) as answer:
            return answer.status, await answer.text()

    async def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        _, text = await self.get("/metrics")
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))

    async def post(self, path: str, body: bytes, media_type: str) -> tuple[int, Any]:
        """Status and the JSON of the answer."""
        headers = {**self._authorised(), "Content-Type": media_type}
        async with self.http.post(self.hub.url + path, data=body, headers=headers, timeout=SECONDS) as answer:
            return answer.status, await answer.json(content_type=None)

    async def hand_in(self, sample: str = "civil_affairs/samples/MZ004_fire.json") -> int:
        """Hand in a case; the status."""
        status, body = await self.post("/v1/cases", json.dumps(message(sample, accepted=True)).encode(), STRUCTURED)
        if status == 202:
            self.acknowledged.append(body["case_no"])
        return status

    async def taken_within(self, seconds: float) -> bool:
        """Whether the hub takes a case again before so much time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self.hand_in() != 202:  # noqa: ASYNC110 - it happens in another process
                    await asyncio.sleep(0.1)
                return True
        return False

    def _authorised(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def kept(database: Path) -> tuple[str, set[str], int]:
    """What a database holds while nobody writes: the verdict of SQLite, the cases, rows of parts of cases that are not there.

    A copy is looked at: SQLite would follow the path of another process's mount to our own one.
    """
    with tempfile.TemporaryDirectory() as folder:
        for path in (database, database.with_name(database.name + "-wal")):
            shutil.copy(path, folder)
        return _read(Path(folder) / database.name)


def _read(database: Path) -> tuple[str, set[str], int]:
    with closing(sqlite3.connect(database)) as connection:
        verdict = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        cases = {row[0] for row in connection.execute("SELECT case_no FROM case_file")}
        orphans = 0
        for table in ("inbox", "case_step", "journal"):
            column = "chain" if table == "journal" else "case_no"
            rows = connection.execute(f"SELECT {column} FROM {table} WHERE length({column}) = 24")
            orphans += sum(row[0] not in cases for row in rows)
        return verdict, cases, orphans


@asynccontextmanager
async def served(
    folder: Path, *, before: Sequence[str] = (), settings: str = "", environment: Mapping[str, str] | None = None
) -> AsyncIterator[Served]:
    """Start a hub in ``folder`` and stop it in the end. ``before``: what stands before its command line, such as a tracer."""
    port = 20_000 + os.getpid() % 5_000
    file = folder / "onedoor.toml"
    file.write_text(f'data = "{folder}/data"\nport = {port}\n{settings}', encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    hub = HubProcess((*before, *serve_command(file)), f"http://127.0.0.1:{port}", folder / "hub.log")
    async with aiohttp.ClientSession() as http:
        try:
            await hub.start(environment)
            found = Served(folder, hub, http)
            await found.make_key()
            yield found
        finally:
            if hub.running:
                await hub.stop()
