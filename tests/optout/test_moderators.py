"""What moderators state in a registry: by whose key, of which claim, and what acts from then on."""

import pytest
import sqlalchemy as sa

from optout import snapshot, storage
from optout.entry import Draft, draft_move, draft_refresh
from optout.guard import outcome
from optout.lifecycle import Acceptance, Authorship, Event, Signer
from optout.migrations import REVISIONS
from optout.parts import open_match_part
from optout.registry import Registry
from optout.storage_tables import CLAIMS, MATCH_PARTS, VERSION_TABLE
from schemas.claim import IdentityPart, StyleCalibration
from schemas.errors import ClaimError
from schemas.verdict import Scope
from tests.fakes import FixedClock
from tests.optout.claims import MATCHER, draft, random_bytes, signing_key, work

MODERATOR, STRANGER = signing_key(99), signing_key(98)
TAIL = (2.0, 0.02, 0.1, 0.5, 1e-3, 0.1, 0.05)
NEWER = "n" * 64
SAID = {
    Event.VERIFY: {"level": 2, "authorship": Authorship.HOST},
    Event.ACCEPT_STYLE: {"reason": Acceptance.ONE_HAND},
}


def opened(where, **options) -> Registry:
    given = {"random": random_bytes(0), "create": True, "moderators": {MODERATOR.public}}
    return Registry.open(str(where), FixedClock(step_us=1), **{**given, **options})


@pytest.fixture
def registry(tmp_path):
    with opened(tmp_path / "registry.db") as found:
        found.pin_matcher(MATCHER, "fake")
        yield found


def style(**numbers: object) -> StyleCalibration:
    given = {"self_recall": 0.9, "cohesion": 9.0, "tail": TAIL, "threshold": 3.0, "alpha": 1e-3}
    found = StyleCalibration(**{**given, "matcher": MATCHER, **numbers})
    state, note = outcome(found)
    return found.model_copy(update={"state": state, "note": note})


WAITS, HARDLY, UNKNOWN = style(cohesion=3.0), style(cohesion=2.0), style(self_recall=0.1)


def recorded(registry, seed: int = 1, calibration: StyleCalibration = WAITS) -> str:
    works = (work(10 * seed), work(10 * seed + 1))
    claim = draft(seed, scope=Scope.STYLE, works=works, style=calibration)
    return registry.append(claim).entry.claim


def state(registry, claim: str, event: Event, **said) -> None:
    said = {"by": Signer.MODERATOR, "key": MODERATOR, **SAID[event], **said}
    previous = said.pop("previous", registry.standing(claim).entry_hash)
    registry.append(draft_move(event, claim, previous, **said))


def states(registry) -> dict[str, str]:
    found = snapshot.take(registry, trust_local=False).claims
    taken = dict(zip(*(found[n].to_pylist() for n in ("claim_id", "style_state")), strict=True))
    listed = {row.claim_id: row.style_state for row in registry.claims()}
    assert taken == listed
    return taken


@pytest.mark.parametrize("event", SAID)
@pytest.mark.parametrize(
    "forgery",
    ["stranger", "claimant", "claimant as moderator", "signature", "previous", "other claim"],
)
def test_a_forged_statement_is_refused_and_leaves_nothing(registry, event, forgery):
    claim, other = recorded(registry), recorded(registry, 2)
    standing = registry.standing(claim)
    said = SAID[event]

    def made(key=MODERATOR, by=Signer.MODERATOR, previous=standing.entry_hash) -> Draft:
        return draft_move(event, claim, previous, key, by=by, **said)

    good = made()
    forged = {
        "stranger": made(key=STRANGER),
        "claimant": made(key=signing_key(1), by=Signer.CLAIMANT),
        "claimant as moderator": made(key=signing_key(1)),
        "signature": Draft(good.statement, STRANGER.sign(good.statement.signed_bytes())),
        "previous": made(previous="0" * 64),
        "other claim": Draft(good.statement.model_copy(update={"claim": other}), good.signature),
    }[forgery]
    before = registry.leaf_hashes()
    with pytest.raises(ClaimError):
        registry.append(forged)
    assert registry.leaf_hashes() == before
    assert registry.standing(claim) == standing
    assert states(registry) == {claim: "needs review", other: "needs review"}
    registry.append(good)


def test_a_statement_is_good_for_one_place_of_the_log(registry):
    claim = recorded(registry)
    first = registry.standing(claim).entry_hash
    state(registry, claim, Event.VERIFY)
    for event in SAID:
        with pytest.raises(ClaimError, match="moved on"):
            state(registry, claim, event, previous=first)


def test_who_is_no_moderator_of_this_process_is_none_whatever_the_log_shows(registry, tmp_path):
    claim = recorded(registry)
    state(registry, claim, Event.VERIFY)
    with (
        opened(tmp_path / "registry.db", moderators=frozenset()) as elsewhere,
        pytest.raises(ClaimError, match="key of a moderator"),
    ):
        state(elsewhere, claim, Event.VERIFY)


