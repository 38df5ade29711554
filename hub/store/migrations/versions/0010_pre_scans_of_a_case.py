"""The scanned pages of a case, for whoever erases it."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """An index."""
    op.create_index("scan_page_by_case", "scan_page", ["region", "case_no"])
