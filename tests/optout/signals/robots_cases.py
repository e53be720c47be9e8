"""robots.txt files with the answer that we expect, and where Protego and Google's parser differ.

The rows with `why` (Protego 0.7) and `google` (jwm-robotstxt 1.0.8) make two tables in
docs/signals.md; test_robots_peers and test_robots_google hold them to the truth.
"""

from dataclasses import dataclass

from schemas.verdict import Say

DENY, ALLOW, SILENT = Say.DENY, Say.ALLOW, Say.SILENT


@dataclass(frozen=True)
class Case:
    """One question. `why`, `google`: empty where the peer agrees, else who is right."""

    name: str
    lines: str | bytes
    path: str
    say: Say
    agent: str = "ArtBot"
    why: str = ""
    google: str = ""

    @property
    def body(self) -> bytes:
        return self.lines if isinstance(self.lines, bytes) else self.lines.encode()


def _text(*lines: str) -> str:
    return "\n".join(lines) + "\n"


STAR = "User-agent: *"
FOO = "User-agent: FooBot"

_GROUPS = _text(
    "allow: /foo/bar/",
    "",
    "user-agent: FooBot",
    "disallow: /",
    "allow: /x/",
    "user-agent: BarBot",
    "disallow: /",
    "allow: /y/",
    "",
    "",
    "allow: /w/",
    "user-agent: BazBot",
    "",
    "user-agent: FooBot",
    "allow: /z/",
    "disallow: /",
)
_ESCAPED = _text(FOO, "Disallow: /", "Allow: /foo/bar/%62%61%7A")

