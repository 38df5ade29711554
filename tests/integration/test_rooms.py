"""Code of others has a thread and a loop of its own: what it does there keeps nobody else waiting."""

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts.delivery import Delivery, Outcome, Reply
from contracts.errors import OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import (
    BatchGateway,
    Collecting,
    Enquiring,
    Gateway,
    NamingBatches,
    Preparing,
    Printing,
    Receiving,
    Runtime,
    in_front,
)
from contracts.records import Fields
from contracts.situation import Limits, Situation
from hub import metrics, rooms
from hub.app import Hub
from hub.confines import Confines, hosts_of
from hub.rooms import housed
from hub.runtime import RealRuntime
from hub.systems import register
from tests.scripted import Asked, Batched, Scripted, rows, scripted_channel, scripted_hub, settled, submit, until
from tests.small_city import GRANTED

pytestmark = pytest.mark.timeout(120)
PLACE = {"url": "http://127.0.0.1:1"}
SAMPLE = Path(__file__).parent.parent.parent / "plugins"


@asynccontextmanager
async def open_(gateway: Gateway) -> AsyncIterator[Gateway]:
    """A channel that is open already."""
    yield gateway


async def test_while_one_plugin_blocks_the_deliveries_of_another_department_go_on(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    free = threading.Event()
    asked: list[int] = []

    def block(delivery: Delivery) -> Outcome:
        asked.append(delivery.attempt)
        if len(asked) == 1:
            free.wait()  # what no plugin may do: its whole loop stands
        return GRANTED

    limits = Limits(attempt_seconds=0.5, concurrency=1)
    channels = {
        "api": scripted_channel(Scripted(block), limits=limits, own_loop=True),
        "paper": scripted_channel(Scripted(lambda delivery: GRANTED), Situation.PAPER),
    }
    before = left_rooms()
    try:
        async with scripted_hub(tmp_path, None, **channels) as hub:
            blocked = await submit(hub, "API1")
            for _ in range(20):
                await settled(hub, ["done"], await submit(hub, "PAPER1"))
            assert not free.is_set()
            await settled(hub, ["done"], blocked, seconds=20)  # by another attempt, in another room
            assert len(asked) == 2
            assert not free.is_set()
    finally:
        free.set()
    assert left_rooms() == before + 1
    assert "room_blocked" in logged()


def left_rooms() -> float:
    """How often a room was left to itself."""
    return metrics.REGISTRY.get_sample_value("onedoor_rooms_left_total", {"system": "AA-api"}) or 0.0


async def test_code_that_computes_without_end_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "PATIENCE_SECONDS", 0.2)
    ended = threading.Event()

    def compute(delivery: object) -> Outcome:
        try:
            while True:
                pass
        finally:
            ended.set()

    async with housed("AA-api", lambda: open_(Scripted(compute)), PLACE) as gateway:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(gateway.deliver(delivery()), 0.2)
        await asyncio.to_thread(ended.wait, 20)
        assert ended.is_set()


def delivery() -> Delivery:
    """Nobody looks into it."""
    return object.__new__(Delivery)


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), ValueError("x")], ids=repr)
async def test_whatever_is_raised_in_a_room_comes_out_of_it_and_the_room_goes_on(raised: BaseException) -> None:
    answers: list[Outcome | BaseException] = [raised, GRANTED]
    async with housed("AA-api", lambda: open_(Scripted(lambda delivery: answers.pop(0))), PLACE) as gateway:
        with pytest.raises(type(raised)):
            await gateway.deliver(delivery())
        assert await gateway.deliver(delivery()) == GRANTED


async def test_a_room_shows_the_capabilities_that_its_gateway_has_and_no_others() -> None:
    plain, asked, batched = (
        Scripted(lambda one: GRANTED),
        Asked(lambda one: GRANTED, lambda one: GRANTED),
        Batched(lambda batch: {}),
    )
    every = (Preparing, BatchGateway, Enquiring, Collecting, NamingBatches, Receiving, Printing)
    for inside in (plain, asked, batched, Collected([])):
        async with housed("AA-api", lambda inside=inside: open_(inside), PLACE) as gateway:  # type: ignore[misc] # bound now
            shown = [isinstance(gateway, one) for one in every]
            assert shown == [isinstance(inside, one) for one in every]


