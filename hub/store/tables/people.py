"""Who may do what: senders, accounts, sign-ins."""

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_column, time_column


class Client(SQLModel, table=True):
    """A sender with a key. ``key_hash`` is a keyed hash; ``scope`` is JSON: centres, items, sources, rights."""

    __tablename__ = "client"
    region: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str
    key_hash: str
    scope: str
    created_at: int = Field(sa_column=time_column())
    revoked_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    __table_args__ = (UniqueConstraint("region", "key_hash"),)


class AccountRow(SQLModel, table=True):
    """A person of the staff. ``roles``, ``centres`` and ``departments`` are comma-separated codes; no centre or department: all.

    ``sealed_name`` and ``sealed_secret`` (the second factor's) are encrypted under the accounts' key. ``spent_step`` is the time
    step of the last one-time code, which counts once.
    """

    __tablename__ = "account"
    region: str = Field(primary_key=True)
    login: str = Field(primary_key=True)
    sealed_name: bytes = Field(sa_column=bytes_column())
    password_hash: str | None = None
    roles: str
    centres: str = ""
    departments: str = ""
    language: str = "zh"
    change_password: bool = False
    sealed_secret: bytes | None = Field(default=None, sa_column=bytes_column(optional=True))
    spent_step: int = 0
    identity: str | None = None
    created_at: int = Field(sa_column=time_column())
    changed_at: int = Field(sa_column=time_column())
    disabled_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    __table_args__ = (UniqueConstraint("region", "identity"),)


class SessionRow(SQLModel, table=True):
    """A sign-in. ``id`` is a keyed hash of the cookie. ``level``: ``password`` until the second factor is given, then ``full``."""

    __tablename__ = "session"
    region: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    login: str
    level: str
    created_at: int = Field(sa_column=time_column())
    seen_at: int = Field(sa_column=time_column())
    ended_at: int | None = Field(default=None, sa_column=time_column(optional=True))
    ended_why: str | None = None
    __table_args__ = (Index("session_by_login", "region", "login", "ended_at"),)


class SignInLimit(SQLModel, table=True):
    """Failed sign-ins in a row of one account, address or pair of both; ``bucket`` is a keyed hash that names none of them."""

    __tablename__ = "sign_in_limit"
    region: str = Field(primary_key=True)
    bucket: str = Field(primary_key=True)
    failures: int
    last_at: int = Field(sa_column=time_column())
    until_at: int = Field(sa_column=time_column())
