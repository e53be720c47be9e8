"""TDMRep files, headers, meta elements and XMP values with what we expect them to say."""

import json
from dataclasses import dataclass
from typing import Any

from schemas.verdict import Say

DENY, ALLOW, SILENT, ERROR = Say.DENY, Say.ALLOW, Say.SILENT, Say.ERROR


@dataclass(frozen=True)
class FileCase:
    """A tdmrep.json, a path, and what it says about mining and both trainings.

    rules: the array of the file, or its text where that is the point.
    """

    name: str
    rules: list[Any] | str | bytes
    path: str
    say: Say
    note: str = ""
    profile: str = "default"

    @property
    def body(self) -> bytes:
        if isinstance(self.rules, list):
            return json.dumps(self.rules).encode()
        return self.rules if isinstance(self.rules, bytes) else self.rules.encode()


@dataclass(frozen=True)
class HeaderCase:
    """Values of tdm-reservation header lines, and what they say.

    datadiligence: who is right, and why, where datadiligence 0.1.7 answers otherwise than the
    default profile; empty where it agrees.
    """

    name: str
    values: tuple[str, ...]
    say: Say
    note: str = ""
    profile: str = "default"
    datadiligence: str = ""


def rule(location: Any, reservation: Any, **more: Any) -> dict[str, Any]:
    return {"location": location, "tdm-reservation": reservation, **more}


POLICY = {"tdm-policy": "https://example.com/policies/policy.json"}
EXAMPLE = [
    rule("/directory-a/", 1),
    rule("/directory-b/html/", 1, **POLICY),
    rule("/directory-b/images/*.jpg", 0),
]
FIRST_FREE = [rule("/", 0), rule("/art/", 1)]
FIRST_RESERVED = [rule("/", 1), rule("/art/", 0)]
ORDER = "ambiguous-order"
MEANT = "nonconforming"
BAD = "malformed"

FILES = [
    FileCase("T01 everything", [rule("/", 1)], "/a/b.jpg?w=1", DENY),
    FileCase("T02 image", EXAMPLE, "/directory-b/images/a.jpg", ALLOW),
    FileCase("T02 other extension", EXAMPLE, "/directory-b/images/a.jpeg", SILENT),
    FileCase("T02 directory", EXAMPLE, "/directory-a/x", DENY),
    FileCase("T02 case counts", EXAMPLE, "/Directory-A/x", SILENT),
    FileCase("T02 with policy", EXAMPLE, "/directory-b/html/x", DENY),
    FileCase("T03 first and longest disagree", FIRST_FREE, "/art/x", DENY, ORDER),
    FileCase("T03 strict", FIRST_FREE, "/art/x", DENY, ORDER, "strict"),
    FileCase("T03 first in sequence", FIRST_FREE, "/art/x", ALLOW, ORDER, "rfc-literal"),
    FileCase("T03 outside", FIRST_FREE, "/x", ALLOW),
    FileCase("T03 the other way round", FIRST_RESERVED, "/art/x", DENY, ORDER),
    FileCase("T03 the other way, literal", FIRST_RESERVED, "/art/x", DENY, ORDER, "rfc-literal"),
    FileCase(
        "T03 neither first nor longest",
        [rule("/", 0), rule("/art/", 1), rule("/art/free/", 0)],
        "/art/free/x",
        ALLOW,
    ),
    FileCase("T03 equally long", [rule("/art/", 0), rule("/art/", 1)], "/art/x", DENY, ORDER),
    FileCase("T07 a string", [rule("/", "1")], "/x", DENY, MEANT),
    FileCase("T07 true", [rule("/", True)], "/x", DENY, MEANT),
    FileCase("T07 a string, literal", [rule("/", "1")], "/x", SILENT, "", "rfc-literal"),
    FileCase("T07 true, literal", [rule("/", True)], "/x", SILENT, "", "rfc-literal"),
    FileCase("T07 no permission in a string", [rule("/", "0")], "/x", SILENT),
    FileCase("T07 no permission in false", [rule("/", False)], "/x", SILENT),
    FileCase(
        "T03 and T07", [rule("/", 0), rule("/art/", "1")], "/art/x", DENY, f"{ORDER}, {MEANT}"
    ),
    FileCase("T08 an object", '{"location": "/", "tdm-reservation": 1}', "/x", ERROR, BAD),
    FileCase(
        "T08 literal", '{"location": "/", "tdm-reservation": 1}', "/x", ERROR, BAD, "rfc-literal"
    ),
    FileCase("a number is a number", '[{"location": "/", "tdm-reservation": 1.0}]', "/x", DENY),
    FileCase("another number", [rule("/", 2)], "/x", SILENT),
    FileCase("a word", [rule("/", "yes")], "/x", SILENT),
    FileCase("no value", [{"location": "/"}], "/x", SILENT),
    FileCase("no rules", [], "/x", SILENT),
    FileCase("an unset rule takes no reservation", [rule("/a/", "no"), rule("/", 1)], "/a/x", DENY),
    FileCase("an unset rule permits nothing", [rule("/a/", 3), rule("/", 0)], "/a/x", SILENT),
    FileCase("an unset rule, in one reading", [rule("/%61/", 3), rule("/", 0)], "/a/x", SILENT),
    FileCase("an unset rule elsewhere", [rule("/a/", 3), rule("/", 0)], "/b", ALLOW),
    FileCase("no location", [{"tdm-reservation": 1}], "/x", ERROR, BAD),
    FileCase("no location, in a string", [{"tdm-reservation": "1"}], "/x", ERROR, BAD),
    FileCase("no location, literal", [{"tdm-reservation": "1"}], "/x", SILENT, "", "rfc-literal"),
    FileCase("no location, free", [{"tdm-reservation": 0}], "/x", SILENT),
    FileCase("locations in a list", [rule(["/a/", "/b/"], 1)], "/x", ERROR, BAD),
    FileCase("empty location", [rule("", 1)], "/x", ERROR, BAD),
    FileCase("no location beside a reservation", [rule("/", 1), rule(None, 1)], "/x", DENY),
    FileCase("no location beside a permission", [rule("/", 0), rule(None, 1)], "/x", ERROR, BAD),
    FileCase("no slash", [rule("images/", 1)], "/images/a", DENY),
    FileCase("a whole URL", [rule("https://example.com/images/*.jpg", 1)], "/images/a.jpg", DENY),
    FileCase("no slash permits nothing", [rule("images/", 0)], "/images/a", SILENT),
    FileCase("begins with *", [rule("*.jpg", 1)], "/a/b.jpg", DENY),
    FileCase("end anchor", [rule("/*.jpg$", 1)], "/a/b.jpg", DENY),
    FileCase("end anchor, query", [rule("/*.jpg$", 1)], "/a/b.jpg?w=1", SILENT),
    FileCase("query is compared", [rule("/i?id=", 1)], "/i?id=1", DENY),
    FileCase("letters beyond ASCII", [rule("/é/", 1)], "/%C3%A9/x", DENY),
    FileCase("escaped letters, decoded", [rule("/%62%61%7A", 1)], "/baz", DENY),
    FileCase("escaped letters, as they stand", [rule("/%62%61%7A", 1)], "/%62%61%7A", DENY),
    FileCase("escaped star", [rule("/a%2Ab", 1)], "/a*b", DENY),
    FileCase("escaped star is no wildcard", [rule("/a%2Ab", 1)], "/axb", SILENT),
    FileCase("byte order mark", b'\xef\xbb\xbf[{"location":"/","tdm-reservation":1}]', "/x", DENY),
    FileCase("UTF-16", '[{"location":"/","tdm-reservation":1}]'.encode("utf-16"), "/x", DENY),
    FileCase("half a character", '[{"location":"/\\ud800","tdm-reservation":1}]', "/x", SILENT),
    FileCase("no text", b'[{"location":"/\xff","tdm-reservation":1}]', "/x", ERROR, BAD),
    FileCase("no JSON", "tdm-reservation: 1", "/x", ERROR, BAD),
    FileCase("HTML", "<!doctype html><title>Shop</title>", "/x", ERROR, BAD),
    FileCase("nothing", b"", "/x", ERROR, BAD),
    FileCase("rules in an array of arrays", [[rule("/", 1)]], "/x", ERROR, BAD),
    FileCase(
        "a name twice",
        '[{"location":"/","tdm-reservation":1,"tdm-reservation":0}]',
        "/x",
        ERROR,
        BAD,
    ),
    FileCase("NaN", '[{"location":"/","tdm-reservation":NaN}]', "/x", ERROR, BAD),
    FileCase("many digits", '[{"tdm-reservation":' + "1" * 5000 + "}]", "/x", ERROR, BAD),
    FileCase("deep", "[" * 33 + "]" * 33, "/x", ERROR, BAD),
    FileCase("very deep", "[" * 500_000, "/x", ERROR, BAD),
    FileCase("brackets in strings", [rule("/", 1, note="[[[{" * 40 + '"\\')], "/x", DENY),
]

