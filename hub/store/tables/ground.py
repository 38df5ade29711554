"""What the database itself stands on: its keys, the numbers it hands out, the versions of items."""

from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_column, time_column


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
    sealed_key: bytes = Field(sa_column=bytes_column())


class Sequence(SQLModel, table=True):
    """Numbers handed out: case numbers by centre and day, batch sequences by channel."""

    __tablename__ = "sequence"
    region: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: int


class ItemVersion(SQLModel, table=True):
    """An immutable version of an item; ``content`` is its canonical JSON, ``digest`` its SHA-256."""

    __tablename__ = "item_version"
    region: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    digest: str
    content: str
    loaded_at: int = Field(sa_column=time_column())
