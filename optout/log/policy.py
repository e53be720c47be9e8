"""Policy files: whose logs count, whose cosignatures, and how many of them. Pure.

Source: C2SP tlog-policy. A file of lines that somebody writes by hand:

    log VKEY [URL]
    witness NAME VKEY [URL]
    group NAME all|any|NUMBER NAME...
    quorum NAME|none

Names stand for witnesses and groups in the file and nowhere else. They are octets to the
specification; what is no UTF-8 survives here as lone surrogates, so that no two names fall
together.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from optout.log import checkpoint, cosignature, note
from optout.log.checkpoint import MAX_SIZE, Checkpoint
from optout.log.note import COSIGNATURE, ED25519, VerifierKey, parse_verifier_key
from schemas.errors import ProofError, UsageError

NONE = "none"
ALL, ANY = "all", "any"
MAX_POLICY_BYTES = 1 << 20
FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
THRESHOLD = re.compile("[1-9][0-9]{0,8}")
BLANKS = re.compile("[ \t]+")


@dataclass(frozen=True, slots=True)
class Log:
    """A log whose checkpoints are accepted. The name of its key is its origin."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness, under the name that it has in the file."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses and groups, of which so many must have cosigned."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What makes a checkpoint valid. Groups stand behind what they name."""

    logs: tuple[Log, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE

    @property
    def witness_keys(self) -> tuple[VerifierKey, ...]:
        """The keys of all witnesses."""
        return tuple(witness.key for witness in self.witnesses)

    def log_keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """Return the keys that may sign for an origin; none where the log is not known."""
        return tuple(log.key for log in self.logs if log.key.name == origin)

    def is_met(self, times: Collection[VerifierKey] | Mapping[VerifierKey, int]) -> bool:
        """Say whether the quorum has cosigned, by the witnesses whose cosignatures verified."""
        seen = {NONE, *(witness.name for witness in self.witnesses if witness.key in times)}
        for group in self.groups:
            if sum(member in seen for member in group.members) >= group.threshold:
                seen.add(group.name)
        return self.quorum in seen

    def existed_by(self, times: Mapping[VerifierKey, int]) -> int | None:
        """Return the POSIX time by which the quorum had seen a checkpoint, and all entries in it.

        None where the quorum is not met, or asks for nobody: then only the log says when.
        """
        found = (at for at in sorted(times.values()) if self._is_met_by(times, until=at))
        return None if self.is_met({}) else next(found, None)

    def current_at(self, times: Mapping[VerifierKey, int]) -> int | None:
        """Return the POSIX time at which the quorum still knew of no longer log: how fresh it is.

        None as in `existed_by`.
        """
        newest = sorted(times.values(), reverse=True)
        found = (at for at in newest if self._is_met_by(times, since=at))
        return None if self.is_met({}) else next(found, None)

    def _is_met_by(
        self, times: Mapping[VerifierKey, int], since: int = 0, until: int = MAX_SIZE
    ) -> bool:
        return self.is_met({key for key, at in times.items() if since <= at <= until})

    def to_bytes(self) -> bytes:
        """Return the file that `parse` reads as this policy."""
        lines = [" ".join(["log", str(log.key), *_url(log.url)]) for log in self.logs]
        lines += [" ".join(["witness", w.name, str(w.key), *_url(w.url)]) for w in self.witnesses]
        for group in self.groups:
            whole = group.threshold == len(group.members)
            number = ALL if whole else ANY if group.threshold == 1 else str(group.threshold)
            lines.append(f"group {group.name} {number} {' '.join(group.members)}")
        lines.append(f"quorum {self.quorum}")
        return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class Vouched:
    """A checkpoint by a policy: which of its logs has signed it, when which witness has cosigned.

    times: POSIX time by each witness's own clock. quorum: whether those are the witnesses that the
    policy asks for; without it a log may show others another history.
    """

    checkpoint: Checkpoint
    log: VerifierKey
    times: Mapping[VerifierKey, int]
    quorum: bool


def opened(body: bytes, policy: Policy) -> Vouched:
    """Return what a signed checkpoint says, and who vouches for it.

    Raises ProofError where the policy knows no such log, none of the log's keys has signed, or the
    line of a known key fails or stands there twice. An unmet quorum is told, not raised.
    """
    origin = checkpoint.parse(body).origin
    keys = policy.log_keys(origin)
    if not keys:
        raise ProofError(f"expected a log of the policy, found {origin!r:.120}")
    log = note.opened(body, keys).keys[0]
    checkpoint.require_one_line_each(note.parse(body).signatures, *keys)
    head, times = cosignature.cosigned(body, log, policy.witness_keys)
    return Vouched(head, log, times, policy.is_met(times))


def parse(body: bytes, where: str) -> Policy:
    """Return the policy of a file. Raises UsageError, with the line's number, for anything else.

    The last line need not be ended: nothing is lost where an editor left that out.
    """
    if len(body) > MAX_POLICY_BYTES:
        raise UsageError(
            f"expected a policy of {MAX_POLICY_BYTES:,} bytes at most in {where}, found"
            f" {len(body):,}"
        )
    read = _Reading()
    for number, line in enumerate(body.split(b"\n"), 1):
        if FORBIDDEN.search(line):
            raise UsageError(f"{where}, line {number}: expected no control characters, found one")
        words = BLANKS.split(line.decode(errors="surrogateescape").strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            continue
        try:
            read.line(words)
        except UsageError as e:
            raise UsageError(f"{where}, line {number}: {e}") from e
    if read.quorum is None:
        raise UsageError(f"expected a quorum line in {where} (`quorum none` asks for no witness)")
    return Policy(tuple(read.logs), tuple(read.witnesses), tuple(read.groups), read.quorum)


class _Reading:
    """What the lines so far have said."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self.names: set[str] = set()
        self.members: set[str] = set()

    def line(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(Log(parse_verifier_key(vkey, ED25519), "".join(url)))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(Witness(name, parse_verifier_key(vkey, COSIGNATURE), "".join(url)))
            case ["group", name, number, _, *_]:
                self._group(name, number, words[3:])
            case ["quorum", name]:
                self._quorum(name)
            case _:
                raise UsageError(
                    "expected `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|N"
                    f" NAME...` or `quorum NAME`, found {' '.join(words)!r:.120}"
                )

    def _log(self, log: Log) -> None:
        if any(log.key.public == other.key.public for other in self.logs):
            raise UsageError(f"expected another log, found the key of {log.key.name} again")
        self.logs.append(log)

    def _witness(self, witness: Witness) -> None:
        if any(witness.key.public == other.key.public for other in self.witnesses):
            raise UsageError(f"expected another witness, found the key of {witness.name!r} again")
        self._define(witness.name)
        self.witnesses.append(witness)

    def _group(self, name: str, number: str, members: list[str]) -> None:
        for member in members:
            self._require_defined(member)
            # In two groups, or twice in one, a witness would count more than once.
            if member in self.members:
                raise UsageError(f"expected each name in one group, found {member!r:.60} again")
            self.members.add(member)
        if number in (ALL, ANY):
            threshold = len(members) if number == ALL else 1
        elif THRESHOLD.fullmatch(number) and int(number) <= len(members):
            threshold = int(number)
        else:
            raise UsageError(
                f"expected all, any or a number from 1 to {len(members)}, found {number!r:.60}"
            )
        self._define(name)
        self.groups.append(Group(name, threshold, tuple(members)))

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise UsageError("expected one quorum line, found another")
        if name != NONE:
            self._require_defined(name)
        self.quorum = name

    def _define(self, name: str) -> None:
        if name == NONE or name in self.names:
            raise UsageError(f"expected a name that is not in use, found {name!r:.60}")
        self.names.add(name)

    def _require_defined(self, name: str) -> None:
        if name not in self.names:
            raise UsageError(f"expected a witness or group of a line above, found {name!r:.60}")


def _url(url: str) -> list[str]:
    return [url] if url else []
