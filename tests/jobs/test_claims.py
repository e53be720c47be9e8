"""What a build pins of registry and lists: read, verified, kept, and read back the same."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.claims import (
    Member,
    honoured_at,
    newest,
    pin,
    pinned_at,
    require_comparable,
    require_forward,
    require_not_withdrawn,
    require_usable,
)
from jobs.log_keys import signer_of
from jobs.planning import require_grants
from jobs.registries import KEYS_VARIABLE, open_registry
from jobs.sealing import used
from jobs.signed_heads import with_checkpoint
from optout import signed_list, snapshot
from optout.entry import draft_move
from optout.lifecycle import Event
from optout.log import checkpoint
from optout.log.note import SignerKey
from optout.signed_list import EXPORTED_AT, sign_list
from pipeline.storage import open_store
from schemas.config import BuildConfig, RegistryConfig
from schemas.errors import (
    ModelMismatchError,
    RegistryError,
    RollbackError,
    StaleSnapshotError,
    UsageError,
)
from tests.databases import both
from tests.fakes import FixedClock
from tests.optout.claims import MATCHER, draft, random_bytes, signing_key
from tests.optout.snapshots import claim, taken, work

CREATED = "2026-01-03T00:00:00Z"
ONE = SignerKey("one.example", bytes(32))
TWO = SignerKey("two.example", bytes([2]) * 32)


def exported(place, key: SignerKey, found) -> dict[str, object]:
    """Publish a list; returns how a config subscribes to it."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    signed_list.publish(found, sign_list(found, at, key), open_store(str(place)))
    return {"name": key.name, "location": str(place), "key": str(key.verifier)}


def config(*lists: dict[str, object], **more: object) -> RegistryConfig:
    return RegistryConfig.model_validate({"lists": lists, **more})


@pytest.fixture
def lists(tmp_path):
    """Two lists: of the build's matcher, and of another one with a style."""
    style = {"scope": "style", "style_state": "active", "style_tail": [2, 0.02, 0, 1, 1e-3, 0, 1]}
    one = taken([claim(1)], [work(1, 1)], origin="local/one")
    two = taken(
        [claim(2, **style, hosts=["b.example"], level=2)],
        [work(2, 2, matcher="o" * 64)],
        origin="local/two",
        matcher="o" * 64,
    )
    return exported(tmp_path / "one", ONE, one), exported(tmp_path / "two", TWO, two)


@pytest.fixture
def own(database, monkeypatch):
    where = database.where
    if database.keys:
        monkeypatch.setenv(KEYS_VARIABLE, database.keys)
    with open_registry(where, FixedClock(step_us=1), create=True) as registry:
        registry.pin_matcher(MATCHER, "fake")
        registry.append(draft(1, hosts=("ada.example",)))
    return where


@both
def test_registry_and_lists_are_kept_and_read_back_the_same(tmp_path, lists, own):
    work_folder = open_store(str(tmp_path / "work"))
    settings = config(*lists, url=own, trust_local=True)
    members = newest(settings, CREATED)
    require_comparable(members, MATCHER)
    assert [member.name for member in members] == ["", "one.example", "two.example"]
    pinned = pin(members, MATCHER, work_folder)
    again = pin(newest(settings, CREATED), MATCHER, work_folder)
    assert again.ref == pinned.ref
    back = pinned_at(pinned.ref, settings, work_folder)
    assert [(p.name, p.sha256, p.folder) for p in back.members] == [
        (p.name, p.sha256, p.folder) for p in members
    ]
    assert [p.signed and p.signed.note for p in back.members] == [
        p.signed and p.signed.note for p in members
    ]
    honoured = honoured_at(work_folder.root, pinned.ref.path)
    rows = {r["origin"]: r for r in honoured.claims.to_pylist()}
    assert {o: r["trusted"] for o, r in rows.items() if o.startswith("local/t")} == {
        "local/two": False
    }
    assert [r["trusted"] for r in honoured.claims.to_pylist()].count(True) == 1
    assert rows["local/two"]["style_state"] == "not judged"


def test_what_tasks_read_is_named_by_what_is_in_it(tmp_path, lists):
    work_folder = open_store(str(tmp_path / "work"))
    pinned = pin(newest(config(*lists), CREATED), MATCHER, work_folder)
    fewer = pin(newest(config(lists[0]), CREATED), MATCHER, work_folder)
    assert fewer.ref != pinned.ref
    folder = pinned.members[0].folder
    header = json.loads(work_folder.read(f"{folder}/snapshot.json"))
    work_folder.publish(f"{folder}/snapshot.json", json.dumps({**header, "size": 9}).encode())
    with pytest.raises(RegistryError):
        honoured_at(work_folder.root, fewer.ref.path)
    work_folder.publish(pinned.ref.path, work_folder.read(fewer.ref.path))
    with pytest.raises(RegistryError, match="other bytes"):
        honoured_at(work_folder.root, pinned.ref.path)


def test_a_list_of_another_matcher_is_counted_and_a_registry_of_ones_own_is_refused(lists):
    _, two = newest(config(*lists), CREATED)
    require_comparable([two], MATCHER)
    created = datetime.fromisoformat(CREATED)
    said = used(two, MATCHER, (created, created), pinned=False)
    assert (said.claims_active, said.claims_not_judged_by_similarity) == (1, 1)
    with pytest.raises(ModelMismatchError, match="this build cannot compare"):
        require_comparable([Member("", two.snapshot)], MATCHER)


