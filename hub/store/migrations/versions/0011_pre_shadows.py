"""Copies of deliveries on shadow channels."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """A new table: code of the release before does not know it."""
    op.create_table(
        "shadow",
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("region", "id", "delivery", "case_no", "system", "situation")
        ),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("region", "id"),
    )
    op.create_index("shadow_by_system", "shadow", ["region", "system", "situation", "sequence"])
