"""Whatever a gateway does with a callback, the department is told to send again or that it is stored; never half."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from contracts.delivery import Answer, AwaitingReply, Inbound, Received, Reply
from contracts.errors import InboundRefused, TemporaryError
from contracts.situation import Limits
from hub.web.server import serving
from tests.scripted import Scripted, scripted_channel, scripted_hub, settled, submit
from tests.small_city import GRANTED

STORED, FAILED = Answer(body=b"stored"), Answer(status=500, body=b"failed")


class Called(Scripted):
    """A gateway whose first callback goes as the test wants; every later one settles the delivery that was sent last."""

    def __init__(self, first: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(lambda delivery: AwaitingReply())
        self.first = first
        self.calls = 0

    async def receive(self, inbound: Inbound, /) -> Received:
        """Read a callback."""
        self.calls += 1
        if self.calls == 1:
            return await self.first()  # type: ignore[no-any-return]
        reply = Reply(delivery_id=self.seen[-1].id, outcome=GRANTED, happened_at=datetime.now(UTC))
        return Received(replies=(reply,), answer=STORED, failure=FAILED)


async def raises(error: BaseException) -> Any:
    """Fail."""
    raise error


async def nonsense() -> Any:
    """Something that is no callback."""
    return "赵样例"


async def hang() -> Any:
    """Never answer."""
    await asyncio.sleep(3600)


async def post(port: int) -> tuple[int, bytes, Any]:
    """A call; status, body and headers."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{port}/v1/callbacks/AA-api", data="赵样例".encode()) as answer,
    ):
        return answer.status, await answer.read(), answer.headers


@pytest.mark.parametrize(
    "first",
    [
        lambda: raises(RuntimeError("赵样例")),
        lambda: raises(TemporaryError("busy", "赵样例")),
        lambda: raises(SystemExit(3)),
        lambda: raises(TimeoutError()),
        nonsense,
        hang,
    ],
    ids=["a bug", "an error of deliveries", "an exit", "a time-out of its own", "nonsense", "no answer"],
)
async def test_a_gateway_that_fails_at_a_callback_has_the_department_send_it_again(
    first: Callable[[], Awaitable[Any]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gateway = Called(first)
    limits = Limits(attempt_seconds=0.3)
    async with (
        scripted_hub(tmp_path, {"port": 0}, api=scripted_channel(gateway, limits=limits)) as hub,
        serving(hub) as port,
    ):
        case_no = await submit(hub, "API1")
        await settled(hub, ["waiting"], case_no)
        status, body, headers = await post(port)
        assert (status, headers["Content-Type"]) == (503, "application/problem+json")
        assert int(headers["Retry-After"]) > 0
        assert b"Error" not in body
        assert (await post(port))[:2] == (200, b"stored")
        await settled(hub, ["done"], case_no)
    told = "".join(capfd.readouterr())
    assert "callback_not_read" in told
    assert "赵样例" not in told
    assert "Traceback" not in told


async def test_a_refusal_stays_the_departments_own(tmp_path: Path) -> None:
    gateway = Called(lambda: raises(InboundRefused("forged", status=422, body=b"NO")))
    async with scripted_hub(tmp_path, {"port": 0}, api=scripted_channel(gateway)) as hub, serving(hub) as port:
        assert (await post(port))[:2] == (422, b"NO")
