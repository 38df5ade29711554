"""HTTP as a department needs it: once, bounded in time and bytes, and honest about what may have arrived.

aiohttp is fast and knows HTTP well; four of its habits are turned off here:

- It sends GET, PUT and DELETE a second time, silently, when a connection breaks. A department would see a message twice and we
  would know of one. ``_once`` turns the break into an error that aiohttp does not retry.
- It decompresses without a limit (200 kB become 200 MB). Answers are asked for uncompressed, and unpacked here within the budget.
- It takes the end of a connection for the end of an answer that states no length; a cut answer then looks whole.
- It follows redirects and keeps cookies.
"""

import ssl
import tempfile
import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs
from yarl import URL

from contracts.errors import CredentialsError, OutcomeUnknownError, TemporaryError
from contracts.plugin import HttpAnswer, HttpRequest, Runtime

KEPT_ALIVE_SECONDS = 4.0
"""Below the five seconds after which common servers close an idle connection: a message sent into a closing connection is
an unknown outcome that costs an enquiry."""

_NO_BODY = frozenset({204, 304})


class _LostError(Exception):
    """The connection broke after it was established; no kind of aiohttp's errors, so that aiohttp does not send again."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _LostError from error


class AiohttpClient:
    """``contracts.plugin.Http`` over two pools: kept-alive connections for POST, a fresh one for everything else.

    Safe for use by many tasks of one loop. Open it with ``open_http``.
    """

    def __init__(self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession) -> None:
        self._kept = kept
        self._fresh = fresh

    async def send(self, request: HttpRequest, /) -> HttpAnswer:
        """Send once. Raises TemporaryError when nothing can have left, CredentialsError when TLS does not agree (nothing
        left), OutcomeUnknownError when bytes may have left and no whole, bounded answer came back."""
        plain_post = request.method == hdrs.METH_POST and not request.own_connection
        try:
            async with (self._kept if plain_post else self._fresh).request(
                request.method,
                URL(request.url, encoded=True),
                data=request.body or None,
                headers=request.headers,
                allow_redirects=False,
                timeout=_timeout(request.connect_seconds, request.total_seconds),
                middlewares=None if plain_post else (_once,),
            ) as answer:
                return HttpAnswer(
                    status=answer.status,
                    headers={name.lower(): value for name, value in answer.headers.items()},
                    body=await _body(answer, request),
                )
        except aiohttp.ClientSSLError as error:
            raise CredentialsError(
                "tls_refused", "TLS was refused; check certificates and their dates on both sides"
            ) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise TemporaryError("connect_timeout", "the department's address does not answer") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise TemporaryError("name_not_found", "the department's host name is not resolved") from error
        except aiohttp.ClientConnectorError as error:
            raise TemporaryError("connect_failed", "the department's address refuses connections") from error
        except TimeoutError as error:
            raise OutcomeUnknownError("timeout", f"no whole answer within {request.total_seconds:g} s") from error
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            raise OutcomeUnknownError("unreadable_answer", "what came back is no whole HTTP answer") from error
        except (_LostError, aiohttp.ClientConnectionError, ConnectionError) as error:
            raise _lost(error) from error


def _lost(error: BaseException) -> CredentialsError | OutcomeUnknownError:
    """A broken connection; TLS 1.3 tells only now, by an alert, that the client's certificate was refused."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and "CERTIFICATE" in (cause.reason or ""):
            return CredentialsError("tls_client_certificate", "the department refused our certificate")
        cause = cause.__cause__
    return OutcomeUnknownError("connection_lost", "the connection broke before a whole answer came back")


async def _body(answer: aiohttp.ClientResponse, request: HttpRequest) -> bytes:
    """The decoded body. Outside 2xx the status says it all: a body that cannot be read is left out."""
    try:
        raw = await _bounded(answer, request)
        return _decoded(raw, answer.headers.get(hdrs.CONTENT_ENCODING, "identity"), request.max_bytes)
    except (OutcomeUnknownError, aiohttp.ClientPayloadError):
        # What is left of the answer would be read as the beginning of the next one.
        answer.close()
        if 200 <= answer.status < 300:
            raise
        return b""


