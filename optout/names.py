"""Names of claimants in captions: whole names, literally, after folding.

Folding makes one text of the ways in which a name is written: "Mira Venn", "MIRA VENN's" and
"@mira_venn" agree. A name matches where its folded words stand in the folded caption as whole
words, in order and next to each other. Three things go beyond that:

* scripts written without spaces (Han, kana, Thai and others, and Hangul with its particles) have
  no words to be whole; a name in them matches anywhere in the caption;
* a name of several words also matches as one handle or tag: "#miravenn", "@MiraVenn" (the sign
  must stand there: "rainforest" is not Rain Forest);
* a name is never a pattern; nobody can claim "*".
"""

import re
import unicodedata
from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from optout.common_words import COMMON_WORDS
from schemas.errors import ClaimError

MIN_LETTERS = 4
MIN_UNSPACED_LETTERS = 3
"""Most Chinese, Japanese and Korean names have three or four letters; two stand in every text."""
MAX_NAME_CHARS = 200

FOUND = pa.schema([pa.field("row", pa.int64()), pa.field("name", pa.int32())])
"""Row of the captions and place in the names; sorted, each pair once."""

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff"  # Hangul
    "\u2e80-\u2fdf\u3005-\u3007\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff"  # kana, radicals
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_UNSPACED_ENDS = re.compile(f"[{_UNSPACED}]")
_PATTERN_CHARS = frozenset("*%[]|\\")
_HANDLE = " # "  # stands in a folded caption where it had @ or #
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe"}


def fold(text: str) -> str:
    """Return text as compared: NFKC, case-folded, no accents, words parted by single spaces.

    Letters and digits of all scripts stay, invisible characters vanish, all else parts words.
    Vowel signs stay: without them names of Indic, Arabic and Hebrew script would run together.
    Idempotent.
    """
    return " ".join(_folded(text).replace("#", " ").split())


def check_name(text: str) -> str:
    """Return a claimed name with its spaces tidied; what is matched is its `fold`.

    Raises ClaimError where it would match what it does not mean.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split(" ")).strip()
    if any(unicodedata.category(c) in {"Cc", "Cs", "Co", "Zl", "Zp"} for c in name):
        raise ClaimError("expected a name on one line, found control characters in it")
    name = " ".join(name.split())
    if len(name) > MAX_NAME_CHARS:
        raise ClaimError(f"expected at most {MAX_NAME_CHARS} characters, found {len(name)}")
    if found := sorted(_PATTERN_CHARS & set(name)):
        raise ClaimError(
            f"expected a name as it is written, found {found[0]!r}: names are taken literally"
        )
    folded = fold(name)
    letters = sum(c.isalpha() for c in folded)
    least = MIN_UNSPACED_LETTERS if _UNSPACED_ENDS.search(folded) else MIN_LETTERS
    if letters < least:
        raise ClaimError(f"expected at least {least} letters, found {letters} in {name!r}")
    if folded in COMMON_WORDS:
        raise ClaimError(f"expected a second word beside {name!r}, which many captions hold")
    return name


def find_names(captions: pa.Array | pa.ChunkedArray, names: Sequence[str]) -> pa.Table:
    """Return which names stand in which captions, as FOUND.

    captions: string[n], null never matches. names: as claimed; those that fold to nothing never
    match, and names that fold alike are found together. Overlapping names are all found.
    """
    patterns = _patterns(names)
    if patterns.is_empty() or not len(captions):
        return FOUND.empty_table()
    folded = _folded_captions(pl.Series("caption", pl.from_arrow(captions), dtype=pl.String))
    found = (
        folded.with_row_index("row")
        .filter(pl.col("caption").str.contains_any(patterns["pattern"].unique().to_list()))
        .with_columns(
            pl.col("caption")
            .str.extract_many(patterns["pattern"].unique().to_list(), overlapping=True)
            .alias("pattern")
        )
        .select("row", "pattern")
        .explode("pattern")
        .join(patterns, on="pattern")
        .select(pl.col("row").cast(pl.Int64), pl.col("name").cast(pl.Int32))
        .unique()
        .sort("row", "name")
    )
    return found.to_arrow().cast(FOUND)


def _patterns(names: Sequence[str]) -> pl.DataFrame:
    """Return what to look for in padded folded captions: pattern and the name's place."""
    pairs = [(pattern, place) for place, name in enumerate(names) for pattern in _forms(fold(name))]
    schema = {"pattern": pl.String, "name": pl.Int32}
    return pl.DataFrame(pairs, schema=schema, orient="row")


