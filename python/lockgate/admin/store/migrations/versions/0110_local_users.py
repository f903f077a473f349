"""People of this installation, the links that they are sent, and failures to sign in.

Revision: 0110
Follows: 0101
"""

import sqlalchemy as sa
from alembic import op

revision = "0110"
down_revision = "0101"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "local_users",
        sa.Column("issuer", sa.String(128), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("display", sa.String(200), nullable=True),
        sa.Column("email", sa.String(320), nullable=True),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("password", sa.String(256), nullable=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=True),
        sa.Column("signed_in_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("issuer", "name", name="pk_local_users"),
    )
    op.create_index("ix_local_users_issuer_email", "local_users", ["issuer", "email"])
    op.create_table(
        "user_links",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String(128), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_user_links"),
        sa.UniqueConstraint("issuer", "name", name="uq_user_links_issuer_name"),
    )
    op.create_table(
        "login_failures",
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("mark", name="pk_login_failures"),
    )
    op.create_index("ix_login_failures_last_ms", "login_failures", ["last_ms"])


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_login_failures_last_ms", "login_failures")
    op.drop_table("login_failures")
    op.drop_table("user_links")
    op.drop_index("ix_local_users_issuer_email", "local_users")
    op.drop_table("local_users")
