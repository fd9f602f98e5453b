"""What processes tell each other"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.core.tables import metadata

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarm", sa.Column("words", sa.Text(), nullable=True))
    op.create_table(
        "change",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("at", metadata.Time(), nullable=False),
        sa.PrimaryKeyConstraint("process", "topic", name=op.f("pk_change")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "link_seen",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("at", metadata.Time(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_link_seen")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("link_seen")
    op.drop_table("change")
    op.drop_column("alarm", "words")
