import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.urls import (
    MAX_URL_CHARS,
    accounts_above,
    canonical_url,
    check_account,
    check_host,
    covers,
    host_of,
    is_address,
    twin_url,
)
from schemas.errors import ClaimError, UsageError

url_texts = st.one_of(
    st.text(),
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["http", "HTTPS", "https"]),
        st.text(alphabet="aZ0.-_:@[]%ßüi❤\ud800\\。", max_size=12),
        st.sampled_from(["", "/", "?", "#"]),
        st.text(alphabet="aB%2e/.~\\?#&= éü☃[]|\u202f\x00", max_size=20),
    ),
)


@given(url_texts)
def test_canonical_url_is_idempotent_and_raises_nothing_else(url: str) -> None:
    try:
        once = canonical_url(url)
    except UsageError:
        return
    assert canonical_url(once) == once
    assert once.isascii()
    assert once.startswith(("http://", "https://"))
    assert host_of(once)


@given(st.text())
def test_check_host_gives_a_host_or_a_claim_error(text: str) -> None:
    try:
        host = check_host(text)
    except ClaimError:
        return
    assert host_of(canonical_url(f"http://[{host}]/" if ":" in host else f"http://{host}/")) == host


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("HTTP://Example.COM:80", "http://example.com/"),
        ("https://ex.com:443/a/../b/./c", "https://ex.com/b/c"),
        ("https://ex.com:8443/", "https://ex.com:8443/"),
        ("https://ex.com:/", "https://ex.com/"),
        ("http://ex.com/%7euser/%2f%c3%bc", "http://ex.com/~user/%2F%C3%BC"),
        ("http://ex.com/ü?q=ü", "http://ex.com/%C3%BC?q=%C3%BC"),
        ("http://ex.com/%zz/100%", "http://ex.com/%25zz/100%25"),
        ("http://ex.com/a%2E%2E/%2e%2e/b", "http://ex.com/b"),
        ("http://ex.com/..", "http://ex.com/"),
        ("http://ex.com/a//b/../c", "http://ex.com/a//c"),
        ("http://ex.com/a\\b", "http://ex.com/a%5Cb"),
        ("http://ex.com#top", "http://ex.com/"),
        ("http://ex.com?", "http://ex.com/"),
        ("http://ex.com?b=2&a=1#x", "http://ex.com/?b=2&a=1"),
        ("  http://ex.com/a\n", "http://ex.com/a"),
        ("http://BÜCHER.example./", "http://xn--bcher-kva.example/"),
        ("http://日本語。jp/", "http://xn--wgv71a119e.jp/"),
        ("http://i❤.ws/", "http://xn--i-7iq.ws/"),
        ("http://a_b.ex.com/", "http://a_b.ex.com/"),
        ("http://[::FFFF:0:1]:80/", "http://[::ffff:0:1]/"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
    ],
)
def test_url_takes_its_canonical_form(given_url: str, expected: str) -> None:
    assert canonical_url(given_url) == expected


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "begins with http"),
        ("ftp://ex.com/a", "begins with http"),
        ("//ex.com/a", "begins with http"),
        ("javascript:alert(1)", "begins with http"),
        ("data:image/png;base64,AAAA", "begins with http"),
        ("http:///a", "expected a host"),
        ("http://", "expected a host"),
        ("http://a b.com/", "U\\+0020"),
        ("http://ex.com/a\x00b", "U\\+0000"),
        ("http://ex.com/a\r\nHost: evil", "U\\+000D"),
        ("http://ex.com/a\u2028b", "U\\+2028"),
        ("http://ex.com\\@evil.com/", "backslash"),
        ("http://a..b/", "host name"),
        ("http://exa%6Dple.com/", "host name"),
        ("http://*.ex.com/", "host name"),
        (f"http://{'a' * 64}.com/", "host name"),
        ("http://127.1/", "four decimal"),
        ("http://0x7f000001/", "four decimal"),
        ("http://2130706433/", "four decimal"),
        ("http://0177.0.0.1/", "four decimal"),
        ("http://[::1/", "host name"),
        ("http://[::g]/", "host name"),
        ("http://ex.com:0/", "port"),
        ("http://ex.com:65536/", "port"),
        ("http://ex.com:٣/", "port"),
        ("http://ex.com/\ud800", "surrogate"),
        (f"http://ex.com/{'a' * MAX_URL_CHARS}", "at most"),
    ],
)
def test_what_cannot_be_asked_is_refused(bad: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        canonical_url(bad)


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        canonical_url("http://mira:hunter2@ex.com/")
    assert "hunter2" not in str(caught.value)


def test_host_has_no_port_and_no_brackets() -> None:
    assert host_of("http://ex.com:81/a:b") == "ex.com"
    assert host_of("http://[::1]:81/") == "::1"
    assert host_of("given:00000.tar#000010005") == ""


def test_twin_is_the_other_scheme_and_only_without_a_port() -> None:
    assert twin_url("https://ex.com/a:80") == "http://ex.com/a:80"
    assert twin_url("http://ex.com/") == "https://ex.com/"
    assert twin_url("http://ex.com:81/") is None
    assert twin_url("given:a#b") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mira.Example", "mira.example"),
        (" https://www.mira.example:443/gallery?x#y ", "www.mira.example"),
        ("mira.github.io", "mira.github.io"),
        ("art.localhost", "art.localhost"),
        ("localhost", "localhost"),
        ("10.0.0.7", "10.0.0.7"),
        ("[::1]", "::1"),
        ("büro.example", "xn--bro-hoa.example"),
    ],
)
def test_host_of_ones_own_is_taken(text: str, expected: str) -> None:
    assert check_host(text) == expected


