"""What the HTTP API answers with. ``openapi.yaml`` is generated from these and from the envelope."""

from datetime import datetime
from uuid import UUID

from contracts.records import Fields, record


@record
class BadField:
    """One bad field of a message; ``pointer`` is an RFC 6901 JSON Pointer into the body."""

    pointer: str
    message: str


@record
class Problem:
    """An error answer, ``application/problem+json`` (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[BadField, ...] = ()


@record
class Receipt:
    """The 202: what was sent is on disk. ``duplicate``: it was there before, and this is the answer given then."""

    case_no: str
    status: str
    duplicate: bool = False


@record
class LineVerdict:
    """The verdict on one line of a bulk message; ``line`` is 1-based."""

    line: int
    status: int
    case_no: str | None = None
    problem: Problem | None = None


@record
class MaterialReceipt:
    """An upload by Claim Check: ``key`` goes into the case instead of the bytes."""

    key: str
    size: int
    media_type: str


@record
class AttemptView:
    """One try at a delivery."""

    number: int
    situation: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    error_code: str | None
    possible_duplicate: bool


@record
class DeliveryView:
    """One round of one step's message."""

    id: UUID
    step: str
    subject: str | None
    round: int
    system: str
    operation: str
    state: str
    possible_duplicate: bool
    next_at: datetime | None
    attempts: tuple[AttemptView, ...]


@record
class StepView:
    """One step of a case. ``reply`` holds the department's fields, for those who may see them."""

    id: str
    kind: str
    state: str
    decision: str | None
    system: str | None
    opened_at: datetime | None
    closed_at: datetime | None
    reply: Fields | None


@record
class TaskView:
    """A manual task that is or was open on a case. ``kind``: what is to be done; ``sheet`` for a printed task sheet.

    ``system``: the one whose sheet it is, None for a task of the centre.
    """

    id: UUID
    step: str
    kind: str
    state: str
    sheet_no: str | None
    sheet_version: int | None
    due_at: datetime | None
    case_no: str | None = None
    system: str | None = None


@record
class TaskList:
    """Manual tasks that match a question, the most urgent first. ``more``: there are others beyond the limit."""

    tasks: tuple[TaskView, ...]
    more: bool = False


@record
class JournalView:
    """One entry of the journal: ids and codes only."""

    seq: int
    at: datetime
    kind: str
    subject: str
    from_state: str | None
    to_state: str | None
    by: str
    hash: str


@record
class CaseView:
    """Everything about one case for a client whose scope covers it."""

    case_no: str
    item: str
    item_version: int
    status: str
    status_key: str
    flags: tuple[str, ...]
    received_at: datetime
    accepted_at: datetime | None
    due_at: datetime | None
    receiving_centre: str
    accepting_centre: str
    paper_holder: str
    trace_id: str | None = None
    steps: tuple[StepView, ...]
    deliveries: tuple[DeliveryView, ...]
    tasks: tuple[TaskView, ...]
    journal: tuple[JournalView, ...]
