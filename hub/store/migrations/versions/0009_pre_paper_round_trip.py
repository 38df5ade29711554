"""Handover lists, scanned files and their pages; how many prints of a sheet were of earlier versions."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def _column(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _optional(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def upgrade() -> None:
    """Tables for what leaves the house on paper and for what comes back."""
    op.add_column("sheet", sa.Column("prints_before", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "handover",
        _column("region", sa.String()),
        _column("number", sa.String()),
        _column("centre", sa.String()),
        _column("department", sa.String()),
        _column("carrier", sa.String()),
        _column("state", sa.String()),
        _optional("run_at", sa.BigInteger()),
        _column("made_at", sa.BigInteger()),
        _column("made_by", sa.String()),
        _column("prints", sa.Integer()),
        _optional("out_at", sa.BigInteger()),
        _optional("handed_by", sa.String()),
        _optional("taken_by", sa.String()),
        _optional("remind_at", sa.BigInteger()),
        _optional("closed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "number"),
    )
    op.create_index("handover_by_state", "handover", ["region", "state", "centre", "department"])
    op.create_table(
        "handover_line",
        _column("region", sa.String()),
        _column("list", sa.String()),
        _column("seq", sa.Integer()),
        _column("sheet_no", sa.String()),
        _column("sheet_version", sa.Integer()),
        _column("case_no", sa.String()),
        _column("state", sa.String()),
        _column("originals", sa.Integer()),
        _column("copies", sa.Integer()),
        _column("pages", sa.Integer()),
        _optional("out_at", sa.BigInteger()),
        _optional("back_at", sa.BigInteger()),
        _optional("back_by", sa.String()),
        sa.PrimaryKeyConstraint("region", "list", "seq"),
        sa.UniqueConstraint("region", "list", "sheet_no"),
    )
    op.create_index("handover_line_by_sheet", "handover_line", ["region", "sheet_no"])
    out = sa.text("state = 'out'")
    op.create_index("handover_line_out", "handover_line", ["region", "list"], sqlite_where=out, postgresql_where=out)
    op.create_table(
        "scan",
        _column("region", sa.String()),
        _column("id", sa.String()),
        _column("blob", sa.String()),
        _column("size", sa.Integer()),
        _column("media_type", sa.String()),
        _column("centre", sa.String()),
        _column("sheet_no", sa.String()),
        _column("state", sa.String()),
        _column("pages", sa.Integer()),
        _optional("error", sa.String()),
        _column("by", sa.String()),
        _column("created_at", sa.BigInteger()),
        _optional("ended_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "id"),
        sa.UniqueConstraint("region", "blob", "centre", "sheet_no"),
    )
    op.create_index("scan_by_state", "scan", ["region", "state"])
    op.create_table(
        "scan_page",
        _column("region", sa.String()),
        _column("scan", sa.String()),
        _column("page", sa.Integer()),
        _column("state", sa.String()),
        _column("verdict", sa.String()),
        _column("image", sa.String()),
        _column("centre", sa.String()),
        _optional("sheet_no", sa.String()),
        _optional("sheet_version", sa.Integer()),
        _optional("case_no", sa.String()),
        _column("by", sa.String()),
        _column("created_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "scan", "page"),
    )
    op.create_index("scan_page_by_sheet", "scan_page", ["region", "sheet_no"])
    op.create_index("scan_page_by_state", "scan_page", ["region", "state", "centre"])
