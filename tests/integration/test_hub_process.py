"""A hub as a process, and a sender with a book of its own: what they do when things go wrong."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from simulators.hub_process import HubEndedError, HubProcess
from simulators.senders import RefusedError, Sender

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


def process(folder: Path, *command: str) -> HubProcess:
    return HubProcess(command, "http://127.0.0.1:9", folder / "hub.log")


async def test_a_hub_that_ends_at_its_start_leaves_its_last_words(tmp_path: Path) -> None:
    hub = process(tmp_path, sys.executable, "-c", "import sys; sys.exit('no key, no start')")
    with pytest.raises(HubEndedError, match=r"(?s)ended with code 1:.*no key, no start"):
        await hub.start()
    assert not hub.running


async def test_a_hub_that_does_not_hear_is_killed_in_the_end(tmp_path: Path) -> None:
    hub = process(tmp_path, sys.executable, "-c", STUBBORN)
    await hub.launch()
    with pytest.raises(HubEndedError, match="running already"):
        await hub.launch()
    while "deaf" not in hub.last_words():  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.02)
    assert await hub.stop(seconds=0.5) == -9
    await hub.kill()
    assert hub.lives == 1


async def test_nobody_waits_for_a_hub_that_was_never_started(tmp_path: Path) -> None:
    hub = process(tmp_path, "none")
    for asked in (hub.wait(), hub.stop()):
        with pytest.raises(HubEndedError, match="never started"):
            await asked
    with pytest.raises(HubEndedError):
        _ = hub.pid
    assert hub.last_words() == ""


async def test_a_sender_tries_the_same_id_until_it_is_taken_and_keeps_book(tmp_path: Path) -> None:
    answers = [web.Response(status=503), web.Response(status=429), web.json_response({"case_no": "c-1"}, status=202)]
    seen = []

    async def hub(request: web.Request) -> web.Response:
        seen.append((await request.json())["id"])
        return answers[len(seen) - 1]

    app = web.Application()
    app.router.add_post("/v1/cases", hub)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        async with Sender(url, "key", "urn:test", tmp_path / "sender.jsonl", pause_seconds=0.01) as sender:
            assert await sender.submit("m-1", {}) == "c-1"
    assert seen == ["m-1"] * 3
    assert (sender.cases, sender.tally.acked, sender.tally.retries) == (["c-1"], 1, 2)
    book = [json.loads(line) for line in (tmp_path / "sender.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["kind"], line["case_no"]) for line in book] == [("sent", "")] * 3 + [("acked", "c-1")]


async def test_a_sender_gives_up_what_the_hub_will_never_take(tmp_path: Path) -> None:
    async def hub(_: web.Request) -> web.Response:
        return web.Response(status=422, text="no such item")

    app = web.Application()
    app.router.add_post("/v1/cases", hub)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        async with Sender(url, "key", "urn:test", tmp_path / "sender.jsonl") as sender:
            with pytest.raises(RefusedError, match="422: no such item") as refused:
                await sender.submit("m-1", {})
    assert refused.value.status == 422
    assert '"kind": "refused"' in (tmp_path / "sender.jsonl").read_text(encoding="utf-8")
