import ipaddress
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pipeline.web.addresses import TABLE, refused


@pytest.mark.parametrize(("network", "why", "kind"), TABLE, ids=[row[0] for row in TABLE])
def test_first_and_last_address_of_each_network_are_refused(
    network: str, why: str, kind: str
) -> None:
    parsed = ipaddress.ip_network(network)
    for address in (parsed[0], parsed[-1]):
        said = refused(str(address))
        assert said
        assert said.startswith(str(address))
        assert (refused(str(address), opened=True) is None) == (kind == "private")
    assert "RFC" in why


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.216.34", "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255",
     "100.128.0.0", "223.255.255.255", "2a00:1450:4001:80b::200e", "2606:4700::1111",
     "64:ff9b::808:808", "::ffff:8.8.8.8"],
)  # fmt: skip
def test_public_addresses_pass(address: str) -> None:
    assert refused(address) is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("64:ff9b::7f00:1", "NAT64 127.0.0.1, loopback"),
        ("64:ff9b::a9fe:a9fe", "NAT64 169.254.169.254, link-local"),
        ("::ffff:10.0.0.1", "IPv4-mapped 10.0.0.1, private use"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("2002:7f00:1::", "6to4"),
        ("2001:0:53aa:64c::1", "Teredo"),
        ("fec0::1", "site-local"),
        ("64:ff9b:1:7f00:1::", "local NAT64"),
        ("4000::1", "not global unicast"),
        ("2a00::5efe:10.0.0.1", "ISATAP"),
        ("fe80::1%eth0", "interface"),
        ("127.0.0.01", "not an IP address"),
        ("0x7f.1", "not an IP address"),
        ("", "not an IP address"),
    ],
)
def test_hidden_and_misspelt_addresses_are_refused(address: str, why: str) -> None:
    assert why in (refused(address) or "")


def test_a_builder_may_open_private_addresses_but_not_metadata() -> None:
    for address in ("127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fd00::1", "::ffff:127.0.0.1"):
        assert refused(address, opened=True) is None
    for address in ("169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "::ffff:169.254.0.1"):
        assert refused(address, opened=True)


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_we_refuse_all_ipv4_that_the_standard_library_does(address: ipaddress.IPv4Address) -> None:
    if not address.is_global:
        assert refused(str(address))


@settings(deadline=None)
@given(st.ip_addresses(v=6))
def test_we_refuse_all_ipv6_that_the_standard_library_does(address: ipaddress.IPv6Address) -> None:
    if not address.is_global:
        assert refused(str(address))


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_carried_ipv4_is_judged_as_ipv4(address: ipaddress.IPv4Address) -> None:
    plain = refused(str(address)) is None
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        carried = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + int(address))
        assert (refused(str(carried)) is None) == plain


@settings(deadline=None)
@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    assert refused(text) is None or refused(text)


def test_the_docs_show_the_whole_table() -> None:
    docs = Path(__file__).parents[3].joinpath("docs", "fetching.md").read_text(encoding="utf-8")
    for network, why, kind in TABLE:
        said = "may be opened" if kind == "private" else "never"
        assert f"| `{network}` | {why} | {said} |" in docs
