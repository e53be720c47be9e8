import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.hot import MAX_CLAIMANTS, Listed
from optout.intake import (
    Exemplars,
    Refusal,
    Wish,
    exemplars,
    require_something,
    require_style,
    understand,
)
from schemas.errors import ClaimError, ImageError
from schemas.ports import ContentKeys
from schemas.verdict import Captions, Scope, Stance


class FakeHasher:
    """b"7/100/more" is an image: a hash made of 7, quality 100, other pixels by more."""

    def keys(self, body: bytes) -> ContentKeys:
        pixel = hashlib.sha256(body).hexdigest()
        return ContentKeys(pixel, self.dihedral(body)[0], self._read(body)[1], 100, 100)

    def dihedral(self, body: bytes) -> list[bytes]:
        number, _ = self._read(body)
        base = hashlib.sha256(bytes([number])).digest()
        return [bytes([variant ^ base[0]]) + base[1:] for variant in (0, 3, 5, 9, 17, 33, 65, 129)]

    def striped(self, body: bytes) -> bool:
        return b"stripes" in body

    def _read(self, body: bytes) -> tuple[int, int]:
        try:
            number, quality, *_ = body.split(b"/")
            return int(number), int(quality)
        except ValueError as e:
            raise ImageError("not_an_image", "no image") from e


HASHER = FakeHasher()


def test_what_was_typed_is_tidied():
    wish = Wish(
        "Ada  Example",
        aliases=("Adele Beispiel", "Ada Example"),
        hosts=("HTTPS://Art.Example.ORG/x",),
    )
    found = understand(wish)
    assert found.names == ("Ada Example", "Adele Beispiel")
    assert found.hosts == ("art.example.org",)


@pytest.mark.parametrize(
    "name", ["", "A", "^.+$", "Ada\x1b[31m", "x" * 300, "a\nb", "\u202eAda Example"]
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ClaimError):
        understand(Wish(name))


@pytest.mark.parametrize("host", ["com", "co.uk", "github.io", "*", "ex ample.org", ""])
def test_a_host_of_many_is_refused(host):
    with pytest.raises(ClaimError):
        understand(Wish("Ada Example", hosts=(host,)))


