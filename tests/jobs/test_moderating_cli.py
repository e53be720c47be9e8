"""`recuse registry` review, verify, accept-style, moderator-key, and what `show` says of it."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from optout import snapshot
from optout.keys import parse_pem
from optout.registry import Registry
from schemas.errors import ClaimError, UsageError
from tests.fakes import FixedClock
from tests.optout.claims import MATCHER, random_bytes
from tests.optout.test_moderators import HARDLY, UNKNOWN, WAITS, recorded

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RECUSE_REGISTRY", str(tmp_path / "registry.db"))
    monkeypatch.setenv("RECUSE_MODERATORS", str(tmp_path / "moderators.txt"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*args: object) -> str:
    result = RUNNER.invoke(app, [str(a) for a in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def kept(place: Path, *styles) -> list[str]:
    """Record a claim for each style; returns their ids."""
    where = str(place / "registry.db")
    with Registry.open(where, FixedClock(), random=random_bytes(0), create=True) as registry:
        registry.pin_matcher(MATCHER, "fake")
        return [recorded(registry, n, style) for n, style in enumerate(styles, 1)]


def acting(place: Path) -> list[str]:
    with Registry.open(str(place / "registry.db"), FixedClock()) as registry:
        found = snapshot.take(registry, trust_local=False).claims
    return [c for c, s in zip(*(found[n].to_pylist() for n in ("claim_id", "style_state")),
                              strict=True) if s == "active"]  # fmt: skip


def moderator(place: Path, *args: object) -> Path:
    key = place / "mine.key"
    run("registry", "moderator-key", "--key", key, *(args or ("--trust",)))
    return key


def test_a_moderators_key_is_private_and_counts_where_a_process_is_told_so(place):
    key = place / "mine.key"
    said = run("registry", "moderator-key", "--key", key)
    public = parse_pem(key.read_bytes(), "key").public
    assert public in said
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not (place / "moderators.txt").exists()
    (claim,) = kept(place, WAITS)
    verify = ("registry", "verify", claim, "--level", 2, "--key", key)
    with pytest.raises(UsageError, match="moderator-key makes a key"):
        run(*verify)
    (place / "moderators.txt").write_text(f"# of example.org\n{public}  # Grace\n")
    assert "level 2" in run(*verify)


def test_more_than_one_moderator_is_trusted(place):
    first, second = place / "a.key", place / "b.key"
    for key in (first, second):
        run("registry", "moderator-key", "--key", key, "--trust")
    assert len((place / "moderators.txt").read_text().split()) == 2
    (claim,) = kept(place, WAITS)
    run("registry", "verify", claim, "--level", 1, "--key", first)
    assert "level 2" in run("registry", "verify", claim, "--level", 2, "--key", second)


def test_a_list_written_by_hand_is_added_to(place):
    known = place / "moderators.txt"
    known.write_text("a" * 64 + "  # Grace")  # no line break at the end
    key = moderator(place)
    (claim,) = kept(place, WAITS)
    assert "level 2" in run("registry", "verify", claim, "--level", 2, "--key", key)
    assert "# Grace" in known.read_text()


def test_the_key_of_nobody_in_particular_is_refused(place):
    (claim,) = kept(place, WAITS)
    moderator(place)
    other = place / "other.key"
    run("registry", "moderator-key", "--key", other)
    for command in (
        ("verify", claim, "--level", 3),
        ("accept-style", claim, "--reason", "one_hand"),
    ):
        with pytest.raises(ClaimError, match=r"moderators\.txt, found"):
            run("registry", *command, "--key", other)
        with pytest.raises(ClaimError, match="private key in"):
            run("registry", *command, "--key", place / "none.key")
    assert acting(place) == []


def test_a_registry_does_not_say_who_its_moderators_are(place):
    """The list of another machine counts there, and the log that shows its entries not here."""
    (claim,) = kept(place, WAITS)
    key = moderator(place)
    run("registry", "verify", claim, "--level", 2, "--key", key)
    theirs = place / "theirs.txt"
    theirs.write_text("a" * 64)
    with pytest.raises(ClaimError, match=r"theirs\.txt"):
        run("registry", "verify", claim, "--level", 3, "--key", key, "--moderators", theirs)


def test_what_waits_is_listed_with_reason_and_numbers(place):
    waits, hardly, unknown = kept(place, WAITS, HARDLY, UNKNOWN)
    said = run("registry", "review")
    for words in (waits, hardly, "needs review", "3.0 spreads above chance", "known again",
                  "active once a moderator has established", "2 wait"):  # fmt: skip
        assert words in said
    assert unknown not in said  # nothing that a moderator states would let it act
    key = moderator(place)
    run("registry", "accept-style", waits, "--reason", "one_hand", "--key", key)
    run("registry", "verify", hardly, "--level", 2, "--authorship", "host", "--key", key)
    assert "no style waits" in run("registry", "review")
    assert acting(place) == sorted([waits, hardly])


def test_authorship_is_recorded_shown_and_says_what_it_changes(place):
    (claim,) = kept(place, HARDLY)
    key = moderator(place)
    assert "not separable" in run("optout", "show", claim)
    said = run(
        "registry", "verify", claim[:8], "--level", 2, "--authorship", "signature", "--key", key
    )
    assert "entry 2 of the log" in said
    for shown in (said, run("optout", "show", claim)):
        for words in ("level 2", "authorship: proved, since the files carry a signature",
                      "look-alikes: active"):  # fmt: skip
            assert words in shown
    assert "L2 authorship" in run("optout", "list")
    assert acting(place) == [claim]


def test_a_statement_without_authorship_takes_it_back_and_says_so(place):
    (claim,) = kept(place, HARDLY)
    at = (claim, "--key", moderator(place))
    run("registry", "verify", *at, "--level", 2, "--authorship", "host")
    assert "is no more: state it again" in run("registry", "verify", *at, "--level", 3)
    assert acting(place) == []
    with pytest.raises(ClaimError, match="rests on control that is proved"):
        run("registry", "verify", *at, "--level", 1, "--authorship", "host")


def test_an_accepted_style_is_shown_as_such(place):
    (claim,) = kept(place, WAITS)
    key = moderator(place)
    run("registry", "accept-style", claim, "--reason", "spares_others", "--key", key)
    said = run("optout", "show", claim)
    assert "accepted: a moderator lets the style act, since what it would take" in said
    assert "waits until your control is proved" in said  # level 0 as ever
    assert "active (accepted)" in run("optout", "list")
    with pytest.raises(ClaimError, match="found 'active'"):
        run("registry", "accept-style", claim, "--reason", "one_hand", "--key", key)


def test_what_is_not_separable_is_not_accepted_and_why_is_said(place):
    (claim,) = kept(place, UNKNOWN)
    key = moderator(place)
    with pytest.raises(ClaimError, match="only 10% of the works are recognised"):
        run("registry", "accept-style", claim, "--reason", "one_hand", "--key", key)


def test_a_key_is_never_written_over(place):
    key = moderator(place)
    body = key.read_bytes()
    with pytest.raises(UsageError, match="new file"):
        run("registry", "moderator-key", "--key", key)
    assert key.read_bytes() == body
