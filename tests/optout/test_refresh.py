"""Vectors of a new matcher for a claim that exists: what may change, and what never mixes."""

import pytest
import sqlalchemy as sa

from optout import snapshot, storage
from optout.commitment import opened as opened_part
from optout.entry import draft_move, draft_refresh
from optout.lifecycle import Event, Signer
from optout.parts import open_match_part
from optout.refresh import as_judged
from optout.registry import Registry
from optout.storage_tables import CLAIMS, MATCH_PARTS, WORKS
from schemas.claim import IdentityPart, MatchPart
from schemas.errors import ClaimError, ModelMismatchError, RegistryError
from schemas.verdict import Scope
from tests.fakes import FixedClock
from tests.optout.claims import (
    MATCHER,
    active_style,
    draft,
    match_part,
    random_bytes,
    signing_key,
    view,
    work,
)

NEWER = "n" * 64
TAIL = (2.0, 0.02, 0.1, 0.5, 1e-3, 0.1, 0.05)
IDENTITY = IdentityPart(artist="Ada Example", contact="ada@example.org")
MODERATOR = signing_key(99)


@pytest.fixture
def registry(tmp_path):
    where = str(tmp_path / "registry.db")
    clock = FixedClock(step_us=1)
    moderators = {MODERATOR.public}
    options = {"random": random_bytes(0), "create": True, "moderators": moderators}
    with Registry.open(where, clock, **options) as found:
        found.pin_matcher(MATCHER, "fake")
        yield found


def recorded(registry, **changes) -> tuple[str, MatchPart]:
    given = {"works": (work(1), work(2)), "style": active_style(TAIL), "scope": Scope.STYLE}
    claim = draft(1, **(given | changes))
    registry.append(claim)
    return claim.statement.claim, open_match_part(claim.match)


def refreshed(registry, claim, part, identity=IDENTITY, key=None):
    before = registry.standing(claim).entry_hash
    key = key or signing_key(1)
    return registry.append(draft_refresh((part, identity), claim, before, key, random_bytes(7)))


def with_vectors(part, *places, matcher=NEWER):
    works = [work(i + 1, matcher) if i in places else w for i, w in enumerate(part.works)]
    style = active_style(TAIL).model_copy(update={"matcher": matcher})
    return part.model_copy(update={"works": tuple(works), "style": style})


def taken(registry):
    return snapshot.take(registry, trust_local=True)


def proved(registry, claim):
    standing = registry.standing(claim)
    by = {"key": MODERATOR, "by": Signer.MODERATOR, "level": 2}
    registry.append(draft_move(Event.VERIFY, claim, standing.entry_hash, **by))


def test_a_refresh_keeps_level_and_state_and_puts_its_parts_in_force(registry):
    claim, part = recorded(registry)
    proved(registry, claim)
    registry.move_matcher(NEWER, "newer")
    new = with_vectors(part, 0, 1)
    done = refreshed(registry, claim, new)
    standing = registry.standing(claim)
    assert (standing.level, standing.state, standing.part_seq) == (2, "active", done.seq)
    assert open_match_part(registry.parts(claim)[0]) == new
    found = taken(registry)
    assert found.header.matcher == NEWER
    assert set(found.works["matcher"].to_pylist()) == {NEWER}
    assert found.claims["style_state"].to_pylist() == ["active"]
    assert found.claims["level"].to_pylist() == [2]


def test_the_projection_follows_from_the_log(registry):
    claim, part = recorded(registry)
    registry.append(draft(2, works=(work(5),)))
    registry.move_matcher(NEWER, "newer")
    refreshed(registry, claim, with_vectors(part, 0))
    before = dumped(registry)
    assert registry.rebuild() == 2
    assert dumped(registry) == before
    assert next(row.claim_id for row in registry.claims()) == claim  # in order of submission


def test_until_it_is_refreshed_a_claim_acts_by_hashes_and_not_by_likeness(registry):
    recorded(registry, works=(work(1, views=(view(),)), work(2)))
    registry.move_matcher(NEWER, "newer")
    found = taken(registry)
    assert found.works["matcher"].to_pylist() == [None, None]
    for column in ("cpy", "sty", "cohort_mean"):
        assert found.works[column].null_count == 2
    assert found.works["view_cpy"].to_pylist() == [[], []]
    assert found.works["sha256"].to_pylist() == [work(1).sha256, work(2).sha256]
    assert found.claims["style_state"].to_pylist() == ["none"]
    registry.move_matcher(MATCHER, "fake")  # and back: nothing was lost
    again = taken(registry)
    assert again.works["matcher"].to_pylist() == [MATCHER, MATCHER]
    assert again.claims["style_state"].to_pylist() == ["active"]


