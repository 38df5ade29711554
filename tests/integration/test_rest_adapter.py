"""The REST channel against a simulated department: every way to prove who we are, and every way an answer comes back."""

import asyncio
import json
import re
import tomllib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from pydantic import ValidationError

from adapters import rest
from adapters.http_client import open_http
from adapters.rest_table import RestTable, RestWire, verdict_of
from contracts.delivery import AwaitingReply, Completed, Inbound, Lookup, NotFound, Reply
from contracts.errors import CredentialsError, DeliveryError, InboundRefused, OutcomeUnknownError, TemporaryError
from contracts.plugin import Collecting, Enquiring, Preparing, Receiving
from simulators.dial import FaultDial
from simulators.faults import Fault
from simulators.ledger import Ledger
from simulators.rest import RestDepartment, rest_department
from tests.rest_world import SECRETS, World, delivery, gateway, operation, system, until

HMAC: dict[str, Any] = {"kind": "hmac", "secrets": ["key"]}
ENQUIRE = "/deliveries/{delivery_id}"
CALLBACK: dict[str, Any] = {"auth": HMAC, "later_replies": "callback", "enquire_path": ENQUIRE}


def secret(name: str) -> str:
    return SECRETS[name]


def entries(ledger: Ledger) -> Counter[str]:
    """How often each kind stands in the file."""
    return Counter(json.loads(line)["kind"] for line in ledger.path.read_text(encoding="utf-8").splitlines())


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with Ledger(tmp_path / "ledger.jsonl") as opened:
        yield opened