@pytest.mark.parametrize(
    "text", ["com", "co.uk", "github.io", "https://blogspot.com/mira", "intra"]
)
def test_host_of_everybody_cannot_be_claimed(text: str) -> None:
    with pytest.raises(ClaimError, match="of your own"):
        check_host(text)


@pytest.mark.parametrize("text", ["", "two words", "*.mira.example", "ftp://mira.example", "a..b"])
def test_nonsense_is_no_host(text: str) -> None:
    with pytest.raises(ClaimError, match="expected a host name"):
        check_host(text)


def test_claimed_host_covers_itself_and_what_lies_below() -> None:
    assert covers("mira.example", "mira.example")
    assert covers("mira.example", "img.cdn.mira.example")
    assert not covers("mira.example", "notmira.example")
    assert not covers("img.mira.example", "mira.example")
    assert not covers("mira.github.io", "github.io")
    assert not covers("mira.github.io", "venn.github.io")
    assert not covers("0.0.1", "127.0.0.1")


def test_addresses_are_told_from_names() -> None:
    assert is_address("127.0.0.1")
    assert is_address("::1")
    assert not is_address("a.localhost")


@pytest.mark.parametrize(
    ("given", "account"),
    [
        ("deviantart.com/miravenn", "deviantart.com/miravenn"),
        ("https://www.DeviantArt.com/miravenn/", "deviantart.com/miravenn"),
        ("http://site.example:8080/user/./mira?tab=art#top", "site.example/user/mira"),
        ("site.example/@mira", "site.example/@mira"),
        ("site.example/~m%69ra", "site.example/~mira"),
        ("mira.github.io/work-in-progress", "mira.github.io/work-in-progress"),
        ("mira.github.io", "mira.github.io"),
        ("https://www.mira.github.io/", "mira.github.io"),
        ("10.0.0.1/mira", "10.0.0.1/mira"),
        ("localhost/mira", "localhost/mira"),
    ],
)
def test_an_account_is_a_host_and_a_path(given: str, account: str) -> None:
    assert check_account(given) == account
    assert check_account(account) == account


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("deviantart.com", "whole host"),
        ("https://www.deviantart.com/", "whole host"),
        ("art.example.org", "whole host"),
        ("10.0.0.1", "whole host"),
        ("github.io/mira", "suffix"),
        ("co.uk/mira", "suffix"),
        ("site.example/users/", "where all users are"),
        ("site.example/profile.php?id=5", "found a query"),
        ("", "such as"),
        ("mira@site.example/x", "such as"),
        ("ftp://site.example/mira", "such as"),
    ],
)
def test_what_is_nobodys_account_is_refused(given: str, message: str) -> None:
    with pytest.raises(ClaimError, match=message):
        check_account(given)


@given(st.text())
def test_any_text_is_an_account_or_a_claim_error(text: str) -> None:
    for given_text in (text, f"site.example/{text}"):
        try:
            account = check_account(given_text)
        except ClaimError:
            continue
        assert check_account(account) == account
        if "/" in account:
            for url in (f"https://{account}", f"http://www.{account}/1.jpg?x=/y"):
                assert account in accounts_above(canonical_url(url))


def test_an_account_covers_what_lies_below_it_at_a_slash() -> None:
    assert accounts_above("https://www.a.example:81/mira/art/1.jpg?x=/y") == [
        "a.example/mira",
        "a.example/mira/art",
        "a.example/mira/art/1.jpg",
    ]
    assert accounts_above("http://a.example/") == []
    assert accounts_above("http://a.example/mira/") == ["a.example/mira"]
    assert accounts_above("given:a.tar#1") == []
