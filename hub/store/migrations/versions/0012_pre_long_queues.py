"""Small indexes for what a start and a turn of a lane look for, so that neither reads a queue however long it is."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_NEW = (
    ("delivery_due", "delivery", ("region", "system", "via", "next_at", "id"), "state = 'due'"),
    ("delivery_apart", "delivery", ("region", "id"), "state IN ('due', 'held') AND (via != '' OR batch IS NOT NULL)"),
    ("case_file_flagged", "case_file", ("region", "case_no"), "flags != ''"),
    ("batch_sealed", "batch", ("region", "id"), "state = 'sealed'"),
)


def upgrade() -> None:
    """The queue of each channel by itself; code of the release before finds what it looks for in it too."""
    op.drop_index("delivery_due", "delivery")
    for name, table, columns, where in _NEW:
        op.create_index(name, table, list(columns), sqlite_where=sa.text(where), postgresql_where=sa.text(where))
