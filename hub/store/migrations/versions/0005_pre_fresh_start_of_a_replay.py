"""How many attempts at a delivery a person's decision has forgiven."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Code of the release before counts every attempt, as it always did."""
    op.add_column("delivery", sa.Column("forgiven", sa.Integer(), nullable=False, server_default="0"))
