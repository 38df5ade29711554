"""How a command that is not part of the hub gets a hub: it is given ``open_hub`` and never imports one."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from pydantic import JsonValue

from contracts.api import CaseView, Receipt, TaskView
from contracts.delivery import Inbound
from contracts.envelope import Envelope, TaskCompletion
from contracts.plugin import Runtime
from contracts.task_sheet import NumberedSheet


class HubClient(Protocol):
    """A hub in this process, reached without a socket."""

    async def submit(self, envelope: Envelope, /) -> Receipt:
        """As ``POST /v1/cases``: returns after the commit."""
        ...

    async def event(self, case_no: str, envelope: Envelope, /) -> Receipt:
        """As ``POST /v1/cases/{case_no}/events``."""
        ...

    async def complete(self, task_id: str, completion: TaskCompletion, /) -> Receipt:
        """As ``POST /v1/tasks/{id}/complete``."""
        ...

    async def tasks(self, limit: int, /) -> Sequence[TaskView]:
        """As ``GET /v1/tasks``, without its bound: open tasks, the most urgent first."""
        ...

    async def returned(self, limit: int, /) -> Sequence[str]:
        """Numbers of the cases that wait at the centre since a department gave them back, the oldest first."""
        ...

    async def sheet(self, task_id: str, /) -> NumberedSheet:
        """As ``POST /v1/tasks/{id}/print``: the print is counted, but what the sheet says is handed over without the page."""
        ...

    async def callback(self, system: str, inbound: Inbound, /) -> int:
        """As ``POST /v1/callbacks/{system}``: the status of the answer."""
        ...

    async def case(self, case_no: str, /) -> CaseView:
        """As ``GET /v1/cases/{case_no}``."""
        ...


OpenHub: TypeAlias = Callable[[Mapping[str, JsonValue], Runtime | None], AbstractAsyncContextManager[HubClient]]
"""Settings (the keys of the hub's settings file) and a runtime; None means the real world."""
