"""Seals of the journal, marks of its entries, keys of the database, the blind index."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _column(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """Only new tables, and columns that may be empty: the release before goes on working."""
    op.add_column("journal", sa.Column("mark", sa.String(), nullable=True))
    op.add_column("key_check", sa.Column("suite", sa.String(), nullable=True))
    op.create_table(
        "key_ring",
        _column("region", sa.String()),
        _column("purpose", sa.String()),
        _column("sealed_key", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("region", "purpose"),
    )
    op.create_table(
        "seal",
        _column("region", sa.String()),
        _column("number", sa.Integer()),
        _column("epoch", sa.Integer()),
        _column("at", sa.BigInteger()),
        _column("suite", sa.String()),
        _column("entries", sa.Integer()),
        _column("root", sa.String()),
        _column("covers", sa.String()),
        _column("before", sa.String()),
        _column("signer", sa.String()),
        _column("note", sa.String()),
        _column("hash", sa.String()),
        _column("signature", sa.String()),
        _column("place", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "number"),
    )
    op.create_table(
        "journal_purged",
        _column("region", sa.String()),
        _column("chain", sa.String()),
        _column("first", sa.Integer()),
        _column("run", sa.Integer()),
        _column("hashes", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("region", "chain", "first"),
    )
    op.create_table(
        "case_index",
        _column("region", sa.String()),
        _column("kind", sa.String()),
        _column("value", sa.String()),
        _column("case_no", sa.String()),
        sa.PrimaryKeyConstraint("region", "kind", "value", "case_no"),
    )
