"""What is kept of files: names and receipts of those that go out, those that come in, days that are closed."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _column(name: str, kind: sa.types.TypeEngine[Any], default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=default)


def upgrade() -> None:
    """Code of the release before writes no names and knows no receipts; it reads none of the new tables."""
    op.add_column("batch", _column("day_sequence", sa.Integer(), "0"))
    op.add_column("batch", _column("name", sa.String(), ""))
    op.add_column("batch", sa.Column("receipt", sa.String(), nullable=True))
    op.add_column("batch", sa.Column("receipt_code", sa.String(), nullable=True))
    op.add_column("batch", sa.Column("receipt_rows", sa.Integer(), nullable=True))
    op.create_table(
        "exchanged_file",
        *(_column(name, sa.String()) for name in ("region", "system", "name", "digest", "situation", "kind", "state")),
        *(_column(name, sa.String()) for name in ("reason", "day", "scope")),
        sa.Column("sequence", sa.Integer(), nullable=True),
        *(_column(name, sa.Integer()) for name in ("lines", "unread", "size", "times")),
        *(_column(name, sa.BigInteger()) for name in ("first_at", "last_at")),
        sa.PrimaryKeyConstraint("region", "system", "name", "digest"),
    )
    op.create_index("exchanged_file_by_day", "exchanged_file", ["region", "system", "day"])
    op.create_index("exchanged_file_by_digest", "exchanged_file", ["region", "system", "digest"])
    op.create_table(
        "explanation",
        *(_column(name, sa.String()) for name in ("region", "system", "day", "difference", "reason", "by")),
        _column("at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "system", "day", "difference"),
    )
    op.create_table(
        "day_closing",
        *(_column(name, sa.String()) for name in ("region", "system", "day")),
        *(_column(name, sa.Integer()) for name in ("sent", "accepted", "rejected", "pending")),
        *(_column(name, sa.String()) for name in ("digest", "by")),
        _column("at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "system", "day"),
    )
