"""``onedoor certify`` against an https endpoint: a real TLS server on loopback, with an authority of its own."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from contracts.records import Fields
from simulators.certify import api_place
from simulators.certify.bench import Target
from simulators.certify.command import app
from simulators.certify.kit import CHECKS, OPENS, Certificate, Quiet, certified, listening
from simulators.certify.subject import Subject
from simulators.certify.verdict import Language, Status
from tests.certificates import Authority
from tests.conformance.reference import SITE, Mutant, failed, reference, subject_of

TOKEN = 'auth = { kind = "oauth2", secrets = ["bb_client", "bb_secret"], token_path = "/token" }'
MTLS = 'auth = { kind = "mtls", secrets = ["bb_key"] }'


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def secured(upstream: str, context: ssl.SSLContext) -> AsyncIterator[str]:
    """A TLS server in front of a department, as many of them have; its address."""
    inner = urlsplit(upstream)

    async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while content := await reader.read(65536):
                writer.write(content)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, towards = await asyncio.open_connection(inner.hostname, inner.port)
        await asyncio.gather(copied(reader, towards), copied(behind, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def proven(
    authority: Authority, clients_of: str | None = None, *, host: str = "127.0.0.1", age_days: int = 0
) -> ssl.SSLContext:
    """How a server proves itself; with ``clients_of`` it wants a certificate of that authority."""
    certificate, key = authority.issue("server", host=host, age_days=age_days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients_of)
    key_file = Path(certificate).with_suffix(".key")
    key_file.write_text(key)
    context.load_cert_chain(certificate, key_file)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def department(subject: Subject, context: ssl.SSLContext, folder: Path, secret: str) -> AsyncIterator[str]:
    """The simulated department of a system behind TLS."""
    async with (
        api_place.simulated(subject, folder, lambda _: secret, 1) as place,
        secured(place.proxy.url, context) as url,
    ):
        yield url


async def certificate_at(subject: Subject, settings: Fields, secret: Callable[[str], str], *names: str) -> Certificate:
    """What the kit says of an endpoint; ``names``: of the checks, all where none is named."""
    only = [one for one in CHECKS if not names or one.name in names]
    target = Target(settings=settings, secret=secret, patience_seconds=0.3)
    with listening() as listener:
        return await certified(subject, target, listener, Quiet(), only)


async def test_an_endpoint_that_wants_our_certificate_is_certified_with_the_whole_fault_matrix(
    authority: Authority, tmp_path: Path
) -> None:
    subject = subject_of(Mutant(check="", of="BB-list", edits=((TOKEN, MTLS),)), tmp_path)
    certificate, key = authority.issue("client")
    context = proven(authority, clients_of=authority.ca_file)
    async with department(subject, context, tmp_path, key) as url:
        settings: Fields = {"url": url, "ca_file": authority.ca_file, "client_certificate": certificate}
        found = await certificate_at(subject, settings, lambda _: key)
    assert failed(found) == {}
    ends = {one.name: one.status for one in found.results}
    for name in ("good-delivery", "fault-lost-reply", "fault-refused", "leaves-nothing-open", "stored-message-is-sent"):
        assert ends[name] is Status.PASSED, name


async def test_the_authority_of_one_endpoint_is_named_on_the_command_line(authority: Authority, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "aa_key").write_text("样例")
    async with department(reference("AA-register"), proven(authority), tmp_path, "样例") as url:
        at = ["AA", "--site", str(SITE), "--secrets", str(secrets), "--check", "good-delivery", "--json"]
        arguments = [*at, "--endpoint", url, "--ca-file", authority.ca_file]
        done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    (system,) = json.loads(done.stdout)
    assert [(one["name"], one["status"]) for one in system["checks"]] == [("good-delivery", "passed")]
    alone = CliRunner().invoke(app, [*at, "--ca-file", authority.ca_file])
    assert "--ca-file and --client-certificate are of --endpoint" in str(alone.exception)


def of_a_stranger(folder: Path) -> str:
    """A file with a client's certificate that another authority issued, and its key."""
    folder.mkdir()
    certificate, key = Authority(folder).issue("client")
    with Path(certificate).open("a") as file:
        file.write(key)
    return certificate


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize(
    ("trouble", "told", "told_zh"),
    [
        ("unknown authority", "name the authority's certificate as ca_file", "不是由本机已知的机构签发"),
        ("expired", "has expired: the department has to renew it", "已过期"),
        ("another host", "is another host's", "属于另一主机"),
        ("an old TLS", "has to speak TLS 1.2 or later", "须支持 TLS 1.2"),
        ("no certificate of ours", "name it as client_certificate", "client_certificate"),
        ("a certificate that is not theirs", "give the one that the department issued", "请使用部门签发的证书"),
        ("no such file", "cannot be read as PEM: see", "不是可读的 PEM"),
        ("no url", "the settings of AA-register have no url", "没有 url"),
    ],
)
async def test_an_endpoint_that_cannot_be_trusted_is_refused_in_one_sentence(
    authority: Authority, tmp_path: Path, trouble: str, told: str, told_zh: str
) -> None:
    subject = reference("AA-register")
    asks = authority.ca_file if "ours" in trouble or "theirs" in trouble else None
    host, age_days = "127.0.0.2" if trouble == "another host" else "127.0.0.1", 9 if trouble == "expired" else 0
    context = proven(authority, asks, host=host, age_days=age_days)
    if trouble == "an old TLS":
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    async with department(subject, context, tmp_path, "样例") as url:
        settings = {"url": url, "ca_file": authority.ca_file}
        match trouble:
            case "unknown authority":
                del settings["ca_file"]
            case "a certificate that is not theirs":
                settings["client_certificate"] = of_a_stranger(tmp_path / "stranger")
            case "no such file":
                settings["ca_file"] = str(tmp_path / "none.pem")
            case "no url":
                del settings["url"]
        found = await certificate_at(subject, settings, lambda _: "样例", OPENS, "good-delivery")
    opens, other = found.results
    assert (opens.name, opens.status, other.status) == (OPENS, Status.FAILED, Status.NOT_APPLICABLE)
    assert told in opens.reason
    assert told_zh in opens.told(Language.ZH)


async def test_an_endpoint_that_is_away_is_left_to_the_checks_and_one_that_hangs_up_is_not() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    subject = reference("AA-register")
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        (opens, _) = (await certificate_at(subject, {"url": url}, lambda _: "样例", OPENS, "good-delivery")).results
    assert "has to speak TLS 1.2 or later" in opens.reason
    (opens, good) = (await certificate_at(subject, {"url": url}, lambda _: "样例", OPENS, "good-delivery")).results
    assert (opens.status, good.status) == (Status.PASSED, Status.FAILED)
