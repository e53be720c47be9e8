"""What moderators have stated about a claim: authorship, and why its style was accepted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns to the projection: no entry of an older log says any of it."""
    for name in ("authorship", "accepted"):
        op.add_column("claims", sa.Column(name, sa.Text, nullable=False, server_default=""))
