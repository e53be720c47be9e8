"""What entries make of a claim, one after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.entry import Draft, draft_move, draft_refresh
from optout.lifecycle import PROVED, Acceptance, Authorship, Event, Signer, State
from optout.replay import Standing, replay, step
from schemas.claim import IdentityPart, StyleCalibration
from schemas.errors import ClaimError, RegistryError
from tests.optout.claims import draft, match_part, random_bytes, signing_key

CLAIMANT, MODERATOR = signing_key(1), signing_key(99)
WHEN = "2026-01-01T00:00:00.000001Z"


def submitted() -> Standing:
    return step(None, 0, draft(1).entry(WHEN))


def after(before: Standing, *drafts: object) -> Standing:
    for make in drafts:
        before = step(before, before.seq + 1, make(before).entry(WHEN))
    return before


def verify(level: int, authorship: Authorship | None = None):
    return lambda at: moderated(Event.VERIFY, at, level=level, authorship=authorship)


def accept(reason: Acceptance = Acceptance.ONE_HAND):
    return lambda at: moderated(Event.ACCEPT_STYLE, at, reason=reason)


def moderated(event: Event, at: Standing, **said: object) -> Draft:
    said = {"by": Signer.MODERATOR, "key": MODERATOR, **said}
    return draft_move(event, at.claim_id, said.pop("previous", at.entry_hash), **said)


def refresh(at: Standing) -> Draft:
    parts = match_part(), IdentityPart(artist="Ada Example")
    return draft_refresh(parts, at.claim_id, at.entry_hash, CLAIMANT, random_bytes(at.seq))


def withdraw(at: Standing) -> Draft:
    return draft_move(Event.WITHDRAW, at.claim_id, at.entry_hash, CLAIMANT)


def test_a_moderator_states_level_and_authorship():
    now = after(submitted(), verify(2, Authorship.HOST))
    assert (now.state, now.level, now.authorship) == (State.ACTIVE, 2, Authorship.HOST)
    assert now.accepted is None


def test_the_newest_statement_counts_as_a_whole():
    now = after(submitted(), verify(2, Authorship.HOST), verify(3, Authorship.SIGNATURE))
    assert (now.level, now.authorship) == (3, Authorship.SIGNATURE)
    assert after(now, verify(3)).authorship is None
    assert after(now, verify(0)).level == 0


@pytest.mark.parametrize("level", range(PROVED))
def test_authorship_rests_on_proved_control(level):
    with pytest.raises(ClaimError, match="rests on control"):
        after(submitted(), verify(level, Authorship.HOST))


def test_an_accepted_style_is_so_until_it_is_calibrated_anew():
    now = after(submitted(), verify(2, Authorship.HOST), accept())
    assert now.accepted == Acceptance.ONE_HAND
    assert (now.level, now.authorship) == (2, Authorship.HOST)
    assert after(now, verify(2)).accepted == Acceptance.ONE_HAND
    again = after(now, refresh)
    assert again.accepted is None
    assert (again.level, again.authorship) == (2, Authorship.HOST)  # the works are the same


def test_a_withdrawn_claim_can_neither_be_verified_nor_accepted():
    now = after(submitted(), withdraw)
    for make in (verify(2), accept()):
        with pytest.raises(ClaimError, match="lifecycle"):
            after(now, make)


@pytest.mark.parametrize(
    "said",
    [
        {"event": Event.VERIFY},
        {"event": Event.VERIFY, "level": 2, "reason": Acceptance.ONE_HAND},
        {"event": Event.VERIFY, "authorship": Authorship.HOST},
        {"event": Event.ACCEPT_STYLE},
        {"event": Event.ACCEPT_STYLE, "reason": Acceptance.ONE_HAND, "level": 2},
        {
            "event": Event.ACCEPT_STYLE,
            "reason": Acceptance.ONE_HAND,
            "authorship": Authorship.HOST,
        },
        {"event": Event.WITHDRAW, "reason": Acceptance.ONE_HAND},
        {"event": Event.WITHDRAW, "authorship": Authorship.HOST},
    ],
)
def test_an_entry_says_what_its_type_says_and_nothing_else(said):
    event = said.pop("event")
    with pytest.raises(ClaimError):
        after(submitted(), lambda at: moderated(event, at, **said))


SAID = {
    Event.VERIFY: {"level": 2, "authorship": Authorship.HOST},
    Event.ACCEPT_STYLE: {"reason": Acceptance.ONE_HAND},
}


@pytest.mark.parametrize("event", SAID)
@pytest.mark.parametrize("forgery", ["claimant", "signature", "previous", "claim"])
def test_what_no_moderator_stated_of_this_claim_at_this_place_is_refused(event, forgery):
    at = submitted()
    good = moderated(event, at, **SAID[event])
    other = good.statement.model_copy(update={"claim": "e" * 32})
    forged = {
        "claimant": moderated(event, at, key=CLAIMANT, by=Signer.CLAIMANT, **SAID[event]),
        "signature": Draft(good.statement, CLAIMANT.sign(good.statement.signed_bytes())),
        "previous": moderated(event, at, previous="0" * 64, **SAID[event]),
        "claim": Draft(other, good.signature),
    }[forgery]
    assert step(at, 1, good.entry(WHEN)).seq == 1
    with pytest.raises(ClaimError):
        step(at, 1, forged.entry(WHEN))
    leaves = [draft(1).entry(WHEN).leaf(), forged.entry(WHEN).leaf()]
    with pytest.raises(RegistryError, match="should not be there"):
        replay(leaves, "x")


MOVES = st.one_of(
    st.builds(verify, st.integers(0, 3), st.none() | st.sampled_from(Authorship)),
    st.builds(accept, st.sampled_from(Acceptance)),
    st.just(refresh),
)


@given(st.lists(MOVES, max_size=8))
def test_a_log_read_again_says_what_was_said_step_by_step(moves):
    now, leaves = submitted(), [draft(1).entry(WHEN).leaf()]
    for make in moves:
        entry = make(now).entry(WHEN)
        try:
            now = step(now, len(leaves), entry)
        except ClaimError:
            continue
        leaves.append(entry.leaf())
    assert replay(leaves, "x") == {now.claim_id: now}
    assert now.authorship is None or now.level >= PROVED
    assert now.accepted is None or now.part_seq < now.seq


def test_a_standing_says_how_the_style_stands():
    waits = StyleCalibration(state="needs review", self_recall=0.9, cohesion=3.0, note="why")
    now = submitted()
    assert now.style(waits) == waits
    assert after(now, verify(2)).style(waits) == waits
    assert after(now, verify(2, Authorship.SIGNATURE)).style(waits).state == "active"
    assert after(now, accept()).style(waits).state == "active"
