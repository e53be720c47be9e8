"""Arrow schemas of every table that passes between stages, and the check that a table keeps one.

Row tables carry four `stop_*` columns: the first finding against a row, null while nothing speaks
against it. Later stages leave a stopped row as it is; `decide` turns stops, matches and edges into
verdicts. Columns of the source that recuse does not know ride along under the prefix `extra.`.
Vectors are stored as half floats, and every decision reads them as stored.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from schemas import SCHEMA_VERSION
from schemas.errors import SchemaError

EXTRA = "extra."

F = pa.field
TEXT = pa.string()
KEY32 = pa.binary(32)
UTC = pa.timestamp("us", tz="UTC")
HEADER = pa.struct([F("name", TEXT), F("value", TEXT)])
SIGNAL = pa.struct(
    [
        F("channel", TEXT),
        F("purpose", TEXT),
        F("verdict", TEXT),
        F("evidence", TEXT),  # sha256 of the evidence document, null where the channel was absent
        F("at", UTC),
    ]
)
IMAGE = pa.struct([F("bytes", pa.binary()), F("path", TEXT)])
HOP = pa.struct([F("url", TEXT), F("status", pa.int16()), F("documents", pa.list_(TEXT))])
"""One address asked on the way: its status (null where it was not asked) and the ids of the
documents that spoke for it (DOCUMENTS.document_id: its origin's, and licences that it names)."""
RIGHT = pa.struct([F("field", TEXT), F("value", TEXT)])
"""A statement about rights that is provenance and no opt-out, e.g. `cc:license` and its URL."""

STOP = [
    F("stop_stage", TEXT),
    F("stop_reason", TEXT),
    F("stop_claim", TEXT),
    F("stop_detail", TEXT),
]


def vector(dim: int) -> pa.DataType:
    """Return the stored type of a named vector."""
    return pa.list_(pa.float16(), dim)


KEYPOINTS = F("keypoints", pa.binary())
"""optout.keypoints.POINT, beside vectors; empty where nothing stands out, null where unknown."""


def of_pixels(schema: pa.Schema) -> list[str]:
    """Return the columns that a matcher or model made of pixels: named vectors, key points."""
    return [f.name for f in schema if pa.types.is_fixed_size_list(f.type) or f == KEYPOINTS]


def _table(*fields: pa.Field) -> pa.Schema:
    return pa.schema(list(fields), metadata={"schema_version": str(SCHEMA_VERSION)})


SOURCED = _table(
    F("row", pa.int64()),  # place in the source: file number << 40 | row number
    F("given_uid", TEXT),  # null where the source has none
    F("url", TEXT),  # as given
    F("url_key", TEXT),  # canonical URL, or given:<file>#<member> where bytes come with the source
    F("host", TEXT),
    F("caption", TEXT),
    F("page_key", TEXT),  # canonical URL of the page around the image; null where none is known
    F("page_tags", TEXT),  # canonical JSON (signals.page.PageTags) of a page stored in the source
    *STOP,
)

ROWS = _table(F("uid", TEXT), *SOURCED)
"""SOURCED with its uid; after `screen`, with stops of the registry. Sorted by uid."""

REQUESTS = _table(
    F("host", TEXT),  # host name without port: the unit of politeness
    F("url_key", TEXT),
    F("url", TEXT),  # what to ask: the canonical URL of an image or a page, or where it redirected
    F("shards", pa.list_(pa.int32())),  # uid shards whose rows wait for the answer
    F("hops", pa.list_(HOP)),  # on other hosts, in earlier rounds
)

OBSERVED = _table(
    F("url_key", TEXT),
    F("shards", pa.list_(pa.int32())),
    F("outcome", TEXT),
    F("hops", pa.list_(HOP)),  # every address asked, the final one last
    F("final_url", TEXT),
    F("http_status", pa.int16()),
    F("headers", pa.list_(HEADER)),  # of the final response, in order, with case
    F("asked_at", UTC),
    F("fetched_at", UTC),  # when the body was whole
    F("pack", TEXT),  # of the body; null without one, or where a safety list forbids to keep it
    F("offset", pa.int64()),
    F("length", pa.int64()),
    F("sha256", TEXT),  # of the body
    F("unchecked", pa.list_(TEXT)),  # families that nobody could read for this answer
    F("detail", TEXT),
    F("page_tags", TEXT),  # what a page says (signals.page.PageTags); null for images
)

DOCUMENTS = _table(
    F("document_id", TEXT),  # sha256 of canonical JSON [kind, origin, status, sha256, asked_at]
    F("kind", TEXT),  # robots, tdmrep, ai, trust, rsl
    F("origin", TEXT),  # scheme://host[:port]; of a licence (rsl) its address as it was named
    F("url", TEXT),  # where the document was found, after redirects
    F("http_status", pa.int16()),  # null where no response came
    F("detail", TEXT),
    F("asked_at", UTC),
    F("sha256", TEXT),  # of the body, null without one
    F("body", pa.binary()),
    F("content_type", TEXT),
    F("truncated", pa.bool_()),  # longer than what is kept; cut at the end of a whole line
)

LISTED = _table(
    F("url_key", TEXT),
    F("channel", TEXT),  # spawning, declarations
    F("at", UTC),
    F("body", pa.binary()),  # canonical JSON: what was asked of which list, and its answer
)
"""What lists of others answered: evidence, from which what they say is read."""

EVIDENCED = _table(
    F("sha256", TEXT),  # of the body: what `signals.evidence` names
    F("kind", TEXT),  # answer, page, list, embedded
    F("body", pa.binary()),  # canonical JSON, optout.signals.evidence
)
"""Private evidence: each document once, whatever the number of rows that rest on it."""

TRACED = _table(
    F("uid", TEXT),
    F("url_key", TEXT),
    F("answer", TEXT),  # sha256 of the evidence of the row's request
    F("page", TEXT),
    F("lists", pa.list_(TEXT)),
    F("embedded", TEXT),
)
"""Which private evidence speaks for which row, kept ones included: where a replay begins."""

JUDGED = _table(
    F("uid", TEXT),
    F("outcome", TEXT),
    F("hops", pa.list_(TEXT)),  # addresses on the way to the final one; null where nobody knows
    F("final_url", TEXT),
    F("http_status", pa.int16()),
    F("fetched_at", UTC),
    F("sha256", TEXT),
    F("pack", TEXT),
    F("offset", pa.int64()),
    F("length", pa.int64()),
    F("signals", pa.list_(SIGNAL)),
    F("unchecked", pa.list_(TEXT)),
    F("digital_source_type", TEXT),  # IPTC: e.g. trainedAlgorithmicMedia; null where not said
    F("rights", pa.list_(RIGHT)),
    *STOP,
)

DECODED = _table(
    F("uid", TEXT),
    F("width", pa.int32()),  # of the image as stored
    F("height", pa.int32()),
    F("original_width", pa.int32()),
    F("original_height", pa.int32()),
    F("pixel_sha256", TEXT),
    F("pdq", KEY32),
    F("pdq_quality", pa.int16()),
    F("stored_sha256", TEXT),
    F("stored_pdq", KEY32),
    F("stored_size_bytes", pa.int64()),
    F("clip_similarity", pa.float32()),
    *STOP,
)

STORED = _table(F("uid", TEXT), F("stored_sha256", TEXT), F("body", pa.binary()))
"""Image bytes as they will stand in the release, kept apart from all slim columns."""

SNAPSHOT_CLAIMS = _table(
    F("claim_id", TEXT),
    F("scope", TEXT),
    F("stance", TEXT),
    F("level", pa.int8()),
    F("names", pa.list_(TEXT)),
    F("captions", TEXT),  # drop, redact: what a name in a caption does; null counts as drop
    F("hosts", pa.list_(TEXT)),
    F("accounts", pa.list_(TEXT)),  # host/path
    F("urls", pa.list_(TEXT)),
    F("license", TEXT),
    F("attribution", TEXT),
    F("style_state", TEXT),  # none, active, not separable, needs review
    F("style_threshold", pa.float32()),  # at style_alpha; null unless style_state is active
    F("style_alpha", pa.float32()),
    F("style_tail", pa.list_(pa.float32())),  # optout.enrol.Tail: gives the threshold at any alpha
    F("seq", pa.int64()),  # of the newest event about the claim
    F("commitment", TEXT),  # of the match part, as in the log
)
"""The claims of one registry, as its snapshot holds them."""

CLAIMS = _table(
    *SNAPSHOT_CLAIMS,  # style_state also: not judged: of another matcher
    F("origin", TEXT),  # the registry that states the claim and its level
    F("trusted", pa.bool_()),  # control counts as proved: trust_local, on a registry of one's own
)
"""The claims that a build honours, of all registries together (optout.union)."""

WORKS = _table(
    F("claim_id", TEXT),
    F("work_id", TEXT),
    F("sha256", TEXT),
    F("pixel_sha256", TEXT),
    F("pdq", pa.list_(KEY32)),  # eight dihedral variants, the upright first
    F("pdq_quality", pa.int16()),
    F("matcher", TEXT),  # fingerprint of the vectors; null where there are none
    F("cpy", pa.list_(pa.float16())),
    F("sty", pa.list_(pa.float16())),
    F("cohort_mean", pa.float32()),  # mean cosine of the three nearest cohort images by cpy
    F("views", pa.list_(TEXT)),  # schemas.claim.ViewKind of each view; the next two go with it
    F("view_cpy", pa.list_(pa.list_(pa.float16()))),
    F("view_means", pa.list_(pa.float32())),
    KEYPOINTS,
)

MATCHES = _table(
    F("uid", TEXT),
    F("claim_id", TEXT),
    F("stance", TEXT),
    F("rule", TEXT),  # optout.match.Rule
    F("work_id", TEXT),
    F("similarity", pa.float32()),
    F("threshold", pa.float32()),
    F("margin", pa.float32()),  # similarity less threshold; what met the rule is >= -epsilon
    F("detail", TEXT),  # JSON: the source of a vote, work and points; null where no more is said
)

SIMILARITIES = _table(
    F("uid", TEXT),
    F("claim_id", TEXT),  # of a style that acts
    F("similarity", pa.float32()),  # normalised; at least the claim's floor, where its tail begins
)
"""How like a style rows are, whatever threshold a build sets (pipeline.likeness)."""

MEASURED_STYLES = _table(
    F("claim_id", TEXT),
    F("floor", pa.float32()),  # similarities at or above it are stored, and a little below
    F("content", TEXT),  # sha256 of all that a similarity to the claim follows from beside the row
)
"""The styles that SIMILARITIES speak of (pipeline.likeness), also those that are like no row."""

MEASURED_ROWS = _table(F("uid", TEXT), F("content", KEY32))  # sha256 of the vector as stored
"""The rows that SIMILARITIES speak of, also those that are like no style."""

EDGES = _table(
    F("uid_a", TEXT),  # uid_a < uid_b
    F("uid_b", TEXT),
    F("sha256", pa.bool_()),
    F("pixel_sha256", pa.bool_()),
    F("pdq_distance", pa.int16()),  # null beyond the radius, or where a quality is too low
    F("similarity", pa.float32()),  # null below the threshold; beside pdq_distance, below .70
)

SLIM = _table(
    F("uid", TEXT),
    F("row", pa.int64()),
    F("url_key", TEXT),
    F("host", TEXT),
    F("sha256", TEXT),
    F("pixel_sha256", TEXT),
    F("original_width", pa.int32()),
    F("original_height", pa.int32()),
    F("clip_similarity", pa.float32()),
    *STOP,
)
"""What `decide` and `represent` know of each input row: one pass holds all of them at once."""

GRANTS = _table(
    F("uid", TEXT),
    F("claim_id", TEXT),  # of an opt-in claim that names the row's host, account or URL
    F("rule", TEXT),  # host, account, url
)

SAFE = _table(
    F("claim_id", TEXT),
    F("sha256", TEXT),  # of the content: the bytes, or the pixels of their canonical decode
    F("pixel_sha256", TEXT),
)
"""The safe list: contents that do not count as look-alikes of a claim (schemas.safe)."""

DECIDED = _table(
    F("uid", TEXT),
    F("verdict", TEXT),
    F("reason", TEXT),  # null where kept
    F("stage", TEXT),  # null where kept
    F("claim_id", TEXT),
    F("rule", TEXT),
    F("similarity", pa.float32()),
    F("threshold", pa.float32()),
    F("by_uid", TEXT),  # the row from which a denial spread
    F("dup_of", TEXT),  # the representative of a duplicate
    F("detail", TEXT),
    F("license", TEXT),  # of an opt-in claim that grants the row
    F("attribution", TEXT),
)

SAMPLES = _table(
    F("uid", TEXT),
    F("url", TEXT),
    F("caption", TEXT),  # as given, or without the names that are to be redacted
    F("caption_redacted", pa.bool_()),
    F("width", pa.int32()),
    F("height", pa.int32()),
    F("original_width", pa.int32()),
    F("original_height", pa.int32()),
    F("sha256", TEXT),
    F("pixel_sha256", TEXT),
    F("stored_sha256", TEXT),
    F("pdq", KEY32),
    F("pdq_quality", pa.int16()),
    F("stored_pdq", KEY32),
    F("clip_similarity", pa.float32()),
    F("final_url", TEXT),
    F("host", TEXT),
    F("http_status", pa.int16()),
    F("fetched_at", UTC),
    F("license", TEXT),
    F("attribution", TEXT),
    F("digital_source_type", TEXT),
    F("rights", pa.list_(RIGHT)),
    F("signals", pa.list_(SIGNAL)),
)
"""A released row. Columns of the source follow under their own names; `image` (IMAGE) is last."""

STATED = _table(
    F("claim_id", TEXT),
    F("origin", TEXT),  # of the registry that states the claim
    F("list", TEXT),  # its name in the config, of a signed list; empty for the builder's own
)
"""The claims that a build honoured, and who vouches for each."""

VAULTED = _table(
    F("uid", TEXT),
    F("row", pa.int64()),
    F("stage", TEXT),
    F("verdict", TEXT),
    F("reason", TEXT),
    F("claim_id", TEXT),
    F("rule", TEXT),
    F("similarity", pa.float32()),
    F("threshold", pa.float32()),
    F("by_uid", TEXT),
    F("dup_of", TEXT),
    F("detail", TEXT),
    F("salt", TEXT),  # hex; with the fields above it opens the row's commitment in the ledger
    F("url", TEXT),
    F("url_key", TEXT),
    F("caption", TEXT),
    F("host", TEXT),
    F("final_url", TEXT),
    F("http_status", pa.int16()),
    F("fetched_at", UTC),
    F("sha256", TEXT),  # all that is kept of bytes that forbid mining
    F("pixel_sha256", TEXT),
    F("stored_sha256", TEXT),
    F("pdq", KEY32),
    F("pdq_quality", pa.int16()),
    F("stored_pdq", KEY32),
    F("original_width", pa.int32()),
    F("original_height", pa.int32()),
    F("clip_similarity", pa.float32()),
    F("signals", pa.list_(SIGNAL)),
)
"""A row that is not released, as the vault keeps it; named vectors and `extra.` columns follow."""

ORIGINALS = _table(
    F("uid", TEXT),
    F("claim_id", TEXT),  # the first claim that asked for it
    F("detail", TEXT),  # JSON: every claim, name and form that was met
    F("caption", TEXT),
)
"""What a redacted row said before; its `extra.` columns follow, as they were."""

LEDGER = _table(
    F("uid", TEXT),
    F("stage", TEXT),
    F("verdict", TEXT),
    F("reason", TEXT),
    F("commitment", TEXT),  # hex sha256 over salt and the detail that the vault holds
)

RETRACTIONS = _table(
    F("uid", TEXT),
    F("sha256", TEXT),  # of the bytes as fetched
    F("stored_sha256", TEXT),  # of the bytes that were released
    F("release", TEXT),  # sha256 of the manifest.json of the release that the row has left
    F("reason", TEXT),
)
"""Rows that a recall has taken out of a release, and of those before it; sorted by uid."""


def require(table: pa.Table, schema: pa.Schema, *, extra: bool = True) -> None:
    """Raise SchemaError unless `table` starts with the columns of `schema`, in order and type.

    Further columns are allowed where they are named vectors or begin with `extra.` and `extra`
    is true.
    """
    names = table.column_names[: len(schema)]
    if names != schema.names:
        raise SchemaError(f"expected columns {schema.names}, found {table.column_names}")
    for field in schema:
        found = table.schema.field(field.name).type
        if found != field.type:
            raise SchemaError(f"expected {field.name}: {field.type}, found {found}")
    more = table.column_names[len(schema) :]
    unknown = [n for n in more if not n.startswith(EXTRA)]
    if unknown or (more and not extra):
        raise SchemaError(f"expected no columns beyond {schema.names}, found {more}")


def from_rows(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Build a table from dictionaries; keys that are missing become null.

    Raises SchemaError for a key that the schema lacks or a value of another type.
    """
    for row in rows:
        if not row.keys() <= set(schema.names):
            raise SchemaError(f"expected keys of {schema.names}, found {sorted(row)}")
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise SchemaError(f"expected values of {schema.names}: {e}") from e


def with_metadata(table: pa.Table, **values: str) -> pa.Table:
    """Return the table with keys added to its schema metadata."""
    old: Mapping[bytes, bytes] = table.schema.metadata or {}
    return table.replace_schema_metadata(
        {**old, **{k.encode(): v.encode() for k, v in values.items()}}
    )