# (name of Google's spec-level test, file, agent, what it expects of each path)
_SPEC: list[tuple[str, str, str, dict[str, Say]]] = [
    ("LineSyntax_Line", _text("user-agent: FooBot", "disallow: /"), "FooBot", {"/x/y": DENY}),
    ("LineSyntax_Line unknown", _text("foo: FooBot", "bar: /"), "FooBot", {"/x/y": SILENT}),
    ("LineSyntax_Line no colon", _text("user-agent FooBot", "disallow /"), "FooBot", {"/x": DENY}),
    (
        "LineSyntax_Groups",
        _GROUPS,
        "FooBot",
        {"/x/b": ALLOW, "/z/d": ALLOW, "/y/c": DENY, "/foo/bar/": DENY},
    ),
    (
        "LineSyntax_Groups BarBot",
        _GROUPS,
        "BarBot",
        {"/y/c": ALLOW, "/w/a": ALLOW, "/z/d": DENY, "/foo/bar/": DENY},
    ),
    ("LineSyntax_Groups BazBot", _GROUPS, "BazBot", {"/z/d": ALLOW, "/foo/bar/": DENY}),
    (
        "LineSyntax_Groups_OtherRules",
        _text("User-agent: BarBot", "Sitemap: https://h/s", STAR, "Disallow: /"),
        "BarBot",
        {"/": DENY},
    ),
    (
        "LineSyntax_Groups_OtherRules unknown",
        _text("User-agent: FooBot", "Invalid-Unknown-Line: unknown", STAR, "Disallow: /"),
        "FooBot",
        {"/": DENY},
    ),
    (
        "REPLineNamesCaseInsensitive",
        _text("uSeR-aGeNt: FooBot", "AlLoW: /x/", "dIsAlLoW: /"),
        "FooBot",
        {"/x/y": ALLOW, "/a/b": DENY},
    ),
    (
        "UserAgentValueCaseInsensitive",
        _text("User-Agent: FoO bAr", "Allow: /x/", "Disallow: /"),
        "foo",
        {"/x/y": ALLOW, "/a/b": DENY},
    ),
    (
        "GlobalGroups_Secondary",
        _text("user-agent: *", "allow: /", "user-agent: FooBot", "disallow: /"),
        "FooBot",
        {"/x/y": DENY},
    ),
    (
        "GlobalGroups_Secondary others",
        _text("user-agent: FooBot", "allow: /", "user-agent: BarBot", "disallow: /"),
        "QuxBot",
        {"/x/y": SILENT},
    ),
    ("AllowDisallow_Value_CaseSensitive", _text(FOO, "Disallow: /X/"), "FooBot", {"/x/y": SILENT}),
    (
        "LongestMatch",
        _text(FOO, "disallow: /x/page.html", "allow: /x/"),
        "FooBot",
        {"/x/page.html": DENY},
    ),
    (
        "LongestMatch allow",
        _text(FOO, "allow: /x/page.html", "disallow: /x/"),
        "FooBot",
        {"/x/page.html": ALLOW, "/x/": DENY},
    ),
    ("LongestMatch both empty", _text(FOO, "disallow: ", "allow: "), "FooBot", {"/x": SILENT}),
    ("LongestMatch tie", _text(FOO, "disallow: /", "allow: /"), "FooBot", {"/x": ALLOW}),
    (
        "LongestMatch slash",
        _text(FOO, "disallow: /x", "allow: /x/"),
        "FooBot",
        {"/x": DENY, "/x/": ALLOW},
    ),
    (
        "LongestMatch wildcard",
        _text(FOO, "allow: /page", "disallow: /*.html"),
        "FooBot",
        {"/page.html": DENY, "/page": ALLOW},
    ),
    (
        "LongestMatch longer prefix",
        _text(FOO, "allow: /x/page.", "disallow: /*.html"),
        "FooBot",
        {"/x/page.html": ALLOW, "/x/y.html": DENY},
    ),
    (
        "Encoding query",
        _text(FOO, "Disallow: /", "Allow: /foo/bar?qux=taz&baz=http://foo.bar?tar&par"),
        "FooBot",
        {"/foo/bar?qux=taz&baz=http://foo.bar?tar&par": ALLOW},
    ),
    (
        "Encoding raw",
        _text(FOO, "Disallow: /", "Allow: /foo/bar/ツ"),
        "FooBot",
        {"/foo/bar/%E3%83%84": ALLOW},
    ),
    (
        "Encoding escaped",
        _text(FOO, "Disallow: /", "Allow: /foo/bar/%E3%83%84"),
        "FooBot",
        {"/foo/bar/%E3%83%84": ALLOW},
    ),
    ("Encoding letters", _ESCAPED, "FooBot", {"/foo/bar/%62%61%7A": ALLOW}),
    (
        "SpecialCharacters star",
        _text(FOO, "Disallow: /foo/bar/quz", "Allow: /foo/*/qux"),
        "FooBot",
        {"/foo/bar/quz": DENY, "/foo//quz": SILENT, "/foo/bax/quz": SILENT, "/foo/a/qux": ALLOW},
    ),
    (
        "SpecialCharacters end",
        _text(FOO, "Disallow: /foo/bar$", "Allow: /foo/bar/qux"),
        "FooBot",
        {"/foo/bar": DENY, "/foo/bar/qux": ALLOW, "/foo/bar/": SILENT, "/foo/bar/baz": SILENT},
    ),
    (
        "SpecialCharacters comment",
        _text(FOO, "# Disallow: /", "Disallow: /foo/quz#qux", "Allow: /"),
        "FooBot",
        {"/foo/bar": ALLOW, "/foo/quz": DENY},
    ),
]

