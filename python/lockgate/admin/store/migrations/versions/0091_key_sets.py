"""Issuers' keys."""

import sqlalchemy as sa
from alembic import op

revision = "0091"
down_revision = "0090"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "key_sets",
        sa.Column("issuer", sa.String(64), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("keys", sa.JSON, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.Column("confirmed_ms", sa.BigInteger, nullable=False),
        sa.Column("told_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("issuer", name="pk_key_sets"),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("key_sets")
