"""The language of the builder's filters: text -> a tree, nothing of it ever evaluated as code.

clip_similarity >= 0.2
width >= 256 and height >= 256 and aspect_ratio < 3
len(caption) > 4 and not (language in ["xx", "yy"]) or licence is null

any      = all { "or" all }
all      = one { "and" one }
one      = "not" one | "(" any ")" | test
test     = value { compare value } | value ["not"] "in" list | value "is" ["not"] "null" | name
compare  = "==" | "!=" | "<" | "<=" | ">" | ">="
value    = number | string | "true" | "false" | "len" "(" name ")" | name
list     = "[" literal { "," literal } "]"
name     = letters, digits, "_" and "."; any other column name between back-quotes
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.errors import UsageError

MAX_CHARS = 2_000
MAX_DEPTH = 40

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<quoted>`[^`]+`)|(?P<name>[^\W\d][\w.]*)"
    r"|(?P<mark>==|!=|<=|>=|<|>|\(|\)|\[|\]|,))"
)
_WORDS = frozenset({"and", "or", "not", "in", "is", "null", "true", "false"})
COMPARE = ("==", "!=", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class Value:
    """A literal, a column, or the length of a column's text."""

    literal: int | float | str | bool | None = None
    column: str = ""
    is_length: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """Two values compared."""

    left: Value
    mark: str
    right: Value


@dataclass(frozen=True, slots=True)
class Among:
    """A value that is one of a list."""

    value: Value
    among: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Null:
    """A value that is missing."""

    value: Value


@dataclass(frozen=True, slots=True)
class Truth:
    """A column of truth values, by itself."""

    value: Value


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a test."""

    inner: "Test"


@dataclass(frozen=True, slots=True)
class Joined:
    """Tests of which all, or any, must hold."""

    word: str
    parts: "tuple[Test, ...]"


Test = Compared | Among | Null | Truth | Not | Joined


@dataclass(frozen=True, slots=True)
class Filter:
    """One parsed filter."""

    text: str
    test: Test

    def columns(self) -> list[str]:
        """Return the names of the columns that it speaks about, sorted."""
        return sorted(set(_columns(self.test)))


def parse(text: str) -> Filter:
    """Return a filter. Raises UsageError saying what was expected, what was found and where."""
    if len(text) > MAX_CHARS:
        raise UsageError(f"expected a filter of at most {MAX_CHARS} characters, found {len(text)}")
    return Filter(text, _Parser(text).whole())


class _Parser:
    """Reads a filter from left to right; one word ahead decides."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Test:
        test = self._any()
        if self._at < len(self._tokens):
            raise self._wrong("'and', 'or' or the end")
        return test

    def _any(self) -> Test:
        return self._joined("or", self._all)

    def _all(self) -> Test:
        return self._joined("and", self._one)

    def _joined(self, word: str, part: Callable[[], Test]) -> Test:
        parts = [part()]
        while self._take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UsageError(f"filter {self._text!r}: expected at most {MAX_DEPTH} levels")
        if self._take("not"):
            found: Test = Not(self._one())
        elif self._take("("):
            found = self._any()
            if not self._take(")"):
                raise self._wrong("')'")
        else:
            found = self._test()
        self._depth -= 1
        return found

    def _test(self) -> Test:
        left = self._value()
        if self._take("is"):
            negated = self._take("not")
            if not self._take("null"):
                raise self._wrong("'null'")
            return Not(Null(left)) if negated else Null(left)
        negated = self._take("not")
        if self._take("in"):
            among = Among(left, self._list())
            return Not(among) if negated else among
        if negated:
            raise self._wrong("'in' after 'not'")
        return self._compared(left)

    def _compared(self, left: Value) -> Test:
        parts: list[Test] = []
        while self._peek() in COMPARE:
            mark = self._next()
            right = self._value()
            parts.append(Compared(left, mark, right))
            left = right
        if parts:
            return parts[0] if len(parts) == 1 else Joined("and", tuple(parts))
        if left.column and not left.is_length:
            return Truth(left)
        raise self._wrong("a comparison")

    def _list(self) -> tuple[Value, ...]:
        if not self._take("["):
            raise self._wrong("'['")
        values = [self._literal()]
        while self._take(","):
            values.append(self._literal())
        if not self._take("]"):
            raise self._wrong("',' or ']'")
        return tuple(values)

    def _literal(self) -> Value:
        value = self._value()
        if value.column:
            raise self._wrong("numbers or strings in a list", back=1)
        return value

    def _value(self) -> Value:
        kind, word, _ = self._tokens[self._at] if self._at < len(self._tokens) else ("", "", 0)
        if kind == "number":
            self._at += 1
            return Value(float(word) if re.search(r"[.eE]", word) else int(word))
        if kind == "string":
            self._at += 1
            return Value(re.sub(r"\\(.)", r"\1", word[1:-1]))
        if kind == "quoted":
            self._at += 1
            return Value(column=word[1:-1])
        if word in {"true", "false"}:
            self._at += 1
            return Value(word == "true")
        if kind != "name" or word in _WORDS:
            raise self._wrong("a column, number or string")
        self._at += 1
        if word == "len" and self._take("("):
            inner = self._value()
            if not inner.column or inner.is_length or not self._take(")"):
                raise self._wrong("len(column)")
            return Value(column=inner.column, is_length=True)
        return Value(column=word)

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            return ""
        kind, word, _ = self._tokens[self._at]
        return word if kind in {"mark", "name"} else ""

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _take(self, word: str) -> bool:
        if self._peek() != word:
            return False
        self._at += 1
        return True

    def _wrong(self, expected: str, *, back: int = 0) -> UsageError:
        at = self._at - back
        found = repr(self._tokens[at][1]) if at < len(self._tokens) else "the end"
        place = self._tokens[at][2] if at < len(self._tokens) else len(self._text)
        return UsageError(f"filter {self._text!r}: expected {expected} at {place}, found {found}")


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield (kind, word, place). Raises UsageError for a character of no word."""
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if not found:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise UsageError(
                f"filter {text!r}: expected a column, value or comparison at {at}, "
                f"found {text[at]!r}"
            )
        kind = str(found.lastgroup)
        yield kind, found[kind], found.start(kind)
        at = found.end()


def _columns(test: Test) -> Iterator[str]:
    if isinstance(test, Joined):
        for part in test.parts:
            yield from _columns(part)
    elif isinstance(test, Not):
        yield from _columns(test.inner)
    elif isinstance(test, Compared):
        yield from (v.column for v in (test.left, test.right) if v.column)
    elif test.value.column:
        yield test.value.column