class Hub:
    """The hub's door for callbacks: hands them to the gateway and answers as the gateway says."""

    def __init__(self) -> None:
        self.url = ""
        self.replies: list[Reply] = []
        self.refused: list[str] = []
        self.failures = 0
        self.gateway: rest.RestGateway | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self.gateway is not None
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            received = await self.gateway.receive(Inbound(headers=headers, body=await request.read()))
        except InboundRefused as error:
            self.refused.append(error.code)
            return web.Response(status=error.status, body=error.body)
        if self.failures:
            self.failures -= 1
            return web.Response(status=received.failure.status)
        self.replies += received.replies
        return web.Response(status=received.answer.status, body=received.answer.body)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Hub"]:
        runner = web.ServerRunner(web.Server(self.handle, access_log=None), shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield self
        await runner.cleanup()


AUTHS: dict[str, dict[str, Any]] = {
    "none": {"kind": "none"},
    "hmac-sha256": HMAC,
    "hmac-sm3": {**HMAC, "algorithm": "hmac-sm3", "header": "X-Sign"},
    "bearer": {"kind": "bearer", "secrets": ["token"]},
    "api_key": {"kind": "api_key", "secrets": ["token"], "header": "X-Api-Key"},
    "oauth2": {"kind": "oauth2", "secrets": ["id", "secret"], "scope": "case"},
    "mtls": {"kind": "mtls", "secrets": ["key"]},
}


@pytest.mark.parametrize("kind", AUTHS)
async def test_a_delivery_is_answered_at_once(kind: str, ledger: Ledger) -> None:
    table = system(auth=AUTHS[kind], enquire_path=ENQUIRE)
    async with (
        rest_department(table, secret=secret, ledger=ledger, shares={}) as department,
        gateway(table, department.url) as open_,
    ):
        sent = delivery()
        outcome = await open_.deliver(sent)
        assert isinstance(outcome, Completed)
        assert set(outcome.fields) == {"decision_no", "amount", "valid_to"}
        assert await open_.enquire(sent) == outcome
        assert await open_.enquire(delivery()) == NotFound(what=Lookup.NOT_RECEIVED)
        await open_.check()
        assert entries(ledger) == {"arrival": 1, "effect": 1, "reply": 1}


@pytest.mark.parametrize("kind", ["hmac-sha256", "bearer", "api_key", "oauth2"])
async def test_a_wrong_secret_holds_the_lane_and_has_no_effect(kind: str, ledger: Ledger) -> None:
    table = system(auth=AUTHS[kind], enquire_path=ENQUIRE)
    wrong = World(dict.fromkeys(SECRETS, "wrong"))
    async with (
        rest_department(table, secret=secret, ledger=ledger) as department,
        gateway(table, department.url, wrong) as open_,
    ):
        for call in (open_.deliver(delivery()), open_.check()):
            with pytest.raises(CredentialsError):
                await call
        assert entries(ledger) == {}


async def test_a_missing_secret_is_found_when_the_channel_opens() -> None:
    with pytest.raises(CredentialsError, match="secret_missing"):
        async with gateway(system(auth=HMAC), "http://127.0.0.1:1", World({})):
            pass


async def test_a_token_is_fetched_once_and_again_when_it_was_revoked() -> None:
    table = system(auth=AUTHS["oauth2"])
    async with rest_department(table, secret=secret, shares={}) as department, gateway(table, department.url) as open_:
        await asyncio.gather(*(open_.deliver(delivery()) for _ in range(5)))
        assert department.calls == 5
        assert department.doorkeeper.issued == 1
        department.doorkeeper.forget_tokens()
        found = await asyncio.gather(*(open_.deliver(delivery()) for _ in range(5)))
        assert all(isinstance(outcome, Completed) for outcome in found)
        assert department.doorkeeper.issued == 2


async def test_a_token_that_ends_is_renewed_before_it_is_refused() -> None:
    table = system(auth=AUTHS["oauth2"])
    world = World()
    async with (
        rest_department(table, secret=secret, shares={}) as department,
        gateway(table, department.url, world) as open_,
    ):
        await open_.deliver(delivery())
        now = world.monotonic()
        world.monotonic = lambda: now + 599  # type: ignore[method-assign]
        await open_.deliver(delivery())
        assert department.calls == 2


TOKEN_TROUBLE = [
    (web.Response(status=500), TemporaryError),
    (web.Response(status=200, text="<html>"), TemporaryError),
    (web.Response(status=200, text="[]"), TemporaryError),
    (web.Response(status=400, text="{}"), CredentialsError),
    (None, TemporaryError),
]


@pytest.mark.parametrize("number", range(len(TOKEN_TROUBLE)))
async def test_trouble_with_the_token_service_leaves_the_message_at_home(number: int) -> None:
    answer, kind = TOKEN_TROUBLE[number]
    paths: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        paths.append(request.path)
        if answer is None and request.transport is not None:
            request.transport.abort()
        return answer or web.Response()

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with gateway(system(auth=AUTHS["oauth2"]), f"http://127.0.0.1:{runner.addresses[0][1]}") as open_:
        with pytest.raises(kind):
            await open_.deliver(delivery())
    await runner.cleanup()
    assert set(paths) == {"/oauth/token"}


async def test_the_same_delivery_has_one_effect_and_one_answer_however_often_it_is_sent(ledger: Ledger) -> None:
    table, sent = system(), delivery()
    async with rest_department(table, secret=secret, ledger=ledger) as one, gateway(table, one.url) as open_:
        found = await asyncio.gather(*(open_.deliver(sent) for _ in range(4)))
        assert len({repr(outcome) for outcome in found}) == 1
    # A department that was restarted knows from its ledger what it did, and decides the same again.
    async with rest_department(table, secret=secret, ledger=ledger) as again, gateway(table, again.url) as open_:
        assert await open_.deliver(sent) == found[0]
    assert entries(ledger) == {"arrival": 5, "effect": 1, "reply": 2}
    assert ledger.effects(str(sent.id)) == 1


async def test_a_department_that_is_not_idempotent_acts_each_time(ledger: Ledger) -> None:
    table = system(resend_is_safe=False)
    async with (
        rest_department(table, secret=secret, ledger=ledger) as department,
        gateway(table, department.url) as open_,
    ):
        sent = delivery()
        for _ in range(2):
            await open_.deliver(sent)
        assert ledger.effects(str(sent.id)) == 2


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b'{"name":"x","spy":1}', "INVALID"), (b'{"income":"1.00"}', "INVALID"), (b"<xml/>", "http_400")],
)
async def test_a_department_rejects_what_it_did_not_ask_for(payload: bytes, code: str, ledger: Ledger) -> None:
    async with rest_department(system(), secret=secret, ledger=ledger) as department:
        async with gateway(system(), department.url) as open_:
            with pytest.raises(DeliveryError) as caught:
                await open_.deliver(delivery(payload=payload))
        assert caught.value.code == code
        assert entries(ledger)["effect"] == 0


async def test_other_content_under_the_same_id_is_rejected() -> None:
    async with rest_department(system(), secret=secret) as department, gateway(system(), department.url) as open_:
        sent = delivery()
        await open_.deliver(sent)
        with pytest.raises(DeliveryError, match="INVALID"):
            await open_.deliver(delivery(id=sent.id, fields={"name": "样例二"}))


