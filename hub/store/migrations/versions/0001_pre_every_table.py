"""Every table of the first release. A column may not be empty unless it says so."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _column(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """The whole schema, from nothing."""
    op.create_table(
        "attempt",
        _column("region", sa.String()),
        _column("delivery", sa.String()),
        _column("number", sa.Integer()),
        _column("case_no", sa.String()),
        _column("situation", sa.String()),
        _column("fence", sa.Integer()),
        _column("state", sa.String()),
        _column("possible_duplicate", sa.Boolean()),
        sa.Column("batch", sa.String(), nullable=True),
        _column("started_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("region", "delivery", "number"),
    )
    op.create_index("attempt_by_batch", "attempt", ["region", "batch"], sqlite_where=sa.text("batch IS NOT NULL"))
    op.create_table(
        "batch",
        _column("region", sa.String()),
        _column("id", sa.String()),
        _column("system", sa.String()),
        _column("situation", sa.String()),
        _column("sequence", sa.Integer()),
        _column("state", sa.String()),
        _column("digest", sa.String()),
        _column("blob", sa.String()),
        _column("members", sa.Integer()),
        _column("sealed_at", sa.BigInteger()),
        _column("changed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "id"),
        sa.UniqueConstraint("region", "system", "situation", "sequence"),
    )
    op.create_table(
        "case_file",
        _column("region", sa.String()),
        _column("case_no", sa.String()),
        _column("item", sa.String()),
        _column("item_version", sa.Integer()),
        _column("status", sa.String()),
        sa.Column("suspended_from", sa.String(), nullable=True),
        _column("corrections", sa.Integer()),
        _column("flags", sa.String()),
        sa.Column("decision", sa.String(), nullable=True),
        _column("source", sa.String()),
        _column("client", sa.String()),
        _column("channel", sa.String()),
        _column("applicant_type", sa.String()),
        _column("receiving_centre", sa.String()),
        _column("accepting_centre", sa.String()),
        _column("paper_holder", sa.String()),
        _column("received_at", sa.BigInteger()),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        _column("due_open", sa.Boolean()),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        _column("pauses", sa.String()),
        _column("changed_at", sa.BigInteger()),
        _column("sealed_key", sa.LargeBinary()),
        _column("sealed_data", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("region", "case_no"),
    )
    op.create_index("case_file_by_status", "case_file", ["region", "status", "changed_at"])

    op.create_table(
        "case_step",
        _column("region", sa.String()),
        _column("case_no", sa.String()),
        _column("step", sa.String()),
        _column("position", sa.Integer()),
        _column("kind", sa.String()),
        _column("state", sa.String()),
        sa.Column("mark", sa.String(), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("system", sa.String(), nullable=True),
        sa.Column("operation", sa.String(), nullable=True),
        _column("round", sa.Integer()),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("silent_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed_reply", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("region", "case_no", "step"),
    )
    op.create_index(
        "case_step_by_silence",
        "case_step",
        ["region", "silent_at"],
        sqlite_where=sa.text("silent_at IS NOT NULL"),
        postgresql_where=sa.text("silent_at IS NOT NULL"),
    )

    op.create_table(
        "client",
        _column("region", sa.String()),
        _column("id", sa.String()),
        _column("name", sa.String()),
        _column("key_hash", sa.String()),
        _column("scope", sa.String()),
        _column("created_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("region", "id"),
        sa.UniqueConstraint("region", "key_hash"),
    )
    op.create_table(
        "delivery",
        _column("region", sa.String()),
        _column("id", sa.String()),
        _column("case_no", sa.String()),
        _column("step", sa.String()),
        _column("subject", sa.String()),
        _column("round", sa.Integer()),
        sa.Column("supersedes", sa.String(), nullable=True),
        _column("system", sa.String()),
        _column("operation", sa.String()),
        _column("state", sa.String()),
        sa.Column("cause", sa.String(), nullable=True),
        _column("possible_duplicate", sa.Boolean()),
        _column("next_at", sa.BigInteger()),
        _column("send_before", sa.BigInteger()),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        _column("attempts", sa.Integer()),
        _column("unfinished", sa.Integer()),
        _column("fence", sa.Integer()),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("batch", sa.String(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("department_ref", sa.String(), nullable=True),
        sa.Column("lapsed_at", sa.BigInteger(), nullable=True),
        _column("created_at", sa.BigInteger()),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        _column("sealed_fields", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("region", "id"),
        sa.UniqueConstraint("region", "case_no", "step", "subject", "round"),
    )
    op.create_index("delivery_by_batch", "delivery", ["region", "batch"], sqlite_where=sa.text("batch IS NOT NULL"))
    op.create_index(
        "delivery_due",
        "delivery",
        ["region", "system", "next_at", "id"],
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index(
        "delivery_in_hand",
        "delivery",
        ["region", "state"],
        sqlite_where=sa.text("state IN ('claimed', 'sending', 'unknown', 'held', 'dead')"),
        postgresql_where=sa.text("state IN ('claimed', 'sending', 'unknown', 'held', 'dead')"),
    )
    op.create_index(
        "delivery_lapsed",
        "delivery",
        ["region", "lapsed_at"],
        sqlite_where=sa.text("lapsed_at IS NOT NULL"),
        postgresql_where=sa.text("lapsed_at IS NOT NULL"),
    )

    op.create_table(
        "inbox",
        _column("region", sa.String()),
        _column("source", sa.String()),
        _column("id", sa.String()),
        _column("digest", sa.String()),
        _column("case_no", sa.String()),
        _column("status", sa.String()),
        _column("received_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "source", "id"),
    )
    op.create_table(
        "item_version",
        _column("region", sa.String()),
        _column("code", sa.String()),
        _column("version", sa.Integer()),
        _column("digest", sa.String()),
        _column("content", sa.String()),
        _column("loaded_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "code", "version"),
    )
    op.create_table(
        "journal",
        _column("region", sa.String()),
        _column("chain", sa.String()),
        _column("seq", sa.Integer()),
        _column("at", sa.BigInteger()),
        _column("by", sa.String()),
        _column("changes", sa.String()),
        _column("hash", sa.String()),
        sa.CheckConstraint("seq > 0"),
        sa.PrimaryKeyConstraint("region", "chain", "seq"),
    )
    op.create_table(
        "key_check",
        _column("region", sa.String()),
        _column("purpose", sa.String()),
        _column("proof", sa.String()),
        sa.PrimaryKeyConstraint("region", "purpose"),
    )
    op.create_table(
        "lane",
        _column("region", sa.String()),
        _column("system", sa.String()),
        sa.Column("held", sa.String(), nullable=True),
        sa.Column("last_cut_off", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("region", "system"),
    )
    op.create_table(
        "material",
        _column("region", sa.String()),
        _column("key", sa.String()),
        _column("size", sa.Integer()),
        _column("media_type", sa.String()),
        _column("client", sa.String()),
        _column("created_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("region", "key"),
    )
    op.create_table(
        "payload",
        _column("region", sa.String()),
        _column("delivery", sa.String()),
        _column("situation", sa.String()),
        _column("sealed_body", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("region", "delivery", "situation"),
    )
    op.create_table(
        "reply",
        _column("region", sa.String()),
        _column("system", sa.String()),
        _column("delivery", sa.String()),
        _column("digest", sa.String()),
        sa.Column("case_no", sa.String(), nullable=True),
        _column("kind", sa.String()),
        _column("verdict", sa.String()),
        _column("times", sa.Integer()),
        _column("happened_at", sa.BigInteger()),
        _column("recorded_at", sa.BigInteger()),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("region", "system", "delivery", "digest"),
    )
    op.create_table(
        "sequence",
        _column("region", sa.String()),
        _column("name", sa.String()),
        _column("value", sa.Integer()),
        sa.PrimaryKeyConstraint("region", "name"),
    )
    op.create_table(
        "sheet",
        _column("region", sa.String()),
        _column("number", sa.String()),
        _column("version", sa.Integer()),
        _column("delivery", sa.String()),
        _column("case_no", sa.String()),
        _column("content_hash", sa.String()),
        _column("prints", sa.Integer()),
        _column("sealed_content", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("region", "number"),
        sa.UniqueConstraint("region", "delivery"),
    )
    op.create_table(
        "task",
        _column("region", sa.String()),
        _column("id", sa.String()),
        _column("case_no", sa.String()),
        _column("step", sa.String()),
        sa.Column("delivery", sa.String(), nullable=True),
        _column("kind", sa.String()),
        _column("state", sa.String()),
        _column("centre", sa.String()),
        sa.Column("system", sa.String(), nullable=True),
        sa.Column("sheet_no", sa.String(), nullable=True),
        sa.Column("assigned_to", sa.String(), nullable=True),
        sa.Column("completion", sa.String(), nullable=True),
        sa.Column("sealed_completion", sa.LargeBinary(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        _column("created_at", sa.BigInteger()),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("region", "id"),
    )
    op.create_index("task_by_case", "task", ["region", "case_no"])
    op.create_index("task_by_delivery", "task", ["region", "delivery"])
    op.create_index("task_open", "task", ["region", "state", "kind", "centre", "created_at"])
