"""The first form of a registry: log, parts, projection."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text
SEQ = sa.BigInteger
OF_CLAIMS = {"claims": ("names", "hosts", "urls"), "works": ("sha256", "pixel_sha256", "pdq")}
"""What claims say in the clear. PostgreSQL keeps samples of a column elsewhere, after an erasure,
too, unless it is told to keep none."""


def upgrade() -> None:
    """Make the tables, and keep the log from being changed."""
    op.create_table(
        "recuse_registry",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        *(_text(name) for name in ("format", "origin", "matcher", "matcher_name")),
    )
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", SEQ, nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("peaks", sa.LargeBinary, nullable=False),
    )
    _log()
    _projection()
    _append_only()


def _log() -> None:
    columns: tuple[str, ...] = ("type", "claim_id", "previous", "recorded_at", "match_commitment")
    columns += ("identity_commitment", "signer", "public_key", "signature")
    op.create_table(
        "events",
        sa.Column("seq", SEQ, primary_key=True, autoincrement=False),
        *(_text(name) for name in columns),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    )
    op.create_index("ix_events_claim_id", "events", ["claim_id"])
    for name in ("match_parts", "identity_parts"):
        key = sa.ForeignKey("events.seq")
        op.create_table(
            name,
            sa.Column("seq", SEQ, key, primary_key=True, autoincrement=False),
            sa.Column("salt", sa.LargeBinary(32), nullable=False),
            sa.Column("payload", sa.LargeBinary, nullable=False),
        )


def _projection() -> None:
    op.create_table(
        "claims",
        sa.Column("claim_id", TEXT, primary_key=True),
        _text("state"),
        sa.Column("level", sa.Integer, nullable=False),
        _text("claimant_key"),
        _text("submitted_at"),
        sa.Column("seq", SEQ, nullable=False),
        _text("entry_hash"),
        sa.Column("part_seq", SEQ, nullable=False),
        *(_text(name) for name in ("scope", "stance", "names", "hosts", "urls", "style_state")),
    )
    op.create_table(
        "works",
        sa.Column("claim_id", TEXT, sa.ForeignKey("claims.claim_id"), primary_key=True),
        sa.Column("work_id", TEXT, primary_key=True),
        _text("sha256"),
        _text("pixel_sha256"),
        sa.Column("pdq", sa.LargeBinary(32), nullable=False),
        sa.Column("pdq_quality", sa.Integer, nullable=False),
        _text("matcher"),
    )
    for name in ("sha256", "pixel_sha256"):
        op.create_index(f"ix_works_{name}", "works", [name])


def _append_only() -> None:
    # Keeps an honest program from a mistake; against a dishonest one there are proofs.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'events are append-only'"
            " USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        for table, columns in OF_CLAIMS.items():
            for name in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {name} SET STATISTICS 0")
        op.execute(
            "CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events"
            " FOR EACH STATEMENT EXECUTE FUNCTION events_append_only()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        )


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, TEXT, nullable=False)
