"""Sessions of people who signed in with a browser.

Revision: 0099
Follows: 0096
"""

import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "0096"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "sign_in_sessions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("sign_in", sa.String(128), nullable=False),
        sa.Column("issuer", sa.String(128), nullable=False),
        sa.Column("iss", sa.Text, nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("provider_session", sa.String(255), nullable=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger, nullable=True),
        sa.Column("id_token", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_sessions"),
    )
    op.create_index("ix_sign_in_sessions_until_ms", "sign_in_sessions", ["until_ms"])
    op.create_index("ix_sign_in_sessions_created_ms_id", "sign_in_sessions", ["created_ms", "id"])


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_sign_in_sessions_created_ms_id", "sign_in_sessions")
    op.drop_index("ix_sign_in_sessions_until_ms", "sign_in_sessions")
    op.drop_table("sign_in_sessions")