def test_a_style_never_acts_on_vectors_that_it_was_not_calibrated_with():
    part = match_part(works=(work(1), work(2)), style=active_style(TAIL))
    mixed = with_vectors(part, 0)
    assert as_judged(mixed, MATCHER).style.state == "none"
    newer = as_judged(mixed, NEWER)
    assert (newer.style.state, [w.matcher for w in newer.works]) == ("active", [NEWER, ""])
    assert as_judged(part, MATCHER) == part


def test_a_refresh_changes_vectors_and_nothing_else(registry):
    claim, part = recorded(registry)
    registry.move_matcher(NEWER, "newer")
    good = with_vectors(part, 0, 1)
    swapped = good.works[0].model_copy(update={"sha256": "0" * 64})
    for changes in (
        {"names": ("Somebody Else",)},
        {"hosts": ("example.com",)},
        {"urls": ("https://example.com/a",)},
        {"works": good.works[:1]},
        {"works": (*good.works, work(3, NEWER))},
        {"works": good.works[::-1]},
        {"works": (swapped, good.works[1])},
    ):
        with pytest.raises(ClaimError, match="vectors and nothing else"):
            refreshed(registry, claim, good.model_copy(update=changes))
    with pytest.raises(ClaimError, match="nothing new"):
        refreshed(registry, claim, part)
    with pytest.raises(ClaimError, match="another identity"):
        refreshed(registry, claim, good, identity=IdentityPart(artist="Eve"))
    with pytest.raises(ClaimError, match="the claimant's key"):
        refreshed(registry, claim, good, key=signing_key(2))
    assert taken(registry).header.size == 3  # two notices about matchers, one claim


def test_vectors_that_the_matcher_has_given_stay(registry):
    claim, part = recorded(registry)
    other = part.works[0].model_copy(update={"cpy": work(9).cpy})
    with pytest.raises(ClaimError, match="had none of"):
        refreshed(registry, claim, part.model_copy(update={"works": (other, part.works[1])}))
    gone = part.works[0].model_copy(
        update={"matcher": "", "cpy": "", "sty": "", "cohort_mean": None}
    )
    with pytest.raises(ClaimError, match="found none"):
        refreshed(registry, claim, part.model_copy(update={"works": (gone, part.works[1])}))


def test_new_vectors_come_from_the_registrys_matcher(registry):
    claim, part = recorded(registry)
    with pytest.raises(ModelMismatchError, match="expected vectors of the matcher"):
        refreshed(registry, claim, with_vectors(part, 0))


def test_a_claim_made_without_a_model_gets_its_vectors_later(registry):
    claim, part = recorded(registry, works=(work(1, ""), work(2, "")), scope=Scope.ARTIST)
    refreshed(registry, claim, with_vectors(part, 0, 1, matcher=MATCHER))
    assert taken(registry).works["matcher"].to_pylist() == [MATCHER, MATCHER]


def test_a_withdrawn_claim_is_not_refreshed(registry):
    claim, part = recorded(registry)
    before = registry.standing(claim).entry_hash
    registry.append(draft_move(Event.WITHDRAW, claim, before, signing_key(1)))
    registry.move_matcher(NEWER, "newer")
    with pytest.raises(ClaimError, match="refresh on a claim that is withdrawn"):
        refreshed(registry, claim, with_vectors(part, 0))


def test_a_registry_that_let_more_change_is_found_out(registry):
    """Whoever holds the database could record what `append` refuses; its log says so."""
    claim, part = recorded(registry)
    registry.move_matcher(NEWER, "newer")
    refreshed(registry, claim, with_vectors(part, 0))
    other = opened_part(part.model_copy(update={"names": ("Eve",)}), b"\1" * 32)
    with storage.writing(registry._engine) as connection:
        connection.execute(
            sa.update(MATCH_PARTS).where(MATCH_PARTS.c.seq == 1)
            .values(salt=other.salt, payload=other.payload)
        )  # fmt: skip
    with pytest.raises(RegistryError, match=r"entry 3 .* should not be there"):
        taken(registry)


def dumped(registry):
    with storage.reading(registry._engine) as connection:
        return [
            [tuple(row) for row in connection.execute(sa.select(t).order_by(*t.primary_key))]
            for t in (CLAIMS, WORKS)
        ]
