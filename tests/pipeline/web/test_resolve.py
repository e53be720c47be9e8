import asyncio
import socket

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pipeline.web.addresses import refused
from pipeline.web.resolve import (
    SystemResolver,
    check_allow_hosts,
    is_opened,
    pinned,
    target,
)
from schemas.errors import FetchError, UsageError
from schemas.verdict import Outcome

TRICKS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://127.0.0.01/",
    "http://127.000.000.001/",
    "http://0/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1%25eth0]/",
    "http://[fec0::1]/",
    "http://[fd00:ec2::254]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://192.168.0.1/",
    "http://10.0.0.1:8080/",
    "http://good.example@127.0.0.1/",
    "http://127.0.0.1#@good.example/",
    "http://127.0.0.1\\@good.example/",
    "http://good.example\\@127.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.０.０.１/",  # noqa: RUF001 - the ambiguity is the trick
    "http://127。0。0。1/",
    "http://127.0.0.1%2f.good.example/",
    "http://%31%32%37.0.0.1/",
    "http://rebound.example/",
    "http://mixed.example/",
    "http://good.example:22/",
    "http://good.example:6379/",
    "http://good.example:0/",
    "http://good.example:99999/",
    "file:///etc/passwd",
    "ftp://good.example/a.jpg",
    "gopher://good.example/",
    "data:image/png;base64,AAAA",
    "//good.example/",
    "http:///a.jpg",
    "http://good.example\r\nHost: 127.0.0.1/",
    "http://good.\x00example/",
    "",
]


class Names:
    """A resolver that counts how often it is asked."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names
        self.asked = 0

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked += 1
        key = host.split(".", maxsplit=1)[0]
        if key not in self.names:
            raise FetchError(Outcome.UNREACHABLE, f"{host}:{port}: no such name")
        return self.names[key]


async def addresses(url: str, names: Names, *allow_hosts: str) -> list[str]:
    asked = target(url, allow_hosts)
    return await pinned(asked.host, asked.port, names, allow_hosts)


@pytest.mark.parametrize("url", TRICKS, ids=ascii)
def test_url_trick_is_refused(url: str) -> None:
    names = Names(
        rebound=["127.0.0.1"], mixed=["93.184.216.34", "10.0.0.1"], good=["93.184.216.34"]
    )
    with pytest.raises(FetchError) as refusal:
        asyncio.run(addresses(url, names))
    assert refusal.value.outcome == Outcome.ADDRESS
    assert refusal.value.lasting


def test_public_hosts_are_resolved_once_and_pinned() -> None:
    names = Names(good=["93.184.216.34", "2606:4700::1111"])

    found = asyncio.run(addresses("https://good.example/a", names))

    assert found == ["93.184.216.34", "2606:4700::1111"]
    assert names.asked == 1


def test_a_public_literal_needs_no_lookup() -> None:
    names = Names()
    assert asyncio.run(addresses("http://[2606:4700::1111]/", names)) == ["2606:4700::1111"]
    assert names.asked == 0


def test_allowed_localhost_names_are_loopback_without_lookup() -> None:
    names = Names()
    for host in ("a.localhost", "localhost", "127.0.0.1"):
        found = asyncio.run(addresses(f"http://{host}:8001/", names, f"{host}:8001"))
        assert found == ["127.0.0.1"]
    assert names.asked == 0


def test_only_the_named_host_and_port_are_opened() -> None:
    for url in ("http://a.localhost:8002/", "http://b.localhost:8001/", "http://127.0.0.1:8001/"):
        with pytest.raises(FetchError):
            asyncio.run(addresses(url, Names(), "a.localhost:8001"))


def test_an_allowed_host_never_reaches_metadata() -> None:
    names = Names(intern=["169.254.169.254"])
    with pytest.raises(FetchError, match="link-local"):
        asyncio.run(addresses("http://intern.example/", names, "intern.example:80"))


def test_allowed_entries_may_name_all_hosts_below_a_name() -> None:
    assert is_opened("x.y.localhost", 80, ["*.localhost:80"])
    assert not is_opened("localhost", 80, ["*.localhost:80"])
    assert not is_opened("evil-localhost", 80, ["*.localhost:80"])
    assert is_opened("::1", 80, ["[::1]:80"])


@pytest.mark.parametrize("entry", ["a.localhost", "a:b", ":80", "a:0", "a:70000"])
def test_entries_that_are_not_host_and_port_are_refused(entry: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        check_allow_hosts([entry])


@pytest.mark.parametrize("port", [80, 443, 1024, 8080, 8443, 60000])
def test_ports_of_the_web_pass(port: int) -> None:
    assert target(f"http://good.example:{port}/").port == port


def test_target_knows_the_origin() -> None:
    asked = target("HTTPS://Good.Example:443/A?b")
    assert (asked.origin, asked.host, asked.port) == ("https://good.example", "good.example", 443)
    assert target("http://[2606:4700::1111]:8080/x").origin == "http://[2606:4700::1111]:8080"


def test_names_without_addresses_are_unreachable() -> None:
    with pytest.raises(FetchError, match="no address"):
        asyncio.run(pinned("good.example", 80, Names(good=[])))


def test_system_resolver_tells_lasting_from_passing_failures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def failure(code: int) -> FetchError:
        def lookup(*_: object, **__: object) -> None:
            raise socket.gaierror(code, "no")

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        resolver = SystemResolver()
        with pytest.raises(FetchError) as error:
            await resolver.resolve("x.example", 80)
        resolver.close()
        return error.value

    assert asyncio.run(failure(socket.EAI_NONAME)).lasting
    assert not asyncio.run(failure(socket.EAI_AGAIN)).lasting


def test_system_resolver_gives_each_address_once() -> None:
    async def ask() -> list[str]:
        resolver = SystemResolver()
        try:
            return await resolver.resolve("127.0.0.1", 80)
        finally:
            resolver.close()

    assert asyncio.run(ask()) == ["127.0.0.1"]


@settings(deadline=None)
@given(
    st.one_of(
        st.text(),
        st.builds(
            "{}://{}{}".format,
            st.sampled_from(["http", "https", "HTTP", "ftp", "file"]),
            st.text(alphabet="a1.0x:@[]%/\\#é。-", max_size=16),
            st.text(max_size=8),
        ),
    )
)
def test_any_url_is_a_target_or_refused(url: str) -> None:
    try:
        asked = target(url)
    except FetchError as e:
        refusal = (e.outcome, e.lasting)
        assert refusal == (Outcome.ADDRESS, True)
        return
    assert target(asked.url) == asked
    assert asked.url.startswith(f"{asked.origin}/")


@settings(deadline=None)
@given(st.one_of(st.ip_addresses().map(str), st.text(alphabet="0123456789abcdefx.:%", max_size=20)))
def test_nothing_inside_is_ever_pinned(host: str) -> None:
    names = Names()
    try:
        found = asyncio.run(pinned(host, 80, names))
    except FetchError:
        return
    assert all(refused(address) is None for address in found)
