"""Find who has stopped everything"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.create_index(
            "ix_number_opted_out",
            ["member_id"],
            unique=False,
            sqlite_where=sa.text("opted_out = 1"),
            postgresql_where=sa.text("opted_out"),
        )


def downgrade() -> None:
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_number_opted_out", sqlite_where=sa.text("opted_out = 1"), postgresql_where=sa.text("opted_out")
        )
