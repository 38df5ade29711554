"""The hub for commands of this process (``contracts.client.HubClient``): the same functions as the API, without a socket."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from pydantic import JsonValue

from contracts.api import CaseView, Receipt, TaskView
from contracts.client import HubClient
from contracts.delivery import Inbound
from contracts.envelope import Envelope, TaskCompletion
from contracts.plugin import Runtime
from contracts.task_sheet import NumberedSheet
from hub import desk, intake, readings, views
from hub.app import Hub, open_hub
from hub.clients import Client, Scope
from hub.cloud_events import message_of
from hub.keys import write_key
from hub.results import Change
from hub.settings import Settings, load_settings
from hub.store import reading
from hub.web import callbacks

LOCAL = Client(id="local", name="local", scope=Scope(), created_at=0)
"""The sender that a command of this process is."""


class LocalClient:
    """A hub in this process."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def submit(self, envelope: Envelope, /) -> Receipt:
        """As ``POST /v1/cases``."""
        return _receipt(await intake.submit(self._hub, LOCAL, message_of(envelope)))

    async def event(self, case_no: str, envelope: Envelope, /) -> Receipt:
        """As ``POST /v1/cases/{case_no}/events``."""
        return _receipt(await intake.event(self._hub, LOCAL, case_no, message_of(envelope)))

    async def complete(self, task_id: str, completion: TaskCompletion, /) -> Receipt:
        """As ``POST /v1/tasks/{id}/complete``."""
        return _receipt(await desk.complete(self._hub, LOCAL, task_id, completion))

    async def tasks(self, limit: int, /) -> Sequence[TaskView]:
        """As ``GET /v1/tasks``, without its bound."""
        hub = self._hub
        found = await hub.read(
            lambda connection: views.task_list(
                connection, hub.city.region, LOCAL, kind=None, state=None, system=None, limit=limit
            )
        )
        return found.tasks

    async def returned(self, limit: int, /) -> Sequence[str]:
        """As the worklist's page of returned cases, without those whose other parts are still with a department."""
        hub = self._hub
        return await hub.read(lambda connection: reading.returned_cases(connection, hub.city.region, limit))

    async def sheet(self, task_id: str, /) -> NumberedSheet:
        """As ``POST /v1/tasks/{id}/print``, without the page."""
        ((_, sheet),) = await desk.count_prints(self._hub, LOCAL, [task_id])
        return sheet

    async def callback(self, system: str, inbound: Inbound, /) -> int:
        """As ``POST /v1/callbacks/{system}``."""
        answer = await callbacks.take(self._hub, system, inbound)
        return 503 if answer is None else answer.status

    async def case(self, case_no: str, /) -> CaseView:
        """As ``GET /v1/cases/{case_no}``."""
        return await readings.case_for_program(self._hub, LOCAL, case_no)


@asynccontextmanager
async def open_client(values: Mapping[str, JsonValue], runtime: Runtime | None = None) -> AsyncIterator[HubClient]:
    """Open a hub for a command; ``values`` are the keys of the settings file. Raises what ``open_hub`` raises."""
    settings = load_settings(None, **values)
    prepare_demo(settings)
    async with open_hub(settings, runtime) as hub:
        yield LocalClient(hub)


def prepare_demo(settings: Settings) -> None:
    """A demo makes its own key, marked as one, where there is none yet; real settings are left alone."""
    if settings.allow_demo_keys and not settings.key_file.exists():
        settings.key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_key(settings.key_file, demo=True)


def _receipt(change: Change) -> Receipt:
    return Receipt(case_no=change.case_no, status=change.status, duplicate=change.verdict == "duplicate")
