from hypothesis import given
from hypothesis import strategies as st

from optout.folding import Line, aligned, fold, folded, padded, unsigned, unsigned_line

PIECES = "a|É|e\u0301|é| |Ł|#|@|_|-|'|a\u00ad|\u200b|\t|宮|崎|ß|Œ|ﬁ|Σ|홍|\u1112\u1161|ก\u0e33|ा"
texts = st.lists(st.sampled_from(PIECES.split("|"))).map("".join)


def test_every_folded_character_knows_where_it_came_from() -> None:
    line = aligned("Míra\tVenn's #ﬁne 宮崎")
    assert line is not None
    assert line.text == " mira venn s # fine 宮崎 "
    came = ["Míra\tVenn's #ﬁne 宮崎"[a:b] for a, b in line.at]
    assert came[1:5] == ["M", "í", "r", "a"]
    assert came[line.text.index("#")] == "#"
    assert came[line.text.index("fi") : line.text.index("fi") + 2] == ["ﬁ", "ﬁ"]


@given(st.text() | texts)
def test_alignment_is_that_of_the_folded_text_or_none(text: str) -> None:
    line = aligned(text)
    if line is None:
        assert not text.isascii()
        return
    assert line.text == padded(folded(text))
    assert len(line.at) == len(line.text)
    ends = [end for _, end in line.at if end]
    assert ends == sorted(ends)
    assert all(0 <= start < end <= len(text) for start, end in line.at if end)
    assert {char for char, span in zip(line.text, line.at, strict=True) if span == (0, 0)} <= {" "}


@given(texts)
def test_texts_of_everyday_scripts_are_aligned(text: str) -> None:
    assert aligned(text) is not None


@given(texts)
def test_a_line_without_signs_is_the_folded_text(text: str) -> None:
    assert unsigned(padded(folded(text))) == padded(fold(text))
    line = aligned(text)
    assert isinstance(line, Line)
    assert unsigned_line(line).text == padded(fold(text))
