"""Messages signed by X.509 are verified by another library, and whoever changes a byte is found out."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from adapters.soap_envelope import WSSE, WSU
from contracts.delivery import Completed
from contracts.errors import CredentialsError
from tests.rest_world import World
from tests.soap_world import ENVELOPES, delivery, gateway, granted, scripted, system, vendored

DS = "{http://www.w3.org/2000/09/xmldsig#}"
WSA = "{http://www.w3.org/2005/08/addressing}"
AUTH = {"kind": "x509", "secrets": ["signing_key"]}
KEYS: dict[str, Callable[[], Any]] = {
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
}


def pem(key: Any) -> str:
    """The private key as a secret holds it."""
    kind = serialization.PrivateFormat.PKCS8
    text: bytes = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    return text.decode()


def certificate(folder: Path, key: Any, *, days: int = 1, signed_by: Any = None) -> str:
    """Path of a certificate for the key, valid until so many days from now."""
    now, name = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Onedoor of the tests")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .sign(signed_by or key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    path = folder / "signing.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return str(path)


def of_version(table: dict[str, Any]) -> str:
    """The SOAP version of a table."""
    return str(table.get("soap_version", "1.1"))


async def sent(folder: Path, key: Any, **table: Any) -> bytes:
    """The body of a signed message as it left."""
    of = system(auth=AUTH, **table)
    one = delivery()
    encoding = table.get("encoding", "UTF-8")
    answer = granted(one.id).replace("UTF-8", encoding).replace(ENVELOPES["1.1"], ENVELOPES[of_version(table)])
    server = scripted(answer.encode(encoding))
    world = World({"signing_key": pem(key)})
    async with (
        server.serving(),
        gateway(
            of, vendored(of, folder), server.url, world=world, signing_certificate=certificate(folder, key)
        ) as opened,
    ):
        assert isinstance(await opened.deliver(one), Completed)
    return server.arrivals[0].partition(b"\r\n\r\n")[2]


def verify(message: bytes) -> list[str]:
    """What the signature covers, by local name. Raises xmlsec.Error."""
    root = etree.fromstring(message)
    xmlsec.tree.add_ids(root, ["Id"])
    token = root.findtext(f".//{{{WSSE}}}BinarySecurityToken")
    wrapped = "\n".join(re.findall(".{1,64}", token))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(
        f"-----BEGIN CERTIFICATE-----\n{wrapped}\n-----END CERTIFICATE-----\n", xmlsec.constants.KeyDataFormatCertPem
    )
    node = root.find(f".//{DS}Signature")
    for part in root.iter():
        if part.get(f"{{{WSU}}}Id"):
            context.register_id(part, "Id", WSU)
    context.verify(node)
    covered = {reference.get("URI", "").removeprefix("#") for reference in node.iter(f"{DS}Reference")}
    return sorted(str(etree.QName(part).localname) for part in root.iter() if part.get(f"{{{WSU}}}Id") in covered)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_a_signed_message_is_verified_by_another_library(kind: str, version: str, tmp_path: Path) -> None:
    message = await sent(tmp_path, KEYS[kind](), soap_version=version)
    assert verify(message) == ["Action", "Body", "MessageID", "Timestamp"]
    stamp = etree.fromstring(message).find(f".//{{{WSU}}}Timestamp")
    created, expires = (datetime.fromisoformat(node.text or "") for node in stamp)
    assert expires - created == timedelta(minutes=5)


async def test_without_addressing_and_in_gbk_the_body_is_signed_all_the_same(tmp_path: Path) -> None:
    message = await sent(tmp_path, KEYS["ec"](), addressing=False, encoding="GBK")
    assert verify(message) == ["Body", "Timestamp"]


@pytest.mark.parametrize("changed", [(b"1960-01-31", b"1960-01-30"), (b"<wsu:Expires>2", b"<wsu:Expires>3")])
async def test_a_message_changed_on_its_way_is_not_verified(changed: tuple[bytes, bytes], tmp_path: Path) -> None:
    message = await sent(tmp_path, KEYS["rsa"]())
    assert changed[0] in message
    with pytest.raises(xmlsec.Error):
        verify(message.replace(*changed))


async def test_a_resend_is_signed_anew_over_the_same_body(tmp_path: Path) -> None:
    key, of, one = KEYS["ec"](), system(auth={**AUTH, "timestamp_seconds": 30}), delivery()
    world = World({"signing_key": pem(key)})
    place = certificate(tmp_path, key)
    async with (
        scripted(granted(one.id)).serving() as server,
        gateway(of, vendored(of, tmp_path), server.url, world=world, signing_certificate=place) as opened,
    ):
        stored = opened.prepare(one)
        assert b"Signature" not in stored
        for attempt in (1, 2):
            await opened.deliver(delivery(id=one.id, attempt=attempt, payload=stored))
    bodies = [arrival.partition(b"<soapenv:Body")[2] for arrival in server.arrivals]
    assert bodies[0] == bodies[1]
    assert len({re.findall(rb"SignatureValue>[^<]+", arrival)[0] for arrival in server.arrivals}) == 2


@pytest.mark.parametrize("trouble", ["no certificate", "another key", "expired", "no key", "a key of another kind"])
async def test_a_key_that_cannot_sign_is_found_when_the_channel_opens(trouble: str, tmp_path: Path) -> None:
    key = KEYS["ec"]()
    other = ed25519.Ed25519PrivateKey.generate() if trouble == "a key of another kind" else KEYS["ec"]()
    signs = other if trouble in {"another key", "a key of another kind"} else key
    shown = other if trouble == "a key of another kind" else key
    place = certificate(tmp_path, shown, days=-1 if trouble == "expired" else 1)
    world = World({"signing_key": "no key" if trouble == "no key" else pem(signs)})
    of = system(auth=AUTH)
    settings: dict[str, Any] = {} if trouble == "no certificate" else {"signing_certificate": place}
    with pytest.raises(CredentialsError, match="signing_"):
        async with gateway(of, vendored(of, tmp_path), "http://127.0.0.1:1", world=world, **settings):
            pass
