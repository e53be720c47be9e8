"""The claims of a build, of its registry and of the lists it subscribes to, in the work folder.

Each snapshot has a folder of its own below `snapshots/`, a list's with its note. A document names
them all by digest; its reference is what tasks read, so that what they give follows from it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from jobs.log_keys import signer_at_hand
from jobs.registries import open_registry
from jobs.seen import keep
from jobs.signed_heads import with_checkpoint
from jobs.signed_lists import seen_head
from optout import signed_list, snapshot, union
from optout.erasure import is_withdrawn
from optout.log.note import parse_verifier_key
from optout.signed_list import SignedList, require_fresh, require_no_rollback
from pipeline.clock import clock_from_environment
from pipeline.plan import Ref
from pipeline.storage import open_store
from schemas import SCHEMA_VERSION
from schemas.canonical import canonical_json, sha256_hex
from schemas.config import ListConfig, RegistryConfig
from schemas.errors import CurationError, ModelMismatchError, RegistryError, UsageError
from schemas.ports import Store
from schemas.snapshot import Honoured, Snapshot

FOLDER = "snapshots"
WHAT_TO_DO = (
    "nothing is built without it: ask whoever publishes it, mend registry.lists, or decline it"
    " (subscribe: false, with a reason)"
)


@dataclass(frozen=True, slots=True)
class Member:
    """One registry that a build honours. name: "" for its own. signed: of a list."""

    name: str
    snapshot: Snapshot
    signed: SignedList | None = None

    @property
    def sha256(self) -> str:
        """What names the snapshot: sha256 of its snapshot.json."""
        return sha256_hex(snapshot.header_bytes(self.snapshot.header))

    @property
    def folder(self) -> str:
        """Where it lies in a work folder; the same list by another key lies elsewhere."""
        by = f"-{self.signed.key.key_id}" if self.signed else ""
        return f"{FOLDER}/{self.sha256[:16]}{by}"


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a build honours, kept in its work folder. ref: the document that names each member."""

    ref: Ref
    members: tuple[Member, ...]


def require_usable(config: RegistryConfig) -> None:
    """Raise UsageError for lists that cannot be asked for, RegistryError for a registry likewise.

    Lists are not read here, only what the config says of them.
    """
    for one in config.subscribed:
        parse_verifier_key(one.key)
        if not one.location:
            raise UsageError(f"expected the location of list {one.name!r}, found none")
    if config.url:
        open_registry(config.url, clock_from_environment()).close()


def newest(config: RegistryConfig, created: str = "", *, signs: bool = True) -> tuple[Member, ...]:
    """Return the registry's snapshot as it is now, and each list that is subscribed to.

    created: the plan's time, against which lists are old; "" where any age will do, and lists are
    looked at for what they withdraw alone. signs: whether the registry's state is signed where its
    log's key is at hand; that is kept beside the key, and where it cannot be, nothing is signed.
    Raises RegistryError where one cannot be read or does not verify, RollbackError for a database
    that is older than what its log has signed, StaleSnapshotError for a list that is too old.
    """
    members = []
    if config.url:
        with open_registry(config.url, clock_from_environment()) as registry:
            taken = snapshot.take(registry, trust_local=config.trust_local)
            signer = signer_at_hand(registry) if created and signs else None
            members.append(Member("", with_checkpoint(registry, taken, signer)))
    for one in config.subscribed:
        try:
            signed = _read(open_store(one.location), one)
            if created:
                keep(seen_head(signed))
                at = datetime.fromisoformat(created)
                require_fresh(signed.note, at, config.max_age_days)
        except CurationError as e:
            e.add_note(f"list {one.name!r}: {WHAT_TO_DO}")
            raise
        members.append(Member(one.name, signed.snapshot, signed))
    return tuple(members)


