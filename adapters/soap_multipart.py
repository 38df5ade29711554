"""MTOM answers: a multipart/related body whose first part is the envelope, and whose others are what its ``xop:Include`` elements stand for
(SOAP Message Transmission Optimization Mechanism, XML-binary Optimized Packaging 1.0)."""

import base64
import re
from collections.abc import Mapping
from urllib.parse import unquote

from adapters.soap_xml import Element
from contracts.errors import OutcomeUnknownError
from contracts.records import record

_INCLUDE = "{http://www.w3.org/2004/08/xop/include}Include"
_PARAMETER = re.compile(r';\s*([A-Za-z-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))')
_MOST_PARTS = 1_000


@record
class Package:
    """The bytes of the envelope, and the other parts by Content-ID."""

    envelope: bytes
    parts: Mapping[str, bytes]


def unpacked(body: bytes, content_type: str) -> Package:
    """The parts of an answer; an answer in one piece is its own envelope. Raises OutcomeUnknownError (``unreadable_answer``)."""
    if not content_type.strip().lower().startswith("multipart/"):
        return Package(envelope=body, parts={})
    said = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(content_type)}
    boundary = said.get("boundary", "")
    if not 0 < len(boundary) <= 70:
        raise OutcomeUnknownError("unreadable_answer", "the answer has parts and no boundary between them")
    mark = b"--" + boundary.encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--") or len(pieces) > _MOST_PARTS:
        raise OutcomeUnknownError("unreadable_answer", "the answer's last part is missing, or it has too many")
    found: list[tuple[str, bytes]] = [_part(piece) for piece in pieces[1:-1]]
    parts = dict(found)
    if len(parts) != len(found):
        raise OutcomeUnknownError("unreadable_answer", "two parts of the answer have one name")
    start = said.get("start", "").strip("<> ") or found[0][0]
    if start not in parts:
        raise OutcomeUnknownError("unreadable_answer", "the part that holds the envelope is missing")
    return Package(envelope=parts.pop(start), parts=parts)


def _part(piece: bytes) -> tuple[str, bytes]:
    head, blank, content = piece.partition(b"\r\n\r\n")
    if not blank:
        raise OutcomeUnknownError("unreadable_answer", "a part of the answer has no end to its head")
    lines = {
        name.strip().lower(): value.strip()
        for name, colon, value in (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
        if colon
    }
    if lines.get("content-transfer-encoding", "binary").lower() not in {"binary", "8bit", "7bit"}:
        raise OutcomeUnknownError(
            "unreadable_answer", "a part of the answer is encoded in a way that XOP does not have"
        )
    return lines.get("content-id", "").strip("<> "), content


def put_together(root: Element, parts: Mapping[str, bytes]) -> None:
    """Put each part, as base64, where the envelope refers to it. Raises OutcomeUnknownError (``part_missing``); a part that is referred
    to twice is none of XOP's, and would let a small answer grow."""
    left = dict(parts)
    for include in list(root.iter(_INCLUDE)):
        name = unquote(include.get("href", "").removeprefix("cid:"))
        holder = include.getparent()
        if name not in left or holder is None:
            raise OutcomeUnknownError("part_missing", "the answer refers to a part that did not come with it")
        holder.remove(include)
        holder.text = base64.b64encode(left.pop(name)).decode()