CASES = [
    Case("R01 end anchor", _text(STAR, "Disallow: /*.jpg$"), "/a/b.jpg", DENY),
    Case("R01 end anchor, query", _text(STAR, "Disallow: /*.jpg$"), "/a/b.jpg?w=1", SILENT),
    Case(
        "R02 own group replaces *",
        _text(STAR, "Disallow: /x/", "User-agent: ArtBot", "Disallow: /y/"),
        "/x/1",
        SILENT,
    ),
    Case(
        "R02 own group",
        _text(STAR, "Disallow: /x/", "User-agent: ArtBot", "Disallow: /y/"),
        "/y/1",
        DENY,
    ),
    Case(
        "R03 groups of one agent are merged",
        _text(
            STAR, "Allow: /", "", "User-agent: GPTBot", "Disallow: /", "", STAR, "Disallow: /art/"
        ),
        "/art/1",
        DENY,
    ),
    Case(
        "R04 byte order mark",
        b"\xef\xbb\xbfUser-agent: *\nDisallow: /\n",
        "/a",
        DENY,
        why="recuse: the mark is no part of the first line (Google skips it too)",
    ),
    Case(
        "R05 unknown record between agents",
        _text("User-agent: ArtBot", "Content-Signal: ai-train=no", STAR, "Disallow: /"),
        "/a",
        DENY,
        why="recuse: other records do not end a group (RFC 9309 section 2.2.4)",
    ),
    Case(
        "R06 prefix of our token",
        _text("User-agent: Art", "Allow: /", STAR, "Disallow: /"),
        "/a",
        DENY,
        why="recuse: tokens are equal or not (RFC 9309 section 2.2.1); `Art` is another robot",
    ),
    Case("R07 pattern begins with *", _text(STAR, "Disallow: *.jpg"), "/a/b.jpg", DENY),
    Case("R08 allow wins a tie", _text(STAR, "Disallow: /x", "Allow: /x"), "/x", ALLOW),
    Case(
        "R09 name that is no RFC token",
        _text("User-agent: img2dataset", "Disallow: /"),
        "/a",
        DENY,
        agent="img2dataset",
        google="Google by the letter: a token ends at a digit; we take a name as it stands",
    ),
    Case(
        "token with version",
        _text("User-agent: ArtBot/1.0", "Disallow: /"),
        "/a",
        DENY,
        why="recuse: the token ends before the slash (RFC 9309 section 2.2.1)",
    ),
    Case(
        "star with a slash",
        _text("User-agent: */", "Disallow: /"),
        "/a",
        SILENT,
    ),
    Case("longest wins", _text(STAR, "Disallow: /a", "Allow: /a/b"), "/a/b/c", ALLOW),
    Case("longest wins, order", _text(STAR, "Allow: /a/b", "Disallow: /a/b/c"), "/a/b/c", DENY),
    Case("no rule", _text(STAR, "Disallow: /a"), "/b", SILENT),
    Case("empty disallow", _text(STAR, "Disallow:"), "/b", SILENT),
    Case("case of the path", _text(STAR, "Disallow: /Art"), "/art", SILENT),
    Case("case of names", _text("USER-AGENT: ARTBOT", "DISALLOW: /"), "/art", DENY),
    Case("query is compared", _text(STAR, "Disallow: /i?id="), "/i?id=1", DENY),
    Case("CR only", b"User-agent: *\rDisallow: /\r", "/a", DENY),
    Case("CRLF", b"User-agent: *\r\nDisallow: /\r\n", "/a", DENY),
    Case(
        "form feed ends no line",
        b"User-agent: *\nDisallow: /a\x0cAllow: /a\n",
        "/a\x0cAllow: /a".replace("\x0c", "%0C").replace(" ", "%20"),
        DENY,
        why="recuse: only CR and LF end a line (RFC 9309 section 2.2), the rule is one line",
        google="recuse: what no URL can hold is escaped before comparison (RFC 9309 section 2.2.2)",
    ),
    Case(
        "NEL ends no line",
        "User-agent: *\nDisallow: /x\u0085Disallow: /art\n",
        "/art",
        SILENT,
        why="recuse: U+0085 is a character like others, the second rule is part of the pattern",
    ),
    Case("typo disalow", _text(STAR, "Disalow: /"), "/a", DENY),
    Case("typo useragent", _text("Useragent: *", "Disallow: /"), "/a", DENY),
    Case("missing colon", _text("User-agent *", "Disallow /a"), "/a", DENY),
    Case("comment", _text("# Disallow: /", STAR, "Disallow: /a # all of a"), "/a", DENY),
    Case("blank line ends no group", _text(STAR, "", "Disallow: /"), "/a", DENY),
    Case("rule before any group", _text("Disallow: /", STAR, "Allow: /b"), "/a", SILENT),
    Case("several agents", _text("User-agent: X", "User-agent: ArtBot", "Disallow: /"), "/a", DENY),
    Case(
        "crawl-delay between agents",
        _text("User-agent: ArtBot", "Crawl-delay: 5", STAR, "Disallow: /"),
        "/a",
        DENY,
        why="recuse: Crawl-delay is not in RFC 9309, so it ends no group (Google reads it so too)",
    ),
    Case(
        "sitemap between agents",
        _text("User-agent: ArtBot", "Sitemap: /s", STAR, "Disallow: /"),
        "/a",
        DENY,
    ),
    Case(
        "decoded reading",
        _text(STAR, "Disallow: /%62%61%7A"),
        "/baz",
        DENY,
        google="recuse: escapes of letters are decoded first (RFC 9309 section 2.2.2)",
    ),
    Case(
        "decoded reading, other side",
        _text(STAR, "Disallow: /baz"),
        "/%62az",
        DENY,
        google="recuse: escapes of letters are decoded first (RFC 9309 section 2.2.2)",
    ),
    Case(
        "literal reading",
        _text(STAR, "Disallow: /b", "Allow: /%62%61z"),
        "/baz",
        DENY,
        why="both: Protego decodes as RFC 9309 says, Google does not; we deny if either denies",
    ),
    Case("escapes have no case", _text(STAR, "Disallow: /a%c3%a4"), "/a%C3%A4", DENY),
    Case("raw UTF-8", _text(STAR, "Disallow: /ä"), "/%C3%A4", DENY),
    Case("escaped slash is no slash", _text(STAR, "Disallow: /a/b"), "/a%2Fb", SILENT),
    Case(
        "escaped star",
        _text(STAR, "Disallow: /a%2Ab"),
        "/a*b",
        DENY,
        google="recuse: an escaped star in a rule is a star in a path (RFC 9309 section 2.2.3)",
    ),
    Case(
        "escaped star is no wildcard",
        _text(STAR, "Disallow: /a%2Ab"),
        "/axb",
        SILENT,
    ),
    Case("dollar inside", _text(STAR, "Disallow: /a$b"), "/a$b", DENY),
    Case(
        "no leading slash",
        _text(STAR, "Disallow: private/"),
        "/private/1",
        DENY,
        why="Protego by the letter: RFC 9309 requires the slash; we honour what was meant",
        google="Google by the letter: RFC 9309 requires the slash; we honour what was meant",
    ),
    Case(
        "no leading slash, allow",
        _text(STAR, "Disallow: /", "Allow: public/"),
        "/public/1",
        DENY,
    ),
    Case(
        "whole address as pattern",
        _text(STAR, "Disallow: https://h.example/private/"),
        "/private/1",
        DENY,
        why="Protego by the letter: as above",
        google="Google by the letter: as above",
    ),
    Case(
        "index.html",
        _text(STAR, "Disallow: /", "Allow: /a/index.html"),
        "/a/",
        DENY,
        why="recuse: Google's habit, not a rule of RFC 9309; a permission is not inferred",
        google="recuse: Google's habit, not a rule of RFC 9309; a permission is not inferred",
    ),
    Case(
        "robots.txt itself",
        _text(STAR, "Disallow: /"),
        "/robots.txt",
        ALLOW,
        google="recuse: the file itself may always be asked (RFC 9309 section 2.2.2)",
    ),
    Case("HTML page", "<!doctype html><p>Disallow: /</p>", "/a", SILENT),
    Case("empty file", b"", "/a", SILENT),
    Case("invalid UTF-8", b"\xff\xfe\xfdoo\nUser-agent: *\nDisallow: /", "/a", DENY),
    Case(
        "UTF-16",
        _text(STAR, "Disallow: /").encode("utf-16"),
        "/a",
        DENY,
        why="Protego by the letter: RFC 9309 requires UTF-8; what the file says is still plain",
        google="Google by the letter: RFC 9309 requires UTF-8; what the file says is still plain",
    ),
]

_PROTEGO = {
    "LineSyntax_Groups_OtherRules unknown": "recuse: as R05",
    "UserAgentValueCaseInsensitive": "recuse: the token ends before the space",
}

CASES += [
    Case(f"ID_{name} {path}", lines, path, say, agent, _PROTEGO.get(name, "") * (say is DENY))
    for name, lines, agent, paths in _SPEC
    for path, say in paths.items()
]

CASES += [
    Case(
        "ID_Encoding letters /foo/bar/baz",
        _ESCAPED,
        "/foo/bar/baz",
        DENY,
        "FooBot",
        why="both: Protego decodes as RFC 9309 says, Google does not; we deny if either denies",
    ),
]
