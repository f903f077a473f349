"""What keys may be used for, their second secrets, and when they were used.

Revision: 0096
Follows: 0093
"""

import sqlalchemy as sa
from alembic import op

revision = "0096"
down_revision = "0093"
branch_labels = None
depends_on = None

TIMES = ("suspended_ms", "rerolled_ms", "previous_until_ms", "used_ms", "previous_used_ms")
RULES = ("scopes", "methods", "networks", "rate")


def upgrade() -> None:
    """Go forward."""
    for name in RULES:
        op.add_column("keys", sa.Column(name, sa.JSON, nullable=True))
    for name in TIMES:
        op.add_column("keys", sa.Column(name, sa.BigInteger, nullable=True))
    op.add_column("keys", sa.Column("previous_digest", sa.String(64), nullable=True))
    op.create_index("ix_keys_previous_digest", "keys", ["previous_digest"], unique=True)


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_keys_previous_digest", "keys")
    for name in ("previous_digest", *TIMES, *RULES):
        op.drop_column("keys", name)
