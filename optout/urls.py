"""URLs and hosts in the one form in which they are compared.

Everything that joins by URL (uids, requests, opt-outs) joins by `canonical_url`; whoever claims a
host claims what `check_host` returns, and whoever has an account on somebody else's host what
`check_account` returns. The rules of the canonical form, in the order applied:

1. spaces, tabs and line ends at both ends are dropped; inside they are refused, and other
   control characters and white space anywhere;
2. the scheme is http or https, in lower case; no user name or password;
3. the host is in lower case, non-ASCII names in their ASCII form (UTS 46), without a final dot;
   a host whose last label is a number is an IPv4 address with four decimal parts, or refused,
   since parsers differ about the other notations;
4. the port is dropped where it is the scheme's own;
5. percent-encoded unreserved characters are decoded, other escapes have upper-case digits, and
   what may not stand in a URL is percent-encoded as UTF-8 (a lone `%` becomes `%25`);
6. dot segments are removed from the path, an empty path is `/`;
7. the fragment and an empty query are dropped. The query is otherwise kept in its order.
"""

import ipaddress
import re
from functools import lru_cache
from pathlib import Path

import idna
import publicsuffix2

from schemas.errors import ClaimError, UsageError

MAX_URL_CHARS = 8192
"""Longer than servers take (8,000 octets are what RFC 9110 section 4.1 asks of them)."""

GIVEN = "given:"
"""Prefix of the url_key of bytes that came with the source."""

_SHARED = """
@ ~ art artist artists author authors blog blogs c channel channels content explore galleries
gallery home image images img media member members p people photo photos profile profiles search
tag tags u user users work works
"""
SHARED_PATHS = frozenset(_SHARED.split())
"""Paths below which a host keeps all of its users, and so nobody's account."""

_PROGRAM = re.compile(r"\.(?:php|aspx?|jsp|cgi|pl|html?)$", re.IGNORECASE)
_PRIVATE = "// ===BEGIN PRIVATE DOMAINS==="
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_CANONICAL = re.compile(
    r"(https?)://([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)/[A-Za-z0-9._~!$&'()*+,;=:@/\[\]-]*"
    r"(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]+)?"
)
_SPLIT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#\\]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_ENDS = " \t\r\n"
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})|(%)|([^A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-])")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def canonical_url(url: str) -> str:
    """Return the form of a URL in which it is compared and asked; see the module's rules.

    Idempotent. Raises UsageError where the text is not a URL that can be asked.
    """
    text = url.strip(_ENDS)
    if len(text) > MAX_URL_CHARS:
        raise UsageError(f"expected a URL of at most {MAX_URL_CHARS} characters, found {len(text)}")
    plain = _CANONICAL.fullmatch(text)
    if plain and "/." not in text and _checked_host(plain[2]) == plain[2]:
        return text  # the common case: already canonical
    if found := _FORBIDDEN.search(text):
        what = f"character U+{ord(found[0]):04X} at {found.start()}"
        raise UsageError(f"expected a URL without whitespace or control characters, found {what}")
    scheme, authority, path, query = _split(text)
    host, port = _authority(authority, text)
    at = f":{port}" if port and port != _DEFAULT_PORTS[scheme] else ""
    joined = f"{scheme}://{host}{at}{_without_dots(_escaped(path))}"
    return f"{joined}?{_escaped(query)}" if query else joined


def host_of(url_key: str) -> str:
    """Return the host of a canonical URL: no port, no brackets; empty for bytes that were given."""
    if url_key.startswith(GIVEN):
        return ""
    authority = url_key.split("://", 1)[-1].split("/", 1)[0]
    if authority.startswith("["):
        return authority[1:].split("]", 1)[0]
    return authority.split(":", 1)[0]


def twin_url(url_key: str) -> str | None:
    """Return the same address under the other scheme, null where the URL names a port.

    Who asks to leave out https://a/x.jpg means http://a/x.jpg as well.
    """
    scheme, _, rest = url_key.partition("://")
    authority = rest.split("/", 1)[0]
    if scheme not in _DEFAULT_PORTS or authority.rpartition(":")[2].isdigit():
        return None
    return f"{'http' if scheme == 'https' else 'https'}://{rest}"


def check_host(text: str) -> str:
    """Return a claimed host in the form of `host_of`; a URL is cut down to its host.

    Raises ClaimError where it is no host, or one under which strangers register their own
    (com, co.uk, github.io). IP addresses and names under localhost are taken.
    """
    given = text.strip()
    try:
        host = host_of(canonical_url(given if "://" in given else f"http://{given}"))
    except UsageError as e:
        raise ClaimError(f"expected a host name such as art.example.org: {e}") from e
    if is_address(host) or host == "localhost":
        return host
    if host == _public_suffix(host):
        raise ClaimError(
            f"expected a host of your own, found {host!r}, under which others have theirs too"
        )
    return host


def covers(claimed: str, host: str) -> bool:
    """Say whether a claimed host means `host`: the same, or one below it at a dot.

    claimed: from `check_host`. host: from `host_of`. An address has nothing below it.
    """
    return host == claimed or (host.endswith(f".{claimed}") and not is_address(host))