async def _bounded(answer: aiohttp.ClientResponse, request: HttpRequest) -> bytes:
    length = answer.content_length
    if length is None and not _has_an_end(answer, request):
        raise OutcomeUnknownError(
            "answer_without_end", "the answer states neither length nor chunks, so a cut would not show"
        )
    if length is not None and length <= request.max_bytes:
        return await answer.read()
    received = bytearray()
    async for chunk in answer.content.iter_chunked(65536):
        received += chunk
        if len(received) > request.max_bytes:
            raise OutcomeUnknownError("answer_too_large", f"the answer exceeds {request.max_bytes} bytes")
    return bytes(received)


def _has_an_end(answer: aiohttp.ClientResponse, request: HttpRequest) -> bool:
    chunked = "chunked" in answer.headers.get(hdrs.TRANSFER_ENCODING, "").lower()
    return chunked or answer.status in _NO_BODY or request.method == hdrs.METH_HEAD


def _decoded(raw: bytes, encoding: str, max_bytes: int) -> bytes:
    match encoding.strip().lower():
        case "identity" | "":
            return raw
        case "gzip":
            unpacker = zlib.decompressobj(wbits=31)
            try:
                body = unpacker.decompress(raw, max_bytes + 1)
            except zlib.error as error:
                raise OutcomeUnknownError("unreadable_answer", "the answer claims to be gzip and is not") from error
            if len(body) > max_bytes:
                raise OutcomeUnknownError("answer_too_large", f"the answer unpacks to more than {max_bytes} bytes")
            if not unpacker.eof or unpacker.unused_data:
                raise OutcomeUnknownError("unreadable_answer", "the packed answer is cut or followed by something else")
            return body
        case _:
            raise OutcomeUnknownError("answer_encoding", "the answer is packed in a way that was not asked for")


@lru_cache(maxsize=64)
def _timeout(connect: float, total: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, connect=connect, sock_connect=connect, ceil_threshold=60)


@asynccontextmanager
async def open_http(tls: ssl.SSLContext | None = None) -> AsyncIterator[AiohttpClient]:
    """A client for one gateway. ``tls``: None verifies the server against the system's authorities."""
    # How many calls run at once is the lane's decision: a second limit here would only hide waiting inside a timeout.
    trust: ssl.SSLContext | bool = True if tls is None else tls
    kept = aiohttp.TCPConnector(limit=0, ssl=trust, keepalive_timeout=KEPT_ALIVE_SECONDS)
    fresh = aiohttp.TCPConnector(limit=0, ssl=trust, force_close=True)
    async with _session(kept) as kept_session, _session(fresh) as fresh_session:
        yield AiohttpClient(kept_session, fresh_session)


async def open_place(
    url: str, runtime: Runtime, *, ca_file: str | None, certificate: str | None, key_secret: str | None
) -> AbstractAsyncContextManager[AiohttpClient]:
    """A client for the address of a place of installation. ``key_secret``: names the private key in PEM of a channel with mtls.
    Raises CredentialsError when a file or the secret is missing, or when mtls would not be TLS."""
    if not url.startswith("https://"):
        if key_secret is not None and urlsplit(url).hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise CredentialsError(
                "tls_expected", "a channel with mtls needs an https address, or a TLS proxy on this machine"
            )
        return open_http()
    key = runtime.secret(key_secret) if key_secret is not None else None
    return open_http(await runtime.in_thread(tls_context, ca_file=ca_file, certificate=certificate, key_pem=key))


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={hdrs.ACCEPT_ENCODING: "identity", hdrs.USER_AGENT: "onedoor"},
    )


def tls_context(
    *, ca_file: str | None = None, certificate: str | None = None, key_pem: str | None = None
) -> ssl.SSLContext:
    """TLS 1.2 or later, the server verified against ``ca_file`` (None: the system's authorities), and a client certificate
    where given; both are paths of PEM files, the certificate's key is a secret and comes as text. Blocks on files.
    Raises CredentialsError when one cannot be read."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            with tempfile.NamedTemporaryFile("w", suffix=".pem", encoding="ascii") as pair:
                # OpenSSL takes files only; this one is private to us and gone after the block.
                pair.write(f"{key_pem or ''}\n{Path(certificate).read_text(encoding='ascii')}")
                pair.flush()
                # A password that is not asked for must never make OpenSSL ask on the terminal.
                context.load_cert_chain(pair.name, password="")
    except (OSError, ValueError) as error:
        raise CredentialsError("tls_files", "a certificate or key of the channel cannot be read") from error
    return context
