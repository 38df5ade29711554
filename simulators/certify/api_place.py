"""Where an API channel is certified: a department (simulated, or a test endpoint of its own) behind the fault proxy."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from adapters.http_client import AiohttpClient, open_http
from contracts.records import Fields
from simulators.certify.endpoint_tls import trusted
from simulators.certify.http_proxy import HttpProxy
from simulators.certify.runtime import WatchedHttp
from simulators.certify.signing import made_key
from simulators.certify.subject import Subject
from simulators.certify.verdict import Failed
from simulators.ledger import Ledger
from simulators.rest import RestDepartment, rest_desk
from simulators.rest_desk import Habits
from simulators.soap import soap_desk


@dataclass(slots=True)
class ApiPlace:
    """``settings`` open the channel, with ``secrets`` that cannot be made up by name alone. ``ledger``: of a simulated department; None at a test endpoint.

    ``code``: what the simulated department must say; None: it grants. ``callbacks``: its calls to the hub, headers and body;
    ``repeat``: it calls again, signed anew, where it calls at all.
    """

    proxy: HttpProxy
    http: WatchedHttp
    settings: Fields
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    ledger: Ledger | None = None
    code: str | None = None
    callbacks: "asyncio.Queue[tuple[Mapping[str, str], bytes]]" = field(default_factory=asyncio.Queue)
    repeat: Callable[[bytes], Awaitable[object]] | None = None

    @property
    def effects(self) -> int:
        """How often the simulated department has acted."""
        return self.ledger.counts["effect"] if self.ledger is not None else 0

    async def called(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """The department calls the hub; every call is believed to have arrived."""
        await self.callbacks.put(({name.lower(): value for name, value in headers.items()}, body))
        return 200


@asynccontextmanager
async def simulated(subject: Subject, folder: Path, secret: Callable[[str], str], seed: int) -> AsyncIterator[ApiPlace]:
    """The bundled simulator of the system behind the proxy. Raises Failed where the system has no table to build one from."""
    if subject.file is None or subject.folder is None:
        raise Failed("there is no department.toml to build a simulator from: name a test endpoint with --endpoint")
    async with AsyncExitStack() as stack:
        ledger = stack.enter_context(Ledger(folder / f"{subject.system.name}.jsonl", synced=False))
        told: list[ApiPlace] = []
        habits = Habits(
            seed=seed,
            shares={},
            code_lists=subject.site.code_lists,
            reply_delay_seconds=0.0,
            slow_seconds=0.0,
            resend_is_safe=subject.channel.resend_is_safe,
            now=lambda: datetime.now(UTC),
            code=lambda _delivery_id: told[0].code,
        )
        if subject.table is not None and subject.table[0] == "soap":
            desk = partial(soap_desk, folder=subject.folder, secret=secret, ledger=ledger, dial=None)
            service = await asyncio.to_thread(desk, subject.file, habits)
            url = (await stack.enter_async_context(service.serving("127.0.0.1", 0))).url
            department: RestDepartment | None = None
        else:
            department = rest_desk(subject.file, habits, secret=secret, ledger=ledger, dial=None)
            url = (await stack.enter_async_context(department.serving("127.0.0.1", 0))).url
        place = await _place(stack, url, {}, None)
        place.ledger = ledger
        kind, names = subject.auth()
        if kind == "x509":
            file = folder / "signing.pem"
            place.secrets = {names[0]: await asyncio.to_thread(made_key, file)}
            place.settings = {**place.settings, "signing_certificate": str(file)}
        told.append(place)
        if department is not None and department.caller is not None:
            department.caller.post = place.called
            department.caller.tries = 1
            place.repeat = partial(department.caller.call, None)
        yield place


@asynccontextmanager
async def endpoint(subject: Subject, settings: Fields, secret: Callable[[str], str]) -> AsyncIterator[ApiPlace]:
    """A test endpoint of the department's own behind the proxy, which speaks TLS in the gateway's place.

    Raises Failed where an https endpoint and we do not trust each other, SecretMissing.
    """
    url = str(settings.get("url", ""))
    if not url:
        raise Failed("the settings of {0} have no url", subject.system.name)
    tls = await trusted(subject, url, settings, secret) if url.startswith("https://") else None
    async with AsyncExitStack() as stack:
        yield await _place(stack, url, settings, tls)


async def _place(stack: AsyncExitStack, url: str, settings: Fields, tls: ssl.SSLContext | None) -> ApiPlace:
    proxy = await stack.enter_async_context(HttpProxy(upstream=url, tls=tls).serving())
    client: AiohttpClient = await stack.enter_async_context(open_http())
    kept = {name: value for name, value in settings.items() if name not in {"ca_file", "client_certificate"}}
    return ApiPlace(proxy=proxy, http=WatchedHttp(client), settings={**kept, "url": proxy.url})