class Collected(Scripted):
    """Two files lie there; it notes what became of each."""

    def __init__(self, told: list[str]) -> None:
        super().__init__(lambda delivery: GRANTED)
        self.told = told

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        """One after the other."""
        for name in ("first", "second"):
            try:
                yield ()
            except PermanentError as refused:
                self.told.append(f"{name} {refused.code}")
            except GeneratorExit:
                self.told.append(f"{name} left there")
                raise
            else:
                self.told.append(f"{name} archived")


async def test_what_the_hub_says_of_a_collected_file_reaches_whoever_brought_it() -> None:
    told: list[str] = []
    async with housed("AA-api", lambda: open_(Collected(told)), PLACE) as gateway:
        assert isinstance(gateway, Collecting)
        assert [list(found) async for found in gateway.collect()] == [[], []]
        assert told == ["first archived", "second archived"]
        told.clear()
        again = gateway.collect()
        assert hasattr(again, "athrow")
        assert hasattr(again, "aclose")
        await anext(again)
        await again.athrow(PermanentError("damaged"))
        await again.aclose()
    assert told == ["first damaged", "second left there"]


async def test_tasks_that_pile_up_cost_a_room_and_nobody_an_answer(
    monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    monkeypatch.setattr(rooms, "MOST_TASKS", 20)
    opened: list[int] = []
    leaked: set[asyncio.Task[None]] = set()

    def leak(one: Delivery) -> Outcome:
        leaked.update(asyncio.get_running_loop().create_task(asyncio.sleep(3600)) for _ in range(5))
        return GRANTED

    @asynccontextmanager
    async def counted() -> AsyncIterator[Gateway]:
        opened.append(1)
        yield Scripted(leak)

    async with housed("AA-api", counted, PLACE) as gateway:
        for _ in range(12):
            assert await gateway.deliver(delivery()) == GRANTED
            await asyncio.sleep(0.05)
    assert len(opened) > 1
    assert "room_crowded" in logged()
    assert all(task.cancelled() for task in leaked)


async def test_a_channel_that_hangs_again_and_again_is_closed_until_one_of_its_threads_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rooms, "PATIENCE_SECONDS", 0.1)
    free = threading.Event()
    calls: list[int] = []

    def hang(one: Delivery) -> Outcome:
        calls.append(1)
        free.wait()
        return GRANTED

    async with housed("AA-api", lambda: open_(Scripted(hang)), PLACE) as gateway:
        for _ in range(rooms.MOST_LEFT + 1):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(gateway.deliver(delivery()), 0.1)
            await asyncio.sleep(0.3)
        with pytest.raises(TemporaryError, match="gateway_blocked"):
            await gateway.deliver(delivery())
        assert len(calls) == rooms.MOST_LEFT + 1
        free.set()
        for _ in range(200):
            try:
                assert await gateway.deliver(delivery()) == GRANTED
                break
            except TemporaryError:
                await asyncio.sleep(0.05)
        else:
            pytest.fail("the channel stayed closed")


async def test_a_channel_that_cannot_be_opened_in_its_room_is_told_as_any_other(tmp_path: Path) -> None:
    @asynccontextmanager
    async def refuses() -> AsyncIterator[Gateway]:
        if tmp_path.name:
            sys.exit(2)
        yield Scripted(lambda delivery: GRANTED)

    with pytest.raises(RuntimeError, match="SystemExit"):
        async with housed("AA-api", refuses, PLACE):
            pytest.fail("it was opened")


