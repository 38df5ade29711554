"""Every table. The region leads every key, so that one database a district, or a sharded one, needs no change of code.

Times are integers: milliseconds since 1970-01-01 UTC. Columns of type bytes named ``sealed_*`` are encrypted under the
case's own key; what is not sealed holds ids, codes and times only, never personal data.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, UniqueConstraint, text
from sqlmodel import Field, SQLModel


def _time(optional: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=optional)


def _text() -> Column[str]:
    """A text that is empty where code of an earlier release writes the row."""
    return Column(String, nullable=False, server_default="")


def _count() -> Column[int]:
    """A number that is 0 where code of an earlier release writes the row."""
    return Column(Integer, nullable=False, server_default="0")


def _partial(name: str, *columns: str, where: str) -> Index:
    """An index of the few rows that matter. SQLite uses it only where the query repeats ``where`` word for word, as literals."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def _bytes(optional: bool = False) -> Column[bytes]:
    return Column(LargeBinary, nullable=optional)


class KeyCheck(SQLModel, table=True):
    """Proof that the right master key is in use: ``proof`` is an HMAC that a wrong key cannot repeat; ``suite`` its algorithms."""

    __tablename__ = "key_check"
    region: str = Field(primary_key=True)
    purpose: str = Field(primary_key=True)
    proof: str
    suite: str | None = None


class KeyRing(SQLModel, table=True):
    """Keys of this database, wrapped by the master key: what comes from them stays the same when the master key is rotated."""

    __tablename__ = "key_ring"
    region: str = Field(primary_key=True)
    purpose: str = Field(primary_key=True)
    sealed_key: bytes = Field(sa_column=_bytes())


class Sequence(SQLModel, table=True):
    """Numbers handed out: case numbers by centre and day, batch sequences by channel."""

    __tablename__ = "sequence"
    region: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: int


class Client(SQLModel, table=True):
    """A sender with a key. ``key_hash`` is a keyed hash; ``scope`` is JSON: centres, items, sources, rights."""

    __tablename__ = "client"
    region: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str
    key_hash: str
    scope: str
    created_at: int = Field(sa_column=_time())
    revoked_at: int | None = Field(default=None, sa_column=_time(optional=True))
    __table_args__ = (UniqueConstraint("region", "key_hash"),)


class ItemVersion(SQLModel, table=True):
    """An immutable version of an item; ``content`` is its canonical JSON, ``digest`` its SHA-256."""

    __tablename__ = "item_version"
    region: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    digest: str
    content: str
    loaded_at: int = Field(sa_column=_time())


