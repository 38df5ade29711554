"""SOAP envelopes: ours, with WS-Addressing and WS-Security, and the department's, with its faults.

The message is written once and stored; what must be new at every try (nonce, time, password) is put into the header, or into the
one place that was left open for it, when the bytes leave. The body stays byte for byte.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from lxml import etree
from pydantic import JsonValue

from adapters.soap_multipart import put_together, unpacked
from adapters.soap_table import SoapAuth, SoapAuthKind, SoapTable
from adapters.soap_xml import Element, children, first_texts, local, parsed_bytes, with_references, written_bytes
from adapters.text_encodings import CODECS, Encoding
from contracts.errors import OutcomeUnknownError
from contracts.records import record

ENVELOPE = {"1.1": "http://schemas.xmlsoap.org/soap/envelope/", "1.2": "http://www.w3.org/2003/05/soap-envelope"}
WSA = "http://www.w3.org/2005/08/addressing"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
TOKEN_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"  # noqa: S105 - a namespace
_BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"

SECRET_PLACE = "\ue000"  # noqa: S105 - marks the place, a character of the private use area
_SECRET_BYTES = b"&onedoor-secret;"
"""The place of a secret in a stored message. Written XML never holds it by itself: it escapes every ampersand."""

_HEADER = b"<soapenv:Header>"


def envelope(table: SoapTable, action: str, message_id: UUID, fill: Callable[[Element], None]) -> bytes:
    """A message without its secrets; ``fill`` appends to the Body."""
    namespace = ENVELOPE[table.soap_version]
    root = etree.Element(f"{{{namespace}}}Envelope", nsmap={"soapenv": namespace})
    header = etree.SubElement(root, f"{{{namespace}}}Header")
    if table.addressing:
        etree.SubElement(header, f"{{{WSA}}}Action", nsmap={"wsa": WSA}).text = action
        etree.SubElement(header, f"{{{WSA}}}MessageID", nsmap={"wsa": WSA}).text = f"urn:uuid:{message_id}"
    else:
        # Never <soapenv:Header/>: the security header finds its place by the start tag.
        header.text = "\n"
    signed = table.auth.kind is SoapAuthKind.X509
    body = etree.SubElement(root, f"{{{namespace}}}Body", nsmap={"wsu": WSU} if signed else None)
    if signed:
        for part in (*children(header), body):
            part.set(f"{{{WSU}}}Id", local(part))
    fill(body)
    return written_bytes(root, table.encoding).replace(
        with_references(SECRET_PLACE, table.encoding).encode(CODECS[table.encoding]), _SECRET_BYTES, 1
    )


def with_security(message: bytes, security: str) -> bytes:
    """The message with a security header, for one try."""
    return message.replace(_HEADER, _HEADER + security.encode("ascii"), 1)


def with_secret(message: bytes, secret: str, encoding: Encoding) -> bytes:
    """The message with the secret in its place."""
    escaped = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return message.replace(_SECRET_BYTES, with_references(escaped, encoding).encode(CODECS[encoding]), 1)


def security_header(auth: SoapAuth, user: str, password: str, *, nonce: bytes, at: datetime) -> str:
    """A wsse:Security element, ASCII. ``at``: UTC of the machine's clock, since that is what the department compares."""
    created = instant(at)
    security = etree.Element(f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU})
    if auth.timestamp_seconds is not None:
        stamp = etree.SubElement(security, f"{{{WSU}}}Timestamp")
        etree.SubElement(stamp, f"{{{WSU}}}Created").text = created
        etree.SubElement(stamp, f"{{{WSU}}}Expires").text = instant(at + timedelta(seconds=auth.timestamp_seconds))
    token = etree.SubElement(security, f"{{{WSSE}}}UsernameToken")
    etree.SubElement(token, f"{{{WSSE}}}Username").text = user
    said = password_digest(nonce, created, password) if auth.password == "digest" else password  # noqa: S105 - a form
    kind = "PasswordDigest" if auth.password == "digest" else "PasswordText"  # noqa: S105 - a form
    etree.SubElement(token, f"{{{WSSE}}}Password", Type=f"{TOKEN_PROFILE}#{kind}").text = said
    etree.SubElement(token, f"{{{WSSE}}}Nonce", EncodingType=_BASE64).text = base64.b64encode(nonce).decode()
    etree.SubElement(token, f"{{{WSU}}}Created").text = created
    text: str = etree.tostring(security, encoding="unicode")
    return text.encode("ascii", "xmlcharrefreplace").decode()