@pytest.mark.parametrize("url", ["", "ftp://example.org/x", "javascript:alert(1)", "http://"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ClaimError):
        understand(Wish("Ada Example", urls=(url,)))


def test_a_claim_on_works_alone_records_no_name():
    found = understand(Wish("Ada Example", Scope.WORK, aliases=("Adele Beispiel",)))
    assert found.names == ()
    assert found.identity.artist == "Ada Example"


@pytest.mark.parametrize(
    "wish",
    [
        Wish("Ada Example", Scope.DOMAIN),
        Wish("Ada Example", stance=Stance.OPT_IN),
        Wish("Ada Example", Scope.STYLE, Stance.OPT_IN, license="CC-BY-4.0"),
        Wish("Ada Example", contact="x" * 2000),
        Wish("Ada Example", license="a\x00b"),
        Wish("Ada Example", hosts=("a.example.org",) * 2000),
    ],
)
def test_a_wish_that_lacks_or_overdoes_something_is_refused(wish):
    with pytest.raises(ClaimError):
        understand(wish)


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_any_text_is_understood_or_refused(name, host, url):
    with contextlib.suppress(ClaimError):
        understand(Wish(name, hosts=(host,), urls=(url,)))


def test_each_image_becomes_a_work_or_a_reason():
    images = [
        ("a", b"1/100"),
        ("again", b"1/100"),
        ("flat", b"2/49"),
        ("text", b"hello"),
        ("bars", b"4/100/stripes"),
        ("b", b"3/50"),
    ]
    found = exemplars(images, HASHER)
    assert found.accepted == ("a", "b")
    assert [r.name for r in found.refused] == ["again", "flat", "text", "bars"]
    assert "blank" in found.refused[1].reason
    assert found.distinct == (0, 1)
    assert all(len(work.pdq) == 8 for work in found.works)


def test_what_many_claimants_have_listed_already_is_refused():
    listed = Listed.of((f"key {n}", HASHER.dihedral(b"1/100")[2]) for n in range(MAX_CLAIMANTS))
    found = exemplars([("meme", b"1/100"), ("own", b"2/100")], HASHER, listed)
    assert found.accepted == ("own",)
    assert "memes and logos" in found.refused[0].reason


def test_near_duplicates_stay_protected_and_count_once():
    found = exemplars([("a", b"1/100"), ("b", b"1/99/again"), ("c", b"2/100")], HASHER)
    assert found.accepted == ("a", "b", "c")
    assert found.distinct == (0, 2)


def test_a_claim_that_protects_nothing_says_what_to_do():
    blank = Exemplars(refused=(Refusal("white.png", "too flat"),))
    with pytest.raises(ClaimError, match=r"white\.png"):
        require_something(understand(Wish("Ada Example")), blank)
    with pytest.raises(ClaimError, match="folder"):
        require_something(understand(Wish("Ada Example", Scope.WORK)), Exemplars())
    with pytest.raises(ClaimError, match="folder"):
        require_something(understand(Wish("Ada Example", Scope.STYLE)), Exemplars())


def test_hosts_and_names_can_be_claimed_without_works():
    require_something(understand(Wish("Ada Example")), Exemplars())
    require_something(
        understand(Wish("Ada Example", Scope.DOMAIN, hosts=("a.example.org",))), Exemplars()
    )


def test_a_style_needs_more_works_where_control_is_not_proved():
    require_style(5, proved=True)
    require_style(10, proved=False)
    with pytest.raises(ClaimError, match="add 1 more"):
        require_style(4, proved=True)
    with pytest.raises(ClaimError, match="add 5 more"):
        require_style(5, proved=False)


def test_accounts_are_kept_apart_from_hosts_and_one_that_is_a_host_is_one():
    wish = Wish("Ada Example", accounts=("https://www.a.example/ada/", "ada.github.io"))
    found = understand(wish)
    assert found.accounts == ("a.example/ada",)
    assert found.hosts == ("ada.github.io",)
    require_something(
        understand(Wish("A B Cd", Scope.DOMAIN, accounts=("a.example/x",))), Exemplars()
    )


@pytest.mark.parametrize("account", ["a.example", "com/ada", "a.example/users", "ada@a.example/x"])
def test_an_account_of_many_is_refused(account):
    with pytest.raises(ClaimError):
        understand(Wish("Ada Example", accounts=(account,)))


@pytest.mark.parametrize(
    "more",
    [
        {"hosts": ("flora.example.org",)},
        {"accounts": ("a.example/flora",)},
        {"aliases": ("F. Moss",)},
    ],
)
def test_a_common_word_is_a_name_beside_something_that_says_whose(more):
    assert "Flora" in understand(Wish("Flora", **more)).names
    with pytest.raises(ClaimError, match="second word"):
        understand(Wish("Flora"))
    with pytest.raises(ClaimError, match="second word"):
        understand(Wish("Flora", aliases=("Autumn",)))


def test_what_a_name_does_to_captions_is_the_claimants_choice():
    assert understand(Wish("Ada Example")).captions == Captions.DROP
    assert understand(Wish("Ada Example", captions=Captions.REDACT)).captions == Captions.REDACT


@pytest.mark.parametrize(
    "wish",
    [
        Wish("Ada Example", Scope.WORK, captions=Captions.REDACT),
        Wish("Ada Example", Scope.DOMAIN, hosts=("a.example",), captions=Captions.REDACT),
        Wish("Ada Example", stance=Stance.OPT_IN, license="CC0", captions=Captions.REDACT),
    ],
)
def test_a_claim_that_reaches_no_captions_cannot_redact_them(wish):
    with pytest.raises(ClaimError, match="--captions redact"):
        understand(wish)
