"""Gates on other machines, and the tokens that they enrol with.

Revision: 0090
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0090"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "gates",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("enrolled_ms", sa.BigInteger, nullable=False),
        sa.Column("serial", sa.String(64), nullable=False),
        sa.Column("previous_serial", sa.String(64), nullable=True),
        sa.Column("not_after_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_gates"),
    )
    op.create_table(
        "gate_tokens",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("used_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("hash", name="pk_gate_tokens"),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("gate_tokens")
    op.drop_table("gates")
