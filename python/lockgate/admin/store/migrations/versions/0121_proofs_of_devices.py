"""The last proof of its owner's that was taken for a device.

Revision: 0121
Follows: 0120
"""

import sqlalchemy as sa
from alembic import op

revision = "0121"
down_revision = "0120"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("devices", sa.Column("proved_s", sa.BigInteger, nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("devices", "proved_s")
