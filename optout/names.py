"""Names of claimants in captions: whole names, literally, after folding.

Folding makes one text of the ways in which a name is written (optout.folding). A name matches
where its folded words stand in the folded caption as whole words, in order and next to each other.
Four things go beyond that:

* scripts written without spaces (Han, kana, Thai and others, and Hangul with its particles) have
  no words to be whole; a name in them matches anywhere in the caption;
* a name of several words also matches as one handle or tag: "#miravenn", "@MiraVenn" (the sign
  must stand there: "rainforest" is not Rain Forest);
* a name matches across alphabets (optout.romanise): claimed as "Юрий Кордов" it is met as
  "Yuri Kordov", and the other way round;
* a name that is a word of everyday language, and a single word from another alphabet, matches
  where an attribution says that it is meant (optout.attribution).

A name is never a pattern; nobody can claim "*".
"""

import re
import unicodedata
from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from optout.folding import UNSPACED, fold
from optout.lines import MIN_LETTERS, is_common, lines, patterns
from optout.mentions import form_in
from schemas.errors import ClaimError

MIN_UNSPACED_LETTERS = 3
"""Most Chinese, Japanese and Korean names have three or four letters; two stand in every text."""
MAX_NAME_CHARS = 200

FOUND = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("name", pa.int32()),
        pa.field("form", pa.string()),  # optout.attribution.Form
    ]
)
"""Row of the captions, place in the names and how it stands there; sorted, each pair once."""

_UNSPACED = re.compile(f"[{UNSPACED}]")
_PATTERN_CHARS = frozenset("*%[]|\\")


def check_name(text: str, *, backed: bool = False) -> str:
    """Return a claimed name with its spaces tidied; what is matched is its `fold`.

    backed: something else of the claim says whose name it is (a host, an account, another name),
    so that it may be a word of everyday language.
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
    least = MIN_UNSPACED_LETTERS if _UNSPACED.search(folded) else MIN_LETTERS
    if letters < least:
        raise ClaimError(f"expected at least {least} letters, found {letters} in {name!r}")
    if is_common(name) and not backed:
        raise ClaimError(
            f"expected a second word beside {name!r}, which many captions hold, or something that"
            " says whose name it is: a host, an account, another name (--host, --account, --alias)"
        )
    return name


def find_names(captions: pa.Array | pa.ChunkedArray, names: Sequence[str]) -> pa.Table:
    """Return which names stand in which captions, as FOUND.

    captions: string[n], null never matches. names: as claimed; those that fold to nothing never
    match, and names that fold alike are found together. Overlapping names are all found.
    """
    sought = _patterns(names)
    if sought.is_empty() or not len(captions):
        return FOUND.empty_table()
    series = pl.Series("caption", pl.from_arrow(captions), dtype=pl.String)
    literal = sought["pattern"].unique().to_list()
    pairs = (
        _searched(series)
        .with_row_index("row")
        .filter(pl.col("caption").str.contains_any(literal))
        .with_columns(
            pl.col("caption").str.extract_many(literal, overlapping=True).alias("pattern")
        )
        .select("row", "pattern")
        .explode("pattern")
        .join(sought, on="pattern")
        .select(pl.col("row").cast(pl.Int64), pl.col("name").cast(pl.Int32))
        .unique()
        .sort("row", "name")
    )
    # Few captions name anybody: how they do is read one by one.
    forms = [form_in(series[row], names[place]) for row, place in pairs.iter_rows()]
    told = pairs.with_columns(form=pl.Series(forms, dtype=pl.String))
    return told.drop_nulls().to_arrow().cast(FOUND)


def _patterns(names: Sequence[str]) -> pl.DataFrame:
    """Return what to look for in captions as searched: pattern and the name's place."""
    pairs = [
        (pattern.text, place) for place, name in enumerate(names) for pattern in patterns(name)
    ]
    schema = {"pattern": pl.String, "name": pl.Int32}
    return pl.DataFrame(pairs, schema=schema, orient="row")


def _searched(captions: pl.Series) -> pl.DataFrame:
    """Return one column `caption`: the lines of each caption, which no pattern crosses.

    As `optout.lines` gives them; what is ASCII and has no handle needs no more than its words.
    """
    rows = captions.to_frame().with_row_index("row")
    caption = pl.col("caption")
    is_ascii = (caption.str.len_bytes() == caption.str.len_chars()).fill_null(value=True)
    is_odd = caption.str.contains(r"[@#\x00-\x1f\x7f]").fill_null(value=False)
    kinds = rows.with_columns(is_ascii=is_ascii, is_odd=is_odd)
    words = caption.str.to_lowercase().str.replace_all("[^a-z0-9]+", " ").str.strip_chars(" ")
    plain = kinds.filter(pl.col("is_ascii") & ~pl.col("is_odd")).select(
        "row", pl.when(words == "").then(pl.lit(" ")).otherwise(" " + words + " ").alias("caption")
    )
    rest = kinds.filter(~pl.col("is_ascii") | pl.col("is_odd")).select(
        "row",
        caption.map_elements(lambda text: "\n".join(lines(text)), return_dtype=pl.String),
    )
    return pl.concat([plain, rest]).sort("row").select("caption")
