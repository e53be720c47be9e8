"""The tables of a registry's database.

`events` and `head` are the log: rows of `events` are never changed. `match_parts` and
`identity_parts` open its commitments and stand apart, so that a part can be destroyed while every
proof stays valid. `claims` and `works` are a projection: all that they hold follows from the log
and the parts, and `Registry.rebuild` makes them again.
"""

import sqlalchemy as sa

FORMAT = "recuse-registry/1"
VERSION_TABLE = "recuse_revision"

METADATA = sa.MetaData()

REGISTRY = sa.Table(
    "recuse_registry",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),  # the log's name
    sa.Column("matcher", sa.Text, nullable=False),  # fingerprint; "" until works have vectors
    sa.Column("matcher_name", sa.Text, nullable=False),
    sa.Column("log_key", sa.Text, nullable=False, server_default=""),  # NAME+ID+BASE64, "" for none
)

CHECKPOINTS = sa.Table(
    "checkpoints",
    METADATA,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # the signed note, with its cosignatures
)

HEAD = sa.Table(
    "head",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary(32), nullable=False),
    sa.Column("peaks", sa.LargeBinary, nullable=False),  # optout.log.merkle.Frontier
)

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),  # leaf index
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("claim_id", sa.Text, nullable=False, index=True),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("recorded_at", sa.Text, nullable=False),
    sa.Column("match_commitment", sa.Text, nullable=False),
    sa.Column("identity_commitment", sa.Text, nullable=False),
    sa.Column("signer", sa.Text, nullable=False),  # claimant, moderator
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),  # optout.entry.Entry, canonical
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
)


def _parts(name: str) -> sa.Table:
    return sa.Table(
        name,
        METADATA,
        sa.Column(
            "seq", sa.BigInteger, sa.ForeignKey("events.seq"), primary_key=True, autoincrement=False
        ),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),  # canonical JSON
    )


MATCH_PARTS = _parts("match_parts")
IDENTITY_PARTS = _parts("identity_parts")

CLAIMS = sa.Table(
    "claims",
    METADATA,
    sa.Column("claim_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("claimant_key", sa.Text, nullable=False),
    sa.Column("submitted_at", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),  # of the newest entry
    sa.Column("entry_hash", sa.Text, nullable=False),  # leaf hash of the newest entry
    sa.Column("part_seq", sa.BigInteger, nullable=False),  # whose parts are in force
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("stance", sa.Text, nullable=False),
    sa.Column("names", sa.Text, nullable=False),  # JSON lists
    sa.Column("hosts", sa.Text, nullable=False),
    sa.Column("urls", sa.Text, nullable=False),
    sa.Column("style_state", sa.Text, nullable=False),  # as moderators' statements leave it
    sa.Column("authorship", sa.Text, nullable=False, server_default=""),  # "" where not proved
    sa.Column("accepted", sa.Text, nullable=False, server_default=""),  # why the style may act
)

WORKS = sa.Table(
    "works",
    METADATA,
    sa.Column("claim_id", sa.Text, sa.ForeignKey("claims.claim_id"), primary_key=True),
    sa.Column("work_id", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False, index=True),
    sa.Column("pixel_sha256", sa.Text, nullable=False, index=True),
    sa.Column("pdq", sa.LargeBinary(32), nullable=False),  # upright
    sa.Column("pdq_quality", sa.Integer, nullable=False),
    sa.Column("matcher", sa.Text, nullable=False),
)
