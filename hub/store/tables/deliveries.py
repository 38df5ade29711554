"""Deliveries: what is due to which system, each try, what was answered, copies on shadow channels, holds of lanes."""

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_column, count_column, partial_index, text_column, time_column


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
    next_at: int = Field(sa_column=time_column())
    send_before: int = Field(sa_column=time_column())
    due_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    attempts: int = 0
    unfinished: int = 0
    fence: int = 0
    claimed_by: str | None = None
    lease_until: int | None = Field(default=None, sa_column=time_column(optional=True))
    batch: str | None = None
    via: str = Field(default="", sa_column=text_column())
    error_code: str | None = None
    department_ref: str | None = None
    lapsed_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    created_at: int = Field(sa_column=time_column())
    settled_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    sealed_fields: bytes = Field(sa_column=bytes_column())
    forgiven: int = Field(default=0, sa_column=count_column())
    __table_args__ = (
        UniqueConstraint("region", "case_no", "step", "subject", "round"),
        partial_index("delivery_due", "region", "system", "via", "next_at", "id", where="state = 'due'"),
        partial_index("delivery_held", "region", "system", "next_at", "id", where="state = 'held'"),
        partial_index(
            "delivery_apart", "region", "id", where="state IN ('due', 'held') AND (via != '' OR batch IS NOT NULL)"
        ),
        partial_index("delivery_by_date", "region", "system", "send_before", where="state IN ('due', 'held')"),
        partial_index("delivery_in_doubt", "region", "system", where="state IN ('unknown', 'dead')"),
        partial_index("delivery_claimed", "region", "lease_until", where="state = 'claimed'"),
        partial_index("delivery_lapsed", "region", "lapsed_at", where="lapsed_at IS NOT NULL"),
        Index("delivery_by_batch", "region", "batch", sqlite_where=text("batch IS NOT NULL")),
    )


class Payload(SQLModel, table=True):
    """The mapped message of a round and channel, stored with the first attempt and resent byte for byte."""

    __tablename__ = "payload"
    region: str = Field(primary_key=True)
    delivery: str = Field(primary_key=True)
    situation: str = Field(primary_key=True)
    sealed_body: bytes = Field(sa_column=bytes_column())


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
    started_at: int = Field(sa_column=time_column())
    ended_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    error_code: str | None = None
    __table_args__ = (
        Index("attempt_by_batch", "region", "batch", sqlite_where=text("batch IS NOT NULL")),
        partial_index("attempt_under_way", "region", "delivery", where="state = 'started'"),
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
    happened_at: int = Field(sa_column=time_column())
    recorded_at: int = Field(sa_column=time_column())
    sealed_body: bytes | None = Field(default=None, sa_column=bytes_column(optional=True))


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
    sent_at: int = Field(sa_column=time_column())
    answered_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    sealed_body: bytes | None = Field(default=None, sa_column=bytes_column(optional=True))
    __table_args__ = (Index("shadow_by_system", "region", "system", "situation", "sequence"),)


class LaneRow(SQLModel, table=True):
    """What staff or a refused login set for a lane; it survives a restart."""

    __tablename__ = "lane"
    region: str = Field(primary_key=True)
    system: str = Field(primary_key=True)
    held: str | None = None
    last_cut_off: int | None = Field(default=None, sa_column=time_column(optional=True))
