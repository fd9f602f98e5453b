"""What a code is about"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("challenge", schema=None) as batch_op:
        batch_op.add_column(sa.Column("object", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("answered", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.create_index(
            "ix_challenge_answered",
            ["number"],
            unique=False,
            sqlite_where=sa.text("answered"),
            postgresql_where=sa.text("answered"),
        )


def downgrade() -> None:
    with op.batch_alter_table("challenge", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_challenge_answered", sqlite_where=sa.text("answered"), postgresql_where=sa.text("answered")
        )
        batch_op.drop_column("answered")
        batch_op.drop_column("object")
