"""Calls from departments: the gateway says whether they are genuine, the hub commits, and only then says yes (R6)."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from contracts.delivery import Answer, Inbound, Received
from contracts.errors import InboundRefused
from contracts.plugin import Receiving
from hub import metrics, results
from hub.city import milliseconds
from hub.results import Change, NotFoundHere
from hub.store.connection import Connection
from hub.web.asking import HUB, body_of
from hub.web.problems import SAFE_HEADERS, log_bug

if TYPE_CHECKING:
    from hub.app import Hub

GATEWAY_SECONDS = 5.0
"""Authenticating and parsing is no work that takes longer."""


async def receive_callback(request: web.Request) -> web.Response:
    """POST /v1/callbacks/{system}."""
    hub = request.app[HUB]
    system = request.match_info["system"]
    gateway = _receiving(hub, system)
    inbound = Inbound(
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await body_of(request, hub.settings.max_body_bytes),
        peer_certificate=_certificate(request),
    )
    try:
        async with asyncio.timeout(GATEWAY_SECONDS):
            received = await gateway.receive(inbound)
    except InboundRefused as refused:
        metrics.REFUSED_CALLBACKS.labels(system).inc()
        return _answer(Answer(status=refused.status, body=refused.body, content_type=refused.content_type))
    return _answer(await _commit(hub, system, received))


async def _commit(hub: "Hub", system: str, received: Received) -> Answer:
    """Every reply of the call in one unit: the department hears yes for all of them or for none."""
    at = milliseconds(hub.runtime.now())
    verdicts: list[str] = []

    def unit(connection: Connection) -> Change:
        wakes: list[tuple[str, int]] = []
        change = Change(case_no="", status="", verdict="applied")
        for reply in received.replies:
            change = results.reply(connection, hub.city, system, reply, at, "reply")
            wakes += change.wakes
            verdicts.append(change.verdict)
        return Change(case_no=change.case_no, status=change.status, verdict=change.verdict, wakes=tuple(wakes))

    try:
        await hub.commit("callback", unit)
    except Exception as error:  # noqa: BLE001 - whatever prevented the commit, the department must send again
        log_bug(error)
        return received.failure
    for verdict in verdicts:
        metrics.taken("callback", verdict).inc()
    return received.answer


def _receiving(hub: "Hub", system: str) -> Receiving:
    gateway = hub.systems.receiving(system)
    if gateway is None:
        raise NotFoundHere("no system of that name is called back here")
    return gateway


def _certificate(request: web.Request) -> bytes | None:
    """The caller's certificate in DER, where TLS ends in this process and asked for one."""
    tls = request.get_extra_info("ssl_object")
    return tls.getpeercert(binary_form=True) if tls is not None else None


def _answer(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type, **SAFE_HEADERS}
    )
