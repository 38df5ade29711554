"""What people hold in their hands: tasks, task sheets, handover lists, scans."""

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_column, count_column, partial_index, time_column


class Task(SQLModel, table=True):
    """A manual task: a centre step, a task sheet to confirm, or something only a person can decide."""

    __tablename__ = "task"
    region: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    case_no: str
    step: str
    delivery: str | None = None
    kind: str
    state: str
    centre: str
    system: str | None = None
    sheet_no: str | None = None
    assigned_to: str | None = None
    completion: str | None = None
    sealed_completion: bytes | None = Field(default=None, sa_column=bytes_column(optional=True))
    due_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    created_at: int = Field(sa_column=time_column())
    completed_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    __table_args__ = (
        Index("task_open", "region", "state", "kind", "centre", "created_at"),
        Index("task_by_case", "region", "case_no"),
        Index("task_by_delivery", "region", "delivery"),
        Index("task_by_state", "region", "state", "centre", "due_at", "id"),
        Index("task_by_person", "region", "assigned_to", "state", "completed_at"),
    )


class Sheet(SQLModel, table=True):
    """A task sheet 交办单: one number a delivery; a changed content is a new version of the same number.

    ``voided_at``: its delivery was handed back to another channel; issued again, it gets a new version.
    ``prints_before``: how many of the prints were of earlier versions.
    """

    __tablename__ = "sheet"
    region: str = Field(primary_key=True)
    number: str = Field(primary_key=True)
    version: int
    delivery: str
    case_no: str
    content_hash: str
    prints: int = 0
    voided_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    sealed_content: bytes = Field(sa_column=bytes_column())
    prints_before: int = Field(default=0, sa_column=count_column())
    __table_args__ = (UniqueConstraint("region", "delivery"),)


class HandoverRow(SQLModel, table=True):
    """A handover list 交接清单. ``handed_by`` and ``taken_by`` are references of people, never names."""

    __tablename__ = "handover"
    region: str = Field(primary_key=True)
    number: str = Field(primary_key=True)
    centre: str
    department: str
    carrier: str
    state: str
    run_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    made_at: int = Field(sa_column=time_column())
    made_by: str
    prints: int = 0
    out_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    handed_by: str | None = None
    taken_by: str | None = None
    remind_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    closed_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    __table_args__ = (Index("handover_by_state", "region", "state", "centre", "department"),)


class HandoverLineRow(SQLModel, table=True):
    """A sheet on a handover list. ``back_by``: who scanned or confirmed it when it came back."""

    __tablename__ = "handover_line"
    region: str = Field(primary_key=True)
    list: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    sheet_no: str
    sheet_version: int
    case_no: str
    state: str
    originals: int
    copies: int
    pages: int
    out_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    back_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    back_by: str | None = None
    __table_args__ = (
        UniqueConstraint("region", "list", "sheet_no"),
        Index("handover_line_by_sheet", "region", "sheet_no"),
        partial_index("handover_line_out", "region", "list", where="state = 'out'"),
    )


class ScanRow(SQLModel, table=True):
    """A scanned file that was dropped in. ``centre`` is the desk it was dropped at, empty for one that serves all.

    ``sheet_no`` is the sheet it was added to by hand, empty for one that lies in a batch.
    """

    __tablename__ = "scan"
    region: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    blob: str
    size: int
    media_type: str
    centre: str
    sheet_no: str = ""
    state: str
    pages: int = 0
    error: str | None = None
    by: str
    created_at: int = Field(sa_column=time_column())
    ended_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    __table_args__ = (
        UniqueConstraint("region", "blob", "centre", "sheet_no"),
        Index("scan_by_state", "region", "state"),
    )


class ScanPageRow(SQLModel, table=True):
    """A scanned page. ``image`` is its picture in the blob store, drawn anew; ``verdict`` says what was found on it."""

    __tablename__ = "scan_page"
    region: str = Field(primary_key=True)
    scan: str = Field(primary_key=True)
    page: int = Field(primary_key=True)
    state: str
    verdict: str
    image: str
    centre: str
    sheet_no: str | None = None
    sheet_version: int | None = None
    case_no: str | None = None
    by: str
    created_at: int = Field(sa_column=time_column())
    __table_args__ = (
        Index("scan_page_by_sheet", "region", "sheet_no"),
        Index("scan_page_by_state", "region", "state", "centre"),
        Index("scan_page_by_case", "region", "case_no"),
    )
