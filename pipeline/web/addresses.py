"""Which IP addresses are never asked, by our own table.

`ipaddress.is_global` is no guard: in Python 3.11 it passes NAT64, 6to4 and IPv4-compatible forms
of 127.0.0.1. What is not in the table is asked only if it is a global unicast address. An IPv6
address that carries an IPv4 address is judged by the one inside where its place is fixed, and
refused where it is not. Network-specific NAT64 prefixes (RFC 6052 section 2.2) cannot be told from
other global addresses; an operator who runs one must refuse private addresses at its gateway.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_PRIVATE = "private"  # may be opened by the builder: HOST:PORT in fetch.allow_hosts
_NEVER = "never"

TABLE: tuple[tuple[str, str, str], ...] = (
    ("0.0.0.0/8", "this network (RFC 1122 section 3.2.1.3)", _NEVER),
    ("10.0.0.0/8", "private use (RFC 1918)", _PRIVATE),
    ("100.64.0.0/10", "shared by carriers (RFC 6598)", _PRIVATE),
    ("127.0.0.0/8", "loopback (RFC 1122 section 3.2.1.3)", _PRIVATE),
    ("168.63.129.16/32", "host agent of Azure's virtual machines (no RFC)", _NEVER),
    ("169.254.0.0/16", "link-local, cloud metadata (RFC 3927)", _NEVER),
    ("172.16.0.0/12", "private use (RFC 1918)", _PRIVATE),
    ("192.0.0.0/24", "protocol assignments (RFC 6890)", _NEVER),
    ("192.0.2.0/24", "documentation (RFC 5737)", _NEVER),
    ("192.31.196.0/24", "AS112 (RFC 7535)", _NEVER),
    ("192.52.193.0/24", "automatic multicast tunnels (RFC 7450)", _NEVER),
    ("192.88.99.0/24", "6to4 relays (RFC 7526)", _NEVER),
    ("192.168.0.0/16", "private use (RFC 1918)", _PRIVATE),
    ("192.175.48.0/24", "AS112 (RFC 7534)", _NEVER),
    ("198.18.0.0/15", "benchmarks (RFC 2544)", _NEVER),
    ("198.51.100.0/24", "documentation (RFC 5737)", _NEVER),
    ("203.0.113.0/24", "documentation (RFC 5737)", _NEVER),
    ("224.0.0.0/4", "multicast (RFC 5771)", _NEVER),
    ("240.0.0.0/4", "reserved, limited broadcast (RFC 1112 section 4, RFC 919)", _NEVER),
    ("::/128", "unspecified (RFC 4291 section 2.5.2)", _NEVER),
    ("::1/128", "loopback (RFC 4291 section 2.5.3)", _PRIVATE),
    ("::/96", "IPv4-compatible (RFC 4291 section 2.5.5.1)", _NEVER),
    ("::ffff:0:0:0/96", "IPv4-translated (RFC 2765 section 2.1)", _NEVER),
    ("64:ff9b:1::/48", "local NAT64 (RFC 8215)", _NEVER),
    ("100::/64", "discard (RFC 6666)", _NEVER),
    ("100:0:0:1::/64", "dummy prefix (RFC 9780)", _NEVER),
    ("2001::/32", "Teredo (RFC 4380)", _NEVER),
    ("2001:2::/48", "benchmarks (RFC 5180)", _NEVER),
    ("2001:10::/28", "ORCHID (RFC 4843)", _NEVER),
    ("2001:20::/28", "ORCHIDv2 (RFC 7343)", _NEVER),
    ("2001::/23", "protocol assignments (RFC 2928)", _NEVER),
    ("2001:db8::/32", "documentation (RFC 3849)", _NEVER),
    ("2002::/16", "6to4 (RFC 3056, RFC 7526)", _NEVER),
    ("2620:4f:8000::/48", "AS112 (RFC 7534)", _NEVER),
    ("3ffe::/16", "6bone (RFC 3701)", _NEVER),
    ("3fff::/20", "documentation (RFC 9637)", _NEVER),
    ("5f00::/16", "segment routing (RFC 9602)", _NEVER),
    ("fc00::/7", "unique local (RFC 4193)", _PRIVATE),
    ("fe80::/10", "link-local (RFC 4291 section 2.5.6)", _NEVER),
    ("fec0::/10", "site-local (RFC 3879)", _NEVER),
    ("ff00::/8", "multicast (RFC 4291 section 2.7)", _NEVER),
)
"""(network, why, whether a builder may open it); the first network that holds an address speaks."""

_V4 = [(IPv4Network(net), why, kind) for net, why, kind in TABLE if ":" not in net]
_V6 = [(IPv6Network(net), why, kind) for net, why, kind in TABLE if ":" in net]
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 section 2.4 and IANA's allocation
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1: the IPv4 address is the last 32 bits
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})  # RFC 5214 section 6.1: interface identifiers


def refused(address: str, *, opened: bool = False) -> str | None:
    """Return why an IP address is not asked, None where it may be.

    address: canonical text without brackets; what is no address is refused too.
    opened: the builder named this host and port, so loopback and private addresses pass; link-local
    ones, where cloud machines keep their credentials, never do.
    """
    if "%" in address:
        return f"{address} is bound to an interface (RFC 4007)"
    try:
        parsed = ip_address(address)
    except ValueError:
        return f"{address!r} is not an IP address"
    why = _refused_v4(parsed, opened) if parsed.version == 4 else _refused_v6(parsed, opened)  # noqa: PLR2004 - IP version
    return f"{address} is {why}" if why else None


def _refused_v4(address: IPv4Address, opened: bool) -> str | None:
    for network, why, kind in _V4:
        if address in network:
            return None if opened and kind == _PRIVATE else why
    return None


def _refused_v6(address: IPv6Address, opened: bool) -> str | None:
    for form, network in (("IPv4-mapped", _MAPPED), ("NAT64", _NAT64)):
        if address in network:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
            why = _refused_v4(inner, opened)
            return f"{form} {inner}, {why}" if why else None
    for network, why, kind in _V6:
        if address in network:
            return None if opened and kind == _PRIVATE else why
    if address not in _GLOBAL_UNICAST:
        return "not global unicast (RFC 4291 section 2.4)"
    if int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
        return "an ISATAP tunnel (RFC 5214)"
    return None
