"""Messages by branch"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_KNOWN = sa.text("branch_path IS NOT NULL")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":  # the rows stay as they are
        op.execute('ALTER TABLE message ALTER COLUMN branch_path TYPE TEXT COLLATE "C"')
    op.create_index("ix_message_branch", "message", ["branch_path", "id"], sqlite_where=_KNOWN, postgresql_where=_KNOWN)


def downgrade() -> None:
    op.drop_index("ix_message_branch", "message", sqlite_where=_KNOWN, postgresql_where=_KNOWN)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE message ALTER COLUMN branch_path TYPE TEXT")
