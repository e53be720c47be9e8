import pyarrow as pa
import pytest

from optout import snapshot
from optout.entry import draft_move
from optout.lifecycle import Event
from optout.registry import Registry
from schemas.errors import RegistryError
from schemas.tables import SNAPSHOT_CLAIMS, WORKS, require
from tests.fakes import FixedClock, MemoryStore
from tests.optout.claims import (
    MATCHER,
    active_style,
    draft,
    random_bytes,
    signing_key,
    view,
    work,
)


@pytest.fixture
def registry(tmp_path):
    clock = FixedClock(step_us=1)
    where = str(tmp_path / "registry.db")
    with Registry.open(where, clock, random=random_bytes(0), create=True) as found:
        found.pin_matcher(MATCHER, "fake")
        yield found


def filled(registry: Registry) -> list[str]:
    drafts = [
        draft(
            1,
            works=(work(2, views=(view(5), view(6, kind="grey"))), work(1)),
            style=active_style((1.0, 0.02, 0.1, 0.3, 1e-3, 0, 1)),
        ),
        draft(2, hosts=("example.org",), urls=("https://example.org/a.jpg",)),
        draft(3, works=(work(3, matcher=""),)),
    ]
    return [registry.append(d).entry.claim for d in drafts]


def test_claims_and_works_are_sorted_and_keep_their_schemas(registry):
    ids = filled(registry)
    found = snapshot.take(registry, trust_local=True)
    require(found.claims, SNAPSHOT_CLAIMS, extra=False)
    require(found.works, WORKS, extra=False)
    assert found.claims["claim_id"].to_pylist() == sorted(ids)
    order = list(zip(*(found.works[n].to_pylist() for n in ("claim_id", "work_id")), strict=True))
    assert order == sorted(order)
    assert found.header.size == 4  # the notice that names the matcher is one of them
    assert found.header.root == registry.view().root
    assert found.header.matcher == MATCHER
    assert found.header.trust_local
    assert sorted(found.works["views"].to_pylist()) == [[], [], ["crop", "grey"]]
    (lengths,) = [[len(v) for v in vs] for vs in found.works["view_cpy"].to_pylist() if vs]
    assert lengths == [8, 8]
    plain = [row for row in found.works.to_pylist() if row["matcher"] is None]
    assert [row["cpy"] for row in plain] == [None]


def test_withdrawn_claim_is_out(registry):
    claim_id, *_ = filled(registry)
    standing = registry.standing(claim_id)
    registry.append(draft_move(Event.WITHDRAW, claim_id, standing.entry_hash, signing_key(1)))
    found = snapshot.take(registry, trust_local=True)
    assert claim_id not in found.claims["claim_id"].to_pylist()
    assert claim_id not in found.works["claim_id"].to_pylist()
    assert found.header.size == 5


def test_an_empty_registry_gives_an_empty_snapshot(tmp_path):
    where = str(tmp_path / "empty.db")
    with Registry.open(where, FixedClock(), random=random_bytes(0), create=True) as registry:
        found = snapshot.take(registry, trust_local=False)
    assert (found.header.size, found.header.recorded_at) == (0, "")
    assert found.claims.num_rows == found.works.num_rows == 0


def test_taking_twice_gives_the_same_bytes_and_loading_gives_them_back(registry):
    filled(registry)
    stores = [MemoryStore(), MemoryStore()]
    for store in stores:
        snapshot.save(snapshot.take(registry, trust_local=True), store, "snapshot")
    assert stores[0].files == stores[1].files
    loaded = snapshot.load(stores[0], "snapshot")
    taken = snapshot.take(registry, trust_local=True)
    assert loaded.header == taken.header
    assert loaded.claims.equals(taken.claims)
    assert loaded.works.equals(taken.works)


def test_the_digest_does_not_depend_on_how_tables_are_laid_out(registry):
    filled(registry)
    taken = snapshot.take(registry, trust_local=True)
    split = pa.concat_tables([taken.works.slice(0, 1), taken.works.slice(1)])
    assert snapshot.tables_sha256(taken.claims, split) == taken.header.tables_sha256


@pytest.mark.parametrize("change", ["header", "tables", "absent", "bytes"])
def test_a_changed_snapshot_is_refused(registry, change):
    filled(registry)
    store = MemoryStore()
    taken = snapshot.take(registry, trust_local=True)
    snapshot.save(taken, store, "s")
    if change == "header":
        store.files["s/snapshot.json"] = b'{"size": 1}'
    elif change == "tables":
        store.files["s/works.parquet"] = snapshot._parquet(taken.works.slice(1))
    elif change == "absent":
        del store.files["s/claims.parquet"]
    else:
        store.files["s/claims.parquet"] = b"PAR1 no"
    with pytest.raises(RegistryError):
        snapshot.load(store, "s")
