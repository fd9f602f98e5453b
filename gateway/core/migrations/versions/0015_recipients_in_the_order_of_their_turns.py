"""Recipients in the order of their turns"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_WAITING = sa.text("state = 'waiting'")
_COLUMNS = ["notice_id", "link", "due"]


def upgrade() -> None:
    _index([*_COLUMNS, "number"])


def downgrade() -> None:
    _index(_COLUMNS)


def _index(columns: list[str]) -> None:
    op.drop_index("ix_notice_recipient_due", "notice_recipient")
    op.create_index(
        "ix_notice_recipient_due",
        "notice_recipient",
        columns,
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
