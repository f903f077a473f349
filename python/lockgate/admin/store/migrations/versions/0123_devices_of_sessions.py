"""The device that a session was begun on.

Revision: 0123
Follows: 0122
"""

import sqlalchemy as sa
from alembic import op

revision = "0123"
down_revision = "0122"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("sign_in_sessions", sa.Column("device", sa.String(64), nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("sign_in_sessions", "device")
