"""How a command that is not part of the hub gets a hub: it is given ``open_hub`` and never imports one."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from pydantic import JsonValue

from contracts.api import CaseView, Receipt
from contracts.envelope import Envelope, TaskCompletion
from contracts.plugin import Runtime


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

    async def case(self, case_no: str, /) -> CaseView:
        """As ``GET /v1/cases/{case_no}``."""
        ...


OpenHub: TypeAlias = Callable[[Mapping[str, JsonValue], Runtime | None], AbstractAsyncContextManager[HubClient]]
"""Settings (the keys of the hub's settings file) and a runtime; None means the real world."""
