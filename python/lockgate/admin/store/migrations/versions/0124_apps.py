"""Programs of others, and what they have used.

Revision: 0124
Follows: 0123
"""

import sqlalchemy as sa
from alembic import op

revision = "0124"
down_revision = "0123"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("keys", sa.Column("app", sa.String(64), nullable=True))
    op.create_table(
        "apps",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("purpose", sa.String(500), nullable=True),
        sa.Column("contact", sa.String(200), nullable=True),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("clients", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("apis", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("operations", sa.JSON(), nullable=False),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("review_ms", sa.BigInteger(), nullable=True),
        sa.Column("stopped_ms", sa.BigInteger(), nullable=True),
        sa.Column("stopped_by", sa.String(200), nullable=True),
        sa.Column("stopped_reason", sa.String(500), nullable=True),
    )
    op.create_table(
        "app_uses",
        sa.Column("app", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("what", sa.String(400), primary_key=True),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("app_uses")
    op.drop_table("apps")
    op.drop_column("keys", "app")
