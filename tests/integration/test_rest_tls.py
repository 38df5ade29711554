"""TLS: who the department is, who we are, and a lane that is held when the two do not agree."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from adapters import rest
from contracts.delivery import Completed
from contracts.errors import CredentialsError, OutcomeUnknownError
from tests.certificates import Authority
from tests.rest_world import World, delivery, granted, system

MTLS = {"kind": "mtls", "secrets": ["client_key"]}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def department(certificate: str, key: str, *, clients_of: str | None = None) -> AsyncIterator[str]:
    """An https department that grants everything; with ``clients_of`` it wants a certificate of that authority."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return web.Response(body=granted(request.headers["X-Delivery-Id"]))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients_of)
    key_file = Path(certificate).with_suffix(".key")
    key_file.write_text(key)
    context.load_cert_chain(certificate, key_file)
    if clients_of:
        context.verify_mode = ssl.CERT_REQUIRED
    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def deliver(settings: dict[str, str], *, key: str | None = None) -> object:
    table = system(auth=MTLS) if key is not None else system()
    channel = rest.make(table, table.channels[0])
    async with channel.open(settings, World({"client_key": key or ""})) as open_:
        return await open_.deliver(delivery())


async def test_a_department_with_a_certificate_of_a_known_authority_is_trusted(authority: Authority) -> None:
    async with department(*authority.issue("server")) as url:
        assert isinstance(await deliver({"url": url, "ca_file": authority.ca_file}), Completed)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_a_department_that_speaks_an_old_tls_gets_nothing(authority: Authority) -> None:
    certificate, key = authority.issue("server")
    arrived: list[bytes] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    key_file = Path(certificate).with_suffix(".key")
    key_file.write_text(key)
    context.load_cert_chain(certificate, key_file)

    def take(server: socket.socket) -> None:
        plain, _ = server.accept()
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(plain, server_side=True) as secured:
            arrived.append(secured.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as server:
        taking = asyncio.create_task(asyncio.to_thread(take, server))
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(CredentialsError, match="tls_refused"):
            await deliver({"url": url, "ca_file": authority.ca_file})
        await taking
    assert arrived == []


@pytest.mark.parametrize("trouble", ["unknown authority", "another host", "expired"])
async def test_a_department_that_cannot_prove_itself_gets_nothing(authority: Authority, trouble: str) -> None:
    certificate = authority.issue(
        "server", host="127.0.0.2" if trouble == "another host" else "127.0.0.1", age_days=9 * (trouble == "expired")
    )
    async with department(*certificate) as url:
        settings = {"url": url} if trouble == "unknown authority" else {"url": url, "ca_file": authority.ca_file}
        with pytest.raises(CredentialsError, match="tls_refused"):
            await deliver(settings)


async def test_we_prove_ourselves_by_a_certificate_whose_key_is_a_secret(authority: Authority) -> None:
    certificate, key = authority.issue("client")
    async with department(*authority.issue("server"), clients_of=authority.ca_file) as url:
        settings = {"url": url, "ca_file": authority.ca_file, "client_certificate": certificate}
        assert isinstance(await deliver(settings, key=key), Completed)


async def test_without_our_certificate_the_lane_is_held_as_soon_as_the_department_says_why(
    authority: Authority,
) -> None:
    """TLS 1.3 says it by an alert after the request; a department that resets instead leaves the outcome unknown."""
    certificate, key = authority.issue("server")
    Path(certificate).with_suffix(".key").write_text(key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.ca_file)
    context.load_cert_chain(certificate, Path(certificate).with_suffix(".key"))
    context.verify_mode = ssl.CERT_REQUIRED

    def refuse(listening: socket.socket) -> None:
        plain, _ = listening.accept()
        with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as secure:
            with pytest.raises(ssl.SSLError):
                secure.do_handshake()
            # Stay until the client has read the alert and left.
            plain_end = socket.socket(fileno=secure.detach())
            with plain_end:
                while plain_end.recv(4096):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        refusing = asyncio.create_task(asyncio.to_thread(refuse, listening))
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(CredentialsError, match="tls_client_certificate"):
            await deliver({"url": url, "ca_file": authority.ca_file})
        await refusing
    async with department(certificate, key, clients_of=authority.ca_file) as url:
        with pytest.raises((CredentialsError, OutcomeUnknownError)):
            await deliver({"url": url, "ca_file": authority.ca_file})


async def test_files_that_cannot_be_read_are_found_when_the_channel_opens(authority: Authority, tmp_path: Path) -> None:
    certificate, _ = authority.issue("client")
    for settings, key in (
        ({"ca_file": str(tmp_path / "none.pem")}, None),
        ({"ca_file": authority.ca_file, "client_certificate": str(tmp_path / "none.pem")}, "key"),
        ({"ca_file": authority.ca_file, "client_certificate": certificate}, "no key"),
    ):
        with pytest.raises(CredentialsError, match="tls_files"):
            await deliver({"url": "https://127.0.0.1:1", **settings}, key=key)


async def test_mtls_without_tls_is_refused_unless_a_proxy_on_this_machine_speaks_it() -> None:
    with pytest.raises(CredentialsError, match="tls_expected"):
        await deliver({"url": "http://department.example"}, key="key")
