"""Small indexes for what is looked for again and again: claims, holds, dates, attempts under way, cases without a date."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NEW = (
    ("delivery_held", "delivery", ("region", "system", "next_at", "id"), "state = 'held'"),
    ("delivery_by_date", "delivery", ("region", "system", "send_before"), "state IN ('due', 'held')"),
    ("delivery_in_doubt", "delivery", ("region", "system"), "state IN ('unknown', 'dead')"),
    ("delivery_claimed", "delivery", ("region", "lease_until"), "state = 'claimed'"),
    ("attempt_under_way", "attempt", ("region", "delivery"), "state = 'started'"),
    ("case_file_without_date", "case_file", ("region", "case_no"), "due_open"),
)


def upgrade() -> None:
    """The index that goes was used by no query: SQLite wants the words of a partial index in the query."""
    op.drop_index("delivery_in_hand", "delivery")
    for name, table, columns, where in _NEW:
        op.create_index(name, table, list(columns), sqlite_where=sa.text(where), postgresql_where=sa.text(where))
