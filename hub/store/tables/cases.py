"""Cases: the messages that brought them, the cases, their steps, their uploads, and how they are found."""

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_column, partial_index, time_column


class Inbox(SQLModel, table=True):
    """Idempotent Receiver: one row a message id, with the keyed digest of its content and the answer given."""

    __tablename__ = "inbox"
    region: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    digest: str
    case_no: str
    status: str
    received_at: int = Field(sa_column=time_column())


class CaseFile(SQLModel, table=True):
    """A case 办件. ``sealed_data`` holds applicant, agent, form and materials; ``sealed_key`` the case key, wrapped.

    ``trace_id``: W3C Trace Context, of the message that brought it or drawn at random.
    """

    __tablename__ = "case_file"
    region: str = Field(primary_key=True)
    case_no: str = Field(primary_key=True)
    item: str
    item_version: int
    status: str
    suspended_from: str | None = None
    corrections: int = 0
    flags: str = ""
    decision: str | None = None
    source: str
    client: str
    channel: str
    applicant_type: str
    receiving_centre: str
    accepting_centre: str
    paper_holder: str
    received_at: int = Field(sa_column=time_column())
    accepted_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    due_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    due_open: bool = False
    paused_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    pauses: str = "[]"
    changed_at: int = Field(sa_column=time_column())
    sealed_key: bytes = Field(sa_column=bytes_column())
    sealed_data: bytes = Field(sa_column=bytes_column())
    trace_id: str | None = None
    __table_args__ = (
        Index("case_file_by_status", "region", "status", "changed_at"),
        partial_index("case_file_without_date", "region", "case_no", where="due_open"),
        partial_index("case_file_flagged", "region", "case_no", where="flags != ''"),
    )


class CaseStep(SQLModel, table=True):
    """A step 环节 of a case, frozen at acceptance with its system. ``mark`` is ``not_answered`` for a silent source."""

    __tablename__ = "case_step"
    region: str = Field(primary_key=True)
    case_no: str = Field(primary_key=True)
    step: str = Field(primary_key=True)
    position: int
    kind: str
    state: str
    mark: str | None = None
    decision: str | None = None
    system: str | None = None
    operation: str | None = None
    round: int = 0
    opened_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    closed_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    silent_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    sealed_reply: bytes | None = Field(default=None, sa_column=bytes_column(optional=True))
    __table_args__ = (
        partial_index("case_step_by_silence", "region", "silent_at", where="silent_at IS NOT NULL"),
        partial_index("case_step_returned", "region", "state", where="state = 'returned'"),
    )


class CaseIndex(SQLModel, table=True):
    """Blind index: cases by the keyed hash of an identity number, a name or an upload. ``value`` says nothing without the key."""

    __tablename__ = "case_index"
    region: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    case_no: str = Field(primary_key=True)


class Material(SQLModel, table=True):
    """An uploaded paper. The bytes lie encrypted in the blob store under ``key``."""

    __tablename__ = "material"
    region: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    size: int
    media_type: str
    client: str
    created_at: int = Field(sa_column=time_column())
