"""The trace that a case belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Code of the release before never reads it, and its cases have none."""
    op.add_column("case_file", sa.Column("trace_id", sa.String(), nullable=True))
