"""TLS to a test endpoint: whether it and we trust each other is found out before the first check, and told in a sentence."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from adapters.http_client import tls_context
from contracts.errors import CredentialsError
from contracts.records import Fields
from simulators.certify.subject import Subject
from simulators.certify.verdict import Failed

_GREETING_SECONDS: Final = 10.0
_EXPIRED, _HOST, _ADDRESS = 10, 62, 64
"""Of OpenSSL's X509_V_ERR codes (openssl-verification-options(1)): what is wrong with a certificate of a known authority."""


async def trusted(subject: Subject, url: str, settings: Fields, secret: Callable[[str], str]) -> ssl.SSLContext:
    """What the connections to an https endpoint are made with. Raises Failed where one of the two sides is not trusted, SecretMissing."""
    kind, names = subject.auth()
    files = {name: str(settings[name]) for name in ("ca_file", "client_certificate") if settings.get(name)}
    certificate = files.get("client_certificate")
    key = secret(names[0]) if kind == "mtls" else None
    try:
        context = await asyncio.to_thread(
            tls_context, ca_file=files.get("ca_file"), certificate=certificate, key_pem=key
        )
    except CredentialsError as error:
        raise Failed("a certificate or key cannot be read as PEM: see {0}", [*files.values(), *names]) from error
    await _greeted(urlsplit(url), context, certificate)
    return context


async def _greeted(parts: SplitResult, context: ssl.SSLContext, certificate: str | None) -> None:
    """One request that has no effect. An endpoint that is away, or silent, is left to the checks. Raises Failed."""
    host, port = parts.hostname or "", parts.port or 443
    name = f"{host}:{port}"
    try:
        async with asyncio.timeout(_GREETING_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return
    try:
        await writer.start_tls(context, server_hostname=host, ssl_handshake_timeout=_GREETING_SECONDS)
        writer.write(f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        # With TLS 1.3 a server says only now what it thinks of our certificate.
        answered = await _first_byte(reader)
    except ssl.SSLCertVerificationError as error:
        raise _unproven(name, error) from error
    except ssl.SSLError as error:
        raise _no_agreement(name, error, certificate) from error
    except ConnectionError as error:
        raise _no_tls(name, type(error).__name__) from error
    finally:
        writer.transport.abort()
    if not answered:
        raise _unknown_to_it(name, certificate)


async def _first_byte(reader: asyncio.StreamReader) -> bool:
    """Whether an answer begins, or would have; not: the other side hung up."""
    try:
        async with asyncio.timeout(_GREETING_SECONDS):
            return bool(await reader.read(1))
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def _unproven(name: str, error: ssl.SSLCertVerificationError) -> Failed:
    if error.verify_code == _EXPIRED:
        return Failed("the certificate of {0} has expired: the department has to renew it", name)
    if error.verify_code in {_HOST, _ADDRESS}:
        return Failed("the certificate of {0} is another host's: use the name that it was issued to", name)
    return Failed(
        "the certificate of {0} comes from no authority that is known here ({1}):"
        " name the authority's certificate as ca_file in the settings, or with --ca-file",
        name,
        error.verify_message,
    )


def _no_agreement(name: str, error: ssl.SSLError, certificate: str | None) -> Failed:
    told = error.reason or ""
    if any(word in told for word in ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")):
        return _unknown_to_it(name, certificate)
    return _no_tls(name, told)


def _no_tls(name: str, told: str) -> Failed:
    return Failed("{0} and we agree on no TLS ({1}): it has to speak TLS 1.2 or later", name, told)


def _unknown_to_it(name: str, certificate: str | None) -> Failed:
    if certificate is not None:
        return Failed(
            "{0} does not accept our certificate {1}: give the one that the department issued", name, certificate
        )
    return Failed(
        "{0} hangs up on us: where it wants a certificate of ours, name it as client_certificate in the settings,"
        ' or with --client-certificate, and its key as the secret of auth kind "mtls"',
        name,
    )
