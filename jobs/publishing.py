"""What a registry publishes of its log: epochs, signed checkpoints, tiles; and who cosigns them.

The database has the log and its head; everything here is made from it, in an order that survives a
crash: the epoch is an entry, the checkpoint is kept in the database before anybody is asked to
cosign it, and in a store the checkpoint comes last. Running it again does what is left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from jobs import log_store, signed_heads
from jobs.cosigning import ask
from jobs.log_store import LogFiles, Written
from optout import snapshot, status
from optout.log import cosignature, merkle
from optout.log.checkpoint import Checkpoint
from optout.log.note import Signature, SignerKey, VerifierKey
from optout.log.policy import Policy, Witness
from optout.log.says import says
from optout.notice import EpochNotice, NoticeType
from optout.registry import LogView, Registry
from schemas.errors import (
    FetchError,
    RegistryError,
    RollbackError,
    UsageError,
)
from schemas.ports import Store

EPOCH_TRIES = 5
"""Of claims that are recorded while an epoch is made, few come at once."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What a witness did: its cosignature's time, or why there is none."""

    witness: Witness
    at: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint with all signatures that it has, and what was written."""

    head: Checkpoint
    body: bytes
    epoch: EpochNotice | None  # null where the one before says it, not a day ago
    cosigned: tuple[Cosigned, ...]
    written: Written


def publish(
    registry: Registry,
    key: SignerKey,
    policy: Policy,
    store: Store | None = None,
    *,
    thorough: bool = False,
) -> Published:
    """Record an epoch, sign the head, have it cosigned, and write tiles and checkpoint to a store.

    policy: whose witnesses with an address are asked; one that does not answer is told of, and
    asked again the next time. store: null where nothing is to be written. thorough: read all that
    it has of the log, and not only how long it is.
    Raises RegistryError for another key than the log's, RollbackError where the store holds a
    longer log or another one, before anything is signed, or a witness knows one; what others
    cosigned is kept.
    """
    require_key(registry, key.verifier)
    signed_heads.require_continued(registry)
    if store:
        log_store.require_same(_files(registry), store)
    made = note_epoch(registry)
    head, body = sign_head(registry, key)
    leaves = registry.leaf_hashes(head.size)
    cosigned, body, rollback = _cosigned(body, policy, leaves)
    registry.keep_checkpoint(head.size, body)
    if rollback is not None:  # nothing is shown to anybody of a log that somebody knows otherwise
        raise rollback
    body = dict(registry.checkpoints(head.size - 1))[head.size]  # with what others have got
    log = LogFiles(registry, head, leaves)
    written = log_store.write(log, body, store, thorough=thorough) if store else Written()
    return Published(head, body, made, cosigned, written)


def _files(registry: Registry) -> LogFiles:
    origin, _ = registry.log_key()
    size, root = registry.head()
    return LogFiles(registry, Checkpoint(origin, size, root), registry.leaf_hashes(size))


def require_key(registry: Registry, key: VerifierKey) -> None:
    """Raise RegistryError unless a key is the one that signs for the registry's log."""
    origin, known = registry.log_key()
    if known != str(key):
        raise RegistryError(
            f"expected the key that signs for the log {origin}, {known or 'none yet'}, found"
            f" {key.short}; recuse registry init makes one, rotate replaces it"
        )


def note_epoch(registry: Registry) -> EpochNotice | None:
    """Record where every claim stands, unless the newest epoch says it and is not a day old."""
    for _ in range(EPOCH_TRIES):
        view = registry.view()
        if not status.is_due(view.leaves, registry.now(), registry.where):
            return None
        taken = snapshot.from_view(view, registry.where, trust_local=False)
        told = partial(_epoch, view, taken.header.tables_sha256, registry.where)
        if made := registry.note_at(len(view.leaves), told):
            return made
    # Others record all the time: it is of a state a little older, and another run may have told it.
    return registry.note_at(len(view.leaves), told, NoticeType.EPOCH)


def _epoch(view: LogView, tables_sha256: str, where: str, at: str) -> EpochNotice:
    return status.epoch(view.leaves, tables_sha256, at, where)


def sign_head(registry: Registry, key: SignerKey) -> tuple[Checkpoint, bytes]:
    """Return the log's head, signed, with the cosignatures that it has; kept in the database.

    Raises RollbackError where the log has signed for a longer state, or another one of that size,
    RegistryError where its entries are not those of its head: nothing is signed then.
    """
    newest = max((size for size, _ in registry.checkpoints()), default=0)  # first: a log grows
    origin, _ = registry.log_key()
    size, root = registry.head()
    head = Checkpoint(origin, size, root)
    if newest > size:
        raise RollbackError(
            f"expected {newest} log entries or more, as {registry.where} has signed, found {size}"
        )
    body = signed_heads.sign(registry, head, key)
    registry.keep_checkpoint(size, body)
    return head, body


def _cosigned(
    body: bytes, policy: Policy, leaves: Sequence[bytes]
) -> tuple[tuple[Cosigned, ...], bytes, RollbackError | None]:
    told: list[Cosigned] = []
    lines: list[Signature] = []
    rollback: RollbackError | None = None
    for witness in policy.witnesses:
        if not witness.url:
            told.append(Cosigned(witness, None, "has no address in the policy"))
            continue
        try:
            line = ask(
                witness.url, witness.key, body, lambda old: merkle.consistency_proof(leaves, old),
                known=len(leaves),
            )  # fmt: skip
        except RollbackError as e:
            rollback = rollback or e
            continue
        except (FetchError, RegistryError, UsageError) as e:  # its trouble, and not the log's
            told.append(Cosigned(witness, None, str(e)))
            continue
        lines.append(line)
        times = cosignature.times(_with(body, [line]), [witness.key])
        told.append(Cosigned(witness, times[witness.key]))
    return tuple(told), _with(body, lines) if lines else body, rollback


def _with(body: bytes, lines: Iterable[Signature]) -> bytes:
    return cosignature.with_signatures(body, lines)


def best_checkpoint(registry: Registry, above: int, policy: Policy) -> bytes | None:
    """Return the kept checkpoint of a log beyond a size that says most, then the newest.

    Null where none is kept that the policy takes.
    """
    kept = [(says(body, policy), size, body) for size, body in registry.checkpoints(above)]
    found = max(kept, default=None)
    return found[2] if found and found[0].is_taken else None
