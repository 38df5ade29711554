"""A hub as a process of its own over the bench city, beside a department in this process: for what only a process can show.

The department's plugin is Python, installed as a distribution of its own would be: it does what a case's note tells it.
"""

import asyncio
import json
import os
import socket
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.records import adapter
from hub import clients
from hub.cli.asking import ask
from hub.clients import NewClient, Scope
from hub.keys import write_key
from hub.settings import load_settings
from simulators.hub_process import HubProcess, serve_command

BENCH = Path(__file__).parent.parent / "bench" / "site"

PLUGIN = '''
"""What a case's note says, this department does."""

import asyncio
import os
import threading
import time
from contextlib import asynccontextmanager

from pydantic import BaseModel

from contracts.catalogue import Item, Operation
from contracts.delivery import Completed, Decision
from contracts.plugin import Department, System, channel, hookimpl
from contracts.records import adapter
from contracts.situation import Limits, Situation


class Place(BaseModel):
    """Nothing to know."""


class Gateway:
    def __init__(self, runtime):
        self.runtime = runtime

    async def deliver(self, delivery, /):
        what = delivery.fields.get("note", "")
        if what == "exit":
            await asyncio.sleep(0.2)
            os._exit(99)
        if what == "block":
            time.sleep(600)
        if what == "thread":
            await self.runtime.in_thread(threading.Event().wait)
        if what == "slow":
            await asyncio.sleep(1.0)
        if what == "hang":
            await asyncio.sleep(600)
        return Completed(decision=Decision.GRANTED, fields={})

    async def check(self):
        pass


@asynccontextmanager
async def connect(place, runtime):
    yield Gateway(runtime)


OPERATION = {
    "key": "record", "name_zh": "x", "name_en": "x", "purpose": "decide", "answers": "at_once",
    "request": [{"name": "note", "source": "form.note", "type": "string"}],
    "reply": [], "result_codes": {}, "wire": {},
}
STEPS = [
    {"id": "s1", "kind": "centre", "name_zh": "x", "name_en": "x", "task": "receive_accept", "at": "accepting"},
    {"id": "s2", "kind": "department", "name_zh": "x", "name_en": "x", "system": "PO-api", "operation": "record", "after": ["s1"]},
    {"id": "s3", "kind": "centre", "name_zh": "x", "name_en": "x", "task": "deliver", "at": "receiving", "after": ["s2"]},
]
ITEM = {
    "code": "PO001", "version": 1, "valid_from": "2026-01-01", "name_zh": "x", "name_en": "x", "owner": "PO",
    "applicant_type": "natural_person", "case_type": "promised", "legal_days": 20, "promised_days": 10,
    "accepts": "s1", "decides": "s2", "steps": STEPS, "field_groups": ["applicant"],
    "form_fields": [{"name": "note", "label_zh": "x", "label_en": "x", "type": "string"}],
}


@hookimpl
def register_departments(site):
    limits = Limits(concurrency=8, attempt_seconds=900)
    way = channel(Situation.API, Place, connect, resend_is_safe=True, limits=limits, own_loop=OWN_LOOP)
    system = System(
        name="PO-api", department="PO", name_zh="x", name_en="x",
        operations={"record": adapter(Operation).validate_python(OPERATION)}, channels=(way,),
    )
    item = adapter(Item).validate_python(ITEM)
    return [Department(code="PO", name_zh="x", name_en="x", systems=(system,), items=(item,))]
'''


@dataclass
class Department:
    """What the department has seen, and how it answers."""

    seen: Counter[str] = field(default_factory=Counter)
    pause_seconds: float = 0.0
    free: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        """Count and answer."""
        delivery = request.headers.get("X-Delivery-Id", "")
        await request.read()
        self.seen[delivery] += 1
        if request.path == "/hang":
            await self.free.wait()
        if self.pause_seconds:
            await asyncio.sleep(self.pause_seconds)
        return web.json_response({"delivery_id": delivery, "result_code": "GRANTED", "decision_no": "样例1号"})


