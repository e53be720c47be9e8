from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout import signed_list, snapshot
from optout.log.note import SignerKey, sign
from optout.signed_list import (
    NOTE_FILE,
    ListNote,
    parse_text,
    peek,
    publish,
    read,
    require_fresh,
    require_no_rollback,
    sign_list,
)
from schemas.errors import (
    CurationError,
    ProofError,
    RegistryError,
    RollbackError,
    StaleSnapshotError,
)
from schemas.tables import SNAPSHOT_CLAIMS, from_rows
from tests.fakes import MemoryStore
from tests.optout.claims import MATCHER, unit
from tests.optout.snapshots import claim, taken, work

KEY = SignerKey("registry.example", bytes(range(32)))
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TAIL = [2.0, 0.02, 0.1, 0.3, 1e-3, 0.1, 0.05]
ONE = taken(
    [claim(1, style_state="active", style_tail=TAIL, scope="style"), claim(2, hosts=["b.example"])],
    [work(1, 1), work(2, 1, matcher=None, cpy=None, sty=None, cohort_mean=None)],
)


def published(found=ONE, folder: str = "", key: SignerKey = KEY) -> MemoryStore:
    store = MemoryStore()
    publish(found, sign_list(found, AT, key), store, folder)
    return store


def note(**changes) -> ListNote:
    given = {
        "origin": "local/a", "size": 2, "root": "0" * 64, "recorded_at": "",
        "exported_at": "2026-01-02T03:04:05Z", "snapshot_sha256": "1" * 64,
    }  # fmt: skip
    return ListNote(**given | changes)


@pytest.mark.parametrize("folder", ["", "kept/here"])
def test_a_list_is_read_back_as_it_was_exported(folder):
    found = read(published(folder=folder), KEY.verifier, folder)
    assert found.key == KEY.verifier
    assert found.snapshot.header == ONE.header
    assert found.snapshot.claims.equals(ONE.claims)
    assert found.note.exported_at == "2026-01-02T03:04:05Z"
    assert (found.note.origin, found.note.size, found.note.root) == ("local/a", 2, "0" * 64)


def test_the_note_is_written_last():
    written = []
    store = MemoryStore(fail=written.append)
    publish(ONE, sign_list(ONE, AT, KEY), store)
    assert written == ["claims.parquet", "works.parquet", "snapshot.json", "list.note"]


def test_a_list_of_an_empty_registry_is_one_too():
    empty = taken([], recorded_at="", size=0, matcher="")
    assert read(published(empty), KEY.verifier).note.recorded_at == ""


@pytest.mark.parametrize("name", ["snapshot.json", "claims.parquet", "works.parquet", NOTE_FILE])
@pytest.mark.parametrize("change", ["absent", "other", "cut", "flipped"])
def test_a_list_that_was_tampered_with_is_refused(name, change):
    store = published()
    body = store.files[name]
    if change == "absent":
        del store.files[name]
    else:
        other = published(taken([claim(1)], origin="local/a")).files[name]
        flipped = body[:-3] + bytes([body[-3] ^ 1]) + body[-2:]
        store.files[name] = {"other": other, "cut": body[:-1], "flipped": flipped}[change]
    with pytest.raises(RegistryError):
        read(store, KEY.verifier)


def test_every_file_of_a_list_is_read_once():
    """A mirror could give one answer to be verified, and another to be used."""
    store, asked = published(), []
    store.read = lambda path: asked.append(path) or store.files[path]
    read(store, KEY.verifier)
    assert sorted(asked) == sorted(store.files)


def test_only_the_key_given_counts():
    stranger = SignerKey("registry.example", bytes(32))
    with pytest.raises(ProofError, match=r"registry\.example"):
        read(published(), stranger.verifier)
    with pytest.raises(ProofError):
        read(published(key=stranger), KEY.verifier)


@pytest.mark.parametrize(
    "header",
    [{"origin": "local/b"}, {"size": 3}, {"root": "2" * 64}, {"recorded_at": "2030-01-01"}],
)
def test_a_note_of_another_state_vouches_for_nothing(header):
    store = published()
    other = taken([claim(1), claim(2)], **header)
    said = parse_text(signed_list.opened(store.files[NOTE_FILE], [KEY.verifier]).text)
    lying = said.model_copy(
        update={"snapshot_sha256": signed_list.sha256_hex(snapshot.header_bytes(other.header))}
    )
    snapshot.save(other, store, "")
    store.files[NOTE_FILE] = sign(lying.to_text(), KEY)
    with pytest.raises(ProofError, match="in the snapshot of"):
        read(store, KEY.verifier)


def test_control_taken_as_proved_is_neither_exported_nor_read():
    trusting = taken([claim(1)], trust_local=True)
    with pytest.raises(RegistryError, match="trust_local"):
        sign_list(trusting, AT, KEY)
    store = published()
    snapshot.save(trusting, store, "")
    body = snapshot.header_bytes(trusting.header)
    lying = note(
        recorded_at=trusting.header.recorded_at,
        snapshot_sha256=signed_list.sha256_hex(body),
        size=1,
    )
    store.files[NOTE_FILE] = sign(lying.to_text(), KEY)
    with pytest.raises(ProofError, match="trust_local"):
        read(store, KEY.verifier)


LONG = work(1, 1)["cpy"] * 2
VIEW = {"views": ["crop"], "view_cpy": [unit(9).astype("f2")], "view_means": [0.2]}
VIEWED = work(1, 1, **VIEW)


