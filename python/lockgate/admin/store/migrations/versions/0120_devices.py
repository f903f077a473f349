"""Devices of people and programs.

Revision: 0120
Follows: 0110
"""

import sqlalchemy as sa
from alembic import op

revision = "0120"
down_revision = "0110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "devices",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("mark", sa.String(128), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(80), nullable=False),
        sa.Column("address", sa.String(64), nullable=True),
        sa.Column("country", sa.String(64), nullable=True),
        sa.Column("network", sa.String(200), nullable=True),
        sa.Column("ja4", sa.String(64), nullable=True),
        sa.Column("http2", sa.String(256), nullable=True),
        sa.Column("latitude", sa.Float, nullable=True),
        sa.Column("longitude", sa.Float, nullable=True),
        sa.Column("placed_ms", sa.BigInteger, nullable=True),
        sa.Column("known", sa.JSON, nullable=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("confirmed_ms", sa.BigInteger, nullable=True),
        sa.Column("approved_ms", sa.BigInteger, nullable=True),
        sa.Column("approved_by", sa.String(200), nullable=True),
        sa.Column("revoked_ms", sa.BigInteger, nullable=True),
        sa.Column("revoked_by", sa.String(400), nullable=True),
        sa.Column("changed_ms", sa.BigInteger, nullable=True),
        sa.Column("travel_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        sa.UniqueConstraint("issuer", "subject", "mark", name="uq_devices_issuer_subject_mark"),
    )
    op.create_index("ix_devices_first_ms_id", "devices", ["first_ms", "id"])
    op.create_index("ix_devices_last_ms", "devices", ["last_ms"])


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_devices_last_ms", "devices")
    op.drop_index("ix_devices_first_ms_id", "devices")
    op.drop_table("devices")
