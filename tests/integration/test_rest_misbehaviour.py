"""Each misbehaviour of a REST department ends in its declared error; what a department did is never guessed."""

import asyncio
import gzip
import socket
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest

from contracts.delivery import AwaitingReply, Completed, Lookup, NotFound, Returned
from contracts.errors import (
    CredentialsError,
    DeliveryError,
    DuplicateError,
    OutcomeUnknownError,
    PermanentError,
    TemporaryError,
)
from tests.rest_world import ScriptedServer, delivery, gateway, granted, http_answer, operation, system

ME = UUID("00000000-0000-4000-8000-00000000000a")
OTHER = UUID("00000000-0000-4000-8000-00000000000b")
PADDING = " " * 3_000_000


async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One byte now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Reads and says nothing."""
    await reader.read()


async def half(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Fewer bytes than announced, then the end of the connection."""
    whole = http_answer(granted(ME))
    writer.write(whole[:-10])
    await writer.drain()
    writer.close()


async def half_without_length(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer that ends with the connection, and would look whole."""
    writer.write(http_answer(granted(ME), length=False))
    await writer.drain()
    writer.close()


async def half_chunked(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A chunked answer without its last chunk."""
    writer.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"del\r\n')
    await writer.drain()
    writer.close()


async def half_503(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A 503 whose body is cut: the status was whole."""
    writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nbusy")
    await writer.drain()
    writer.close()


def bomb(bytes_: int = 50_000_000) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join([packer.compress(b" " * 1_000_000) for _ in range(bytes_ // 1_000_000)]) + packer.flush()


def ok(body: bytes | str, *headers: str) -> bytes:
    return http_answer(body.encode() if isinstance(body, str) else body, "200 OK", *headers)


MISBEHAVIOURS: dict[str, tuple[Any, type[DeliveryError], str]] = {
    "a login page in a 200": (ok("<html>please log in</html>"), OutcomeUnknownError, "unreadable_answer"),
    "an empty 200": (ok(""), OutcomeUnknownError, "unreadable_answer"),
    "a list in a 200": (ok("[]"), OutcomeUnknownError, "unreadable_answer"),
    "truncated JSON": (ok(granted(ME)[:-9]), OutcomeUnknownError, "unreadable_answer"),
    "two values for one name": (
        ok(f'{{"delivery_id":"{ME}","result_code":"REFUSED","result_code":"GRANTED"}}'),
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "NaN": (
        ok(f'{{"delivery_id":"{ME}","result_code":"GRANTED","amount":NaN}}'),
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "a million brackets": (ok("[" * 1_000_000), OutcomeUnknownError, "unreadable_answer"),
    "another encoding": (ok(granted(ME).decode().encode("gb18030")), OutcomeUnknownError, "unreadable_answer"),
    "the answer of another delivery": (ok(granted(OTHER)), OutcomeUnknownError, "echo_mismatch"),
    "a header that contradicts the body": (
        ok(granted(ME), f"X-Delivery-Id: {OTHER}"),
        OutcomeUnknownError,
        "echo_mismatch",
    ),
    "an answer that names no delivery": (ok('{"result_code":"GRANTED"}'), OutcomeUnknownError, "echo_missing"),
    "an answer without a result": (ok(f'{{"delivery_id":"{ME}"}}'), OutcomeUnknownError, "result_missing"),
    "a result that is no code": (
        ok(f'{{"delivery_id":"{ME}","result_code":{{}}}}'),
        OutcomeUnknownError,
        "result_missing",
    ),
    "a result nobody declared": (
        ok(f'{{"delivery_id":"{ME}","result_code":"FINE"}}'),
        OutcomeUnknownError,
        "unknown_result_code",
    ),
    "a reply field of the wrong type": (
        ok(f'{{"delivery_id":"{ME}","result_code":"GRANTED","valid_to":"soon"}}'),
        OutcomeUnknownError,
        "bad_reply_field",
    ),
    "204": (http_answer(b"", "204 No Content", length=False), OutcomeUnknownError, "http_204"),
    "206": (http_answer(granted(ME), "206 Partial"), OutcomeUnknownError, "http_206"),
    "a status that does not exist": (http_answer(b"", "799 What"), OutcomeUnknownError, "http_799"),
    "no HTTP at all": (b"220 smtp ready\r\n\r\n", OutcomeUnknownError, "unreadable_answer"),
    "a reset after the request": (None, OutcomeUnknownError, "connection_lost"),
    "a body cut short": (half, OutcomeUnknownError, "unreadable_answer"),
    "a chunked body cut short": (half_chunked, OutcomeUnknownError, "unreadable_answer"),
    "a body that ends with the connection": (half_without_length, OutcomeUnknownError, "answer_without_end"),
    "one byte a moment": (drip, OutcomeUnknownError, "timeout"),
    "silence": (silence, OutcomeUnknownError, "timeout"),
    "a gzip bomb": (ok(bomb(), "Content-Encoding: gzip"), OutcomeUnknownError, "answer_too_large"),
    "no gzip in gzip": (ok(granted(ME), "Content-Encoding: gzip"), OutcomeUnknownError, "unreadable_answer"),
    "half a gzip": (
        ok(gzip.compress(granted(ME))[:-9], "Content-Encoding: gzip"),
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "brotli": (ok(granted(ME), "Content-Encoding: br"), OutcomeUnknownError, "answer_encoding"),
    "too many bytes": (ok(granted(ME).decode() + PADDING), OutcomeUnknownError, "answer_too_large"),
    "headers of a hundred kilobytes": (
        ok(granted(ME), "X-Long: " + "x" * 100_000),
        OutcomeUnknownError,
        "unreadable_answer",
    ),
    "a redirect": (http_answer(b"", "302 Found", "Location: http://127.0.0.1:1/"), PermanentError, "redirect_302"),
    "a redirect that keeps the method": (
        http_answer(b"", "307 Moved", "Location: http://127.0.0.1:1/"),
        PermanentError,
        "redirect_307",
    ),
    "a business code for busy": (ok(f'{{"delivery_id":"{ME}","result_code":"BUSY"}}'), TemporaryError, "BUSY"),
    "a business code for invalid": (ok(f'{{"delivery_id":"{ME}","result_code":"INVALID"}}'), PermanentError, "INVALID"),
    "a duplicate": (ok(f'{{"delivery_id":"{ME}","result_code":"AGAIN"}}'), DuplicateError, "AGAIN"),
    "a duplicate in a 409": (
        http_answer(f'{{"delivery_id":"{ME}","result_code":"AGAIN"}}'.encode(), "409 Conflict"),
        DuplicateError,
        "AGAIN",
    ),
    "a duplicate of another delivery in a 409": (
        http_answer(f'{{"delivery_id":"{OTHER}","result_code":"AGAIN"}}'.encode(), "409 Conflict"),
        PermanentError,
        "http_409",
    ),
    "a good result in a 500": (http_answer(granted(ME), "500 Oops"), OutcomeUnknownError, "http_500"),
    "a cut 503": (half_503, TemporaryError, "http_503"),
    **{
        f"{status}": (http_answer(b"x", f"{status} Whatever"), kind, f"http_{status}")
        for status, kind in [
            *[(status, PermanentError) for status in (400, 404, 405, 409, 410, 413, 415, 422, 451)],
            *[(status, CredentialsError) for status in (401, 403, 407)],
            *[(status, TemporaryError) for status in (425, 429, 503)],
            *[(status, OutcomeUnknownError) for status in (408, 500, 501, 502, 504, 520)],
        ]
    },
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
async def test_a_misbehaviour_ends_in_its_error_after_one_arrival(name: str) -> None:
    answer, kind, code = MISBEHAVIOURS[name]
    # Only where time itself is at stake is it short: a busy machine must not turn another answer into a timeout.
    patience = 0.5 if code == "timeout" else 20.0
    table = system(max_answer_bytes=1_000_000, timeouts={"connect_seconds": 5.0, "total_seconds": patience})
    async with ScriptedServer(lambda _: answer).serving() as server, gateway(table, server.url) as open_:
        with pytest.raises(DeliveryError) as caught:
            await open_.deliver(delivery(id=ME))
        assert type(caught.value) is kind
        assert caught.value.code == code
        assert "样例" not in str(caught.value)
        assert len(server.arrivals) == 1


async def test_good_answers_in_every_lawful_wrapping_are_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (granted(ME)[:20], granted(ME)[20:])
    )
    wrapped = [
        ok(granted(ME)),
        http_answer(granted(ME), "201 Created"),
        ok(gzip.compress(granted(ME)), "Content-Encoding: gzip"),
        chunked + b"0\r\n\r\n",
        ok('{"result_code":"GRANTED","amount":12.5}', f"x-delivery-id: {str(ME).upper()}"),
    ]
    async with ScriptedServer(lambda n: wrapped[n - 1]).serving() as server, gateway(system(), server.url) as open_:
        for _ in wrapped:
            outcome = await open_.deliver(delivery(id=ME))
            assert isinstance(outcome, Completed)
            assert outcome.fields["amount"] == "12.50"
        # All of them, the last one's upper-case id too, came over one kept connection.
        assert server.connections == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_nothing_left_when_nobody_listens(method: str) -> None:
    async with ScriptedServer(lambda _: None).serving() as server:
        url = server.url
    async with gateway(system([operation("now", "at_once", method=method)]), url) as open_:
        with pytest.raises(TemporaryError, match="connect_failed"):
            await open_.deliver(delivery())


async def test_a_name_that_nobody_knows_is_temporary() -> None:
    async with gateway(system(), "http://nowhere.invalid") as open_:
        with pytest.raises(TemporaryError, match="name_not_found"):
            await open_.deliver(delivery())


async def test_a_connection_that_is_never_accepted_is_temporary() -> None:
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        table = system(timeouts={"connect_seconds": 0.2, "total_seconds": 2})
        async with gateway(table, f"http://127.0.0.1:{full.getsockname()[1]}") as open_:
            with pytest.raises(TemporaryError, match="connect_timeout"):
                await open_.deliver(delivery())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (["Retry-After: 7"], 7.0),
        (["Retry-After: 0"], 1.0),
        (["Retry-After: 1000000000"], 3600.0),
        (["Retry-After: " + "9" * 400], 3600.0),
        (["Retry-After: -5"], None),
        (["Retry-After: soon"], None),
        ([], None),
        (["Date: Mon, 23 Nov 2026 20:00:00 GMT", "Retry-After: Mon, 23 Nov 2026 20:01:30 GMT"], 90.0),
        (["Date: Mon, 23 Nov 2026 20:00:00 GMT", "Retry-After: Sun, 22 Nov 2026 20:00:00 GMT"], 1.0),
        (["Date: garbage", "Retry-After: Mon, 23 Nov 2026 20:01:30 GMT"], None),
    ],
)
async def test_retry_after_is_read_and_clamped(headers: list[str], seconds: float | None) -> None:
    answer = http_answer(b"", "429 Slow down", *headers)
    async with ScriptedServer(lambda _: answer).serving() as server, gateway(system(), server.url) as open_:
        with pytest.raises(TemporaryError) as caught:
            await open_.deliver(delivery())
        assert caught.value.retry_after == seconds


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_reset_of_a_kept_connection_never_sends_a_message_twice(method: str) -> None:
    operations = [operation("now", "at_once", method=method)]
    script: Callable[[int], bytes | None] = lambda n: ok(granted(ME)) if n == 1 else None  # noqa: E731
    async with ScriptedServer(script).serving() as server, gateway(system(operations), server.url) as open_:
        await open_.deliver(delivery(id=ME))
        with pytest.raises(OutcomeUnknownError, match="connection_lost"):
            await open_.deliver(delivery(id=ME))
        assert len(server.arrivals) == 2


async def test_a_reference_by_connection_never_shares_one() -> None:
    table = system(reference={"in": "connection"})
    answer = ok('{"result_code":"GRANTED"}')
    async with ScriptedServer(lambda _: answer).serving() as server, gateway(table, server.url) as open_:
        for _ in range(3):
            assert isinstance(await open_.deliver(delivery()), Completed)
        assert server.connections == 3
        assert b"x-delivery-id" not in server.arrivals[0].lower()


async def test_answers_swapped_between_two_deliveries_are_refused() -> None:
    one, two = delivery(), delivery()
    answers = {1: ok(granted(two.id)), 2: ok(granted(one.id))}
    async with ScriptedServer(answers.__getitem__).serving() as server, gateway(system(), server.url) as open_:
        found = await asyncio.gather(open_.deliver(one), open_.deliver(two), return_exceptions=True)
    assert [getattr(error, "code", None) for error in found] == ["echo_mismatch", "echo_mismatch"]


async def test_a_slow_department_is_left_within_its_time() -> None:
    table = system(timeouts={"connect_seconds": 1, "total_seconds": 0.3})
    async with ScriptedServer(lambda _: silence).serving() as server, gateway(table, server.url) as open_:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError, match="timeout"):
            await open_.deliver(delivery())
        assert 0.25 < time.monotonic() - started < 0.6


async def test_a_department_may_say_what_a_status_means() -> None:
    table = system(status={"404": "temporary", "500": "permanent", "302": "unknown"})
    answers = [http_answer(b"", f"{status} X") for status in (404, 500, 302)]
    async with ScriptedServer(lambda n: answers[n - 1]).serving() as server, gateway(table, server.url) as open_:
        for kind in (TemporaryError, PermanentError, OutcomeUnknownError):
            with pytest.raises(kind):
                await open_.deliver(delivery())


async def test_an_attempt_says_who_it_is_and_whether_it_may_be_a_duplicate() -> None:
    async with ScriptedServer(lambda _: ok(granted(ME))).serving() as server, gateway(system(), server.url) as open_:
        await open_.deliver(delivery(id=ME))
        await open_.deliver(delivery(id=ME, attempt=2, possible_duplicate=True, payload=b'{"name":"stored"}'))
    first, second = server.arrivals
    assert f"x-delivery-id: {ME}".encode() in first.lower()
    assert first.startswith(b"POST /api/now HTTP/1.1")
    assert b"x-possible-duplicate" not in first.lower()
    assert b"x-possible-duplicate: true" in second.lower()
    assert second.endswith(b'\r\n\r\n{"name":"stored"}')


async def test_the_message_is_canonical_and_minimal() -> None:
    async with gateway(system(reference={"in": "body", "name": "lsh"}), "http://127.0.0.1:1") as open_:
        sent = delivery(id=ME, fields={"income": 3, "name": "样例𠮷", "id_no": "x"})
        assert open_.prepare(sent) == f'{{"income":"3.00","lsh":"{ME}","name":"样例𠮷"}}'.encode()
    async with gateway(system(encoding="GB18030"), "http://127.0.0.1:1") as open_:
        assert open_.prepare(sent).decode("gb18030") == '{"income":"3.00","name":"样例𠮷"}'
    async with gateway(system(encoding="GBK"), "http://127.0.0.1:1") as open_:
        with pytest.raises(PermanentError, match="not_encodable"):
            open_.prepare(sent)


async def test_nothing_starts_after_its_time_or_for_an_operation_that_the_channel_lacks() -> None:
    async with ScriptedServer(lambda _: ok(granted(ME))).serving() as server, gateway(system(), server.url) as open_:
        late = delivery()
        with pytest.raises(TemporaryError, match="send_before_passed"):
            await open_.deliver(delivery(send_before=late.send_before.replace(year=2020)))
        with pytest.raises(PermanentError, match="unknown_operation"):
            await open_.deliver(delivery("never"))
        assert server.arrivals == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http_answer(f'{{"delivery_id":"{ME}"}}'.encode(), "404 None"), NotFound(what=Lookup.NOT_RECEIVED)),
        (http_answer(f'{{"delivery_id":"{ME}"}}'.encode(), "410 Gone"), NotFound(what=Lookup.CANNOT_TELL)),
        (http_answer(f'{{"delivery_id":"{OTHER}"}}'.encode(), "404 None"), NotFound(what=Lookup.CANNOT_TELL)),
        (http_answer(b"<html>no such page</html>", "404 None"), NotFound(what=Lookup.CANNOT_TELL)),
        (ok(f'{{"delivery_id":"{ME}","status":"accepted","department_ref":"R1"}}'), AwaitingReply(department_ref="R1")),
        (
            ok(f'{{"delivery_id":"{ME}","result_code":"RETURNED","wanted":["M01",7],"reason_code":"stamp"}}'),
            Returned(reason_code="stamp", wanted=("M01",)),
        ),
    ],
)
async def test_an_enquiry_believes_only_the_department_itself(answer: bytes, expected: object) -> None:
    table = system(
        enquire_path="/deliveries/{delivery_id}", later_replies="callback", auth={"kind": "hmac", "secrets": ["key"]}
    )
    async with ScriptedServer(lambda _: answer).serving() as server, gateway(table, server.url) as open_:
        assert await open_.enquire(delivery(id=ME)) == expected
        assert server.arrivals[0].startswith(f"GET /api/deliveries/{ME} ".encode())


async def test_an_enquiry_into_a_failing_department_is_an_error() -> None:
    table = system(enquire_path="/deliveries/{delivery_id}")
    answer = http_answer(b"", "500 Oops")
    async with ScriptedServer(lambda _: answer).serving() as server, gateway(table, server.url) as open_:
        with pytest.raises(OutcomeUnknownError, match="http_500"):
            await open_.enquire(delivery(id=ME))