def test_works_of_a_proved_author_act_as_a_style_though_they_are_unlike(registry):
    waits, hardly = recorded(registry), recorded(registry, 2, HARDLY)
    unknown = recorded(registry, 3, UNKNOWN)
    assert states(registry)[hardly] == "not separable"
    for claim in (waits, hardly, unknown):
        state(registry, claim, Event.VERIFY)
    assert states(registry) == {waits: "active", hardly: "active", unknown: "not separable"}
    state(registry, waits, Event.VERIFY, level=2, authorship=None)
    assert states(registry)[waits] == "needs review"


def test_a_style_that_needs_review_acts_once_it_is_accepted(registry):
    claim = recorded(registry)
    state(registry, claim, Event.ACCEPT_STYLE)
    assert states(registry) == {claim: "active"}
    assert registry.standing(claim).accepted == Acceptance.ONE_HAND
    (row,) = snapshot.take(registry, trust_local=False).claims.to_pylist()
    assert (row["level"], row["style_tail"]) == (0, pytest.approx(TAIL))  # it waits for its level


@pytest.mark.parametrize(
    ("calibration", "says"),
    [
        (HARDLY, "found 'not separable'"),
        (UNKNOWN, "only 10%"),
        (style(), "found 'active'$"),
        (StyleCalibration(), "found 'none'$"),
    ],
)
def test_only_a_style_that_needs_review_can_be_accepted(registry, calibration, says):
    claim = recorded(registry, calibration=calibration)
    with pytest.raises(ClaimError, match=says):
        state(registry, claim, Event.ACCEPT_STYLE)
    assert len(registry.leaf_hashes()) == 2  # the matcher, the claim


def test_a_style_of_the_matcher_before_cannot_be_accepted(registry):
    claim = recorded(registry)
    registry.move_matcher(NEWER, "newer")
    with pytest.raises(ClaimError, match="another matcher"):
        state(registry, claim, Event.ACCEPT_STYLE)


def test_a_claim_whose_parts_were_destroyed_cannot_be_accepted(registry):
    claim = recorded(registry)
    with storage.writing(registry._engine) as connection:
        connection.execute(sa.delete(MATCH_PARTS))
    with pytest.raises(ClaimError, match="none that can be read"):
        state(registry, claim, Event.ACCEPT_STYLE)


def test_a_refresh_ends_acceptance_and_keeps_authorship(registry):
    claim, authored = recorded(registry), recorded(registry, 2)
    state(registry, claim, Event.ACCEPT_STYLE)
    state(registry, authored, Event.VERIFY)
    registry.move_matcher(NEWER, "newer")
    for seed, one in ((1, claim), (2, authored)):
        match, _ = registry.parts(one)
        part = open_match_part(match)
        works = tuple(work(int(w.work_id), NEWER) for w in part.works)
        calibration = WAITS.model_copy(update={"matcher": NEWER})
        part = part.model_copy(update={"works": works, "style": calibration})
        identity = IdentityPart(artist="Ada Example", contact="ada@example.org")
        place = one, registry.standing(one).entry_hash, signing_key(seed), random_bytes(50 + seed)
        registry.append(draft_refresh((part, identity), *place))
    assert states(registry) == {claim: "needs review", authored: "active"}
    assert registry.standing(claim).accepted is None
    assert registry.standing(authored).authorship == Authorship.HOST


def test_the_projection_follows_from_the_log(registry):
    first, second = recorded(registry), recorded(registry, 2)
    state(registry, first, Event.VERIFY)
    state(registry, second, Event.ACCEPT_STYLE)
    before, standings = registry.claims(), [registry.standing(c) for c in (first, second)]
    assert registry.rebuild() == 2
    assert registry.claims() == before
    assert [registry.standing(c) for c in (first, second)] == standings


def test_a_registry_of_the_first_revision_goes_on(tmp_path):
    path = tmp_path / "registry.db"
    with opened(path) as found:
        found.pin_matcher(MATCHER, "fake")
        claim = recorded(found)
        with storage.writing(found._engine) as connection:
            for name in ("authorship", "accepted"):
                connection.execute(sa.text(f"ALTER TABLE {CLAIMS.name} DROP COLUMN {name}"))
            connection.execute(sa.text("ALTER TABLE recuse_registry DROP COLUMN log_key"))
            connection.execute(sa.text("DROP TABLE checkpoints"))
            versions = sa.table(VERSION_TABLE, sa.column("version_num"))
            connection.execute(sa.update(versions).values(version_num=REVISIONS[0]))
    with opened(path, create=False) as found:
        assert states(found) == {claim: "needs review"}
        state(found, claim, Event.VERIFY)
        assert states(found) == {claim: "active"}
