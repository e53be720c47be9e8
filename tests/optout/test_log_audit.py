"""A log held against releases, witnesses and snapshots: what contradicts it is said."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout import log_audit, snapshot, status
from optout.log import checkpoint, cosignature, fork, merkle, tiles
from optout.log.checkpoint import Checkpoint
from optout.log.note import COSIGNATURE, SignerKey
from optout.log.policy import Log, Policy, Witness
from optout.log.tile_reader import TileReader
from optout.log_audit import CLOCKS_APART, Build, HeldLog, Seen
from optout.registry import Registry
from schemas.errors import ProofError, RegistryError
from schemas.manifest import ListEntry
from schemas.snapshot import Snapshot
from tests.fakes import FixedClock
from tests.optout.claims import draft, random_bytes

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SignerKey("log.example", bytes([1] * 32))
WITNESS = SignerKey("witness.example", bytes([2] * 32), COSIGNATURE)
POLICY = Policy((Log(KEY.verifier),), (Witness("w", WITNESS.verifier),), (), "w")


def leaf(day: float, said: str = "") -> bytes:
    at = (START + timedelta(days=day)).isoformat()
    return json.dumps({"recorded_at": at, "said": said}).encode()


DAILY = [leaf(n) for n in range(20)]


def signed(leaves: list[bytes], seen_at: float | None = None) -> tuple[int, bytes]:
    head = Checkpoint(KEY.name, len(leaves), merkle.root([merkle.leaf_hash(x) for x in leaves]))
    body = checkpoint.sign(head, KEY)
    if seen_at is not None:
        at = int((START + timedelta(days=seen_at)).timestamp())
        line = cosignature.cosign(head.to_text(), WITNESS, at)
        body = cosignature.with_signatures(body, [line])
    return len(leaves), body


def held(leaves: list[bytes], *states: tuple[int, bytes], where: str = "a log") -> HeldLog:
    hashes = [merkle.leaf_hash(x) for x in leaves]

    def read(path: str) -> bytes:
        tile = tiles.parse_path(path)
        if tile.level is None:
            return tiles.entry_bundle(tile, lambda a, b: leaves[a:b])
        return tiles.hash_tile(tile, lambda a, b: hashes[a:b])

    return HeldLog(
        where, KEY.name, TileReader(read, len(leaves), merkle.root(hashes)), read, states
    )


def entry(leaves: list[bytes]) -> ListEntry:
    root = merkle.root([merkle.leaf_hash(x) for x in leaves]).hex()
    return ListEntry(origin=KEY.name, used=True, size=len(leaves), root=root)


@given(st.integers(0, 20), st.integers(0, 20))
def test_a_log_has_the_states_that_it_had_and_no_others(size, later):
    log = held(DAILY[: max(size, later)])
    assert log_audit.state_fault(entry(DAILY[:size]), log) == ""
    if size:
        other = [*DAILY[: size - 1], leaf(size - 1, "another")]
        assert "two histories" in log_audit.state_fault(entry(other), log)
        assert "or more, found" in log_audit.state_fault(
            entry(DAILY[:size]), held(DAILY[: size - 1])
        )
    assert log.leaves() == DAILY[: max(size, later)]


@pytest.mark.parametrize(
    ("size", "day", "stale"),
    [(20, 300, False), (10, 10.1, False), (10, 17, False), (10, 17.1, True), (3, 20, True)],
)
def test_a_state_ages_from_the_next_entry_on(size, day, stale):
    """Entry 10 was recorded on day 10, so a build on day 17.1 used what was old for 7.1 days."""
    created = START + timedelta(days=day)
    build = Build(created, None, 7)
    fault = log_audit.stale_fault(entry(DAILY[:size]), held(DAILY), build)
    assert bool(fault) == stale
    assert not stale or "has an entry more since" in fault


@pytest.mark.parametrize(("pinned", "used"), [(False, 5), (True, 0)])
def test_what_was_fetched_late_dates_a_build_that_says_to_be_older(pinned, used):
    build = Build(START, START + timedelta(days=5), 7)
    assert log_audit.build_faults(build) == []
    one = ListEntry(origin=KEY.name, used=True, pinned=pinned)
    assert build.used_at(one) == START + timedelta(days=used)
    (fault,) = log_audit.build_faults(Build(START, START + timedelta(days=7.5), 7))
    assert "the build is said to have begun 2026-01-01" in fault


def test_an_entry_is_dated_as_its_place_and_witnesses_allow():
    states = [Seen(5, START + timedelta(days=5)), Seen(20, START + timedelta(days=20))]
    assert log_audit.time_faults(DAILY, states, "a log") == []
    back = [*DAILY[:12], leaf(3), *DAILY[13:]]
    found = log_audit.time_faults(back, states, "a log")
    assert len(found) == 2
    assert "entry 12 of a log is dated 2026-01-04T00:00:00+00:00, before the one ahead" in found[0]
    assert "saw the log without it at 2026-01-06" in found[1]
    # all that comes behind an entry dated earlier may be dated so too: only witnesses tell
    moved = [*DAILY[:10], *(leaf(9) for _ in range(10))]
    assert log_audit.time_faults(moved, (), "a log") == []
    later = [Seen(10, START + timedelta(days=10))]
    (fault,) = log_audit.time_faults(moved, later, "a log")
    assert "entry 10 of a log is dated 2026-01-10" in fault
    ahead = [*DAILY[:19], leaf(40)]
    (fault,) = log_audit.time_faults(ahead, states, "a log")
    assert "saw the log with it at 2026-01-21" in fault


def test_clocks_may_be_some_minutes_apart():
    near = START + timedelta(days=5) + CLOCKS_APART
    assert log_audit.time_faults(DAILY, [Seen(5, near)], "a log") == []
    assert log_audit.time_faults(DAILY, [Seen(5, near + timedelta(seconds=1))], "a log")


def test_a_leaf_without_a_time_is_refused():
    for body in (b"rubbish", b"[]", b"{}", b'{"recorded_at": "soon"}', b'{"recorded_at": 1}'):
        with pytest.raises(RegistryError, match="time of an entry"):
            log_audit.recorded_at(body, "a log")


def test_only_what_the_policy_accepts_shows_when_a_state_was_seen():
    bodies = [signed(DAILY[:4], 4)[1], signed(DAILY[:6])[1], b"rubbish"]
    assert list(log_audit.seen(bodies, POLICY)) == [Seen(4, START + timedelta(days=4))]
    strangers = Policy((Log(SignerKey(KEY.name, bytes(32)).verifier),), POLICY.witnesses, (), "w")
    assert list(log_audit.seen(bodies, strangers)) == []


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 19))
def test_two_copies_of_a_log_are_of_one_history_or_prove_that_they_are_not(size, other, at):
    theirs = [*DAILY[:at], leaf(at, "another"), *DAILY[at + 1 :]][:other]
    logs = (
        held(DAILY[:size], signed(DAILY[:size]), where="here"),
        held(theirs, signed(theirs), where="there"),
    )
    said, proof = log_audit.fork(logs, POLICY)
    assert bool(said) == (at < min(size, other))
    if said:
        heads = fork.verify(fork.parse(proof.to_bytes()), POLICY)
        assert {head.size for head in heads} == {size, other}
        unsigned = (held(DAILY[:size]), held(theirs))
        assert log_audit.fork(unsigned, POLICY)[1] is None
        assert log_audit.fork(logs, Policy())[1] is None  # of keys that nobody trusts


def test_a_tile_that_was_rewritten_is_named():
    good = held(DAILY)

    def read(path: str) -> bytes:
        body = good.read(path)
        return body[:-1] + bytes([body[-1] ^ 1])

    with pytest.raises(ProofError, match=r"tile/0/000\.p/20"):
        TileReader(read, 20, good.root)

    def other_entries(path: str) -> bytes:
        return read(path) if "entries" in path else good.read(path)

    reader = TileReader(other_entries, 20, good.root)
    entries = HeldLog("a log", KEY.name, reader, other_entries)
    with pytest.raises(ProofError, match=r"entry 19 in tile/entries/000\.p/20"):
        entries.leaves()


def test_a_log_has_every_state_that_it_has_signed():
    assert log_audit.signed_faults(held(DAILY, signed(DAILY[:4]), signed(DAILY))) == []
    (fault,) = log_audit.signed_faults(held(DAILY[:10], signed(DAILY)))
    assert "at 20 entries" in fault
    assert "found 10 entries" in fault
    other = [*DAILY[:3], leaf(3, "another"), *DAILY[4:]]
    (fault,) = log_audit.signed_faults(held(DAILY, signed(other[:8])))
    assert "expected the signed state of a log at 8 entries" in fault
    (fault,) = log_audit.signed_faults(held(DAILY, (8, b"rubbish")))
    assert "expected a checkpoint" in fault
    # a state that is not there any more dates no entry
    later = [Seen(30, START + timedelta(days=30))]
    assert log_audit.time_faults(DAILY, later, "a log") == []


@pytest.fixture
def registry(tmp_path):
    where = str(tmp_path / "registry.db")
    with Registry.open(where, FixedClock(step_us=1), random=random_bytes(0), create=True) as found:
        for seed in (1, 2, 3):
            found.append(draft(seed))
        yield found


def taken(registry: Registry) -> tuple[list[bytes], Snapshot]:
    return registry.view().leaves, snapshot.take(registry, trust_local=False)


def test_a_snapshot_has_the_claims_that_its_log_leaves_in_force(registry):
    leaves, whole = taken(registry)
    assert log_audit.snapshot_faults(leaves, whole, "x") == []
    missing = Snapshot(whole.header, whole.claims.slice(1), whole.works)
    (fault,) = log_audit.snapshot_faults(leaves, missing, "x")
    assert "expected 3 claims in force" in fault
    assert f"found 2; without {whole.claims['claim_id'][0]}" in fault
    (fault,) = log_audit.snapshot_faults(leaves[:2], whole, "x")
    assert "found 3; with " in fault


def test_an_epoch_says_what_a_snapshot_of_its_state_holds(registry):
    view = registry.view()
    digest = snapshot.take(registry, trust_local=False).header.tables_sha256
    registry.note(lambda at: status.epoch(view.leaves, digest, at, "x"))
    leaves, whole = taken(registry)
    assert log_audit.snapshot_faults(leaves, whole, "x") == []
    header = whole.header.model_copy(update={"tables_sha256": "0" * 64})
    changed = Snapshot(header, whole.claims, whole.works)
    (fault,) = log_audit.snapshot_faults(leaves, changed, "x")
    assert f"expected a snapshot with tables {digest}, as epoch 0 of" in fault
    registry.append(draft(4))  # of this state no epoch speaks yet
    leaves, newer = taken(registry)
    header = newer.header.model_copy(update={"tables_sha256": "0" * 64})
    assert log_audit.snapshot_faults(leaves, Snapshot(header, newer.claims, newer.works), "x") == []


def test_the_time_of_an_entry_never_goes_back(tmp_path):
    """A clock that was put back, between two runs, makes no entry look like one put in later."""
    where = str(tmp_path / "registry.db")
    with Registry.open(where, FixedClock(2_000_000_000_000_000), create=True) as found:
        found.append(draft(1))
    with Registry.open(where, FixedClock(1_000_000_000_000_000)) as found:
        found.append(draft(2))
        dates = [log_audit.recorded_at(x, where) for x in found.leaves(0, 9)]
    assert dates == [dates[0]] * 2
