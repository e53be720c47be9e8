# ruff: noqa: RUF001 - letters that look alike are what is tested
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.folding import fold
from optout.lines import CROSS, MIN_LETTERS, aligned_lines, lines, patterns

words = st.text(alphabet="abéü Ł#@_-'\u00ad宮崎ßюрийÞαβгδ.5")


def test_a_caption_is_searched_by_words_handles_spellings_and_skeletons() -> None:
    assert lines("Mira") == [" mira "]
    assert lines("@Mira x") == [" mira x ", " # mira x "]
    assert lines("Müller") == [" muller ", " mueller "]
    assert lines("#Юрий") == [" юрии ", " # юрии ", "~iuri~", "~#~iuri~"]


@given(words)
def test_aligned_lines_are_the_lines(text: str) -> None:
    where = aligned_lines(text)
    assert where is not None
    assert [line.text for line in where] == lines(text)
    assert all(len(line.text) == len(line.at) for line in where)


@given(st.text(min_size=1))
def test_a_name_stands_in_its_own_lines_and_no_pattern_crosses_them(name: str) -> None:
    whole = "\n".join(lines(name))
    sought = patterns(name)
    assert bool(sought) == bool(fold(name))
    assert not any("\n" in one.text for one in sought)
    if sought:
        assert sought[0].text in whole


@pytest.mark.parametrize("name", ["Ли Я", "Соль", "Юр Я", "Ώ Ω"])
def test_a_name_keeps_its_least_letters_in_other_letters(name: str) -> None:
    for one in patterns(name):
        latin = sum(c.isascii() and c.isalpha() for c in one.text)
        assert not 0 < latin < MIN_LETTERS


@pytest.mark.parametrize("name", ["宮崎駿", "홍길동", "محمود"])
def test_other_scripts_are_sought_as_they_are(name: str) -> None:
    assert not any(CROSS in one.text or one.text.strip().isascii() for one in patterns(name))
