"""What a registry publishes: the key that signs for its log, and the checkpoints signed by it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the log's key, none until `recuse registry init`, and the table of checkpoints."""
    op.add_column(
        "recuse_registry", sa.Column("log_key", sa.Text, nullable=False, server_default="")
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
