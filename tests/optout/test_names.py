# ruff: noqa: RUF001 - letters that look alike are what is tested
import random
import re
import time

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.folding import fold
from optout.lines import lines
from optout.names import FOUND, _searched, check_name, find_names
from schemas.errors import ClaimError

words = st.text(alphabet="abé Ł#@_-'\u00ad\x00\x1f\t宮崎ßıŒ.5", max_size=14)


def found(captions: list[str | None], names: list[str]) -> list[tuple[int, int]]:
    table = find_names(pa.array(captions, pa.string()), names)
    assert table.schema == FOUND
    return list(zip(table["row"].to_pylist(), table["name"].to_pylist(), strict=True))


def plainly(captions: list[str], names: list[str]) -> list[tuple[int, int]]:
    """The rule for spaced scripts, word by word."""
    hits = []
    for row, caption in enumerate(captions):
        for place, name in enumerate(names):
            sought, text = fold(name).split(), fold(caption).split()
            starts = range(len(text) - len(sought) + 1)
            if sought and any(text[i : i + len(sought)] == sought for i in starts):
                hits.append((row, place))
    return hits


@given(st.text())
def test_folding_is_idempotent(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Mira Venn's", "mira venn s"),
        ("@mira_venn", "mira venn"),
        ("MÍRA\t Vénn", "mira venn"),
        ("O’Brien-Łódź", "o brien lodz"),
        ("soft\u00adhy\u200bphen", "softhyphen"),
        ("ｍｉｒａ ﬁne", "mira fine"),
        ("हिन्दी", "हिन्दी"),
        ("Ёлка", "елка"),
        ("画家Mira", "画家 mira"),
        ("***", ""),
    ],
)
def test_writings_of_a_name_fold_together(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    "caption",
    [
        "a sunset by Mira Venn",
        "MIRA VENN's best",
        "mira-venn (2019)",
        "art by @mira_venn!",
        "#MiraVenn #art",
        "@miravenn",
        "画家Mira Vennの作品",
        "Míra\nVenn",
        "mi\u200bra venn",
    ],
)
def test_whole_name_is_found_however_it_is_written(caption: str) -> None:
    assert found([caption], ["Mira Venn"]) == [(0, 0)]


@pytest.mark.parametrize(
    "caption",
    [
        "admira venn",
        "mira vennor",
        "mira and venn",
        "miravenn",
        "venn mira",
        "mira",
        "",
        None,
        "# #",
    ],
)
def test_parts_of_words_are_no_names(caption: str | None) -> None:
    assert found([caption], ["Mira Venn"]) == []


def test_name_of_unspaced_script_is_found_inside_a_sentence() -> None:
    assert found(["これは宮崎駿の作品です", "홍길동의 그림"], ["宮崎駿", "홍길동"]) == [
        (0, 0),
        (1, 1),
    ]


def test_overlapping_names_and_names_that_fold_alike_are_all_found() -> None:
    names = ["Mira Venn", "Venn", "Venn Diagram", "MIRA_VENN", ""]
    assert found(["x", "mira venn diagram"], names) == [(1, 0), (1, 1), (1, 2), (1, 3)]


def test_name_with_a_sign_inside_finds_itself() -> None:
    assert found(["by mira@venn."], ["mira@venn", "Mira Venn"]) == [(0, 0), (0, 1)]


def test_chunked_captions_keep_their_rows() -> None:
    captions = pa.chunked_array([["a"], ["mira venn", None], ["mira venn"]])
    assert find_names(captions, ["mira venn"])["row"].to_pylist() == [1, 3]


def test_nothing_to_seek_finds_nothing() -> None:
    assert found(["mira"], []) == []
    assert found([], ["mira"]) == []
    assert found(["mira", "?"], ["", "***"]) == []


@given(st.lists(words, max_size=6), st.lists(words, max_size=4))
def test_search_equals_the_plain_rule(captions: list[str], names: list[str]) -> None:
    spaced = [n for n in names if not re.search("[宮崎]", n)]
    got = found(list(captions), spaced)
    assert set(plainly(captions, spaced)) <= set(got)
    extra = set(got) - set(plainly(captions, spaced))
    assert all(re.search("[#@]", captions[row]) and " " in fold(spaced[n]) for row, n in extra)


@given(st.lists(words, max_size=4), st.lists(words, max_size=4), st.lists(words, max_size=3))
def test_searching_a_concatenation_concatenates(a: list[str], b: list[str], n: list[str]) -> None:
    shifted = [(row + len(a), name) for row, name in found(list(b), n)]
    assert found([*a, *b], n) == found(list(a), n) + shifted


def test_ten_thousand_names_are_sought_in_seconds() -> None:
    r = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    pool = ["".join(r.choices(letters, k=r.randint(3, 9))) for _ in range(5000)]
    names = [" ".join(r.choices(pool, k=2)) for _ in range(10_000)]
    captions = pa.array([" ".join(r.choices(pool, k=12)) for _ in range(50_000)] + names[:100])
    start = time.process_time()
    table = find_names(captions, names)
    assert time.process_time() - start < 20
    assert set(range(50_000, 50_100)) <= set(table["row"].to_pylist())