def password_digest(nonce: bytes, created: str, password: str) -> str:
    """Base64 of SHA-1 over nonce, time and password, as WS-Security UsernameToken Profile 1.0 section 3.1 demands."""
    digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def instant(at: datetime) -> str:
    """As xsd:dateTime, to the millisecond; ``at`` in UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


@record
class Fault:
    """A SOAP fault. ``codes``: local names, the most specific first, each with what it is a part of (``Server.Busy``, ``Server``).

    ``detail``: the text of every leaf of the detail, by local name; the text for people is left out: it may repeat a name.
    ``relates_to``: the id of the message that WS-Addressing says it answers.
    """

    codes: tuple[str, ...]
    detail: Mapping[str, str]
    relates_to: UUID | None


@record
class Content:
    """What a Body holds, and the id of the message that WS-Addressing says it answers."""

    element: Element
    relates_to: UUID | None


def opened(body: bytes, table: SoapTable, content_type: str = "") -> Content | Fault:
    """Read an answer. Raises OutcomeUnknownError for everything that is not a SOAP envelope of the agreed version."""
    package = unpacked(body, content_type)
    root = parsed_bytes(package.envelope, table.encoding)
    put_together(root, package.parts)
    namespace = etree.QName(root).namespace
    if local(root) != "Envelope" or namespace not in ENVELOPE.values():
        raise OutcomeUnknownError("no_envelope", "the answer is XML, but no SOAP envelope")
    parts = [local(child) for child in children(root) if etree.QName(child).namespace == namespace]
    if parts not in (["Header", "Body"], ["Body"]):
        raise OutcomeUnknownError("no_envelope", "the envelope has not one body")
    inner = list(children(root.find(f"{{{namespace}}}Body")))
    relates_to = _related(root.findtext(f"{{{namespace}}}Header/{{{WSA}}}RelatesTo"))
    if inner and inner[0].tag == f"{{{namespace}}}Fault":
        codes, detail = _FAULT_PARTS[namespace](inner[0], namespace)
        return Fault(codes=_parts(codes), detail=first_texts(detail), relates_to=relates_to)
    if namespace != ENVELOPE[table.soap_version]:
        # A department that does not speak our version says so in a fault of its own version, and in nothing else.
        raise OutcomeUnknownError("no_envelope", f"the answer is not SOAP {table.soap_version}")
    # Independent elements of SOAP section 5 encoding stand beside the answer and have an id.
    alone = len(inner) == 1 or (table.style == "rpc/encoded" and all("id" in one.attrib for one in inner[1:]))
    if not inner or not alone:
        raise OutcomeUnknownError("no_envelope", "the body holds not one answer")
    return Content(element=inner[0], relates_to=relates_to)


def _related(text: str | None) -> UUID | None:
    if text is None or text.strip() == f"{WSA}/unspecified":
        return None
    try:
        return UUID(text.strip().removeprefix("urn:uuid:").removeprefix("uuid:"))
    except ValueError as error:
        raise OutcomeUnknownError("echo_mismatch", "the answer relates to a message that is not ours") from error


def _parts_11(fault: Element, _namespace: str) -> tuple[list[str], list[Element]]:
    """``faultcode`` and ``detail`` have no namespace; some departments give them that of the envelope."""
    code = next((child.text or "" for child in children(fault) if local(child) == "faultcode"), "")
    return [code], [child for child in children(fault) if local(child) == "detail"]


def _parts_12(fault: Element, namespace: str) -> tuple[list[str], list[Element]]:
    """The outermost Value comes first; each Subcode lies inside the one before and says more."""
    code = fault.find(f"{{{namespace}}}Code")
    values = [] if code is None else [value.text or "" for value in code.iter(f"{{{namespace}}}Value")]
    return values[::-1], fault.findall(f"{{{namespace}}}Detail")


_FAULT_PARTS = {ENVELOPE["1.1"]: _parts_11, ENVELOPE["1.2"]: _parts_12}


def _parts(codes: Sequence[str]) -> tuple[str, ...]:
    names = [code.strip().rpartition(":")[2] for code in codes]
    whole = [".".join(name.split(".")[:length]) for name in names for length in range(name.count(".") + 1, 0, -1)]
    return tuple(code for code in whole if code)


def safe_code(code: JsonValue) -> str:
    """A fault code fit for a log: what a broken partner puts in its place may be anything."""
    return str(code) if re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", str(code), re.ASCII) else "unknown"