def require_comparable(members: Sequence[Member], matcher: str) -> None:
    """Raise ModelMismatchError where the build's own registry has vectors of another matcher.

    A list may have another one: it is not the builder's to mend, and its hashes, names and hosts
    act. Raises RegistryError where two registries contradict each other.
    """
    for member in members:
        header = member.snapshot.header
        if member.signed is None and header.matcher not in ("", matcher):
            raise ModelMismatchError(
                f"expected a registry whose matcher is {matcher[:16]}, found {header.matcher[:16]} "
                f"({header.matcher_name}); this build cannot compare with its vectors: name its"
                " matcher (--matcher, match.matcher)"
            )
    union.join([member.snapshot for member in members], matcher)


def pin(members: Sequence[Member], matcher: str, work: Store) -> Pinned:
    """Keep the members in the work folder."""
    for member in members:
        if member.signed is None:
            snapshot.save(member.snapshot, work, member.folder)
        else:
            signed_list.publish(member.snapshot, member.signed.body, work, member.folder)
    body = canonical_json(
        {
            "schema_version": SCHEMA_VERSION,
            "matcher": matcher,
            "members": [{"name": p.name, "folder": p.folder, "sha256": p.sha256} for p in members],
        }
    )
    ref = Ref(_path_of(body), sha256_hex(body))
    work.publish(ref.path, body)
    return Pinned(ref, tuple(members))


def pinned_at(ref: Ref, config: RegistryConfig, work: Store) -> Pinned:
    """Return what was pinned under a reference; lists are verified again by the config's keys."""
    lists = {one.name: one for one in config.subscribed}
    members = []
    for said in _named(work, ref.path)["members"]:
        if not said["name"]:
            members.append(Member("", snapshot.load(work, said["folder"])))
            continue
        signed = _read(work, lists[said["name"]], said["folder"])
        members.append(Member(said["name"], signed.snapshot, signed))
    return Pinned(ref, tuple(members))


def require_forward(before: Sequence[Member], after: Sequence[Member]) -> None:
    """Raise RollbackError where a registry or a list shows less, or other, than it did before."""
    held = {member.name: member.snapshot.header for member in before}
    for member in after:
        if member.name in held:
            where = f"list {member.name!r}" if member.name else "the registry"
            require_no_rollback(held[member.name], member.snapshot.header, where)


def require_not_withdrawn(
    held: Sequence[Member], newest: Sequence[Member], where: str = "the work folder"
) -> None:
    """Raise RegistryError where a snapshot that is held has a claim that was erased since.

    where: it is held.
    """
    ranges = {member.name: member.snapshot.header.withdrawn for member in newest}
    for member in held:
        header = member.snapshot.header
        if is_withdrawn(header.size, ranges.get(member.name, ())):
            raise RegistryError(
                f"expected a snapshot of {header.origin} that is in force in {where}, found the one"
                f" at {header.size} entries, withdrawn since: it holds a claim that was erased."
                f" Delete {where}, and what there is of the release and its vault: the same command"
                " then builds anew, by the claims as they are"
            )


@lru_cache(maxsize=4)
def honoured_at(root: str, path: str) -> Honoured:
    """Return what a work folder's document names, read, checked and joined once a process."""
    work = open_store(root)
    named = _named(work, path)
    snapshots = []
    for said in named["members"]:
        found = snapshot.load(work, said["folder"])
        if sha256_hex(snapshot.header_bytes(found.header)) != said["sha256"]:
            raise RegistryError(f"expected snapshot {said['sha256']} in {root}/{said['folder']}")
        snapshots.append(found)
    return union.join(snapshots, named["matcher"])


def _read(store: Store, one: ListConfig, folder: str = "") -> SignedList:
    signed = signed_list.read(store, parse_verifier_key(one.key), folder)
    if one.origin and signed.note.origin != one.origin:
        raise RegistryError(
            f"expected the list of {one.origin} in {store.root}, found {signed.note.origin}"
        )
    return signed


def _named(work: Store, path: str) -> dict[str, Any]:
    body = work.read(path)
    if _path_of(body) != path:
        raise RegistryError(f"expected the snapshots that {path} names, found other bytes in it")
    named: dict[str, Any] = json.loads(body)
    return named


def _path_of(body: bytes) -> str:
    return f"{FOLDER}/{sha256_hex(body)[:32]}.json"
