"""Files that go out and come in: batches, exchanged files, and the days that add up."""

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import count_column, partial_index, text_column, time_column


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
    day_sequence: int = Field(default=0, sa_column=count_column())
    name: str = Field(default="", sa_column=text_column())
    receipt: str | None = None
    receipt_code: str | None = None
    receipt_rows: int | None = None
    state: str
    digest: str
    blob: str
    members: int
    sealed_at: int = Field(sa_column=time_column())
    changed_at: int = Field(sa_column=time_column())
    __table_args__ = (
        UniqueConstraint("region", "system", "situation", "sequence"),
        partial_index("batch_sealed", "region", "id", where="state = 'sealed'"),
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
    first_at: int = Field(sa_column=time_column())
    last_at: int = Field(sa_column=time_column())
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
    at: int = Field(sa_column=time_column())


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
    at: int = Field(sa_column=time_column())
