"""What travels to a department and what comes back.

Times are aware UTC. ``fields`` are already cut down to the operation's allow-list: a plugin never sees the case.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from contracts.errors import DeliveryError
from contracts.records import Fields, record
from contracts.task_sheet import TaskSheet


class Decision(StrEnum):
    """How a department settled: a plain fact (done), or a decision on the case (granted, refused)."""

    DONE = "done"
    GRANTED = "granted"
    REFUSED = "refused"


@record
class Document:
    """A scan or a file, by reference (Claim Check): ``key`` opens it through ``Runtime.material``.

    ``originals``, ``copies`` and ``pages`` count what lies on paper beside it; ``key`` is empty where there is only paper.
    """

    key: str
    kind: str
    name: str
    media_type: str
    size: int
    originals: int = 0
    copies: int = 0
    pages: int = 0


@record
class Delivery:
    """One round of one step's message to one system. The id survives retry, replay and change of channel.

    ``subject``: ordinal of a row where the operation repeats over a table, else None.
    ``attempt``: 1 for the first try. ``possible_duplicate``: an earlier try may have arrived. ``test``: a copy on a shadow channel, with
    an id of its own; the message says so, and nobody may act on it.
    ``traceparent``: W3C Trace Context of this try, for a protocol that has a place for it.
    ``payload``: what ``Preparing.prepare`` returned for this round and channel, stored before the first try.
    """

    id: UUID
    system: str
    operation: str
    round: int
    supersedes: UUID | None = None
    case_no: str
    item: str
    item_version: int
    step: str
    subject: str | None = None
    centre: str
    attempt: int
    possible_duplicate: bool = False
    test: bool = False
    send_before: datetime
    due_at: datetime | None = None
    fields: Fields
    materials: Sequence[Document] = ()
    payload: bytes | None = None
    traceparent: str | None = None


@record
class Completed:
    """The department settled the delivery."""

    decision: Decision
    fields: Fields
    documents: Sequence[Document] = ()


@record
class Returned:
    """部门退回: the department wants a correction; ``wanted`` names materials or fields."""

    reason_code: str
    wanted: Sequence[str] = ()


@record
class AwaitingReply:
    """Accepted for processing; the answer comes later by callback, poll, result file or confirmed sheet."""

    department_ref: str | None = None
    next_poll_at: datetime | None = None
    task_sheet: TaskSheet | None = None


Outcome: TypeAlias = Completed | Returned | AwaitingReply


@record
class Reply:
    """What came later. A late answer may be temporary or permanent too. ``happened_at`` is the department's time.

    ``operation``: of what the department says that it answers; blank: it does not say. An answer about another operation than the
    delivery's settles nothing.
    """

    delivery_id: UUID
    outcome: Outcome | DeliveryError
    happened_at: datetime
    operation: str = ""


class Lookup(StrEnum):
    """What an enquiry found when it found no outcome."""

    NOT_RECEIVED = "not_received"
    CANNOT_TELL = "cannot_tell"


@record
class NotFound:
    """Answer of an enquiry without an outcome. Even ``not_received`` may be overtaken by a late arrival."""

    what: Lookup


@record
class Batch:
    """Deliveries that travel together, frozen when sealed. May be empty where the partner expects a file anyway.

    ``sequence`` counts 1, 2, 3 .. per channel and never repeats; ``day_sequence`` the batches of a day of the site. ``payload`` is what ``BatchGateway.seal`` returned. When it is sent
    again ``deliveries`` are only those whose end is still open; ``members`` is how many the payload holds, None: as many.
    """

    id: UUID
    system: str
    sequence: int
    day_sequence: int = 0
    sealed_at: datetime
    deliveries: Sequence[Delivery]
    payload: bytes | None = None
    members: int | None = None


@record
class Inbound:
    """A call from a department, as it arrived. Header names in lower case."""

    headers: dict[str, str]
    body: bytes
    peer_certificate: bytes | None = None


@record
class Answer:
    """Bytes for the caller of a callback, in the form that department understands."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"


@record
class Received:
    """A genuine, readable callback. The hub commits ``replies`` and then sends ``answer``; if it cannot, ``failure``."""

    replies: Sequence[Reply]
    answer: Answer
    failure: Answer


@record
class Confirmation:
    """What a person keyed from a stamped task sheet. ``result_code`` is the ticked box, as the channel codes it."""

    result_code: str
    fields: Fields
    reason_code: str | None = None
    wanted: Sequence[str] = ()
    documents: Sequence[Document] = ()