async def test_an_answer_that_comes_in_time_is_no_reason_to_look(tmp_path: Path) -> None:
    """A department that is slow is not a room that hangs."""
    before = left_rooms()

    async def slow(one: Delivery) -> Outcome:
        await asyncio.sleep(30)
        return GRANTED

    channels = {"api": scripted_channel(Scripted(slow), limits=Limits(attempt_seconds=0.2), own_loop=True)}
    async with scripted_hub(tmp_path, {"retry": {"first_seconds": 30, "cap_seconds": 30}}, **channels) as hub:
        await submit(hub, "API1")
        await until(lambda: tried(hub))
        await asyncio.sleep(rooms.PATIENCE_SECONDS + 0.3)
    assert left_rooms() == before


async def tried(hub: Hub) -> bool:
    """Whether the first attempt has ended."""
    return bool(await rows(hub, "SELECT 1 FROM attempt WHERE ended_at IS NOT NULL"))


def test_adapters_share_the_hubs_loop_and_python_of_a_department_has_its_own() -> None:
    apart = {
        system.name: [one.own_loop for one in system.channels]
        for department in register(SAMPLE).departments
        for system in department.systems
    }
    own = {name for name, loops in apart.items() if any(loops)}
    assert own == {"SW-tax", "JX-credit"}


async def test_a_gateway_in_front_runs_in_a_room_with_the_one_behind_it(tmp_path: Path) -> None:
    threads: set[str] = set()

    class Front(Scripted):
        def __init__(self, inner: Gateway) -> None:
            super().__init__(lambda one: OutcomeUnknownError("unused"))
            self.inner = inner

        async def deliver(self, one: Delivery, /) -> Outcome:
            threads.add(threading.current_thread().name)
            return await self.inner.deliver(one)

    def behind(one: Delivery) -> Outcome:
        threads.add(threading.current_thread().name)
        return GRANTED

    def wrap(inner: Gateway, runtime: Runtime) -> Gateway:
        assert isinstance(runtime, RealRuntime)
        return Front(inner)

    async with scripted_hub(tmp_path, api=in_front(scripted_channel(Scripted(behind)), wrap)) as hub:
        await settled(hub, ["done"], await submit(hub, "API1"))
    assert threads == {"onedoor-room-AA-api"}


# --- what a room may touch (E11) ------------------------------------------------------------------------------------


async def inside(work: Callable[[], object]) -> object:
    """What becomes of work in a room whose channel is at 127.0.0.1."""

    def script(one: Delivery) -> Outcome:
        work()
        return GRANTED

    async with housed("AA-api", lambda: open_(Scripted(script)), PLACE) as gateway:
        return await gateway.deliver(delivery())


async def test_a_plugin_writes_changes_and_starts_nothing_on_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text("as it was")
    for work in (
        lambda: (tmp_path / "new").write_text("x"),
        lambda: file.open("a").close(),
        file.unlink,
        lambda: file.rename(tmp_path / "moved"),
        (tmp_path / "folder").mkdir,
        lambda: file.chmod(0o777),
        lambda: sqlite3.connect(tmp_path / "base"),
        lambda: subprocess.run(["true"], check=False),
        lambda: os.system("true"),
    ):
        with pytest.raises(PermissionError, match="a gateway"):
            await inside(work)
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "folder").exists()
    assert file.read_text() == "as it was"
    assert await inside(file.read_text) == GRANTED
    file.write_text("we may")  # who is not in a room is not confined


async def test_a_plugin_calls_the_hosts_of_its_own_channel_and_no_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("127.0.0.2", 0)) as foreign:

        def call(server: socket.socket) -> None:
            socket.create_connection(server.getsockname(), timeout=5).close()

        assert await inside(lambda: call(own)) == GRANTED
        with pytest.raises(PermissionError, match="no others"):
            await inside(lambda: call(foreign))
        call(foreign)


def test_hosts_are_those_that_the_settings_name() -> None:
    place: Fields = {
        "url": "https://GW.example.invalid:8443/x",
        "host": "files.example.invalid",
        "port": 22,
        "ca_file": "/etc/ca.pem",
    }
    assert hosts_of(place) == {"gw.example.invalid", "files.example.invalid"}
    confines = Confines({"host": "localhost"})
    assert confines.allows("127.0.0.1")
    assert not confines.allows("192.0.2.1")
    assert not Confines({"host": "nobody.invalid"}).allows("192.0.2.1")
