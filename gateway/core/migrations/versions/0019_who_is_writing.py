"""Who is writing"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.core.tables import metadata

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "writing",
        sa.Column("case_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("staff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("until", metadata.Time(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["hotline_case.id"], name=op.f("fk_writing_case_id_hotline_case")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_writing_staff_id_staff")),
        sa.PrimaryKeyConstraint("case_id", "staff_id", name=op.f("pk_writing")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("writing")
