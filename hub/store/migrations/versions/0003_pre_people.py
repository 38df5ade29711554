"""People: accounts, sessions, failed sign-ins; and what their worklists are found by."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _column(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """New tables and indexes only: the code before runs on it unchanged."""
    op.create_table(
        "account",
        _column("region", sa.String()),
        _column("login", sa.String()),
        _column("sealed_name", sa.LargeBinary()),
        sa.Column("password_hash", sa.String(), nullable=True),
        _column("roles", sa.String()),
        _column("centres", sa.String()),
        _column("departments", sa.String()),
        _column("language", sa.String()),
        _column("change_password", sa.Boolean()),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=True),
        _column("spent_step", sa.Integer()),
        sa.Column("identity", sa.String(), nullable=True),
        _column("created_at", sa.BigInteger()),
        _column("changed_at", sa.BigInteger()),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("region", "login"),
        sa.UniqueConstraint("region", "identity"),
    )
    op.create_table(
        "session",
        _column("region", sa.String()),
        _column("id", sa.String()),
        _column("login", sa.String()),
        _column("level", sa.String()),
        _column("created_at", sa.BigInteger()),
        _column("seen_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_why", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("region", "id"),
    )
    op.create_index("session_by_login", "session", ["region", "login", "ended_at"])
    op.create_table(
        "sign_in_limit",
        _column("region", sa.String()),
        _column("bucket", sa.String()),
        _column("failures", sa.Integer()),
        _column("last_at", sa.BigInteger()),
        _column("until_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "bucket"),
    )
    op.create_index("task_by_state", "task", ["region", "state", "centre", "due_at", "id"])
    op.create_index("task_by_person", "task", ["region", "assigned_to", "state", "completed_at"])
    op.create_index(
        "case_step_returned",
        "case_step",
        ["region", "state"],
        sqlite_where=sa.text("state = 'returned'"),
        postgresql_where=sa.text("state = 'returned'"),
    )
