"""What a SOAP department reads and writes: requests from the body of a call, answers and faults as envelopes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from adapters.soap_envelope import ENVELOPE, WSA, WSSE
from adapters.soap_table import SoapTable
from adapters.soap_xml import Element, children, parsed_bytes, written_bytes

FAULT_STATUS = {"Client": 400, "Sender": 400}
"""SOAP 1.2 part 2 table 20; SOAP 1.1 knows 500 only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request: the child of its Body, its message id, its security header, the digest of its Body (SHA-256 hex)."""

    request: Element
    message_id: str
    security: Element | None
    digest: str


class Misunderstood(Exception):
    """A request that is answered with a fault; ``code`` as SOAP 1.1 calls it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def read_call(body: bytes, table: SoapTable) -> Call:
    """Raises Misunderstood, or OutcomeUnknownError for what is no XML."""
    root = parsed_bytes(body, table.encoding)
    namespace = ENVELOPE[table.soap_version]
    if root.tag != f"{{{namespace}}}Envelope":
        raise Misunderstood("VersionMismatch", f"SOAP {table.soap_version} is spoken here")
    inner = root.find(f"{{{namespace}}}Body")
    requests = [] if inner is None else list(children(inner))
    if len(requests) != 1:
        raise Misunderstood("Client", "one request is expected")
    header = root.find(f"{{{namespace}}}Header")
    return Call(
        request=requests[0],
        message_id=root.findtext(f"{{{namespace}}}Header/{{{WSA}}}MessageID", ""),
        security=None if header is None else header.find(f"{{{WSSE}}}Security"),
        # Nonce and time in the header are new at every try; what is asked for is the Body.
        digest=hashlib.sha256(etree.tostring(inner, method="c14n")).hexdigest(),
    )


def write_answer(table: SoapTable, relates_to: str, fill: Callable[[Element], None]) -> bytes:
    """An envelope; ``fill`` appends to the Body."""
    namespace = ENVELOPE[table.soap_version]
    root = etree.Element(f"{{{namespace}}}Envelope", nsmap={"env": namespace})
    header = etree.SubElement(root, f"{{{namespace}}}Header")
    if relates_to:
        etree.SubElement(header, f"{{{WSA}}}RelatesTo").text = relates_to
    fill(etree.SubElement(root, f"{{{namespace}}}Body"))
    return written_bytes(root, table.encoding)


def write_fault(table: SoapTable, relates_to: str, code: str, text: str) -> tuple[bytes, int]:
    """A fault and its HTTP status. ``code``: ``Client``, ``Server`` .. or a code of WS-Security."""
    fill = _fault_11 if table.soap_version == "1.1" else _fault_12
    content = write_answer(table, relates_to, lambda body: fill(body, code, text))
    return content, FAULT_STATUS.get(code, 500) if table.soap_version == "1.2" else 500


def _fault_11(body: Element, code: str, text: str) -> None:
    fault = etree.SubElement(body, etree.QName(etree.QName(body).namespace, "Fault"))
    etree.SubElement(fault, "faultcode", nsmap={"wsse": WSSE}).text = _prefixed(code)
    etree.SubElement(fault, "faultstring").text = text


def _fault_12(body: Element, code: str, text: str) -> None:
    space = etree.QName(body).namespace
    fault = etree.SubElement(body, f"{{{space}}}Fault", nsmap={"wsse": WSSE})
    given = etree.SubElement(fault, f"{{{space}}}Code")
    outer = {"Client": "Sender", "Server": "Receiver", "VersionMismatch": "VersionMismatch"}.get(code)
    etree.SubElement(given, f"{{{space}}}Value").text = f"env:{outer or 'Sender'}"
    if outer is None:
        subcode = etree.SubElement(given, f"{{{space}}}Subcode")
        etree.SubElement(subcode, f"{{{space}}}Value").text = _prefixed(code)
    reason = etree.SubElement(fault, f"{{{space}}}Reason")
    etree.SubElement(reason, f"{{{space}}}Text", {"{http://www.w3.org/XML/1998/namespace}lang": "en"}).text = text


def _prefixed(code: str) -> str:
    return f"env:{code}" if code in {"Client", "Server", "VersionMismatch", "MustUnderstand"} else f"wsse:{code}"
