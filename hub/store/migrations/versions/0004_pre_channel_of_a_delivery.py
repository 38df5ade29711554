"""By which channel a delivery goes, and that a task sheet is void."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Code of the release before writes neither column: a delivery then goes by the sending channel, a sheet is valid."""
    op.add_column("delivery", sa.Column("via", sa.String(), nullable=False, server_default=""))
    op.add_column("sheet", sa.Column("voided_at", sa.BigInteger(), nullable=True))