def check_account(text: str) -> str:
    """Return a claimed account, `host/path`: no scheme, no "www.", no query, no slash at the end.

    An account that is a host by itself, on a suffix where each user has one (mira.github.io), is
    returned as that host, without a path.
    Raises ClaimError where it is no address, a host that others share, or a path that all users
    of a host have in common.
    """
    given = text.strip()
    try:
        url = canonical_url(given if "://" in given else f"http://{given}")
    except UsageError as e:
        raise ClaimError(f"expected an account such as site.example/mira: {e}") from e
    host, path = _bare_host(host_of(url)), _path(url).rstrip("/")
    suffix = "" if is_address(host) else _public_suffix(host)
    if host == suffix and host != "localhost":
        raise ClaimError(f"expected a host with an account on it, found the suffix {host!r}")
    if not path:
        if not is_address(host) and suffix != _public_suffix(host, private=False):
            return host
        raise ClaimError(
            f"expected an account such as {host}/mira, found a whole host; --host is for your own"
        )
    if all(segment.lower() in SHARED_PATHS for segment in path.split("/")[1:]):
        raise ClaimError(f"expected an account of your own, found {path!r}, where all users are")
    if "?" in url and _PROGRAM.search(path):
        # The query says whose page a program shows; without it the path is everybody's.
        raise ClaimError(f"expected an account that is a path, found a query behind {path!r}")
    return f"{host}{path}"


def accounts_above(url_key: str) -> list[str]:
    """Return every account that would cover a canonical URL, the widest first."""
    if url_key.startswith(GIVEN):
        return []
    host = _bare_host(host_of(url_key))
    segments = _path(url_key).split("/")[1:]
    paths = ["/".join(segments[:count]) for count in range(1, len(segments) + 1)]
    return [f"{host}/{path}" for path in paths if path and not path.endswith("/")]


def is_address(host: str) -> bool:
    """Say whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _split(text: str) -> tuple[str, str, str, str]:
    parts = _SPLIT.fullmatch(text)
    scheme = parts[1].lower() if parts else ""
    if not parts or scheme not in _DEFAULT_PORTS:
        raise UsageError(f"expected a URL that begins with http:// or https://, found {_cut(text)}")
    if not parts[2]:
        raise UsageError(f"expected a host after {scheme}://, found {_cut(text)}")
    return scheme, parts[2], parts[3], parts[4] or ""


def _authority(authority: str, text: str) -> tuple[str, str]:
    if "@" in authority:
        # Not echoed: it may be somebody's password.
        raise UsageError("expected a URL without user name or password, found one before '@'")
    if text[len(text.split("://", 1)[0]) + 3 + len(authority) :].startswith("\\"):
        raise UsageError(f"expected '/' after the host, found a backslash in {_cut(text)}")
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]*))?", authority)
    if bracketed:
        return _ipv6(bracketed[1]), _port(bracketed[2] or "")
    name, _, port = authority.partition(":")
    return _checked_host(name), _port(port)


def _ipv6(text: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(text).compressed}]"
    except ValueError as e:
        raise UsageError(f"expected an IPv6 address in brackets, found {_cut(text)}") from e


def _port(text: str) -> str:
    if not text:
        return ""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 0 < int(text) < 1 << 16:
        raise UsageError(f"expected a port from 1 to 65535, found {_cut(text)}")
    return str(int(text))


@lru_cache(maxsize=65_536)  # lists name few hosts often
def _checked_host(name: str) -> str:
    host = _ascii_host(name).removesuffix(".")
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > 253:  # noqa: PLR2004 - RFC 1035 section 2.3.4
        raise UsageError(f"expected a host name, found {_cut(name)}")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as e:
            raise UsageError(f"expected four decimal numbers 0-255, found {_cut(name)}") from e
    return host


def _ascii_host(name: str) -> str:
    if name.isascii():
        return name.lower()
    try:
        mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    except UnicodeError as e:  # idna.IDNAError among them
        raise UsageError(f"expected a host name that UTS 46 allows, found {_cut(name)}") from e
    # Browsers encode what UTS 46 maps without asking IDNA 2008 (emoji names exist); so do we.
    labels = (
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
        for label in mapped.split(".")
    )
    return ".".join(labels)


def _escaped(text: str) -> str:
    try:
        return _ESCAPE.sub(_escape, text)
    except UnicodeEncodeError as e:
        raise UsageError(f"expected Unicode text, found a lone surrogate in {_cut(text)}") from e


def _escape(found: re.Match[str]) -> str:
    if found[1]:
        byte = int(found[1], 16)
        return chr(byte) if byte in _UNRESERVED else f"%{found[1].upper()}"
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _without_dots(path: str) -> str:
    """Return an absolute path without dot segments. Source: RFC 3986 section 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


@lru_cache(maxsize=1)
def _suffixes() -> publicsuffix2.PublicSuffixList:
    return publicsuffix2.PublicSuffixList()  # the list that the package carries; nothing is asked


@lru_cache(maxsize=1)
def _registries() -> publicsuffix2.PublicSuffixList:
    """Return the list without its private part, where hosts give each user a name of their own."""
    lines = Path(publicsuffix2.PSL_FILE).read_text(encoding="utf-8").splitlines()
    return publicsuffix2.PublicSuffixList(lines[: lines.index(_PRIVATE)])


def _public_suffix(host: str, *, private: bool = True) -> str:
    return str((_suffixes() if private else _registries()).get_tld(host))


def _bare_host(host: str) -> str:
    bare = host.removeprefix("www.")
    return bare if "." in bare else host


def _path(url_key: str) -> str:
    """Return the path of a canonical URL, without its query."""
    return "/" + url_key.partition("://")[2].partition("/")[2].partition("?")[0]


def _cut(text: str) -> str:
    """Return text for a message: escaped, and no longer than a line."""
    return ascii(text if len(text) <= 80 else f"{text[:77]}...")  # noqa: PLR2004 - a line
