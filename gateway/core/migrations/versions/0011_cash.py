"""Cash"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.core.tables import metadata

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cash_day",
        sa.Column("treasurer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("book", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("unconfirmed", sa.BigInteger(), nullable=False),
        sa.Column("closed", metadata.Time(), nullable=False),
        sa.ForeignKeyConstraint(["treasurer_id"], ["member.id"], name=op.f("fk_cash_day_treasurer_id_member")),
        sa.PrimaryKeyConstraint("treasurer_id", "day", name=op.f("pk_cash_day")),
    )
    with op.batch_alter_table("cash_day", schema=None) as batch_op:
        batch_op.create_index("ix_cash_day_day", ["day"], unique=False)

    op.create_table(
        "pay_code",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("payer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("relative", sa.Boolean(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("surplus", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("consented_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created", metadata.Time(), nullable=False),
        sa.Column("expires", metadata.Time(), nullable=False),
        sa.ForeignKeyConstraint(["consented_by"], ["member.id"], name=op.f("fk_pay_code_consented_by_member")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_pay_code_member_id_member")),
        sa.ForeignKeyConstraint(["payer_id"], ["member.id"], name=op.f("fk_pay_code_payer_id_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pay_code")),
    )
    with op.batch_alter_table("pay_code", schema=None) as batch_op:
        batch_op.create_index(
            "ix_pay_code_live",
            ["code"],
            unique=True,
            sqlite_where=sa.text("state IN ('member', 'branch', 'open')"),
            postgresql_where=sa.text("state IN ('member', 'branch', 'open')"),
        )
        batch_op.create_index(batch_op.f("ix_pay_code_member_id"), ["member_id"], unique=False)

    op.create_table(
        "refund_request",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("receipt_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
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
    with op.batch_alter_table("refund_request", schema=None) as batch_op:
        batch_op.create_index(
            "uq_refund_request_open",
            ["receipt_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('asked', 'proposed', 'pending', 'done')"),
            postgresql_where=sa.text("state IN ('asked', 'proposed', 'pending', 'done')"),
        )

    op.create_table(
        "remittance",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("treasurer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("branch_path", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sent", metadata.Time(), nullable=False),
        sa.Column("settled", metadata.Time(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["treasurer_id"], ["member.id"], name=op.f("fk_remittance_treasurer_id_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remittance")),
        sa.UniqueConstraint("number", name=op.f("uq_remittance_number")),
    )
    with op.batch_alter_table("remittance", schema=None) as batch_op:
        batch_op.create_index(
            "ix_remittance_transit",
            ["sent"],
            unique=False,
            sqlite_where=sa.text("state = 'transit'"),
            postgresql_where=sa.text("state = 'transit'"),
        )
        batch_op.create_index(batch_op.f("ix_remittance_treasurer_id"), ["treasurer_id"], unique=False)

    op.create_table(
        "cash_claim",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("treasurer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("branch_path", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("surplus", sa.Text(), nullable=False),
        sa.Column("pay_code_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("slip", sa.Text(), nullable=True),
        sa.Column("second_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("suspended", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("opened", metadata.Time(), nullable=False),
        sa.Column("expires", metadata.Time(), nullable=False),
        sa.Column("settled", metadata.Time(), nullable=True),
        sa.Column("receipt_no", sa.Text(), nullable=True),
        sa.Column("case_no", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_cash_claim_member_id_member")),
        sa.ForeignKeyConstraint(["pay_code_id"], ["pay_code.id"], name=op.f("fk_cash_claim_pay_code_id_pay_code")),
        sa.ForeignKeyConstraint(["second_id"], ["member.id"], name=op.f("fk_cash_claim_second_id_member")),
        sa.ForeignKeyConstraint(["treasurer_id"], ["member.id"], name=op.f("fk_cash_claim_treasurer_id_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cash_claim")),
    )
    with op.batch_alter_table("cash_claim", schema=None) as batch_op:
        batch_op.create_index("ix_cash_claim_branch", ["branch_path", "day"], unique=False)
        batch_op.create_index("ix_cash_claim_day", ["treasurer_id", "day"], unique=False)
        batch_op.create_index(
            "ix_cash_claim_due",
            ["expires"],
            unique=False,
            sqlite_where=sa.text("state IN ('second', 'open')"),
            postgresql_where=sa.text("state IN ('second', 'open')"),
        )
        batch_op.create_index(
            "uq_cash_claim_open",
            ["member_id", "amount"],
            unique=True,
            sqlite_where=sa.text("state IN ('second', 'open')"),
            postgresql_where=sa.text("state IN ('second', 'open')"),
        )


def downgrade() -> None:
    with op.batch_alter_table("cash_claim", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_cash_claim_open",
            sqlite_where=sa.text("state IN ('second', 'open')"),
            postgresql_where=sa.text("state IN ('second', 'open')"),
        )
        batch_op.drop_index(
            "ix_cash_claim_due",
            sqlite_where=sa.text("state IN ('second', 'open')"),
            postgresql_where=sa.text("state IN ('second', 'open')"),
        )
        batch_op.drop_index("ix_cash_claim_day")
        batch_op.drop_index("ix_cash_claim_branch")

    op.drop_table("cash_claim")
    with op.batch_alter_table("remittance", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_remittance_treasurer_id"))
        batch_op.drop_index(
            "ix_remittance_transit",
            sqlite_where=sa.text("state = 'transit'"),
            postgresql_where=sa.text("state = 'transit'"),
        )

    op.drop_table("remittance")
    with op.batch_alter_table("refund_request", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_refund_request_open",
            sqlite_where=sa.text("state IN ('asked', 'proposed', 'pending', 'done')"),
            postgresql_where=sa.text("state IN ('asked', 'proposed', 'pending', 'done')"),
        )

    op.drop_table("refund_request")
    with op.batch_alter_table("pay_code", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pay_code_member_id"))
        batch_op.drop_index(
            "ix_pay_code_live",
            sqlite_where=sa.text("state IN ('member', 'branch', 'open')"),
            postgresql_where=sa.text("state IN ('member', 'branch', 'open')"),
        )

    op.drop_table("pay_code")
    with op.batch_alter_table("cash_day", schema=None) as batch_op:
        batch_op.drop_index("ix_cash_day_day")

    op.drop_table("cash_day")