_JOINED = "recuse: several values are one reservation where any of them is 1"
_FIRST_LINE = "recuse: datadiligence sees the first of several lines only"
_UNSET = "both: the specification takes it for unset; whoever sent it meant something, so we hold"

HEADERS = [
    HeaderCase("T05 reserved", ("1",), DENY),
    HeaderCase("T05 space", (" 1\t",), DENY),
    HeaderCase("T04 not reserved", ("0",), ALLOW),
    HeaderCase("T06 joined", ("1, 1",), DENY, MEANT, datadiligence=_JOINED),
    HeaderCase("T06 two lines", ("1", "1"), DENY, MEANT),
    HeaderCase("T06 that disagree", ("0", "1"), DENY, MEANT, datadiligence=_FIRST_LINE),
    HeaderCase("T06 joined, that disagree", ("0, 1",), DENY, MEANT, datadiligence=_JOINED),
    HeaderCase("T06 one cannot be read", ("true, 1",), DENY, MEANT, datadiligence=_JOINED),
    HeaderCase("T06 literal", ("1, 1",), ERROR, BAD, "rfc-literal"),
    HeaderCase("T06 permits nothing", ("0, 0",), ERROR, BAD, datadiligence=_UNSET),
    HeaderCase("T07 true", ("true",), ERROR, BAD, datadiligence=_UNSET),
    HeaderCase("T07 01", ("01",), ERROR, BAD, datadiligence=_UNSET),
    HeaderCase("T07 quoted", ('"1"',), ERROR, BAD, datadiligence=_UNSET),
    HeaderCase("T07 beside a permission", ("0", "yes"), ERROR, BAD, datadiligence=_UNSET),
    HeaderCase("T07 empty", ("",), ERROR, BAD, datadiligence=_UNSET),
    HeaderCase("T07 other digit", ("\u0661",), ERROR, BAD, datadiligence=_UNSET),
    HeaderCase("no header", (), SILENT),
]

XMP = {
    "1": (DENY, "tdmrep in XMP"),
    " 1\n": (DENY, "tdmrep in XMP"),
    "0": (SILENT, ""),
    "": (ERROR, BAD),
    "true": (ERROR, BAD),
}
