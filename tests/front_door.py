"""A hub over the sample city with its sockets open, and senders with keys: what the tests of the front door stand before."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from contracts.envelope import CASE_TYPE, EVENT_TYPE
from contracts.records import adapter
from hub.app import Hub, open_hub
from hub.clients import NewClient
from hub.keys import write_key
from hub.settings import Settings, load_settings
from hub.web.server import serving, socket_path

DAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""A Monday, nine o'clock at the site."""

XUHUI, OTHER = "310104901", "310101901"
STRUCTURED = "application/cloudevents+json"


@dataclass
class FrontDoor:
    """A running hub, its address, and a key that may do everything."""

    hub: Hub
    url: str
    http: aiohttp.ClientSession
    key: str

    async def client(self, **scope: Any) -> NewClient:
        """Another sender, made through the local socket as the command line does; ``scope`` as lists."""
        status, body = await self.local("POST", "/admin/clients", json={"name": "test", "scope": scope})
        assert status == 201, body
        return adapter(NewClient).validate_python(body)

    async def local(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        """A call on the local socket; status and body."""
        connector = aiohttp.UnixConnector(str(socket_path(self.hub.settings.data)))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://hub{path}", **request) as answer,
        ):
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

    async def call(
        self, method: str, path: str, key: str | None = None, headers: Mapping[str, str] | None = None, **request: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, body (JSON where it is JSON) and headers. ``key`` "" sends none."""
        given = {"Authorization": f"Bearer {self.key if key is None else key}", **(headers or {})}
        if key == "":
            del given["Authorization"]
        async with self.http.request(method, self.url + path, headers=given, **request) as answer:
            raw = await answer.read()
            body = json.loads(raw) if raw and answer.content_type.endswith(("/json", "+json")) else raw
            return answer.status, body, answer.headers

    async def submit(self, document: Mapping[str, Any], key: str | None = None) -> tuple[int, Any]:
        """POST a message in structured mode; status and body."""
        status, body, _ = await self.call("POST", "/v1/cases", key, {"Content-Type": STRUCTURED}, json=document)
        return status, body

    async def received(self, sample: str = "civil_affairs/samples/MZ004_fire.json", **data: Any) -> str:
        """Hand in a sample; its case number."""
        status, body = await self.submit(message(sample, **data))
        assert status == 202, body
        return str(body["case_no"])

    async def event(self, case_no: str, key: str | None = None, **data: Any) -> tuple[int, Any]:
        """Put an event to a case; status and body."""
        return await self.raw_event(case_no, event_message(**data), key)

    async def raw_event(self, case_no: str, document: Mapping[str, Any], key: str | None = None) -> tuple[int, Any]:
        """The same with a whole message."""
        path = f"/v1/cases/{case_no}/events"
        status, body, _ = await self.call("POST", path, key, {"Content-Type": STRUCTURED}, json=document)
        return status, body

    async def case(self, case_no: str) -> dict[str, Any]:
        """The page of a case."""
        status, body, _ = await self.call("GET", f"/v1/cases/{case_no}")
        assert status == 200, body
        return dict(body)


def message(sample: str = "civil_affairs/samples/MZ004_fire.json", **data: Any) -> dict[str, Any]:
    """A sample of the city with an id of its own; ``data`` replaces what it names."""
    document: dict[str, Any] = json.loads((files("plugins") / sample).read_text(encoding="utf-8"))
    document["id"] = str(uuid4())
    document["data"].update(data)
    return document


def event_message(**data: Any) -> dict[str, Any]:
    """An event of a case."""
    head = {"specversion": "1.0", "id": str(uuid4()), "source": "urn:test:counter", "type": EVENT_TYPE}
    return {**head, "data": {"by": "clerk-1", **data}}


def settings_in(folder: Path, **values: Any) -> Settings:
    """Settings of a hub whose data, key and secrets lie in ``folder``; the key is made if there is none."""
    settings = load_settings(None, data=folder / "data", port=0, clock={"start": DAY}, **values)
    settings.key_file.parent.mkdir(exist_ok=True, parents=True)
    if not settings.key_file.exists():
        write_key(settings.key_file)
    return settings


@asynccontextmanager
async def front_door(folder: Path, **values: Any) -> AsyncIterator[FrontDoor]:
    """Open a hub and its sockets."""
    async with open_hub(settings_in(folder, **values)) as hub, serving(hub) as port, aiohttp.ClientSession() as http:
        door = FrontDoor(hub=hub, url=f"http://127.0.0.1:{port}", http=http, key="")
        door = replace(door, key=(await door.client()).key)
        yield door


__all__ = [
    "CASE_TYPE",
    "DAY",
    "OTHER",
    "STRUCTURED",
    "XUHUI",
    "FrontDoor",
    "event_message",
    "front_door",
    "message",
    "settings_in",
]
