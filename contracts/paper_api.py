"""What the HTTP API takes and answers about paper: handover lists and scanned pages."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import Field

from contracts.envelope import Code, PersonRef
from contracts.records import record

Scanned: TypeAlias = Annotated[str, Field(max_length=128)]
"""What a hand scanner typed: the text of a QR code or a Code 128, or a number keyed by hand."""

SheetNo: TypeAlias = Annotated[str, Field(max_length=32)]


@record
class PrintRequest:
    """Sheets to print as one PDF, by the ids of their tasks or their sheet numbers, in this order."""

    tasks: Annotated[tuple[SheetNo | Code, ...], Field(min_length=1, max_length=200)]


@record
class HandoverRequest:
    """A list to be made. ``sheets`` empty: every printed sheet of the department that waits at the centre.

    ``run_at`` None: the next run of the department's own plan.
    """

    centre: Code
    department: Code
    by: PersonRef
    sheets: Annotated[tuple[SheetNo, ...], Field(max_length=500)] = ()
    run_at: datetime | None = None


@record
class HandingOver:
    """A list leaves. ``scanned`` None: every sheet on it was seen; else those that were not scanned stay behind."""

    by: PersonRef
    taken_by: PersonRef
    scanned: Annotated[tuple[Scanned, ...], Field(max_length=1000)] | None = None


@record
class TakingIn:
    """Sheets that came back, of whatever list."""

    by: PersonRef
    scanned: Annotated[tuple[Scanned, ...], Field(min_length=1, max_length=1000)]


@record
class HandoverNote:
    """A person says something of a list: that it is cancelled, or with ``sheet_no`` that this sheet is lost."""

    by: PersonRef
    sheet_no: SheetNo | None = None


class Difference(StrEnum):
    """Why a scanned sheet, or a listed one, did not do what the list expected."""

    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    ALTERED = "altered"
    OUTDATED = "outdated"
    NOT_LISTED = "not_listed"
    NOT_SCANNED = "not_scanned"
    NOT_OUT = "not_out"
    SETTLED = "settled"


@record
class DifferenceView:
    """``place``: which of the scanned texts it was, from 1; None for a listed sheet that was not scanned."""

    why: Difference
    sheet_no: str | None = None
    place: int | None = None


@record
class HandoverLineView:
    """A sheet on a list. ``task``: the state of its task, so that a sheet that nobody needs any more is seen."""

    seq: int
    sheet_no: str
    sheet_version: int
    case_no: str
    item: str
    item_name: str
    applicant: str
    state: str
    task: str
    originals: int
    copies: int
    pages: int
    out_at: datetime | None
    back_at: datetime | None
    back_by: str | None


@record
class HandoverSummary:
    """A list in short. ``sheets``: how many are on it; ``out``: how many of them have not come back; ``overdue``: they should have."""

    number: str
    centre: str
    department: str
    department_name: str
    state: str
    run_at: datetime | None
    made_at: datetime
    out_at: datetime | None
    remind_at: datetime | None
    sheets: int
    out: int
    overdue: bool


@record
class HandoverView:
    """A list with its sheets. ``differences`` are those of the call that is answered."""

    summary: HandoverSummary
    carrier: str
    made_by: str
    handed_by: str | None
    taken_by: str | None
    closed_at: datetime | None
    prints: int
    lines: tuple[HandoverLineView, ...]
    differences: tuple[DifferenceView, ...] = ()


@record
class HandoverLists:
    """Lists that match a question, the newest first."""

    lists: tuple[HandoverSummary, ...]
    more: bool = False


@record
class TakenIn:
    """What became of sheets that were scanned in: those that are back, and what was strange."""

    back: tuple[str, ...]
    differences: tuple[DifferenceView, ...]


class ScanVerdict(StrEnum):
    """What was found on a scanned page. The first three are attached to their sheet; the others need a person.

    ``bar_only``: no QR code could be read; the plain bar code, or whoever added the page by hand, says whose it is, which proves nothing. ``filed``: the sheet was confirmed before, this is its
    record. ``withdrawn``: the case, or this way of asking, was withdrawn. ``several``: codes of more than one sheet. ``handover_list``: not a sheet but a list.
    """

    MATCHED = "matched"
    BAR_ONLY = "bar_only"
    FILED = "filed"
    ALTERED = "altered"
    OUTDATED = "outdated"
    WRONG_DESK = "wrong_desk"
    DONE_ELSEWHERE = "done_elsewhere"
    WITHDRAWN = "withdrawn"
    DUPLICATE = "duplicate"
    SEVERAL = "several"
    HANDOVER_LIST = "handover_list"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"


@record
class ScanNote:
    """A person settles a page: ``sheet_no`` says whose it is, without it the page is dismissed."""

    by: PersonRef
    sheet_no: SheetNo | None = None
    reason_code: Code | None = None


@record
class ScanPageView:
    """A page of a scanned file. ``by``: the hub, or who settled it."""

    scan: str
    page: int
    state: str
    verdict: ScanVerdict
    sheet_no: str | None
    sheet_version: int | None
    case_no: str | None
    by: str


@record
class ScanView:
    """A scanned file. ``read``: how many of its ``pages`` are read, while that goes on; ``error``: why it was refused."""

    id: str
    state: str
    centre: str
    size: int
    media_type: str
    pages: int
    read: int
    matched: int
    odd: int
    error: str | None
    by: str
    created_at: datetime
    ended_at: datetime | None
    duplicate: bool = False
    found: tuple[ScanPageView, ...] = ()


@record
class ScanList:
    """Scanned files, the newest first, without their pages."""

    scans: tuple[ScanView, ...]
    more: bool = False
