"""An entry of the log for a release: what its manifest says, read and checked."""

from jobs.signed_heads import require_continued
from optout.leaf import notices
from optout.log.merkle import root
from optout.log.note import parse as parse_note
from optout.notice import Applied, NoticeType, ReleaseNotice
from optout.registry import Registry
from optout.signed_file import SUFFIX
from pipeline.manifest import MANIFEST_PATH, parse_manifest
from pipeline.storage import open_store
from schemas.canonical import sha256_hex
from schemas.errors import RegistryError
from schemas.manifest import Manifest
from schemas.ports import Store

UNTIMED = {"recorded_at": ""}


def announce(registry: Registry, where: str) -> tuple[ReleaseNotice, int]:
    """Record a release by its manifest, once; returns the entry and its place.

    where: folder or URL of the release, or of its manifest.json. Raises SchemaError where it is no
    manifest, RegistryError where it says it used a state that this registry never had, or
    the database is older than what its log has signed.
    """
    require_continued(registry)
    # A manifest that is named by itself lies in the folder that commands run in.
    folder = where.removesuffix(MANIFEST_PATH) if _is_manifest(where) else where
    store = open_store(folder or ".")
    body = store.read(MANIFEST_PATH)
    manifest = parse_manifest(body)
    used = applied(registry, manifest)
    signer = signer_of(store.read(f"{MANIFEST_PATH}{SUFFIX}")) if _is_signed(store) else ""
    roots = manifest.roots

    def notice(at: str) -> ReleaseNotice:
        return ReleaseNotice(
            recorded_at=at,
            title=manifest.title,
            manifest_sha256=sha256_hex(body),
            key=signer,
            roots={"rows": roots.rows, "bands": roots.bands, "ledger": roots.ledger},
            applied=used,
        )

    expected = notice("")
    while True:  # by this run, by one that broke off or is quicker, or whose end nobody saw
        size, _ = registry.head()
        for seq, found in notices(registry.leaves(0, size), registry.where):
            if isinstance(found, ReleaseNotice) and found.model_copy(update=UNTIMED) == expected:
                return found, seq
        registry.note_at(size, notice, NoticeType.RELEASE)


def _is_manifest(where: str) -> bool:
    return where == MANIFEST_PATH or where.endswith(f"/{MANIFEST_PATH}")


def applied(registry: Registry, manifest: Manifest) -> Applied | None:
    """Return the state of this registry that a release used. Raises RegistryError for no such."""
    origin, _ = registry.log_key()
    for one in manifest.lists:
        if not one.used or one.origin != origin or one.size is None or one.root is None:
            continue
        leaves = registry.leaf_hashes(one.size)
        if len(leaves) < one.size or root(leaves).hex() != one.root:
            raise RegistryError(
                f"expected a state of {origin} in the manifest, found root {one.root} at"
                f" {one.size} entries, which {registry.where} never had"
            )
        return Applied(size=one.size, root=one.root)
    return None


def signer_of(note: bytes) -> str:
    """Return the key that claims to have signed a manifest, NAME+ID: unverified."""
    first = parse_note(note).signatures[0]
    return f"{first.name}+{first.key_id}"


def _is_signed(store: Store) -> bool:
    return store.exists(f"{MANIFEST_PATH}{SUFFIX}")
