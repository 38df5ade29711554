"""A plugin for tests: departments whose gateways follow a script, registered with a real hub."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from contracts.delivery import Batch, Delivery, NotFound, Outcome, Reply
from contracts.envelope import CaseApplication
from contracts.errors import DeliveryError
from contracts.plugin import Channel, Department, Gateway, Runtime, System, channel
from contracts.situation import AutoFallback, Batching, ChannelStatus, Limits, Situation
from hub import keys, results
from hub.app import Hub, open_hub
from hub.results import Change, NewCase
from hub.settings import Clock, Retry, Settings
from hub.store.connection import Row
from hub.systems import Registered
from tests.small_city import CENTRE, ITEMS, systems

SITE = Path(__file__).parent.parent / "bench" / "site"
Answer = Outcome | BaseException
Script = Callable[[Delivery], Awaitable[Answer] | Answer]


class Scripted:
    """A gateway that does what its script says and remembers every delivery it was given."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[Delivery] = []
        self.at: list[float] = []
        self.running = 0
        self.most = 0

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        """Follow the script."""
        self.seen.append(delivery)
        self.at.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            answer = self.script(delivery)
            found = await answer if isinstance(answer, Awaitable) else answer
        finally:
            self.running -= 1
        if isinstance(found, BaseException):
            raise found
        return found

    async def check(self) -> None:
        """Nothing to prove."""


class Asked(Scripted):
    """The same, and it can be asked what became of a delivery."""

    def __init__(self, script: Script, answer: Callable[[Delivery], Outcome | NotFound | BaseException]) -> None:
        super().__init__(script)
        self.answer = answer
        self.asked: list[UUID] = []

    async def enquire(self, delivery: Delivery, /) -> Outcome | NotFound:
        """What the script says."""
        self.asked.append(delivery.id)
        found = self.answer(delivery)
        if isinstance(found, BaseException):
            raise found
        return found


class Batched(Scripted):
    """Takes batches; each call sees what ``verdicts`` makes of the batch."""

    def __init__(self, verdicts: Callable[[Batch], Mapping[UUID, Outcome | DeliveryError]]) -> None:
        super().__init__(lambda delivery: RuntimeError("single deliveries are not for this channel"))
        self.verdicts = verdicts
        self.batches: list[Batch] = []

    def prepare(self, delivery: Delivery, /) -> bytes:
        """One line."""
        return f"{delivery.id},{delivery.fields['applicant_name']}\n".encode()

    def seal(self, batch: Batch, /) -> bytes:
        """All lines."""
        return b"".join(delivery.payload or b"" for delivery in batch.deliveries)

    async def deliver_batch(self, batch: Batch, /) -> Mapping[UUID, Outcome | DeliveryError]:
        """What the script says."""
        self.batches.append(batch)
        return self.verdicts(batch)


class NoSettings(BaseModel):
    """This place has none."""


def scripted_channel(
    gateway: Gateway,
    situation: Situation = Situation.API,
    *,
    limits: Limits | None = None,
    batching: Batching | None = None,
    resend_is_safe: bool = True,
    status: ChannelStatus = ChannelStatus.SENDING,
    auto_fallback: AutoFallback | None = None,
    own_loop: bool = False,
) -> Channel:
    """A channel that is already open."""

    @asynccontextmanager
    async def connect(place: NoSettings, runtime: Runtime) -> AsyncIterator[Gateway]:
        yield gateway

    made = channel(
        situation,
        NoSettings,
        connect,
        resend_is_safe=resend_is_safe,
        status=status,
        limits=limits or Limits(),
        batching=batching,
        own_loop=own_loop,
    )
    return replace(made, auto_fallback=auto_fallback)


