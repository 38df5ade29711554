"""Calls from departments: the gateway says whether they are genuine, the hub commits, and only then says yes (R6)."""

from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from contracts.api import Problem
from contracts.delivery import Answer, Inbound, Received
from contracts.errors import InboundRefused
from contracts.plugin import Receiving
from contracts.records import adapter
from hub import metrics, results
from hub.attempts import guarded
from hub.city import milliseconds
from hub.results import Change, NotFoundHere
from hub.store.connection import Connection
from hub.web.asking import HUB, body_of
from hub.web.problems import PROBLEM_JSON, SAFE_HEADERS, TYPE, UNEXPECTED, log_bug

if TYPE_CHECKING:
    from hub.app import Hub

RETRY_SECONDS = 30
"""When a department may call again whose message the gateway could not read by a fault of ours."""

log = structlog.get_logger("onedoor.callbacks")


async def receive_callback(request: web.Request) -> web.Response:
    """POST /v1/callbacks/{system}."""
    hub = request.app[HUB]
    inbound = Inbound(
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await body_of(request, hub.settings.max_body_bytes),
        peer_certificate=_certificate(request),
    )
    answer = await take(hub, request.match_info["system"], inbound)
    return _call_again() if answer is None else _answer(answer)


async def take(hub: "Hub", system: str, inbound: Inbound) -> Answer | None:
    """What the department is told; None when its gateway failed. Raises NotFoundHere where nobody is called back."""
    gateway, seconds = _receiving(hub, system)
    received = await guarded(gateway.receive(inbound), seconds, system)
    if isinstance(received, InboundRefused):
        metrics.REFUSED_CALLBACKS.labels(system).inc()
        return Answer(status=received.status, body=received.body, content_type=received.content_type)
    if not isinstance(received, Received):
        metrics.BUGS.labels("callback").inc()
        log.error("callback_not_read", system=system, error=type(received).__name__)
        return None
    return await _commit(hub, system, received)


def _call_again() -> web.Response:
    """The gateway failed before it could say what the department understands: a plain 503, and nothing of the inside."""
    told = Problem(
        type=TYPE + UNEXPECTED.name,
        title=UNEXPECTED.title,
        status=503,
        detail="nothing was stored: send the same message again after Retry-After seconds",
    )
    answer = _answer(
        Answer(status=503, body=adapter(Problem).dump_json(told, exclude_defaults=True), content_type=PROBLEM_JSON)
    )
    answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


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


def _receiving(hub: "Hub", system: str) -> tuple[Receiving, float]:
    """The gateway that is called, and how many seconds it may take."""
    gateway = hub.systems.receiving(system)
    if gateway is None:
        raise NotFoundHere("no system of that name is called back here")
    given: object = gateway
    limits = (opened.channel.limits for opened in hub.systems.channels.values() if opened.gateway is given)
    return gateway, next(limits).attempt_seconds


def _certificate(request: web.Request) -> bytes | None:
    """The caller's certificate in DER, where TLS ends in this process and asked for one."""
    tls = request.get_extra_info("ssl_object")
    return tls.getpeercert(binary_form=True) if tls is not None else None


def _answer(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type, **SAFE_HEADERS}
    )