def test_a_list_exported_while_a_build_ran_is_as_old_as_nothing(lists):
    (one,) = newest(config(lists[0]), CREATED)
    at = datetime.strptime(one.signed.note.exported_at, EXPORTED_AT).replace(tzinfo=UTC)
    hour = timedelta(hours=1)

    def age(created: datetime, now: datetime) -> float:
        return used(one, MATCHER, (created, now), pinned=False).age_days

    assert age(at + hour, at + 2 * hour) == pytest.approx(1 / 24, abs=1e-3)
    assert age(at - hour, at + hour) == 0
    assert age(at - hour, at - hour / 2) < 0  # of an export that is yet to come, audits are told


@both
def test_a_checkpoint_goes_with_the_snapshot_into_work_folder_and_manifest(tmp_path, own):
    settings = config(url=own, trust_local=True)
    (bare,) = newest(settings, CREATED)
    assert bare.snapshot.checkpoint == b""
    with open_registry(own, FixedClock()) as registry:
        signer = signer_of(registry, random_bytes(3))
        origin = signer.name
    (member,) = newest(settings, CREATED)
    head = checkpoint.opened(member.snapshot.checkpoint, signer.verifier)
    assert (head.origin, head.size, head.root.hex()) == (
        origin, member.snapshot.header.size, member.snapshot.header.root,
    )  # fmt: skip
    work_folder = open_store(str(tmp_path / "work"))
    pinned = pin([member], MATCHER, work_folder)
    (again,) = pinned_at(pinned.ref, settings, work_folder).members
    assert again == member
    said = used(again, MATCHER, datetime.fromisoformat(CREATED), pinned=False)
    assert said.checkpoint == member.snapshot.checkpoint.decode()
    pin([bare], MATCHER, work_folder)  # the same state, unsigned: no checkpoint is left behind
    (unsigned,) = pinned_at(pinned.ref, settings, work_folder).members
    assert unsigned.snapshot.checkpoint == b""


def signed(registry, signer):
    return with_checkpoint(registry, snapshot.take(registry, trust_local=True), signer)


def test_a_checkpoint_of_another_state_is_refused(tmp_path, own):
    with open_registry(own, FixedClock()) as registry:
        signer = signer_of(registry, random_bytes(3))
        older = signed(registry, signer)
        registry.append(draft(2, hosts=("bo.example",)))
        newer = signed(registry, signer)
    place = open_store(str(tmp_path / "work"))
    snapshot.save(replace(newer, checkpoint=older.checkpoint), place, "s")
    with pytest.raises(RegistryError, match="expected a checkpoint of"):
        snapshot.load(place, "s")


@both
def test_what_was_pinned_is_withdrawn_by_an_erasure(own):
    settings = config(url=own, trust_local=True)
    held = newest(settings, CREATED)
    with open_registry(own, FixedClock()) as registry:
        registry.append(draft(2, hosts=("bo.example",)))
        require_not_withdrawn(held, newest(settings))
        claim_id = draft(1).statement.claim
        at = registry.standing(claim_id).entry_hash
        registry.append(draft_move(Event.ERASE, claim_id, at, signing_key(1)))
    with pytest.raises(RegistryError, match="holds a claim that was erased"):
        require_not_withdrawn(held, newest(settings))
    now = newest(settings)
    require_not_withdrawn(now, now)


def test_two_claims_of_one_id_stop_the_build(tmp_path, lists):
    other = exported(tmp_path / "three", TWO, taken([claim(1, commitment="f" * 64)]))
    with pytest.raises(RegistryError, match="decline one"):
        require_comparable(newest(config(lists[0], other), CREATED), MATCHER)


def test_an_old_list_is_refused_unless_the_config_allows_it(lists):
    late = "2026-01-09T00:00:00Z"
    with pytest.raises(StaleSnapshotError) as caught:
        newest(config(lists[0]), late)
    assert "list 'one.example'" in caught.value.__notes__[0]
    assert newest(config(lists[0], max_age_days=9), late)
    assert newest(config(lists[0], max_age_days=0), late)


def test_a_build_that_keeps_what_is_granted_needs_somebody_who_grants(lists):
    for more in (
        {"registry": {"url": "r"}},
        {"registry": {"lists": [lists[0]]}},
        {"mode": "opt_out"},
    ):
        require_grants(BuildConfig.model_validate({"mode": "opt_in"} | more))
    declined = lists[0] | {"subscribe": False, "reason": "r"}
    for more in ({}, {"registry": {"lists": [declined]}}):
        with pytest.raises(UsageError, match=r"registry\.lists"):
            require_grants(BuildConfig.model_validate({"mode": "opt_in"} | more))


def test_a_declined_list_is_not_even_read(lists):
    declined = lists[0] | {"location": "/nowhere", "subscribe": False, "reason": "r"}
    assert newest(config(declined), CREATED) == ()


def test_lists_and_registries_only_move_forward(lists):
    members = newest(config(*lists), CREATED)
    require_forward(members, members)
    require_forward((), members)
    header = members[0].snapshot.header
    longer = taken([claim(1)], origin=header.origin, size=5)
    require_forward(members, [Member("one.example", longer)])
    with pytest.raises(RollbackError, match=r"list 'one\.example'"):
        require_forward([Member("one.example", longer)], members)
    with pytest.raises(RollbackError, match="the registry"):
        require_forward([Member("", longer)], [Member("", members[0].snapshot)])


@pytest.mark.parametrize("change", [{"location": ""}, {"key": "a+b+c"}])
def test_lists_that_cannot_be_asked_for_are_usage_errors(lists, change):
    with pytest.raises(UsageError):
        require_usable(config(lists[0] | change))
