"""The journal: entries, seals, and what is left of entries whose time was over."""

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_column, time_column


class JournalRow(SQLModel, table=True):
    """The changes of one unit of work on one chain. ``hash`` covers all other columns and the hash before, ``mark`` proves

    that the hub wrote it (``hub.journal``). Seals find new entries by ``rowid``: entries are never moved, and come in its order.
    """

    __tablename__ = "journal"
    region: str = Field(primary_key=True)
    chain: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    at: int = Field(sa_column=time_column())
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
    at: int = Field(sa_column=time_column())
    suite: str
    entries: int
    root: str
    covers: str
    before: str
    signer: str
    note: str
    hash: str
    signature: str
    place: int = Field(sa_column=time_column())


class JournalPurged(SQLModel, table=True):
    """Entries of a chain that were deleted when their time was over: their hashes, 32 bytes each, keep the seals verifiable."""

    __tablename__ = "journal_purged"
    region: str = Field(primary_key=True)
    chain: str = Field(primary_key=True)
    first: int = Field(primary_key=True)
    run: int
    hashes: bytes = Field(sa_column=bytes_column())
