"""Questions about notices that are counted elsewhere"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.core.tables.metadata import Time

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notice_question",
        sa.Column("notice_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("at", Time(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "number", name=op.f("pk_notice_question")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("notice_question")
