"""The looks of devices that no operator has approved, and which device a revocation came with.

Revision: 0122
Follows: 0121
"""

import sqlalchemy as sa
from alembic import op

revision = "0122"
down_revision = "0121"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("devices", sa.Column("looks", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("token_revocations", sa.Column("device_id", sa.String(32), nullable=True))
    op.execute(
        "UPDATE token_revocations SET device_id = (SELECT min(devices.id) FROM devices WHERE "
        "devices.issuer = token_revocations.issuer AND devices.mark = token_revocations.value AND "
        "devices.revoked_ms IS NOT NULL) WHERE token_revocations.\"by\" = 'device'"
    )


def downgrade() -> None:
    """Go back."""
    op.drop_column("token_revocations", "device_id")
    op.drop_column("devices", "looks")