@asynccontextmanager
async def called_back(table: Any, **options: Any) -> AsyncIterator[tuple[Hub, RestDepartment, rest.RestGateway]]:
    """A hub's door, a department that calls back, and the gateway between them."""
    async with (
        Hub().serving() as hub,
        rest_department(table, secret=secret, hub_url=hub.url, shares={}, **options) as department,
        gateway(table, department.url) as open_,
    ):
        hub.gateway = open_
        yield hub, department, open_


async def test_a_later_answer_comes_by_callback(ledger: Ledger) -> None:
    civil = datetime(2026, 3, 2, 1, tzinfo=UTC)
    async with called_back(system(**CALLBACK), ledger=ledger, now=lambda: civil) as (hub, _, open_):
        sent = delivery("later")
        assert await open_.deliver(sent) == AwaitingReply()
        await until(lambda: len(hub.replies) == 1)
        assert hub.replies[0].delivery_id == sent.id
        assert isinstance(hub.replies[0].outcome, Completed)
        assert hub.replies[0].happened_at == civil
        assert await open_.enquire(sent) == hub.replies[0].outcome
        assert entries(ledger) == {"arrival": 1, "effect": 1, "reply": 1}


async def test_a_callback_that_the_hub_could_not_store_is_made_again() -> None:
    async with called_back(system(**CALLBACK)) as (hub, department, open_):
        hub.failures = 2
        await open_.deliver(delivery("later"))
        await until(lambda: len(hub.replies) == 1)
        assert hub.refused == []
        assert department.caller is not None
        assert department.caller.given_up == 0


async def test_a_department_gives_up_calling_a_hub_that_is_not_there() -> None:
    async with called_back(system(**CALLBACK)) as (_, department, open_):
        caller = department.caller
        assert caller is not None
        caller.hub_url = "http://127.0.0.1:1"
        caller.tries = 2
        await open_.deliver(delivery("later"))
        await until(lambda: caller.given_up == 1)


async def test_before_the_result_an_enquiry_finds_the_delivery_accepted() -> None:
    async with called_back(system(**CALLBACK), reply_delay_seconds=60) as (hub, _, open_):
        sent = delivery("later")
        await open_.deliver(sent)
        assert await open_.enquire(sent) == AwaitingReply()
        assert hub.replies == []


async def test_a_polled_channel_says_when_to_ask() -> None:
    table = system(later_replies="poll", enquire_path=ENQUIRE, poll={"every_seconds": 120})
    world = World()
    world.at = datetime.now(UTC)
    async with (
        rest_department(table, secret=secret, reply_delay_seconds=0.05, shares={}) as department,
        gateway(table, department.url, world) as open_,
    ):
        sent = delivery("later")
        # Again after two minutes, and then after four.
        assert await open_.deliver(sent) == AwaitingReply(next_poll_at=world.at + timedelta(seconds=120))
        assert await open_.enquire(sent) == AwaitingReply(next_poll_at=world.at + timedelta(seconds=240))
        await asyncio.sleep(0.06)
        assert isinstance(await open_.enquire(sent), Completed)


async def test_a_list_of_results_is_read_page_by_page_and_only_what_was_committed_is_passed() -> None:
    table = system(later_replies="poll", poll={"path": "/results", "page_size": 2})
    async with rest_department(table, secret=secret, shares={}) as department, gateway(table, department.url) as open_:
        sent = [delivery("later") for _ in range(5)]
        for each in sent:
            assert await open_.deliver(each) == AwaitingReply()
        unstored = open_.collect()
        first = await anext(unstored)
        await unstored.aclose()  # type: ignore[attr-defined]
        pages = [page async for page in open_.collect()]
        assert [len(page) for page in pages] == [2, 2, 1]
        assert pages[0] == first
        assert [reply.delivery_id for page in pages for reply in page] == [each.id for each in sent]
        assert [page async for page in open_.collect()] == []