@pytest.mark.parametrize(
    ("claims", "works"),
    [
        ([claim(1), claim(1)], []),
        ([claim(1)], [work(1, 2)]),
        ([claim(1)], [work(1, 1), work(1, 1)]),
        ([claim(1, scope="everything")], []),
        ([claim(1, stance="maybe")], []),
        ([claim(1, level=4)], []),
        ([claim(1, level=None)], []),
        ([claim(1, names=None)], []),
        ([claim(1, names=[None])], []),
        ([claim(1, style_state="not judged")], []),
        ([claim(1, style_state="active")], [work(1, 1)]),
        ([claim(1, style_state="active", style_tail=TAIL)], [work(1, 1, sty=None)]),
        ([claim(1)], [work(1, 1, cpy=LONG)]),
        ([claim(1)], [work(1, 1, sty=LONG)]),
        ([claim(1)], [work(1, 1, cohort_mean=float("nan"))]),
        ([claim(1)], [work(1, 1, matcher="o" * 64)]),
        ([claim(1)], [work(1, 1), work(2, 1, cpy=unit(2, 4).astype("f2"))]),
        ([claim(1)], [work(1, 1, pdq=[bytes(32)])]),
        ([claim(1)], [work(1, 1, pdq=None)]),
        ([claim(1)], [work(1, 1, pdq=[None] * 8)]),
        ([claim(1)], [work(1, 1, pdq_quality=None)]),
        ([claim(1)], [work(1, 1, sha256="x")]),
        ([claim(1)], [VIEWED | {"views": ["whole"]}]),
        ([claim(1)], [VIEWED | {"keypoints": bytes(21)}]),
        ([claim(1)], [VIEWED | {"keypoints": bytes(22 * 321)}]),
        ([claim(1)], [VIEWED | {"views": ["crop", "grey"]}]),
        ([claim(1)], [VIEWED | {"view_means": None}]),
        ([claim(1)], [VIEWED | {"view_means": [None]}]),
        ([claim(1)], [VIEWED | {"view_cpy": [unit(9).astype("f2") * 2]}]),
        ([claim(1)], [VIEWED | {"view_cpy": [unit(9, 4).astype("f2")]}]),
    ],
)
def test_claims_that_no_registry_would_have_recorded_are_refused(claims, works):
    with pytest.raises(RegistryError):
        read(published(taken(claims, works)), KEY.verifier)


def test_views_come_along():
    whole = VIEWED | {"keypoints": bytes(44)}
    found = read(published(taken([claim(1)], [whole])), KEY.verifier).snapshot
    assert found.works["views"].to_pylist() == [["crop"]]
    assert found.works["keypoints"].to_pylist() == [bytes(44)]


def test_a_list_may_have_another_matcher_than_anybody_else():
    other = taken([claim(1)], [work(1, 1, matcher="o" * 64)], matcher="o" * 64)
    assert read(published(other), KEY.verifier).snapshot.header.matcher != MATCHER


def test_a_shorter_or_other_log_is_a_rollback_and_a_longer_one_is_not():
    held = note()
    for fine in (held, note(size=3, root="3" * 64)):
        require_no_rollback(held, fine, "x")
    for back in (note(size=1), note(root="3" * 64)):
        with pytest.raises(RollbackError):
            require_no_rollback(held, back, "x")
    with pytest.raises(RegistryError, match=r"expected the log of local/a in x, found that of b"):
        require_no_rollback(held, note(origin="b"), "x")


def test_an_export_is_too_old_after_the_days_allowed():
    require_fresh(note(), datetime(2026, 1, 9, 3, 4, 5, tzinfo=UTC), 7.0)
    require_fresh(note(), datetime(2025, 1, 1, tzinfo=UTC), 7.0)
    require_fresh(note(), datetime(2036, 1, 1, tzinfo=UTC), 0)
    with pytest.raises(StaleSnapshotError, match=r"7\.1 days before.*max_age_days"):
        require_fresh(note(), datetime(2026, 1, 9, 6, tzinfo=UTC), 7.0)


def test_what_a_kept_note_says_can_be_looked_at():
    found, keys = peek(published(), NOTE_FILE)
    assert found.origin == "local/a"
    assert keys == {KEY.verifier.short}


@pytest.mark.parametrize("origin", ["", "two words", "a\nb", "x" * 201])
def test_a_registry_whose_name_no_note_can_hold_is_not_exported(origin):
    with pytest.raises(CurationError):
        sign_list(taken([claim(1)], origin=origin), AT, KEY)


ORIGINS = st.from_regex(r"[a-z/.%~none]{1,20}", fullmatch=True)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1)).map(  # noqa: DTZ001 - drawn
    lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")
)


@given(st.builds(note, origin=ORIGINS, size=st.integers(0), exported_at=TIMES, recorded_at=TIMES))
def test_notes_survive_their_text(said):
    assert parse_text(said.to_text()) == said


@given(st.text(max_size=80) | st.just(note().to_text()), st.integers(0, 300), st.text(max_size=2))
def test_any_text_is_a_note_or_our_error(text, place, more):
    mangled = text[:place] + more + text[place + 1 :]
    try:
        found = parse_text(mangled)
    except ProofError:
        return
    assert found.to_text() == mangled


def test_columns_of_another_version_are_refused():
    store = published()
    store.files["claims.parquet"] = snapshot._parquet(
        from_rows([claim(1)], SNAPSHOT_CLAIMS).drop_columns(["seq"])
    )
    with pytest.raises(RegistryError):
        read(store, KEY.verifier)
