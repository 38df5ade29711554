"""WS-Security X.509 Token Profile 1.1: a signature over the body, the time stamp and the addressing headers of a SOAP message.

RSA-SHA256 or ECDSA-SHA256 by the kind of key, exclusive canonicalisation (so that the header may be put into a message that was written
long before), the certificate travels with the message. Parts are found by ``wsu:Id``.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from adapters.soap_envelope import ENVELOPE, WSSE, WSU, instant
from adapters.soap_xml import Element, children, parsed_bytes
from adapters.text_encodings import Encoding
from contracts.errors import CredentialsError

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_ALGORITHM = {
    "rsa": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "ec": "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
}
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
_X509 = f"{_OASIS}-x509-token-profile-1.0#X509v3"
_BASE64 = f"{_OASIS}-soap-message-security-1.0#Base64Binary"


class Signer:
    """Signs messages with one key."""

    def __init__(self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._token = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()

    def security(self, message: bytes, encoding: Encoding, at: datetime, lives: timedelta) -> str:
        """The wsse:Security element for a whole message that lacks it, ASCII. ``at``: UTC of the machine's clock."""
        root = parsed_bytes(message, encoding)
        namespace = etree.QName(root).namespace
        security = etree.Element(
            f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU, "ds": DS, "soapenv": namespace}
        )
        security.set(f"{{{namespace}}}mustUnderstand", "1" if namespace == ENVELOPE["1.1"] else "true")
        stamp = etree.SubElement(security, f"{{{WSU}}}Timestamp")
        stamp.set(f"{{{WSU}}}Id", "Timestamp")
        etree.SubElement(stamp, f"{{{WSU}}}Created").text = instant(at)
        etree.SubElement(stamp, f"{{{WSU}}}Expires").text = instant(at + lives)
        token = etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken", EncodingType=_BASE64, ValueType=_X509)
        token.set(f"{{{WSU}}}Id", "X509")
        token.text = self._token
        self._sign(security, [stamp, *marked(root)])
        text: str = etree.tostring(security, encoding="unicode")
        return text

    def _sign(self, security: Element, parts: Sequence[Element]) -> None:
        signature = etree.SubElement(security, f"{{{DS}}}Signature")
        info = etree.SubElement(signature, f"{{{DS}}}SignedInfo")
        etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod", Algorithm=EXCLUSIVE)
        kind = "rsa" if isinstance(self._key, rsa.RSAPrivateKey) else "ec"
        etree.SubElement(info, f"{{{DS}}}SignatureMethod", Algorithm=_ALGORITHM[kind])
        for part in parts:
            reference = etree.SubElement(info, f"{{{DS}}}Reference", URI=f"#{part.get(f'{{{WSU}}}Id')}")
            transforms = etree.SubElement(reference, f"{{{DS}}}Transforms")
            etree.SubElement(transforms, f"{{{DS}}}Transform", Algorithm=EXCLUSIVE)
            etree.SubElement(reference, f"{{{DS}}}DigestMethod", Algorithm=SHA256)
            digest = hashlib.sha256(canonical(part)).digest()
            etree.SubElement(reference, f"{{{DS}}}DigestValue").text = base64.b64encode(digest).decode()
        value = etree.SubElement(signature, f"{{{DS}}}SignatureValue")
        value.text = base64.b64encode(self._signed(canonical(info))).decode()
        holder = etree.SubElement(etree.SubElement(signature, f"{{{DS}}}KeyInfo"), f"{{{WSSE}}}SecurityTokenReference")
        etree.SubElement(holder, f"{{{WSSE}}}Reference", URI="#X509", ValueType=_X509)

    def _signed(self, content: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self._key.sign(content, ec.ECDSA(hashes.SHA256())))
        # XML Signature 1.1 section 6.4.3: both numbers side by side, each as long as the curve's order.
        width = (self._key.curve.key_size + 7) // 8
        return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def marked(root: Element) -> Sequence[Element]:
    """The headers and the body that have a ``wsu:Id``: what is to be signed."""
    return [node for part in children(root) for node in (*children(part), part) if node.get(f"{{{WSU}}}Id")]


def canonical(node: Element) -> bytes:
    """Exclusive XML Canonicalization 1.0, without comments."""
    content: bytes = etree.tostring(node, method="c14n", exclusive=True, with_comments=False)
    return content


def signer(key_pem: str, certificate_file: str, now: datetime) -> Signer:
    """Blocks on the file. Raises CredentialsError where key or certificate cannot be read, do not belong together, or are out of date."""
    try:
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
        certificate = x509.load_pem_x509_certificate(Path(certificate_file).read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise CredentialsError(
            "signing_key", "the key or the certificate that signs messages cannot be read"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise CredentialsError("signing_key", "messages are signed with an RSA or an EC key")
    if key.public_key() != certificate.public_key():
        raise CredentialsError("signing_key", "the certificate that signs messages belongs to another key")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise CredentialsError("signing_certificate", "the certificate that signs messages is out of date: renew it")
    return Signer(key, certificate)