@pytest.mark.parametrize(
    "name", ["Mira Venn", "Banksy", "宮崎駿", "Blue Rider", "mira_venn", "O’Keeffe"]
)
def test_name_that_means_somebody_is_taken(name: str) -> None:
    assert check_name(f"  {name} ") == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Bob", "at least 4 letters"),
        ("12345", "at least 4 letters"),
        ("", "at least 4 letters"),
        ("宮崎", "at least 3 letters"),
        ("Blue", "second word"),
        ("@Portrait", "second word"),
        ("Mira*", "literally"),
        ("%mira%", "literally"),
        ("Mira\nVenn", "control"),
        ("Mira\x00Venn", "control"),
        ("Mira\ud800Venn", "control"),
        ("Mira " * 41, "at most 200"),
    ],
)
def test_name_that_means_too_much_is_refused(name: str, message: str) -> None:
    with pytest.raises(ClaimError, match=message):
        check_name(name)


@given(st.text())
def test_check_name_gives_a_name_or_a_claim_error(text: str) -> None:
    try:
        name = check_name(text)
    except ClaimError:
        return
    assert check_name(name) == name
    assert found([name], [name]) == [(0, 0)]


ACROSS = [
    ("Юрий Кордов", "a castle by Yuri Kordov"),
    ("Юрий Кордов", "IURII KORDOV, oil"),
    ("Юрий Кордов", "art #yurikordov"),
    ("Yuri Kordov", "Замок. Юрий Кордов, масло"),
    ("Yuri Kordov", "замок #ЮрийКордов"),
    ("Юрий Кордов", "Юрій Кордов"),
    ("Eleni Papadopoulou", "της Ελένης; Ελένη Παπαδοπούλου"),
    ("Ελένη Παπαδοπούλου", "by Eleni Papadopoulou"),
    ("Jürgen Müller", "Juergen Mueller, Jena"),
    ("Juergen Mueller", "Jürgen Müller, Jena"),
    ("Þóra Hall", "Thora Hall"),
    ("Mira Venn", "Мira Vеnn"),  # two Cyrillic letters that look Latin
]


@pytest.mark.parametrize(("name", "caption"), ACROSS)
def test_a_name_is_found_across_alphabets(name: str, caption: str) -> None:
    assert found([caption], [name]) == [(0, 0)]


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("Zima Snow", "зима, снег"),
        ("Zimakov", "Зимаков рисует"),  # one word from another alphabet may be any word there
        ("Кордовский", "Kordovsky street"),
        ("宮崎駿", "Gong Qi Jun"),
        ("Gong Qi Jun", "宮崎駿の作品"),
        ("Hong Gil Dong", "홍길동"),
        ("Mahmud Darwish", "محمود درويش"),
        ("Соль", "a castle by Sol"),  # three letters in Latin ones
        ("Yuri Kordov", "Юрий и Кордов"),
        ("Mira Ven", "5 мм, Mira Venn"),  # Latin words beside Cyrillic ones are taken as written
    ],
)
def test_a_guess_across_alphabets_finds_nobody(name: str, caption: str) -> None:
    assert found([caption], [name]) == []


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("Кордовский", "a castle by Kordovsky"),
        ("Kordovsky", "замок @Кордовский"),
        ("Flora", "a meadow by Flora"),
        ("Flora", "meadow, Flora style"),
        ("Flora", "in the style of flora, oil"),
        ("Flora", "@flora #meadow"),
    ],
)
def test_a_word_that_may_be_anything_is_a_name_in_an_attribution(name: str, caption: str) -> None:
    assert found([caption], [name]) == [(0, 0)]


@given(st.lists(st.text(st.characters(max_codepoint=127)), max_size=4))
def test_captions_in_ascii_are_searched_in_the_same_lines_as_others(captions: list[str]) -> None:
    searched = _searched(pl.Series(captions, dtype=pl.String).alias("caption"))
    assert searched["caption"].to_list() == ["\n".join(lines(text)) for text in captions]


@pytest.mark.parametrize("caption", ["the flora of Norway", "Flora", "#flora", "flora and fauna"])
def test_a_common_word_alone_names_nobody(caption: str) -> None:
    assert found([caption], ["Flora"]) == []


def test_a_common_word_is_taken_where_something_says_whose_name_it_is() -> None:
    assert check_name("Flora", backed=True) == "Flora"
    with pytest.raises(ClaimError, match="--account"):
        check_name("Flora")
    with pytest.raises(ClaimError, match="at least 4 letters"):
        check_name("Bob", backed=True)


def test_each_finding_says_its_form() -> None:
    captions = ["Mira Venn and by Mira Venn", "mira venn", "#miravenn", "by Mira Venn, Bo Lind"]
    table = find_names(pa.array(captions), ["Mira Venn", "Bo Lind"])
    assert table["form"].to_pylist() == ["by", "named", "#", "by", "named"]


def test_names_of_another_alphabet_are_sought_in_seconds() -> None:
    r = random.Random(2)
    latin = ["".join(r.choices("abcdefghijklmnopqrst", k=r.randint(3, 9))) for _ in range(3000)]
    other = ["".join(r.choices("абвгдежзиклмнопрст", k=r.randint(3, 9))) for _ in range(3000)]
    names = [" ".join(r.choices(pool, k=2)) for pool in (latin, other) for _ in range(500)]
    pools = [latin] * 4 + [other]
    captions = [" ".join(r.choices(pools[i % 5], k=12)) for i in range(20_000)]
    start = time.process_time()
    table = find_names(pa.array(captions + names), names)
    assert time.process_time() - start < 10
    assert set(range(20_000, 21_000)) <= set(table["row"].to_pylist())
