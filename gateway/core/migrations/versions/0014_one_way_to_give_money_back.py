"""One way to give money back"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.core.tables import metadata

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OPEN = "state IN ('requested', 'approved', 'pending')"
_OPEN_NOW = "state IN ('asked', 'requested', 'approved', 'pending')"
_ALIVE_BEFORE = "state IN ('asked', 'proposed', 'pending', 'done')"
_STATES = "state IN ('requested', 'approved', 'pending', 'done', 'failed', 'refused')"
_STATES_NOW = "state IN ('asked', 'requested', 'approved', 'pending', 'done', 'failed', 'refused')"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("refund") as batch_op:
        batch_op.drop_index("ix_refund_open", sqlite_where=sa.text(_OPEN), postgresql_where=sa.text(_OPEN))
        batch_op.drop_constraint(batch_op.f("ck_refund_state"), type_="check")
        batch_op.create_check_constraint(batch_op.f("ck_refund_state"), _STATES_NOW)
        batch_op.add_column(sa.Column("case_id", _id(), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_refund_case_id_hotline_case"), "hotline_case", ["case_id"], ["id"])
        batch_op.create_index(
            "ix_refund_open", ["state", "id"], sqlite_where=sa.text(_OPEN_NOW), postgresql_where=sa.text(_OPEN_NOW)
        )
    with op.batch_alter_table("untold") as batch_op:
        batch_op.add_column(sa.Column("member_id", _id(), nullable=True))
        batch_op.add_column(sa.Column("waiver_id", _id(), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_untold_member_id_member"), "member", ["member_id"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_untold_waiver_id_waiver"), "waiver", ["waiver_id"], ["id"])
    _keep_what_was_asked()
    op.drop_table("refund_request")


def _keep_what_was_asked() -> None:
    """Where the money came from is looked at again when finance requests it."""
    op.execute(
        "UPDATE refund SET case_id = (SELECT r.case_id FROM refund_request r WHERE r.receipt_id = refund.receipt_id"
        " AND r.state IN ('asked', 'proposed', 'pending', 'done'))"
        " WHERE receipt_id IS NOT NULL AND state NOT IN ('failed', 'refused')"
    )
    op.execute(
        "INSERT INTO refund (id, key, receipt_id, member_id, amount, currency, kind, owner, instrument, state, case_id,"
        " requested_by, requested, reason)"
        " SELECT r.id, 'refund:' || r.id, r.receipt_id, r.member_id, p.amount, a.currency, a.kind, a.owner, a.owner,"
        " 'asked', r.case_id, 'member:' || r.member_id, r.asked, '16'"
        " FROM refund_request r JOIN receipt c ON c.id = r.receipt_id"
        " JOIN posting p ON p.txn_id = c.txn_id AND p.amount > 0 JOIN account a ON a.name = p.account"
        " WHERE r.state IN ('asked', 'proposed') AND NOT EXISTS (SELECT 1 FROM refund f"
        " WHERE f.receipt_id = r.receipt_id AND f.state NOT IN ('failed', 'refused'))"
    )


def downgrade() -> None:
    op.create_table(
        "refund_request",
        sa.Column("id", _id(), autoincrement=False, nullable=False),
        sa.Column("case_id", _id(), nullable=False),
        sa.Column("receipt_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", _id(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("txn_id", sa.BigInteger(), nullable=True),
        sa.Column("proposed_by", sa.Text(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("asked", metadata.Time(), nullable=False),
        sa.Column("settled", metadata.Time(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["hotline_case.id"], name=op.f("fk_refund_request_case_id_hotline_case")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_refund_request_member_id_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_request")),
        sa.UniqueConstraint("case_id", name=op.f("uq_refund_request_case_id")),
    )
    op.create_index(
        "uq_refund_request_open", "refund_request", ["receipt_id"], unique=True,
        sqlite_where=sa.text(_ALIVE_BEFORE), postgresql_where=sa.text(_ALIVE_BEFORE),
    )  # fmt: skip
    _part_what_was_asked()
    with op.batch_alter_table("untold") as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_untold_waiver_id_waiver"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_untold_member_id_member"), type_="foreignkey")
        batch_op.drop_column("waiver_id")
        batch_op.drop_column("member_id")
    with op.batch_alter_table("refund") as batch_op:
        batch_op.drop_index("ix_refund_open", sqlite_where=sa.text(_OPEN_NOW), postgresql_where=sa.text(_OPEN_NOW))
        batch_op.drop_constraint(batch_op.f("fk_refund_case_id_hotline_case"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("ck_refund_state"), type_="check")
        batch_op.create_check_constraint(batch_op.f("ck_refund_state"), _STATES)
        batch_op.drop_column("case_id")
        batch_op.create_index(
            "ix_refund_open", ["state", "id"], sqlite_where=sa.text(_OPEN), postgresql_where=sa.text(_OPEN)
        )


def _part_what_was_asked() -> None:
    """The newest of each case is what the member has asked; what nobody had requested yet was no refund, and of waivers
    nobody was told."""
    op.execute(
        "INSERT INTO refund_request (id, case_id, receipt_id, member_id, state, txn_id, proposed_by, approved_by, asked,"
        " settled) SELECT f.id, f.case_id, f.receipt_id, f.member_id, CASE f.state WHEN 'asked' THEN 'asked'"
        " WHEN 'requested' THEN 'proposed' WHEN 'approved' THEN 'pending' WHEN 'pending' THEN 'pending'"
        " WHEN 'done' THEN 'done' ELSE 'refused' END, f.txn_id,"
        " CASE f.state WHEN 'asked' THEN NULL ELSE f.requested_by END, f.approved_by, f.requested, f.closed FROM refund f"
        " WHERE f.receipt_id IS NOT NULL AND f.id IN (SELECT max(id) FROM refund WHERE case_id IS NOT NULL GROUP BY case_id)"
    )
    op.execute("DELETE FROM untold WHERE receipt_id IS NULL AND refund_id IS NULL")
    op.execute("DELETE FROM untold WHERE refund_id IN (SELECT id FROM refund WHERE state = 'asked')")
    op.execute("DELETE FROM refund WHERE state = 'asked'")
