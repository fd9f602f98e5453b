"""Payments that are known by no number"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("payment_intent", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_intent_nameless",
            ["provider", "amount"],
            unique=False,
            sqlite_where=sa.text("provider_txn = remote"),
            postgresql_where=sa.text("provider_txn = remote"),
        )

    with op.batch_alter_table("wallet_text", schema=None) as batch_op:
        batch_op.add_column(sa.Column("timed", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.create_index("ix_wallet_text_provider_amount", ["provider", "amount", "at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("wallet_text", schema=None) as batch_op:
        batch_op.drop_index("ix_wallet_text_provider_amount")
        batch_op.drop_column("timed")

    with op.batch_alter_table("payment_intent", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_payment_intent_nameless",
            sqlite_where=sa.text("provider_txn = remote"),
            postgresql_where=sa.text("provider_txn = remote"),
        )