async def test_an_unreadable_entry_of_a_list_does_not_hold_back_the_others() -> None:
    table = system([operation("later", "later")], later_replies="poll", poll={"path": "/results"})
    good = delivery("later")
    bodies = [
        orjson.dumps(
            {"results": ["x", {"delivery_id": "no id"}, {"delivery_id": str(good.id), "result_code": "REFUSED"}]}
        ),
        b'{"results":{}}',
    ]

    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=bodies.pop(0)) if bodies else web.Response(status=503)

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with gateway(table, f"http://127.0.0.1:{runner.addresses[0][1]}") as open_:
        (page,) = [page async for page in open_.collect()]
        assert [reply.delivery_id for reply in page] == [good.id]
        for kind in (OutcomeUnknownError, TemporaryError):
            with pytest.raises(kind):
                await anext(open_.collect())
    await runner.cleanup()


FAULTS: dict[Fault, tuple[type[DeliveryError], Counter[str]]] = {
    Fault.REFUSE: (OutcomeUnknownError, Counter()),
    Fault.UNAVAILABLE_503: (TemporaryError, Counter(arrival=1)),
    Fault.DELAY: (OutcomeUnknownError, Counter(arrival=1, effect=1, reply=1)),
    Fault.ERROR_AFTER_EFFECT_500: (OutcomeUnknownError, Counter(arrival=1, effect=1)),
    Fault.LOST_REPLY: (OutcomeUnknownError, Counter(arrival=1, effect=1, reply=1)),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_classified_and_an_enquiry_tells_the_truth(fault: Fault, ledger: Ledger) -> None:
    kind, expected = FAULTS[fault]
    table = system(enquire_path=ENQUIRE, timeouts={"connect_seconds": 1, "total_seconds": 0.2})
    dial = FaultDial({fault: 1.0}, seed=1)
    async with (
        rest_department(table, secret=secret, ledger=ledger, dial=dial, slow_seconds=0.3, shares={}) as department,
        gateway(table, department.url) as open_,
    ):
        sent = delivery()
        with pytest.raises(kind):
            await open_.deliver(sent)
        await asyncio.sleep(0.15 if fault is Fault.DELAY else 0)
        assert entries(ledger) == expected
        answer = await open_.enquire(sent)
        assert isinstance(answer, Completed) == (expected["effect"] == 1)
        dial.probabilities.clear()
        assert isinstance(await open_.deliver(delivery(id=sent.id, possible_duplicate=True)), Completed)
        assert ledger.effects(str(sent.id)) == 1
        assert dial.counts == {fault: 1}


async def test_a_lost_callback_is_found_by_enquiry_and_a_doubled_one_arrives_twice(ledger: Ledger) -> None:
    dial = FaultDial({Fault.LOST_REPLY: 1.0}, seed=1)
    async with called_back(system(**CALLBACK), ledger=ledger, dial=dial) as (hub, _, open_):
        lost, doubled = delivery("later"), delivery("later")
        assert await open_.deliver(lost) == AwaitingReply()
        dial.probabilities = {Fault.DUPLICATE_REPLY: 1.0}
        await open_.deliver(doubled)
        await until(lambda: len(hub.replies) == 2)
        assert [reply.delivery_id for reply in hub.replies] == [doubled.id, doubled.id]
        assert hub.replies[0] == hub.replies[1]
        assert isinstance(await open_.enquire(lost), Completed)
        assert entries(ledger) == {"arrival": 2, "effect": 2, "reply": 2}


async def test_an_error_after_the_effect_does_not_stop_the_callback() -> None:
    dial = FaultDial({Fault.ERROR_AFTER_EFFECT_500: 1.0}, seed=1)
    async with called_back(system(**CALLBACK), dial=dial) as (hub, _, open_):
        with pytest.raises(OutcomeUnknownError):
            await open_.deliver(delivery("later"))
        await until(lambda: len(hub.replies) == 1)


async def test_a_polled_delivery_may_lose_its_first_answer_too() -> None:
    table = system(later_replies="poll", enquire_path=ENQUIRE)
    dial = FaultDial({Fault.LOST_REPLY: 1.0}, seed=1)
    async with rest_department(table, secret=secret, dial=dial) as department, gateway(table, department.url) as open_:
        with pytest.raises(OutcomeUnknownError):
            await open_.deliver(delivery("later"))


async def test_departments_decide_by_seed_and_say_more_than_yes() -> None:
    async def decided(seed: int) -> list[str]:
        table = system()
        async with (
            rest_department(table, secret=secret, seed=seed) as department,
            gateway(table, department.url) as open_,
        ):
            sent = [delivery(id=each) for each in ids]
            return [repr(await open_.deliver(one)) for one in sent]

    ids = [delivery().id for _ in range(150)]
    first = await decided(1)
    assert first == await decided(1)
    assert first != await decided(2)
    assert any("REFUSED" in outcome for outcome in first)
    assert any("Returned" in outcome for outcome in first)


async def test_a_gateway_has_the_capabilities_that_its_table_declares() -> None:
    plain = system()
    called = system(**CALLBACK)
    listed = system(later_replies="poll", poll={"path": "/results"})
    capabilities: list[type] = [Preparing, Enquiring, Receiving, Collecting]
    for table, expected in (
        (plain, [True, False, False, False]),
        (called, [True, True, True, False]),
        (listed, [True, False, False, True]),
    ):
        async with gateway(table, "http://127.0.0.1:1") as open_:
            assert [isinstance(open_, capability) for capability in capabilities] == expected


async def test_a_department_with_a_connection_as_reference_is_answered_at_once() -> None:
    table = system(reference={"in": "connection"})
    async with rest_department(table, secret=secret, shares={}) as department, gateway(table, department.url) as open_:
        assert isinstance(await open_.deliver(delivery()), Completed)


async def test_a_department_with_the_reference_in_the_body_and_rows_in_its_map() -> None:
    operations = [operation("now", "at_once", request={"xm": "name"}, reply={"decision_no": "wh"})]
    table = system(operations, reference={"in": "body", "name": "lsh"})
    async with rest_department(table, secret=secret, shares={}) as department, gateway(table, department.url) as open_:
        outcome = await open_.deliver(delivery())
        assert isinstance(outcome, Completed)
        assert str(outcome.fields["decision_no"]).startswith("样例")


def test_an_operation_that_answers_later_needs_a_way_back() -> None:
    table = system([operation("later", "later")])
    with pytest.raises(ValueError, match="later answers later"):
        rest.make(table, table.channels[0])


async def test_a_runtime_may_bring_the_network_along() -> None:
    table = system()
    async with rest_department(table, secret=secret, shares={}) as department, open_http() as http:
        async with gateway(table, department.url, World(http=http)) as open_:
            assert isinstance(await open_.deliver(delivery()), Completed)
        # The network belongs to the runtime: the channel has closed, it has not.
        async with gateway(table, department.url, World(http=http)) as open_:
            assert isinstance(await open_.deliver(delivery()), Completed)


async def test_a_failing_department_does_not_pass_the_check() -> None:
    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503)

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with gateway(system(), f"http://127.0.0.1:{runner.addresses[0][1]}") as open_:
        with pytest.raises(TemporaryError):
            await open_.check()
    await runner.cleanup()