class Inbox(SQLModel, table=True):
    """Idempotent Receiver: one row a message id, with the keyed digest of its content and the answer given."""

    __tablename__ = "inbox"
    region: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    digest: str
    case_no: str
    status: str
    received_at: int = Field(sa_column=_time())


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
    received_at: int = Field(sa_column=_time())
    accepted_at: int | None = Field(default=None, sa_column=_time(optional=True))
    due_at: int | None = Field(default=None, sa_column=_time(optional=True))
    due_open: bool = False
    paused_at: int | None = Field(default=None, sa_column=_time(optional=True))
    pauses: str = "[]"
    changed_at: int = Field(sa_column=_time())
    sealed_key: bytes = Field(sa_column=_bytes())
    sealed_data: bytes = Field(sa_column=_bytes())
    trace_id: str | None = None
    __table_args__ = (
        Index("case_file_by_status", "region", "status", "changed_at"),
        _partial("case_file_without_date", "region", "case_no", where="due_open"),
        _partial("case_file_flagged", "region", "case_no", where="flags != ''"),
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
    opened_at: int | None = Field(default=None, sa_column=_time(optional=True))
    closed_at: int | None = Field(default=None, sa_column=_time(optional=True))
    silent_at: int | None = Field(default=None, sa_column=_time(optional=True))
    sealed_reply: bytes | None = Field(default=None, sa_column=_bytes(optional=True))
    __table_args__ = (
        _partial("case_step_by_silence", "region", "silent_at", where="silent_at IS NOT NULL"),
        _partial("case_step_returned", "region", "state", where="state = 'returned'"),
    )


class DeliveryRow(SQLModel, table=True):
    """A delivery. ``fence`` grows with every claim: what was begun under an older fence has no effect any more.

    ``forgiven``: how many attempts lie before a person's last decision that it goes again; they count no more against it.
    ``lapsed_at`` is when something is due while it waits: an enquiry, or the end of the time to answer. ``via``: the situation
    of the fallback channel it goes by; empty: by its system's sending channel, whichever that is then.
    """

    __tablename__ = "delivery"
    region: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    case_no: str
    step: str
    subject: str = ""
    round: int
    supersedes: str | None = None
    system: str
    operation: str
    state: str
    cause: str | None = None
    possible_duplicate: bool = False
    next_at: int = Field(sa_column=_time())
    send_before: int = Field(sa_column=_time())
    due_at: int | None = Field(default=None, sa_column=_time(optional=True))
    attempts: int = 0
    unfinished: int = 0
    fence: int = 0
    claimed_by: str | None = None
    lease_until: int | None = Field(default=None, sa_column=_time(optional=True))
    batch: str | None = None
    via: str = Field(default="", sa_column=_text())
    error_code: str | None = None
    department_ref: str | None = None
    lapsed_at: int | None = Field(default=None, sa_column=_time(optional=True))
    created_at: int = Field(sa_column=_time())
    settled_at: int | None = Field(default=None, sa_column=_time(optional=True))
    sealed_fields: bytes = Field(sa_column=_bytes())
    forgiven: int = Field(default=0, sa_column=_count())
    __table_args__ = (
        UniqueConstraint("region", "case_no", "step", "subject", "round"),
        _partial("delivery_due", "region", "system", "via", "next_at", "id", where="state = 'due'"),
        _partial("delivery_held", "region", "system", "next_at", "id", where="state = 'held'"),
        _partial(
            "delivery_apart", "region", "id", where="state IN ('due', 'held') AND (via != '' OR batch IS NOT NULL)"
        ),
        _partial("delivery_by_date", "region", "system", "send_before", where="state IN ('due', 'held')"),
        _partial("delivery_in_doubt", "region", "system", where="state IN ('unknown', 'dead')"),
        _partial("delivery_claimed", "region", "lease_until", where="state = 'claimed'"),
        _partial("delivery_lapsed", "region", "lapsed_at", where="lapsed_at IS NOT NULL"),
        Index("delivery_by_batch", "region", "batch", sqlite_where=text("batch IS NOT NULL")),
    )


class Payload(SQLModel, table=True):
    """The mapped message of a round and channel, stored with the first attempt and resent byte for byte."""

    __tablename__ = "payload"
    region: str = Field(primary_key=True)
    delivery: str = Field(primary_key=True)
    situation: str = Field(primary_key=True)
    sealed_body: bytes = Field(sa_column=_bytes())


class AttemptRow(SQLModel, table=True):
    """One try. Written before the first byte leaves; ``ended_at`` stays empty when the process died meanwhile."""

    __tablename__ = "attempt"
    region: str = Field(primary_key=True)
    delivery: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    case_no: str
    situation: str
    fence: int
    state: str
    possible_duplicate: bool = False
    batch: str | None = None
    started_at: int = Field(sa_column=_time())
    ended_at: int | None = Field(default=None, sa_column=_time(optional=True))
    error_code: str | None = None
    __table_args__ = (
        Index("attempt_by_batch", "region", "batch", sqlite_where=text("batch IS NOT NULL")),
        _partial("attempt_under_way", "region", "delivery", where="state = 'started'"),
    )


class ReplyRow(SQLModel, table=True):
    """An answer, keyed by its content: the same one again has no effect. ``verdict`` says what became of it."""

    __tablename__ = "reply"
    region: str = Field(primary_key=True)
    system: str = Field(primary_key=True)
    delivery: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    case_no: str | None = None
    kind: str
    verdict: str
    times: int = 1
    happened_at: int = Field(sa_column=_time())
    recorded_at: int = Field(sa_column=_time())
    sealed_body: bytes | None = Field(default=None, sa_column=_bytes(optional=True))


class BatchRow(SQLModel, table=True):
    """Deliveries that travel together. ``digest`` is the SHA-256 of the sealed bytes, which lie in the blob store.

    ``name``: under which the partner knows its file; ``receipt``: what it said of the whole file, by ``ReceiptVerdict``, with its
    code and the records it counted.
    """

    __tablename__ = "batch"
    region: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    system: str
    situation: str
    sequence: int
    day_sequence: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    name: str = Field(default="", sa_column=_text())
    receipt: str | None = None
    receipt_code: str | None = None
    receipt_rows: int | None = None
    state: str
    digest: str
    blob: str
    members: int
    sealed_at: int = Field(sa_column=_time())
    changed_at: int = Field(sa_column=_time())
    __table_args__ = (
        UniqueConstraint("region", "system", "situation", "sequence"),
        _partial("batch_sealed", "region", "id", where="state = 'sealed'"),
    )


class ExchangedFileRow(SQLModel, table=True):
    """A file that came in, by name and content: the same one again is counted. ``day``: the site's, of its first coming.

    ``sequence`` counts within ``scope`` where the partner numbers its files without gaps. ``kind``: ``result`` or ``receipt``.
    """

    __tablename__ = "exchanged_file"
    region: str = Field(primary_key=True)
    system: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    situation: str
    kind: str
    state: str
    reason: str
    day: str
    scope: str
    sequence: int | None = None
    lines: int
    unread: int
    size: int
    times: int
    first_at: int = Field(sa_column=_time())
    last_at: int = Field(sa_column=_time())
    __table_args__ = (
        Index("exchanged_file_by_day", "region", "system", "day"),
        Index("exchanged_file_by_digest", "region", "system", "digest"),
    )


class Explanation(SQLModel, table=True):
    """Why a difference of a day's reconciliation is none, or has been settled: a code that a person gave."""

    __tablename__ = "explanation"
    region: str = Field(primary_key=True)
    system: str = Field(primary_key=True)
    day: str = Field(primary_key=True)
    difference: str = Field(primary_key=True)
    reason: str
    by: str
    at: int = Field(sa_column=_time())


class ShadowRow(SQLModel, table=True):
    """A copy of a delivery on a shadow channel: ``id`` is its own, ``delivery`` the one that counts. ``sealed_body``: what it answered.

    ``state``: sent, answered, failed (``error_code``).
    """

    __tablename__ = "shadow"
    region: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    delivery: str
    case_no: str
    system: str
    situation: str
    sequence: int
    state: str
    error_code: str | None = None
    sent_at: int = Field(sa_column=_time())
    answered_at: int | None = Field(default=None, sa_column=_time(optional=True))
    sealed_body: bytes | None = Field(default=None, sa_column=_bytes(optional=True))
    __table_args__ = (Index("shadow_by_system", "region", "system", "situation", "sequence"),)


class DayClosing(SQLModel, table=True):
    """A day of a system whose files are accounted for. ``digest``: SHA-256 of the report that was kept."""

    __tablename__ = "day_closing"
    region: str = Field(primary_key=True)
    system: str = Field(primary_key=True)
    day: str = Field(primary_key=True)
    sent: int
    accepted: int
    rejected: int
    pending: int
    digest: str
    by: str
    at: int = Field(sa_column=_time())


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
    sealed_completion: bytes | None = Field(default=None, sa_column=_bytes(optional=True))
    due_at: int | None = Field(default=None, sa_column=_time(optional=True))
    created_at: int = Field(sa_column=_time())
    completed_at: int | None = Field(default=None, sa_column=_time(optional=True))
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
    voided_at: int | None = Field(default=None, sa_column=_time(optional=True))
    sealed_content: bytes = Field(sa_column=_bytes())
    prints_before: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
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
    run_at: int | None = Field(default=None, sa_column=_time(optional=True))
    made_at: int = Field(sa_column=_time())
    made_by: str
    prints: int = 0
    out_at: int | None = Field(default=None, sa_column=_time(optional=True))
    handed_by: str | None = None
    taken_by: str | None = None
    remind_at: int | None = Field(default=None, sa_column=_time(optional=True))
    closed_at: int | None = Field(default=None, sa_column=_time(optional=True))
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
    out_at: int | None = Field(default=None, sa_column=_time(optional=True))
    back_at: int | None = Field(default=None, sa_column=_time(optional=True))
    back_by: str | None = None
    __table_args__ = (
        UniqueConstraint("region", "list", "sheet_no"),
        Index("handover_line_by_sheet", "region", "sheet_no"),
        Index(
            "handover_line_out",
            "region",
            "list",
            sqlite_where=text("state = 'out'"),
            postgresql_where=text("state = 'out'"),
        ),
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
    created_at: int = Field(sa_column=_time())
    ended_at: int | None = Field(default=None, sa_column=_time(optional=True))
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
    created_at: int = Field(sa_column=_time())
    __table_args__ = (
        Index("scan_page_by_sheet", "region", "sheet_no"),
        Index("scan_page_by_state", "region", "state", "centre"),
        Index("scan_page_by_case", "region", "case_no"),
    )


class Material(SQLModel, table=True):
    """An uploaded paper. The bytes lie encrypted in the blob store under ``key``."""

    __tablename__ = "material"
    region: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    size: int
    media_type: str
    client: str
    created_at: int = Field(sa_column=_time())


class LaneRow(SQLModel, table=True):
    """What staff or a refused login set for a lane; it survives a restart."""

    __tablename__ = "lane"
    region: str = Field(primary_key=True)
    system: str = Field(primary_key=True)
    held: str | None = None
    last_cut_off: int | None = Field(default=None, sa_column=_time(optional=True))


class AccountRow(SQLModel, table=True):
    """A person of the staff. ``roles``, ``centres`` and ``departments`` are comma-separated codes; no centre or department: all.

    ``sealed_name`` and ``sealed_secret`` (the second factor's) are encrypted under the accounts' key. ``spent_step`` is the time
    step of the last one-time code, which counts once.
    """

    __tablename__ = "account"
    region: str = Field(primary_key=True)
    login: str = Field(primary_key=True)
    sealed_name: bytes = Field(sa_column=_bytes())
    password_hash: str | None = None
    roles: str
    centres: str = ""
    departments: str = ""
    language: str = "zh"
    change_password: bool = False
    sealed_secret: bytes | None = Field(default=None, sa_column=_bytes(optional=True))
    spent_step: int = 0
    identity: str | None = None
    created_at: int = Field(sa_column=_time())
    changed_at: int = Field(sa_column=_time())
    disabled_at: int | None = Field(default=None, sa_column=_time(optional=True))
    __table_args__ = (UniqueConstraint("region", "identity"),)


class SessionRow(SQLModel, table=True):
    """A sign-in. ``id`` is a keyed hash of the cookie. ``level``: ``password`` until the second factor is given, then ``full``."""

    __tablename__ = "session"
    region: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    login: str
    level: str
    created_at: int = Field(sa_column=_time())
    seen_at: int = Field(sa_column=_time())
    ended_at: int | None = Field(default=None, sa_column=_time(optional=True))
    ended_why: str | None = None
    __table_args__ = (Index("session_by_login", "region", "login", "ended_at"),)


class SignInLimit(SQLModel, table=True):
    """Failed sign-ins in a row of one account, address or pair of both; ``bucket`` is a keyed hash that names none of them."""

    __tablename__ = "sign_in_limit"
    region: str = Field(primary_key=True)
    bucket: str = Field(primary_key=True)
    failures: int
    last_at: int = Field(sa_column=_time())
    until_at: int = Field(sa_column=_time())


class JournalRow(SQLModel, table=True):
    """The changes of one unit of work on one chain. ``hash`` covers all other columns and the hash before, ``mark`` proves

    that the hub wrote it (``hub.journal``). Seals find new entries by ``rowid``: entries are never moved, and come in its order.
    """

    __tablename__ = "journal"
    region: str = Field(primary_key=True)
    chain: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    at: int = Field(sa_column=_time())
    by: str
    changes: str
    hash: str
    mark: str | None = None
    __table_args__ = (CheckConstraint("seq > 0"),)


class SealRow(SQLModel, table=True):
    """A signed seal over a batch of journal entries, linked to the seal before (``hub.seals``). ``covers`` is JSON."""

    __tablename__ = "seal"
    region: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    epoch: int
    at: int = Field(sa_column=_time())
    suite: str
    entries: int
    root: str
    covers: str
    before: str
    signer: str
    note: str
    hash: str
    signature: str
    place: int = Field(sa_column=_time())


class JournalPurged(SQLModel, table=True):
    """Entries of a chain that were deleted when their time was over: their hashes, 32 bytes each, keep the seals verifiable."""

    __tablename__ = "journal_purged"
    region: str = Field(primary_key=True)
    chain: str = Field(primary_key=True)
    first: int = Field(primary_key=True)
    run: int
    hashes: bytes = Field(sa_column=_bytes())


class CaseIndex(SQLModel, table=True):
    """Blind index: cases by the keyed hash of an identity number, a name or an upload. ``value`` says nothing without the key."""

    __tablename__ = "case_index"
    region: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    case_no: str = Field(primary_key=True)
