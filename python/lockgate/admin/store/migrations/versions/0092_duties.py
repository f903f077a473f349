"""What the control process does for gates while a bundle serves.

Revision: 0092
Follows: 0091
"""

import sqlalchemy as sa
from alembic import op

revision = "0092"
down_revision = "0091"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("bundles", sa.Column("duties", sa.JSON, nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("bundles", "duties")