async def test_a_system_without_a_rest_channel_has_no_rest_department() -> None:
    table = system()
    bare = type(table)(key="X", name_zh="x", name_en="x", channels=(), operations=table.operations)
    with pytest.raises(ValueError, match="no REST channel"):
        async with rest_department(bare, secret=secret):
            pass


@pytest.mark.parametrize(
    "bad",
    [
        {"bse_path": "/x"},
        {"base_path": "/x/"},
        {"encoding": "klingon"},
        {"auth": {"kind": "hmac"}},
        {"auth": {"kind": "oauth2", "secrets": ["one"]}},
        {"later_replies": "poll"},
        {"later_replies": "callback"},
        {"enquire_path": "/deliveries"},
        {"status": {"200": "permanent"}},
        {"status": {"404": "perhaps"}},
        {"reference": {"in": "header", "name": "bad name"}},
        {"reference": {"in": "connection"}, "later_replies": "callback", "auth": HMAC},
    ],
)
def test_a_bad_table_is_refused_when_the_channel_is_made(bad: dict[str, Any]) -> None:
    table = system(**bad)
    with pytest.raises(ValidationError):
        rest.make(table, table.channels[0])


def test_the_manual_page_declares_a_channel_that_works() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/rest.md").read_text(encoding="utf-8")
    declared, wire = (tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    table = system(**declared["systems"]["channels"][0]["rest"])
    assert rest.make(table, table.channels[0]).resend_is_safe
    assert set(declared["systems"]["channels"][0]["rest"]) <= set(RestTable.model_fields)
    RestWire.model_validate(wire["systems"]["operations"]["wire"]["api"])
    for status, verdict in (
        (401, "credentials"),
        (429, "temporary"),
        (408, "unknown"),
        (599, "unknown"),
        (418, "permanent"),
    ):
        assert verdict_of(status, {}) == verdict