def _forms(folded: str) -> list[str]:
    if not folded:
        return []
    before = "" if _UNSPACED_ENDS.match(folded[0]) else " "
    after = "" if _UNSPACED_ENDS.match(folded[-1]) else " "
    forms = [f"{before}{folded}{after}"]
    if " " in folded:
        forms.append(f"{_HANDLE}{folded.replace(' ', '')} ")
    return forms


def _folded_captions(captions: pl.Series) -> pl.DataFrame:
    """Return one column `caption`: folded, padded with spaces, twice where it has handles."""
    ascii_only = pl.col("caption").str.len_bytes() == pl.col("caption").str.len_chars()
    quick = (
        pl.col("caption")
        .str.to_lowercase()
        .str.replace_all(r"[\x00-\x08\x0e-\x1b\x7f]+", "")
        .str.replace_all("[@#]", _HANDLE)
        .str.replace_all("[^a-z0-9#]+", " ")
    )
    frame = captions.to_frame()
    slow = frame.filter(~ascii_only)["caption"].to_list()
    rows = frame.with_row_index("row")
    by_hand = rows.filter(~ascii_only).select(
        "row", pl.Series("slow", [_folded(text) for text in slow], dtype=pl.String)
    )
    signed = (" " + pl.coalesce("caption", "slow") + " ").str.replace_all(" +", " ")
    # Words are sought without the signs ("mira@venn"), handles with them; no name holds a newline.
    plain = pl.col("caption").str.replace_all("[# ]+", " ")
    return (
        rows.with_columns(pl.when(ascii_only).then(quick).alias("caption"))
        .join(by_hand, on="row", how="left", maintain_order="left")
        .select(signed.alias("caption"))
        .select(
            pl.when(pl.col("caption").str.contains("#", literal=True))
            .then(plain + "\n" + pl.col("caption"))
            .otherwise("caption")
            .alias("caption")
        )
    )


def _folded(text: str) -> str:
    """Fold, with ' # ' where a handle's sign stood; spaces are not yet tidied."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    bare = unicodedata.normalize("NFC", unicodedata.normalize("NFD", plain).translate(_MARKS))
    return _UNSPACED_RUN.sub(r" \g<0> ", bare.translate(_KINDS))


class _Marks(dict[int, str | None]):
    """Drops the accents of Latin, Greek and Cyrillic letters (combining diacritical marks)."""

    def __missing__(self, code: int) -> str | None:
        kept = None if 0x300 <= code <= 0x36F else chr(code)  # noqa: PLR2004 - the Unicode block
        self[code] = kept
        return kept


class _Kinds(dict[int, str | None]):
    """Keeps letters, marks and digits, drops what is invisible, and parts words at the rest."""

    def __missing__(self, code: int) -> str | None:
        self[code] = kept = _kind(chr(code))
        return kept


def _kind(char: str) -> str | None:
    if char in "@#":
        return _HANDLE
    category = unicodedata.category(char)
    if category[0] in "LMN":
        return _LETTERS.get(char, char)
    if category == "Cf" or (category == "Cc" and not char.isspace()):
        return None  # soft hyphens and zero-width characters hide a name, and show nothing
    return " "


_MARKS = _Marks()
_KINDS = _Kinds()
