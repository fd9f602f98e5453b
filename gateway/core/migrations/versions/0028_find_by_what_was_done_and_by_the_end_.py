"""Find by what was done, and by the end of a number"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_action", ["action", "id"], unique=False)
    op.create_index("ix_member_end", "member", [sa.text("substr(member_no, length(member_no) - 3)")], unique=False)


def downgrade() -> None:
    op.drop_index("ix_member_end", "member")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_action")
