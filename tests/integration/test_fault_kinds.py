"""Every kind of fault of an API over real sockets: what is seen on the wire, and that the ledger says truthfully whether the department acted."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest

from adapters.rest import RestGateway
from adapters.soap import SoapGateway
from contracts.delivery import AwaitingReply, Completed, Delivery
from contracts.errors import DeliveryError, OutcomeUnknownError
from contracts.plugin import HttpAnswer, HttpRequest
from simulators.dial import FaultDial
from simulators.faults import KINDS, MESSAGES, Fault, Place
from simulators.ledger import Ledger
from simulators.rest import rest_department
from simulators.scenario import Latency, Rule
from simulators.soap import soap_department
from tests import rest_world, soap_world
from tests.integration.test_rest_adapter import CALLBACK, Hub
from tests.rest_world import World, until

POLLED: dict[str, Any] = {"later_replies": "poll", "enquire_path": "/deliveries/{delivery_id}"}


class Witness:
    """Implements ``contracts.plugin.Http`` and notes what came back."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """Raises OutcomeUnknownError for whatever is no whole answer."""
        timeout = aiohttp.ClientTimeout(total=0.5)
        begun = ""
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as http,
                http.request(request.method, request.url, headers=dict(request.headers), data=request.body) as answer,
            ):
                begun = f"{answer.status} "
                body = await answer.read()
                headers = {name.lower(): value for name, value in answer.headers.items()}
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            self.seen.append(begun + _named(error))
            raise OutcomeUnknownError("connection_lost", "cut") from error
        retry = " retry-after" if "retry-after" in headers else ""
        self.seen.append(f"{answer.status} {answer.content_type.rpartition('/')[2]}{retry}{'' if body else ' empty'}")
        return HttpAnswer(status=answer.status, headers=headers, body=body)


def _named(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "cut"
    if isinstance(error, OSError) and error.errno == errno.ECONNRESET:
        return "reset"
    return "broken" if isinstance(error, aiohttp.ClientPayloadError) else type(error).__name__


@asynccontextmanager
async def department(
    protocol: str, place: Place, folder: Path, dial: FaultDial, ledger: Ledger
) -> AsyncIterator[tuple[Callable[[], Any], Witness, str]]:
    """Something that delivers once to it, what is seen meanwhile, and the name of the operation."""
    witness = Witness()
    name = "now" if place is Place.AT_ONCE else "later"
    settings: dict[str, Any] = {"ledger": ledger, "dial": dial, "slow_seconds": 0.7, "shares": {}}
    if protocol == "rest":
        table = {} if place is Place.AT_ONCE else POLLED if place is Place.POLLED else CALLBACK
        of = rest_world.system(**table)
        async with (
            rest_department(of, secret=rest_world.SECRETS.__getitem__, **settings) as running,
            rest_world.gateway(of, running.url, World(http=witness)) as gateway,
        ):
            yield lambda: gateway.deliver(rest_world.delivery(name)), witness, name
    else:
        of = soap_world.system(later=place is not Place.AT_ONCE)
        soap_world.vendored(of, folder)
        world = World(soap_world.SECRETS, http=witness)
        async with (
            soap_department(of, folder=folder, secret=soap_world.SECRETS.__getitem__, **settings) as service,
            soap_world.gateway(of, folder, service.url, world=world) as port,
        ):
            yield lambda: port.deliver(soap_world.delivery(name)), witness, name


def entries(ledger: Ledger) -> list[str]:
    lines = ledger.path.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [f"{one['kind']} {one['note']}".strip() for one in found]


SEEN: dict[Fault, tuple[str, ...]] = {
    Fault.REFUSE: ("cut", "reset"),
    Fault.RESET: ("reset",),
    Fault.DELAY: ("timeout",),
    Fault.SLOW_LORIS: ("200 timeout", "202 timeout"),
    Fault.RESET_MID_BODY: ("200 reset", "200 broken", "202 reset", "202 broken"),
    Fault.ERROR_500: ("500 json", "500 xml"),
    Fault.BAD_GATEWAY_502: ("502 plain",),
    Fault.UNAVAILABLE_503: ("503 plain retry-after",),
    Fault.GATEWAY_TIMEOUT_504: ("504 plain",),
    Fault.TOO_MANY_429: ("429 plain retry-after",),
    Fault.UNAUTHORISED_401: ("401 plain",),
    Fault.FORBIDDEN_403: ("403 plain",),
    Fault.HTML_PAGE: ("200 html",),
    Fault.FAULT_IN_200: ("200 json", "200 xml"),
    Fault.EMPTY_ANSWER: ("200 json empty", "200 xml empty"),
    Fault.TRUNCATED_ANSWER: ("200 json", "200 xml", "202 json"),
    Fault.ERROR_AFTER_EFFECT_500: ("500 json", "500 xml"),
    Fault.LOST_REPLY: ("cut", "reset"),
}
"""What a caller sees of a message that meets it."""

NOTES = {
    Fault.ERROR_500: "500",
    Fault.BAD_GATEWAY_502: "502",
    Fault.UNAVAILABLE_503: "503",
    Fault.TOO_MANY_429: "429",
    Fault.UNAUTHORISED_401: "401",
    Fault.FORBIDDEN_403: "403",
    Fault.HTML_PAGE: "html page",
    Fault.FAULT_IN_200: "fault in 200",
}
CASES = [
    (protocol, place, fault)
    for protocol, places in (
        ("rest", (Place.AT_ONCE, Place.CALLBACK, Place.POLLED)),
        ("soap", (Place.AT_ONCE, Place.POLLED)),
    )
    for place in places
    for fault in SEEN
    if place in KINDS[fault].places
    # With a callback the message itself is taken as ever: see the tests of callbacks.
    and not (place is Place.CALLBACK and fault is Fault.LOST_REPLY)
]


@pytest.mark.parametrize(("protocol", "place", "fault"), CASES)
async def test_a_message_meets_the_fault_of_its_operation(
    protocol: str, place: Place, fault: Fault, tmp_path: Path
) -> None:
    dial = FaultDial({}, 1, system="XX-test")
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        async with department(protocol, place, tmp_path, dial, ledger) as (deliver, witness, name):
            dial.begin([Rule(operation="other", fault=Fault.REFUSE), Rule(operation=name, fault=fault)], [], 1)
            with pytest.raises(DeliveryError):
                await deliver()
            (seen,) = witness.seen
            assert seen in SEEN[fault]
            if fault is Fault.DELAY:
                await until(lambda: bool(ledger.counts["effect"]))
            told = entries(ledger)
            assert ledger.counts["effect"] == int(KINDS[fault].acts)
            assert told[:1] == (
                [] if fault in (Fault.REFUSE, Fault.RESET) else [f"arrival {NOTES.get(fault, '')}".strip()]
            )
            assert dial.by_operation == {(name, fault): 1}
            dial.turn([], [])
            outcome = await deliver()
            assert isinstance(outcome, Completed if place is Place.AT_ONCE else AwaitingReply)


def test_every_kind_of_a_message_is_played_here() -> None:
    elsewhere = {Fault.DUPLICATE_REPLY, Fault.SWAPPED_REPLIES, Fault.LATE_REPLY}
    assert {fault for fault, kind in KINDS.items() if kind.places & MESSAGES} == SEEN.keys() | elsewhere


@pytest.mark.parametrize("protocol", ["rest", "soap"])
async def test_two_answers_at_once_are_exchanged_and_one_alone_is_not(protocol: str, tmp_path: Path) -> None:
    dial = FaultDial({}, 1)
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        async with department(protocol, Place.AT_ONCE, tmp_path, dial, ledger) as (deliver, witness, _):
            dial.begin([Rule(fault=Fault.SWAPPED_REPLIES, seconds=5)], [], 1)
            # The witness has less patience than the department, so that both must come at once.
            outcomes = await asyncio.gather(deliver(), deliver(), return_exceptions=True)
            assert [type(one) for one in outcomes] == [OutcomeUnknownError] * 2
            assert {one.code for one in outcomes if isinstance(one, DeliveryError)} == {"echo_mismatch"}
            assert witness.seen == [witness.seen[0]] * 2
            assert dial.counts[Fault.SWAPPED_REPLIES] == 2
            dial.turn([Rule(fault=Fault.SWAPPED_REPLIES, seconds=0.05)], [])
            assert isinstance(await deliver(), Completed)
            assert dial.counts[Fault.SWAPPED_REPLIES] == 2
        assert ledger.counts == {"arrival": 3, "effect": 3, "reply": 3}


@asynccontextmanager
async def calling_back(dial: FaultDial, ledger: Ledger) -> AsyncIterator[tuple[Hub, Any]]:
    hub = Hub()
    of = rest_world.system(**CALLBACK)
    async with (
        hub.serving(),
        rest_department(
            of, secret=rest_world.SECRETS.__getitem__, ledger=ledger, dial=dial, hub_url=hub.url, shares={}
        ) as running,
        rest_world.gateway(of, running.url) as gateway,
    ):
        hub.gateway = gateway
        yield hub, gateway


async def test_two_callbacks_change_places_and_a_late_one_comes_late(tmp_path: Path) -> None:
    dial = FaultDial({}, 1)
    first, second, late, soon = (rest_world.delivery("later") for _ in range(4))
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        async with calling_back(dial, ledger) as (hub, gateway):
            dial.begin([Rule(sequence="swapped_replies x2, late_reply, ok", seconds=1.5)], [], 1)
            await gateway.deliver(first)
            await asyncio.sleep(0.3)
            assert hub.replies == []
            await gateway.deliver(second)
            await until(lambda: len(hub.replies) == 2)
            await gateway.deliver(late)
            await gateway.deliver(soon)
            await until(lambda: len(hub.replies) == 4)
        assert [one.delivery_id for one in hub.replies] == [one.id for one in (second, first, soon, late)]
        assert ledger.counts == {"arrival": 4, "effect": 4, "reply": 4}


async def test_one_callback_alone_waits_in_vain_and_is_made(tmp_path: Path) -> None:
    dial = FaultDial({}, 1)
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        async with calling_back(dial, ledger) as (hub, gateway):
            dial.begin([Rule(fault=Fault.SWAPPED_REPLIES, seconds=0.1)], [], 1)
            await gateway.deliver(rest_world.delivery("later"))
            await until(lambda: len(hub.replies) == 1)
            assert dial.counts[Fault.SWAPPED_REPLIES] == 0


async def test_a_polled_result_comes_late_and_a_latency_keeps_a_message_waiting(tmp_path: Path) -> None:
    dial = FaultDial({}, 1)
    of = rest_world.system(**POLLED)
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        async with (
            rest_department(of, secret=rest_world.SECRETS.__getitem__, ledger=ledger, dial=dial, shares={}) as running,
            rest_world.gateway(of, running.url) as gateway,
        ):
            dial.begin([Rule(operation="later", fault=Fault.LATE_REPLY, seconds=0.6)], [], 1)
            sent = rest_world.delivery("later")
            await gateway.deliver(sent)
            assert isinstance(await gateway.enquire(sent), AwaitingReply)
            await asyncio.sleep(0.7)
            assert isinstance(await gateway.enquire(sent), Completed)
            dial.turn([], [Latency(constant=0.4)])
            started = asyncio.get_running_loop().time()
            await gateway.deliver(rest_world.delivery())
            assert asyncio.get_running_loop().time() - started >= 0.4


@pytest.mark.parametrize("protocol", ["rest", "soap"])
async def test_who_asks_gets_the_result_of_another_delivery_once_and_does_not_believe_it(
    protocol: str, tmp_path: Path
) -> None:
    dial = FaultDial({}, 1)
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        async with asked_later(protocol, tmp_path, dial, ledger) as (gateway, world):
            dial.begin([Rule(sequence="swapped_replies x3", seconds=30)], [], 1)
            first, second, alone = (world.delivery("later") for _ in range(3))
            await gateway.deliver(first)
            assert isinstance(await gateway.enquire(first), AwaitingReply), "it waits for a second one"
            await gateway.deliver(second)
            for one in (first, second):
                with pytest.raises(OutcomeUnknownError) as raised:
                    await gateway.enquire(one)
                assert raised.value.code == "echo_mismatch"
            for one in (first, second):
                assert isinstance(await gateway.enquire(one), Completed)
            assert said_of(ledger, first) == said_of(ledger, second) == SWAPPED
            dial.begin([Rule(fault=Fault.SWAPPED_REPLIES, seconds=0.2)], [], 1)
            await gateway.deliver(alone)
            await asyncio.sleep(0.3)
            assert isinstance(await gateway.enquire(alone), Completed)
            assert said_of(ledger, alone) == SWAPPED[1:]
            await gateway.deliver(replace(alone, attempt=2))
            assert dial.counts[Fault.SWAPPED_REPLIES] == 2, "what came again keeps its place"
        assert (ledger.counts["effect"], ledger.counts["reply"]) == (3, 5)


async def test_two_rows_of_a_list_stand_under_each_others_id_and_the_right_ones_follow(tmp_path: Path) -> None:
    dial = FaultDial({}, 1)
    of = rest_world.system(**LISTED)
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        async with (
            rest_department(of, secret=rest_world.SECRETS.__getitem__, ledger=ledger, dial=dial, shares={}) as running,
            rest_world.gateway(of, running.url) as gateway,
        ):
            dial.begin([Rule(sequence="swapped_replies x2", seconds=30)], [], 1)
            first, second = rest_world.delivery("later"), rest_world.delivery("later")
            await gateway.deliver(first)
            await gateway.deliver(second)
            rows = [row async for page in gateway.collect() for row in page]
            assert [row.delivery_id for row in rows] == [first.id, second.id, first.id, second.id]
            told = [row.outcome for row in rows]
            assert told[:2] == [told[3], told[2]]
            assert told[0] != told[1], "nothing has changed: this proves nothing"
            assert said_of(ledger, first) == said_of(ledger, second) == SWAPPED


LISTED: dict[str, Any] = {"later_replies": "poll", "poll": {"path": "/results"}}
SWAPPED = ["completed.granted swapped", "completed.granted"]


def said_of(ledger: Ledger, delivery: Delivery) -> list[str]:
    """What the department has said of a delivery, in order."""
    found = [json.loads(line) for line in ledger.path.read_text(encoding="utf-8").splitlines()]
    return [one["note"] for one in found if one["kind"] == "reply" and one["delivery_id"] == str(delivery.id)]


@asynccontextmanager
async def asked_later(
    protocol: str, folder: Path, dial: FaultDial, ledger: Ledger
) -> AsyncIterator[tuple[RestGateway | SoapGateway, ModuleType]]:
    """A department that is asked for its results."""
    settings: dict[str, Any] = {"ledger": ledger, "dial": dial, "shares": {}}
    if protocol == "rest":
        of = rest_world.system(**POLLED)
        async with (
            rest_department(of, secret=rest_world.SECRETS.__getitem__, **settings) as running,
            rest_world.gateway(of, running.url) as gateway,
        ):
            yield gateway, rest_world
    else:
        of = soap_world.system(later=True)
        soap_world.vendored(of, folder)
        async with (
            soap_department(of, folder=folder, secret=soap_world.SECRETS.__getitem__, **settings) as service,
            soap_world.gateway(of, folder, service.url) as port,
        ):
            yield port, soap_world
