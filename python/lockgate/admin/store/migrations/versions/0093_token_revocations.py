"""Tokens that were revoked before their time.

Revision: 0093
Follows: 0092
"""

import sqlalchemy as sa
from alembic import op

revision = "0093"
down_revision = "0092"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "token_revocations",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("by", sa.String(16), nullable=False),
        sa.Column("value", sa.String(256), nullable=False),
        sa.Column("before_ms", sa.BigInteger, nullable=True),
        sa.Column("until_ms", sa.BigInteger, nullable=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_token_revocations"),
        sa.UniqueConstraint("issuer", "by", "value", name="uq_token_revocations_issuer_by_value"),
    )
    op.create_index("ix_token_revocations_created_ms_id", "token_revocations", ["created_ms", "id"])


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_token_revocations_created_ms_id", "token_revocations")
    op.drop_table("token_revocations")
