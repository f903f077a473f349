"""What people allow programs, and what programs prove themselves by.

Revision: 0125
Follows: 0124
"""

import sqlalchemy as sa
from alembic import op

revision = "0125"
down_revision = "0124"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("apps", sa.Column("secrets", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("apps", sa.Column("issuer", sa.String(64), nullable=True))
    op.add_column("apps", sa.Column("access", sa.String(64), nullable=True))
    op.add_column("apps", sa.Column("registered", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "app_grants",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("issuer", sa.String(64), nullable=False),
        sa.Column("app", sa.String(64), nullable=False),
        sa.Column("iss", sa.String(400), nullable=False),
        sa.Column("subject", sa.String(400), nullable=False),
        sa.Column("auth_time", sa.BigInteger(), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("renewed_ms", sa.BigInteger(), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_reason", sa.String(500), nullable=True),
    )
    op.create_index("ix_app_grants_iss_subject", "app_grants", ["iss", "subject"])
    op.create_index("ix_app_grants_app", "app_grants", ["app"])
    op.create_table(
        "app_tokens",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("grant", sa.String(32), nullable=True),
        sa.Column("redirect_uri", sa.String(2000), nullable=True),
        sa.Column("challenge", sa.String(128), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
    )
    op.create_index("ix_app_tokens_grant", "app_tokens", ["grant"])
    op.create_index("ix_app_tokens_until_ms", "app_tokens", ["until_ms"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("app_tokens")
    op.drop_table("app_grants")
    for name in ("registered", "access", "issuer", "secrets"):
        op.drop_column("apps", name)
