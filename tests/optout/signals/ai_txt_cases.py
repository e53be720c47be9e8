"""ai.txt and trust.txt files with what we expect them to say about training."""

from dataclasses import dataclass

from schemas.verdict import Say

DENY, ALLOW, SILENT, ERROR = Say.DENY, Say.ALLOW, Say.SILENT, Say.ERROR


@dataclass(frozen=True)
class Case:
    """An ai.txt, a path, and what it says about both trainings.

    content_type: of the file. media_type: of the media, None where it is not known yet.
    line: of the rule that counts.
    """

    name: str
    lines: str | bytes
    path: str
    say: Say
    media_type: str | None = None
    note: str = ""
    line: int | None = None
    profile: str = "default"
    content_type: str | None = "text/plain"

    @property
    def body(self) -> bytes:
        return self.lines if isinstance(self.lines, bytes) else self.lines.encode()


@dataclass(frozen=True)
class TrustCase:
    """A trust.txt and what it says about both trainings."""

    name: str
    body: bytes
    say: Say
    note: str = ""
    line: int | None = None
    content_type: str | None = "text/plain"


def _text(*lines: str) -> str:
    return "\n".join(lines) + "\n"


STAR = "User-Agent: *"
JPG = _text(STAR, "Disallow: *.jpg", "Allow: /")
ONLY_JPG = _text(STAR, "Allow: *.jpg", "Disallow: /")
ALL = _text(STAR, "Disallow: *", "Disallow: /")
OWN = _text(STAR, "Disallow: /", "User-agent: ArtBot", "Allow: /")
BY_TYPE = "served type"
MARKDOWN = _text("# Facts", "", "name: Example", "policy: Disallow training, please")

CASES = [
    Case("X01 case of the extension", JPG, "/a/B.JPG", DENY, line=2),
    Case("X02 another extension", JPG, "/a/b.webp", ALLOW, line=3),
    Case("X03 all", ALL, "/anything", DENY),
    Case("X03 the root", ALL, "/", DENY),
    Case("X04 page of HTML", "<!DOCTYPE html><div id=app>", "/a.jpg", SILENT),
    Case("X04 declared", JPG, "/a.jpg", SILENT, content_type="Text/HTML; charset=utf-8"),
    Case("X04 not declared", b"\xef\xbb\xbf\n <html>\n" + ALL.encode(), "/a.jpg", SILENT),
    Case("no declared type", JPG, "/a.jpg", DENY, content_type=None),
    Case("star with a slash", _text("User-agent: */", "Disallow:/"), "/a.jpg", DENY, line=2),
    Case("star with a name", _text("User-agent: *bot", "Disallow: /"), "/a.jpg", DENY),
    Case("pattern in capitals", _text(STAR, "Disallow: *.JPG"), "/a.jpg", DENY),
    Case("capitals before an anchor", _text(STAR, "Disallow: *.JPG$"), "/a.Jpg", DENY),
    Case("pattern and path in capitals", _text(STAR, "Disallow: /A.B"), "/A.Bcd/x", DENY),
    Case("case of directories", _text(STAR, "Disallow: /Art/"), "/art/a.jpg", SILENT),
    Case("a permitted extension has no case", ONLY_JPG, "/a.JPG", ALLOW, line=2),
    Case("query", JPG, "/a.jpg?w=300&format=webp", DENY, line=2),
    Case("query behind an anchor", _text(STAR, "Disallow: *.jpg$"), "/a.jpg?w=3", DENY),
    Case("extension in a query", JPG, "/a.webp?from=b.jpg", ALLOW),
    Case("query in a rule", _text(STAR, "Disallow: /i?id="), "/i", DENY),
    Case("query in a permission", _text(STAR, "Allow: /i?id=", "Disallow: /"), "/i?id=1", DENY),
    Case("variant behind the extension", JPG, "/a.jpg/w_300/b.webp", DENY, line=2),
    Case("served type", JPG, "/image/1", DENY, "image/jpeg", BY_TYPE, 2),
    Case("served type, parameters", JPG, "/image/1", DENY, "IMAGE/JPEG; q=1", BY_TYPE, 2),
    Case("served type, the other name", JPG.replace("jpg", "jpeg"), "/i", DENY, "image/jpeg",
         BY_TYPE),
    Case("served type permitted", ONLY_JPG, "/image/1", ALLOW, "image/jpeg", BY_TYPE, 2),
    Case("served type not listed", JPG, "/image/1", ALLOW, "image/png", "", 3),
    Case("served type not known yet", JPG, "/image/1", SILENT),
    Case("served type that nobody knows", JPG, "/image/1", SILENT, "application/octet-stream"),
    Case("served type not known yet, all denied", ALL, "/image/1", DENY),
    Case("script that serves images", JPG, "/image.php?id=1", DENY, "image/jpeg", BY_TYPE, 2),
    Case("script that may serve anything", ONLY_JPG, "/image.php?id=1", DENY, "image/jpeg"),
    Case("name and type disagree", JPG, "/a.jpg", DENY, "image/webp", "", 2),
    Case("name and type disagree, type denied", JPG, "/a.webp", DENY, "image/jpeg", BY_TYPE, 2),
    Case("longest wins", _text(STAR, "Disallow: /", "Allow: /free/"), "/free/a.jpg", ALLOW),
    Case("allow wins a tie", _text(STAR, "Disallow: *.jpg", "Allow: *.jpg"), "/a.jpg", ALLOW),
    Case("own group", OWN, "/a.jpg", ALLOW, line=4),
    Case("own group, strict", OWN, "/a.jpg", DENY, line=2, profile="strict"),
    Case("own group with a version", OWN.replace("ArtBot", "artbot/1.0"), "/a.jpg", ALLOW),
    Case("own group denies", _text("User-agent: artbot", "Disallow: /"), "/a.jpg", DENY),
    Case("group of another", _text("User-agent: GPTBot", "Disallow: /"), "/a.jpg", SILENT),
    Case("no user-agent", _text("Disallow: /"), "/a.jpg", SILENT),
    Case("no rule", _text(STAR, "Crawl-delay: 3"), "/a.jpg", SILENT),
    Case("another format of that name", MARKDOWN, "/a.jpg", SILENT),
    Case("nothing", b"", "/a.jpg", SILENT),
    Case("no slash", _text(STAR, "Disallow: .jpg"), "/a.jpg", DENY),
    Case("a whole URL", _text(STAR, "Disallow: https://e.org/art/"), "/art/a.jpg", DENY),
    Case("no slash permits nothing", _text(STAR, "Allow: .jpg"), "/a.jpg", SILENT),
    Case("escaped extension", _text(STAR, "Disallow: *.%6Apg"), "/a.jpg", DENY),
    Case("escaped, as it stands", _text(STAR, "Disallow: /baz", "Allow: /%62%61%7A"), "/baz",
         DENY),
]  # fmt: skip

