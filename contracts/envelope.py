"""The envelope: the standard message a case, or an event of a case, arrives in (CloudEvents 1.0).

Attributes follow the CloudEvents 1.0.2 specification; ``data`` is one of the records below, chosen by ``type``.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import Field, JsonValue

from contracts.records import Fields, record

CASE_TYPE = "org.onedoor.case.submit.v1"
EVENT_TYPE = "org.onedoor.case.event.v1"

CODE_PATTERN = r"^[A-Za-z0-9_.:/-]{1,64}$"
"""What goes into the journal and stays for ever must have no room for a name or a sentence."""

PersonRef: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9@._:-]{1,64}$")]
"""A staff or applicant reference, never a name."""

Code: TypeAlias = Annotated[str, Field(pattern=CODE_PATTERN)]
"""A reason, a material or the path of a field; never a text."""

MessageId: TypeAlias = Annotated[str, Field(max_length=128)]
"""Chosen by the sender; the same id again is the same message."""


@record
class Envelope:
    """CloudEvents context attributes and data. The hub's key of a message is (region, source, id)."""

    id: MessageId
    source: str
    type: str
    specversion: str = "1.0"
    time: datetime | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])
    data: JsonValue = None


@record
class MaterialRef:
    """A paper handed in: by ``key`` where it was uploaded, by count where it stays on paper."""

    material: str
    key: str | None = None
    name: str = ""
    originals: int = 0
    copies: int = 0
    pages: int = 0


@record
class CaseApplication:
    """Data of a new case. ``accepted``: the counter has checked the papers, so receiving is also accepting 受理."""

    item: str
    item_version: int | None = None
    receiving_centre: str
    accepting_centre: str | None = None
    paper_holder: str | None = None
    channel: str = "1"
    applicant: Fields
    agent: Fields | None = None
    form: Fields = field(default_factory=dict[str, JsonValue])
    materials: tuple[MaterialRef, ...] = ()
    accepted: bool = False
    clerk: PersonRef | None = None


class CaseEventKind(StrEnum):
    """The events that a centre or an applicant may cause; each is a transition of the case table."""

    ACCEPT = "accept"
    ASK_CORRECTION = "ask_correction"
    CORRECTED = "corrected"
    REFUSE_ACCEPTANCE = "refuse_acceptance"
    WITHDRAW = "withdraw"
    VOID = "void"
    SUSPEND = "suspend"
    RESUME = "resume"
    RESUBMIT = "resubmit"
    RETURN = "return"
    RESULT_READY = "result_ready"
    SERVE = "deliver"
    ARCHIVE = "archive"


@record
class CaseEvent:
    """Data of an event. ``by`` is a staff or applicant reference, never a name; ``confirmed_by`` the second person.

    ``applicant``, ``form`` and ``materials`` replace what they name when a correction or a resubmission brings them.
    """

    event: CaseEventKind
    by: PersonRef
    confirmed_by: PersonRef | None = None
    reason_code: Code | None = None
    wanted: tuple[Code, ...] = ()
    happened_at: datetime | None = None
    applicant: Fields | None = None
    form: Fields | None = None
    materials: tuple[MaterialRef, ...] | None = None


@record
class TaskCompletion:
    """What ends a manual task; ``id`` makes it idempotent. A centre task takes ``decision`` (done, granted, refused) or ``returned``;
    a sheet takes the ticked box as ``result_code``, and either ``sheet_code`` (the text of its QR code, with a MAC) or, keyed
    by hand, its number and version. ``happened_at`` may lie before the time it is keyed, with a ``backdate_reason``.
    """

    id: MessageId
    by: PersonRef
    confirmed_by: PersonRef | None = None
    decision: str | None = None
    result_code: str | None = None
    reason_code: Code | None = None
    wanted: tuple[Code, ...] = ()
    fields: Fields = field(default_factory=dict[str, JsonValue])
    sheet_code: str | None = None
    sheet_no: str | None = None
    sheet_version: int | None = None
    happened_at: datetime | None = None
    backdate_reason: str | None = None