def registered(**channels: Channel | Sequence[Channel]) -> Registered:
    """The three systems of the small city: ``api``, ``file``, ``paper`` are their channels, one or several."""
    names = {"api": "AA-api", "file": "BB-file", "paper": "CC-paper", "old": "OLD-api"}
    known = systems()
    made = [
        System(
            name=name,
            department=name[:2],
            name_zh=name,
            name_en=name,
            operations=known[name].operations,
            channels=(found,) if isinstance(found := channels.get(key, ()), Channel) else tuple(found),
            successor=known[name].successor,
        )
        for key, name in names.items()
    ]
    department = Department(code="AA", name_zh="样例", name_en="Sample", systems=made, items=ITEMS)
    return Registered(departments=(department,), broken={})


def settings(folder: Path, **more: Any) -> Settings:
    """Settings of a hub under ``folder`` with a demo key and quick retries."""
    master = folder / "master.key"
    if not master.exists():
        keys.write_key(master, demo=True)
    return Settings(
        **{
            "data": folder / "data",
            "site": SITE,
            "master_key": master,
            "secrets": folder,
            "allow_demo_keys": True,
            "retry": Retry(first_seconds=0.02, cap_seconds=0.1),
            "breaker_failures": 100,
            "systems": {name: {"api": {}, "file_drop": {}} for name in ("AA-api", "BB-file", "CC-paper")},
            **more,
        }
    )


def write_secret(folder: Path, name: str, value: str) -> None:
    """A secret of a department, where ``settings`` looks for it."""
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(value, encoding="utf-8")


def from_start(start: datetime, speed: float) -> Clock:
    """An accelerated civil clock."""
    return Clock(start=start, speed=speed)


@asynccontextmanager
async def scripted_hub(
    folder: Path, with_settings: dict[str, Any] | None = None, /, **channels: Channel | Sequence[Channel]
) -> AsyncIterator[Hub]:
    """A running hub over scripted channels."""
    async with open_hub(settings(folder, **(with_settings or {})), registered=registered(**channels)) as opened:
        yield opened


_numbers = iter(range(1, 10**9))


async def submit(hub_: Hub, item: str, form: Mapping[str, Any] | None = None, name: str = "赵样例") -> str:
    """An accepted case; returns its number."""
    new = application(hub_, item, form, name)
    change: Change = await hub_.commit("test", lambda c: results.receive(c, hub_.city, new, hub_.now_ms()))
    return change.case_no


def application(hub_: Hub, item: str, form: Mapping[str, Any] | None = None, name: str = "赵样例") -> NewCase:
    """An accepted case that is not handed in yet."""
    number = next(_numbers)
    return NewCase(
        application=CaseApplication(
            item=item,
            receiving_centre=CENTRE,
            applicant={"name": name, "id_type": "111"},
            form=form or {},
            accepted=True,
        ),
        item=hub_.city.item(item, 1),
        source="/test",
        message_id=str(number),
        digest=str(number),
        client="test",
    )


async def reply(hub_: Hub, delivery: Delivery, outcome: Outcome | DeliveryError) -> Change:
    """A reply that arrives meanwhile."""
    answer = Reply(delivery_id=delivery.id, outcome=outcome, happened_at=hub_.runtime.now())
    return await hub_.commit("test", lambda c: results.reply(c, hub_.city, delivery.system, answer, hub_.now_ms()))


async def rows(hub_: Hub, statement: str, **parameters: Any) -> list[Row]:
    """Rows of the database."""
    return await hub_.read(lambda c: c.rows(statement, parameters))


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait for a condition. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - what is waited for happens in a database
            await asyncio.sleep(0.01)


async def states(hub_: Hub, *cases: str) -> list[str]:
    """States of all deliveries of some cases, oldest first; of every case when none is named."""
    found = await rows(hub_, "SELECT case_no, state FROM delivery ORDER BY created_at, id")
    return [row["state"] for row in found if not cases or row["case_no"] in cases]


async def settled(hub_: Hub, wanted: Sequence[str], *cases: str, seconds: float = 10.0) -> None:
    """Wait until the deliveries are in the wanted states."""

    async def check() -> bool:
        return await states(hub_, *cases) == list(wanted)

    try:
        await until(check, seconds)
    except TimeoutError:
        raise AssertionError(f"deliveries are {await states(hub_, *cases)}, not {list(wanted)}") from None