IMAGES = [
    *("bmp", "gif", "ico", "jpeg", "jpg", "png", "svg", "tif", "tiff", "webp"),
    *("eps", "ai", "indd", "heif", "raw", "psd", "cr2", "nef", "orf", "sr2"),
]
"""Extensions of images that the generator lists."""


def generated(*, images: bool, text: bool) -> bytes:
    """Return a file as the generator makes it, with the owner's choices for two kinds of media."""
    lines = ["# Spawning AI", "# Prevent datasets from using the following file types", STAR]
    lines += [f"{'Allow' if images else 'Disallow'}: *.{extension}" for extension in IMAGES]
    lines += [f"{'Allow' if text else 'Disallow'}: *.{e}" for e in ("txt", "pdf", "html")]
    lines += ["Allow: /" if text else "Disallow: /"]
    return _text(*lines).encode()


TRUST = [
    TrustCase("no", b"datatrainingallowed=no\n", DENY, line=1),
    TrustCase("yes", b"member=https://e.org\ndatatrainingallowed=yes\n", ALLOW, line=2),
    TrustCase("no case, space, comment", b" DataTrainingAllowed = No # since 2024\r", DENY, line=1),
    TrustCase("byte order mark", b"\xef\xbb\xbfdatatrainingallowed=no", DENY, line=1),
    TrustCase("twice, contradictory", b"datatrainingallowed=yes\ndatatrainingallowed=no", ERROR,
              "contradictory", 1),
    TrustCase("twice, the same no", b"datatrainingallowed=no\n" * 2, DENY, line=1),
    TrustCase("twice, the same yes", b"datatrainingallowed=yes\n" * 2, ALLOW, line=1),
    TrustCase("another value", b"datatrainingallowed=maybe", ERROR, "malformed", 1),
    TrustCase("no value", b"datatrainingallowed=", ERROR, "malformed", 1),
    TrustCase("colon", b"datatrainingallowed: no", ERROR, "malformed", 1),
    TrustCase("in a comment", b"# datatrainingallowed=no", SILENT),
    TrustCase("other lines", b"member=https://e.org\ncontact=a@e.org", SILENT),
    TrustCase("page of HTML", b"<p>\ndatatrainingallowed=no", SILENT),
    TrustCase("page of HTML, declared", b"datatrainingallowed=no", SILENT,
              content_type="text/html"),
    TrustCase("nothing", b"", SILENT),
]  # fmt: skip
