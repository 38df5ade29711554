"""A callback is believed only when it is genuine, fresh, new and readable; the answer is in the department's own form."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from adapters.signature import ForgedError, Verifier, signature, signed_headers
from contracts.delivery import AwaitingReply, Completed, Decision, Inbound, Returned
from contracts.errors import InboundRefused, PermanentError, TemporaryError
from tests.rest_world import SECRETS, gateway, operation, system

KEY = SECRETS["key"].encode()
PATH = "/v1/callbacks/XX-test"
NOWHERE = "http://127.0.0.1:1"
ME = UUID("00000000-0000-4000-8000-00000000000a")
SHA256 = "8813180821fb3689a2ebf4f946ef64ca2cab17295486146116e4d136d2a5b6a5"
SM3 = "06b41646963d85f01b3c7c75c88646b8425aa02fbe27b37e9416890bb93410e1"
TABLE: dict[str, Any] = {
    "auth": {"kind": "hmac", "secrets": ["key"]},
    "later_replies": "callback",
    "callback": {
        "answer": {
            "ok": {"status": 200, "body": {"code": 0}},
            "refused": {"status": 422, "body": "NO", "content_type": "text/plain"},
            "failure": {"status": 500, "body": {"code": 9}},
        }
    },
}


def message(**changes: Any) -> bytes:
    return orjson.dumps({"delivery_id": str(ME), "operation": "later", "result_code": "GRANTED", **changes})


def inbound(
    body: bytes, *, key: bytes = KEY, path: str = PATH, method: str = "POST", ago: float = 0, nonce: str = ""
) -> Inbound:
    made = signed_headers(key, "hmac-sha256", method, path, body, at=time.time() - ago, nonce=nonce or uuid4().hex)
    return Inbound(headers={name.lower(): value for name, value in made.items()}, body=body)


async def test_a_genuine_callback_is_a_reply_with_both_answers_ready() -> None:
    async with gateway(system(**TABLE), NOWHERE) as open_:
        received = await open_.receive(
            inbound(message(amount=12.5, happened_at="2026-03-02T09:00:00+08:00", noise="x"))
        )
    (reply,) = received.replies
    assert reply.delivery_id == ME
    assert reply.outcome == Completed(decision=Decision.GRANTED, fields={"amount": "12.50"})
    assert reply.happened_at.isoformat() == "2026-03-02T09:00:00+08:00"
    assert (received.answer.status, received.answer.body) == (200, b'{"code":0}')
    assert (received.failure.status, received.failure.body) == (500, b'{"code":9}')


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (message(result_code="RETURNED", wanted=["M01"]), Returned(reason_code="RETURNED", wanted=("M01",))),
        (message(result_code=None, status="accepted", department_ref="R1"), AwaitingReply(department_ref="R1")),
        (message(result_code="ACCEPTED"), AwaitingReply()),
    ],
)
async def test_a_callback_may_bring_any_outcome(body: bytes, outcome: object) -> None:
    async with gateway(system(**TABLE), NOWHERE) as open_:
        assert (await open_.receive(inbound(body))).replies[0].outcome == outcome


@pytest.mark.parametrize(("code", "kind"), [("BUSY", TemporaryError), ("INVALID", PermanentError)])
async def test_a_callback_may_bring_an_error(code: str, kind: type) -> None:
    async with gateway(system(**TABLE), NOWHERE) as open_:
        received = await open_.receive(inbound(message(result_code=code, happened_at="yesterday")))
    assert isinstance(received.replies[0].outcome, kind)


# Signed when they are sent: a signature grows stale in five minutes, and a long test run takes more.
FORGERIES: dict[str, tuple[Callable[[], Inbound], str]] = {
    "no signature at all": (lambda: Inbound(headers={}, body=message()), "unsigned"),
    "a nonce of one letter": (lambda: inbound(message(), nonce="x"), "unsigned"),
    "another key": (lambda: inbound(message(), key=b"guess"), "forged"),
    "another path": (lambda: inbound(message(), path="/v1/callbacks/other"), "forged"),
    "another method": (lambda: inbound(message(), method="PUT"), "forged"),
    "another body": (
        lambda: Inbound(headers=inbound(message()).headers, body=message(result_code="REFUSED")),
        "forged",
    ),
    "a signature that is no ASCII": (
        lambda: Inbound(headers={**inbound(message()).headers, "x-signature": "签名"}, body=message()),
        "forged",
    ),
    "a time that is no number": (
        lambda: Inbound(headers={**inbound(message()).headers, "x-timestamp": "now"}, body=message()),
        "unsigned",
    ),
    "another time": (
        lambda: Inbound(headers={**inbound(message()).headers, "x-timestamp": "1"}, body=message()),
        "forged",
    ),
    "an hour old": (lambda: inbound(message(), ago=3600), "stale"),
    "an hour ahead": (lambda: inbound(message(), ago=-3600), "stale"),
    "no JSON": (lambda: inbound(b"<xml/>"), "unreadable_answer"),
    "a list": (lambda: inbound(b"[]"), "unreadable_answer"),
    "no delivery": (lambda: inbound(message(delivery_id=None)), "echo_missing"),
    "an unknown operation": (lambda: inbound(message(operation="never")), "unknown_operation"),
    "no operation where there are two": (lambda: inbound(message(operation=None)), "unknown_operation"),
    "no result": (lambda: inbound(message(result_code=None)), "result_missing"),
    "a result nobody declared": (lambda: inbound(message(result_code="FINE")), "unknown_result_code"),
    "a field of the wrong type": (lambda: inbound(message(amount="much")), "bad_reply_field"),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_what_is_not_genuine_or_not_readable_is_refused_in_the_departments_form(name: str) -> None:
    signed, code = FORGERIES[name]
    call = signed()
    async with gateway(system(**TABLE), NOWHERE) as open_:
        with pytest.raises(InboundRefused) as caught:
            await open_.receive(call)
    refused = caught.value
    assert refused.code == code
    assert (refused.status, refused.body, refused.content_type) == (422, b"NO", "text/plain")


async def test_a_replayed_callback_is_refused_and_a_repeated_one_signed_anew_is_not() -> None:
    async with gateway(system(**TABLE), NOWHERE) as open_:
        captured = inbound(message())
        await open_.receive(captured)
        with pytest.raises(InboundRefused, match="replayed"):
            await open_.receive(captured)
        assert (await open_.receive(inbound(message()))).replies[0].delivery_id == ME


async def test_a_partner_that_repeats_the_same_bytes_may_be_declared() -> None:
    table = system(**{**TABLE, "callback": {"replays": "take"}})
    async with gateway(table, NOWHERE) as open_:
        captured = inbound(message())
        assert await open_.receive(captured) is not None
        assert (await open_.receive(captured)).replies[0].delivery_id == ME


async def test_one_operation_need_not_be_named() -> None:
    table = system([operation("later", "later")], **TABLE)
    async with gateway(table, NOWHERE) as open_:
        assert (await open_.receive(inbound(message(operation=None)))).replies[0].delivery_id == ME


async def test_a_channel_with_other_authentication_has_a_secret_for_its_callbacks() -> None:
    callback = {"secret": "key", "algorithm": "hmac-sm3", "header": "X-Sign"}
    table = system(auth={"kind": "bearer", "secrets": ["token"]}, later_replies="callback", callback=callback)
    body = message()
    made = signed_headers(KEY, "hmac-sm3", "POST", PATH, body, at=time.time(), nonce="0" * 8, header="X-Sign")
    async with gateway(table, NOWHERE) as open_:
        received = await open_.receive(Inbound(headers={k.lower(): v for k, v in made.items()}, body=body))
    assert received.replies[0].delivery_id == ME


def test_the_signed_text_is_the_documented_one() -> None:
    # Computed with: printf 'POST\n/p\n1\nn\nbody' | openssl dgst -hmac key -sha256 (and -sm3)
    assert signature(b"key", "hmac-sha256", "POST", "/p", "1", "n", b"body") == SHA256
    assert signature(b"key", "hmac-sm3", "POST", "/p", "1", "n", b"body") == SM3


def test_a_nonce_is_remembered_for_as_long_as_its_message_is_fresh() -> None:
    verifier = Verifier(KEY, "hmac-sha256", window_seconds=10)

    def call(nonce: str, signed_at: float, at: float) -> None:
        made = signed_headers(KEY, "hmac-sha256", "POST", "/p", b"", at=signed_at, nonce=nonce)
        verifier.verify("POST", "/p", {name.lower(): value for name, value in made.items()}, b"", at=at)

    call("a" * 8, 1010, 1000)
    call("b" * 8, 1000, 1001)
    with pytest.raises(ForgedError, match="replayed"):
        call("a" * 8, 1010, 1019)
    with pytest.raises(ForgedError, match="stale"):
        call("a" * 8, 1010, 1021)
    call("c" * 8, 1025, 1025)
    assert len(verifier._nonces) == 1
