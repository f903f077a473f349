"""The provider's tokens of sessions, sealed.

Revision: 0101
Follows: 0100
"""

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("sign_in_sessions", sa.Column("tokens", sa.LargeBinary, nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("sign_in_sessions", "tokens")
