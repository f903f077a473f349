"""Second factors of people who sign in.

Revision: 0100
Follows: 0099
"""

import sqlalchemy as sa
from alembic import op

revision = "0100"
down_revision = "0099"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "second_factors",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("iss", sa.Text, nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("mark", sa.String(128), nullable=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("counter", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("used_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_second_factors"),
        sa.UniqueConstraint("mark", name="uq_second_factors_mark"),
    )
    op.create_index("ix_second_factors_iss_subject", "second_factors", ["iss", "subject"])
    op.create_table(
        "second_factor_failures",
        sa.Column("iss", sa.Text, nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("iss", "subject", name="pk_second_factor_failures"),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("second_factor_failures")
    op.drop_index("ix_second_factors_iss_subject", "second_factors")
    op.drop_table("second_factors")
