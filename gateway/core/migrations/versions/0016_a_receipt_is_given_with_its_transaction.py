"""A receipt is given with its transaction

No table changes: an upgrade makes the guards anew, and the version tells an older database that it lacks one.
"""

from __future__ import annotations

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
