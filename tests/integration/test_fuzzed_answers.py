"""Whatever bytes a department answers, the end is an outcome that proves whose it is, or one of the declared errors; never a bug."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import rest, soap
from contracts.delivery import AwaitingReply, Completed, Outcome, Returned
from contracts.errors import DeliveryError
from contracts.plugin import Channel, Enquiring, Gateway, HttpAnswer, HttpRequest
from tests import rest_world, soap_world
from tests.misbehaviours import OTHER

ME = UUID("5b7e1f0a-3c2d-4e8b-9a6f-0d1c2b3a4e5f")
bounded = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Answers:
    """``contracts.plugin.Http`` that always answers the same."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.answer = answer

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """The answer."""
        return self.answer


def told(channel: Channel, one: Any, answer: HttpAnswer) -> Outcome | DeliveryError:
    """What a delivery ends with. Raises whatever is no declared end."""

    async def deliver() -> Outcome | DeliveryError:
        world = rest_world.World({**rest_world.SECRETS, **soap_world.SECRETS}, http=Answers(answer))
        async with channel.open({"url": "http://127.0.0.1:1"}, world) as opened:
            try:
                return await opened.deliver(one)
            except DeliveryError as error:
                return error

    return asyncio.run(deliver())


def changed(good: bytes) -> st.SearchStrategy[bytes]:
    """Good bytes, hurt in a few places: cut, doubled, overwritten, filled in between."""
    place = st.integers(0, len(good))
    hurt = st.tuples(
        place,
        st.integers(0, 40),
        st.binary(max_size=6) | st.sampled_from([b"<", b"&", b'"', b"}", b"\0", b"\xff", b"]]>"]),
    )

    def apply(wounds: list[tuple[int, int, bytes]]) -> bytes:
        content = good
        for at, length, filling in wounds:
            content = content[:at] + filling + content[at + length :]
        return content

    return st.lists(hurt, min_size=1, max_size=4).map(apply)


REST = rest_world.system(enquire_path="/deliveries/{delivery_id}")
GOOD_REST = rest_world.granted(ME)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELD = st.sampled_from(
    ["delivery_id", "result_code", "status", "wanted", "reason_code", "amount", "valid_to", "department_ref"]
)
VALUE = JSON | st.sampled_from(
    [str(ME), OTHER, "GRANTED", "RETURNED", "ACCEPTED", "accepted", "BUSY", "12.50", "2026-01-31"]
)
ANSWERS_OF_REST = (
    st.binary(max_size=300)
    | changed(GOOD_REST)
    | st.dictionaries(FIELD, VALUE, max_size=8).map(lambda said: json.dumps(said).encode())
)
STATUS = st.sampled_from([200, 200, 200, 201, 202, 204, 302, 400, 404, 409, 422, 429, 500, 503])


@bounded
@given(body=ANSWERS_OF_REST, status=STATUS, header=st.none() | st.sampled_from([str(ME), OTHER, ""]))
def test_any_answer_of_a_rest_department_has_a_declared_end(body: bytes, status: int, header: str | None) -> None:
    headers = {} if header is None else {"x-delivery-id": header}
    end = told(
        rest.make(REST, REST.channels[0]),
        rest_world.delivery(id=ME),
        HttpAnswer(status=status, headers=headers, body=body),
    )
    if not isinstance(end, DeliveryError):
        assert isinstance(end, Completed | Returned | AwaitingReply)
        said = json.loads(body)
        assert status in {200, 201, 202}
        assert {str(echo).lower() for echo in (said.get("delivery_id"), header) if echo is not None} == {str(ME)}


SOAP = soap_world.system(later=True)
GOOD_SOAP = soap_world.granted(ME).encode()
NAMES = st.sampled_from(
    [
        "LSH",
        "JGDM",
        "decision_no",
        "amount",
        "valid_to",
        "kinds",
        "CODE",
        "records",
        "ROW",
        "x",
        "Fault",
        "faultcode",
        "detail",
    ]
)
TEXT = st.sampled_from([str(ME), OTHER, "1", "3", "5", "-1", "2026-02-30", "样例", "&amp;", ""])
TREE = st.recursive(
    st.tuples(NAMES, TEXT).map(lambda leaf: f"<{leaf[0]}>{leaf[1]}</{leaf[0]}>"),
    lambda inner: st.tuples(NAMES, st.lists(inner, max_size=4)).map(
        lambda node: f"<{node[0]}>{''.join(node[1])}</{node[0]}>"
    ),
    max_leaves=12,
)
ANSWERS_OF_SOAP = (
    st.binary(max_size=300)
    | changed(GOOD_SOAP)
    | st.lists(TREE, max_size=5).map(lambda trees: soap_world.answer("".join(trees)).encode())
    | TREE.map(lambda tree: soap_world.envelope(tree).encode())
    | st.tuples(TEXT, TREE).map(lambda fault: soap_world.fault11(f"e:{fault[0]}", fault[1]).encode())
)
CONTENT = st.sampled_from(["text/xml", "text/html", "multipart/related; boundary=b", "multipart/related", ""])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Channel]:
    """The SOAP channel."""
    folder: Path = soap_world.vendored(SOAP, tmp_path_factory.mktemp("fuzz"))
    channel = soap.make(SOAP, SOAP.channels[0], folder=folder)
    return lambda: channel


@bounded
@given(body=ANSWERS_OF_SOAP, status=STATUS, content=CONTENT)
def test_any_answer_of_a_soap_department_has_a_declared_end(
    made: Callable[[], Channel], body: bytes, status: int, content: str
) -> None:
    answer = HttpAnswer(status=status, headers={"content-type": content}, body=body)
    end = told(made(), soap_world.delivery(id=ME), answer)
    if not isinstance(end, DeliveryError):
        assert isinstance(end, Completed | Returned | AwaitingReply)
        assert status in {200, 202}
        assert str(ME).encode() in body.lower()


@bounded
@given(body=ANSWERS_OF_SOAP | ANSWERS_OF_REST, status=STATUS)
def test_any_answer_to_an_enquiry_has_a_declared_end(made: Callable[[], Channel], body: bytes, status: int) -> None:
    for channel in (made(), rest.make(REST, REST.channels[0])):
        asyncio.run(_enquire(channel, HttpAnswer(status=status, headers={}, body=body)))


async def _enquire(channel: Channel, answer: HttpAnswer) -> None:
    world = rest_world.World({**rest_world.SECRETS, **soap_world.SECRETS}, http=Answers(answer))
    async with channel.open({"url": "http://127.0.0.1:1"}, world) as opened:
        gateway: Gateway = opened
        assert isinstance(gateway, Enquiring)
        try:
            await gateway.enquire(rest_world.delivery("now", id=ME))
        except DeliveryError:
            return
