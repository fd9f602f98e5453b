"""A claim is decided once"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cash_claim", schema=None) as batch_op:
        batch_op.add_column(sa.Column("decided_by", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("cash_claim", schema=None) as batch_op:
        batch_op.drop_column("decided_by")