class RealHub:
    """The process, its database and its department."""

    def __init__(self, folder: Path, port: int, department: Department, process: HubProcess) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.department = department
        self.process = process
        self.key = ""
        self._numbers = 0

    @property
    def database(self) -> Path:
        """The file."""
        return self.folder / "data" / "onedoor.db"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def states(self) -> dict[str, int]:
        """Deliveries by state."""
        return dict(self.rows("SELECT state, count(*) FROM delivery GROUP BY state"))

    def envelope(self, item: str = "BE001", note: str = "") -> bytes:
        """A case that was never handed in before."""
        self._numbers += 1
        applicant = {"name": "赵样例", "id_no": "310101194002299919"}
        form: dict[str, Any] = {"note": note} if item == "PO001" else {"serial": self._numbers, "note": note or "样例"}
        data = {"item": item, "receiving_centre": "990000901", "applicant": applicant, "form": form, "accepted": True}
        head = {
            "specversion": "1.0",
            "id": f"m-{self._numbers}",
            "source": "/test",
            "type": "org.onedoor.case.submit.v1",
        }
        return json.dumps({**head, "data": data}).encode()

    async def post(self, http: aiohttp.ClientSession, body: bytes) -> tuple[int, dict[str, Any], dict[str, str]]:
        """One try at handing in: status, body, headers."""
        headers = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {self.key}"}
        async with http.post(f"{self.url}/v1/cases", data=body, headers=headers) as answer:
            return answer.status, await answer.json(), dict(answer.headers)

    async def taken(self, item: str = "BE001", note: str = "", count: int = 1) -> None:
        """Hand in; everything must be taken."""
        async with aiohttp.ClientSession() as http:
            for _ in range(count):
                status, answer, _ = await self.post(http, self.envelope(item, note))
                assert status == 202, answer

    async def until(self, check: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait for something that happens in the other process."""
        async with asyncio.timeout(seconds):
            while not check():  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.05)

    async def all_done(self, number: int, seconds: float = 90.0) -> None:
        """Wait until so many deliveries are done, and no other is there."""
        try:
            await self.until(lambda: self.states() == {"done": number}, seconds)
        except TimeoutError:
            raise AssertionError(f"deliveries are {self.states()}, not {number} done") from None

    def resident_mb(self) -> float:
        """Memory of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000

    def threads(self) -> int:
        """Of the process."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _limited(command: tuple[str, ...], limits: dict[str, int]) -> tuple[str, ...]:
    """The same command under resource limits (``RLIMIT_NOFILE`` ..)."""
    if not limits:
        return command
    code = "import os, resource, sys\n" + "".join(
        f"resource.setrlimit(resource.{name}, ({value}, {value}))\n" for name, value in limits.items()
    )
    return (sys.executable, "-c", code + "os.execv(sys.argv[1], sys.argv[1:])", *command)


def make_place(file: Path) -> str:
    """What ``onedoor init`` and ``onedoor clients create`` do, in this process; the key."""
    settings = load_settings(file).model_copy(update={"allow_demo_keys": True})
    settings.data.mkdir(mode=0o700)
    write_key(settings.key_file, demo=True)
    made = ask(
        settings,
        lambda place: clients.create(place.connection, place.region, place.keys, "test", Scope(), place.at),
        ("POST", "/admin/clients", None),
        adapter(NewClient),
    )
    return made.key


@asynccontextmanager
async def real_hub(
    folder: Path, *, settings: str = "", limits: dict[str, int] | None = None, start: bool = True, own_loop: bool = True
) -> AsyncIterator[RealHub]:
    """A hub over the bench city and the plugin above. ``settings``: more lines of the settings file.

    ``own_loop``: of the plugin's channel. Without one it runs in the hub's loop, as the adapters do: whoever blocks there blocks the hub.
    """
    department = Department()
    app = web.Application()
    for path in ("/fast", "/slow", "/hang"):
        app.router.add_post(path, department.take)
    site = folder / "site"
    await asyncio.to_thread(_make_site, site)
    _install_plugin(folder / "plugin", own_loop=own_loop)
    async with TestServer(app) as server:
        port = free_port()
        address = str(server.make_url("")).rstrip("/")
        places = "\n".join(f'[systems."{name}".api]\nurl = "{address}"' for name in ("BE-fast", "BE-slow", "BE-hang"))
        file = folder / "onedoor.toml"
        file.write_text(
            f'data = "{folder / "data"}"\nsite = "{site}"\nport = {port}\nmaster_key = "{folder / "master.key"}"\n'
            f'retry = {{ first_seconds = 0.2, cap_seconds = 0.5 }}\n{settings}\n{places}\n[systems."PO-api".api]\n'
        )
        command = tuple(serve_command(file))
        process = HubProcess(_limited(command, limits or {}), f"http://127.0.0.1:{port}", folder / "hub.log")
        hub = RealHub(folder, port, department, process)
        hub.key = await asyncio.to_thread(make_place, file)
        try:
            if start:
                await process.start(environment(folder))
            yield hub
        finally:
            department.free.set()
            await process.kill() if process.lives else None


def environment(folder: Path) -> dict[str, str]:
    """So that the process finds the plugin. Each thread would reserve 64 MB of addresses for memory that it does not take."""
    return {"PYTHONPATH": str(folder / "plugin"), "MALLOC_ARENA_MAX": "1"}


def _make_site(site: Path) -> None:
    for path in BENCH.rglob("*.toml"):
        target = site / path.relative_to(BENCH)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        if path.name == "site.toml":
            text = 'plugins = ["misbehaving"]\n' + text
        target.write_text(text, encoding="utf-8")


def _install_plugin(folder: Path, *, own_loop: bool) -> None:
    """As ``pip install`` leaves a distribution behind: a module, and metadata with its entry point."""
    info = folder / "misbehaving-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "misbehaving_department.py").write_text(f"{PLUGIN}\n\nOWN_LOOP = {own_loop}\n", encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[onedoor.plugins]\nmisbehaving = misbehaving_department\n")
