import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.mentions import form_in
from optout.redaction import is_spent, redact, redact_value

NAMES = ["Mira Venn", "Юрий Кордов", "宮崎駿", "Jürgen Müller", "Flora", "Ada"]
WORDS = """
Mira|Venn|Mira Venn|mira_venn|@miravenn|#MiraVenn|Юрий Кордов|Yuri Kordov|Iurii|Kordov|宮崎駿|宮崎
の作品|Juergen Mueller|Jürgen|Flora|flora|Ada|by|in the style of|after|inspired by|style|'s|and|&
,|.|-|(|)|“|”|the artist|a castle|oil|_|#|@|홍
"""
fragments = st.sampled_from(
    [*re.split(r"[|\n]", WORDS.strip()), " ", "  ", "\n", "MI\u00adRA Vénn", "\u0301", "\u200b"]
)
texts = st.lists(fragments | st.text(max_size=3), max_size=12).map(" ".join) | st.lists(
    fragments, max_size=12
).map("".join)
name_lists = st.lists(st.sampled_from(NAMES), max_size=3, unique=True)


@pytest.mark.parametrize(
    ("caption", "left"),
    [
        ("a castle by Mira Venn, oil", "a castle, oil"),
        ("a castle by Mira Venn", "a castle"),
        ("a castle, in the style of the artist Mira Venn, 4k", "a castle, 4k"),
        ("a castle by the French concept artist Mira Venn", "a castle"),
        ("drawn by hand, artist Mira Venn", "drawn by hand"),
        ("Mira Venn: a castle", "a castle"),
        ("Mira Venn's castle", "castle"),
        ("a Mira Venn-style castle", "a castle"),
        ("a castle in Mira Venn's style", "a castle"),
        ("a castle (by Mira Venn)", "a castle"),
        ("art by “Mira Venn”, oil", "art, oil"),
        ("art by “Mira Venn” and “Bo Lind”, oil", "art by “Bo Lind”, oil"),
        ("a castle - Mira Venn - oil", "a castle - oil"),
        ("castle_by_mira_venn_oil", "castle_oil"),
        ("a castle #miravenn #oil", "a castle #oil"),
        ("by Mira Venn and Bo Lind, oil", "by Bo Lind, oil"),
        ("by Bo Lind and Mira Venn, oil", "by Bo Lind, oil"),
        ("portrait of Mira Venn. Oil.", "portrait. Oil."),
        ("castle\nby Mira Venn\noil", "castle\noil"),
        ("Mira Mira Venn Venn", ""),
        ("by @mira_venn", ""),
        ("a  castle ,, oil by Bo", "a  castle ,, oil by Bo"),
    ],
)
def test_a_name_goes_with_the_words_that_only_introduced_it(caption: str, left: str) -> None:
    assert redact(caption, ["Mira Venn"]) == left


@pytest.mark.parametrize(
    ("caption", "name", "left"),
    [
        ("これは宮崎駿の作品です", "宮崎駿", "これはの作品です"),
        ("Замок, Юрий Кордов, масло", "Yuri Kordov", "Замок, масло"),
        ("a castle by Yuri Kordov", "Юрий Кордов", "a castle"),
        ("Jürgen Müller: a tree", "Juergen Mueller", "a tree"),
        ("flora and fauna, drawn by Flora", "Flora", "flora and fauna, drawn"),
    ],
)
def test_names_go_in_every_form_in_which_they_are_found(caption: str, name: str, left: str) -> None:
    assert redact(caption, [name]) == left


def test_names_that_stand_together_go_together() -> None:
    caption = "a castle by Mira Venn, Bo Lind and Ada Moss, oil"
    assert redact(caption, ["Mira Venn", "Bo Lind", "Ada Moss"]) == "a castle, oil"


@given(texts, name_lists)
def test_no_name_is_left_and_nothing_else_is_touched(text: str, names: list[str]) -> None:
    found = [name for name in names if form_in(text, name)]
    left = redact(text, names)
    assert not [name for name in names if form_in(left, name)]
    assert redact(left, names) == left
    if not found:
        assert left == text


@given(texts, name_lists)
def test_what_is_left_stood_there_before_in_that_order(text: str, names: list[str]) -> None:
    rest = iter(text)
    assert all(char in rest for char in redact(text, names) if not char.isspace())


@given(st.text(), st.text(min_size=1))
def test_any_name_goes_from_any_text(text: str, name: str) -> None:
    for caption in (text, f"{text} {name}", f"by {name}{text}"):
        assert form_in(redact(caption, [name]), name) is None


@pytest.mark.parametrize("text", ["", "  ", ", -", "a", "by the", "the style of"])
def test_a_caption_of_little_words_is_spent(text: str) -> None:
    assert is_spent(text)


@pytest.mark.parametrize("text", ["a castle", "画", "4k"])
def test_a_caption_that_says_anything_is_not_spent(text: str) -> None:
    assert not is_spent(text)


def test_other_values_lose_the_name_wherever_text_stands_in_them() -> None:
    value = {"artist": "Mira Venn", "tags": ["oil", "by mira_venn", "Flora"], "mira venn": 3}
    left = {"artist": None, "tags": ["oil", None, None], "mira venn": 3}
    assert redact_value(value, ["Mira Venn", "Flora"]) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"artist": "Mira Venn", "n": 1}', '{"artist": null, "n": 1}'),
        ('["oil by Mira Venn"]', '["oil"]'),
        ('{"Mira Venn": 1}', None),
        ("[a castle by Mira Venn]", "[a castle]"),
        ('{"n":1}', '{"n":1}'),
        ('["Mira Venn", "\\ud800"]', '[, "\\ud800"]'),
        ("[" * 100_000 + '"Mira Venn"', "[" * 100_000),
    ],
)
def test_text_that_is_json_stays_json(text: str, left: str | None) -> None:
    assert redact_value(text, ["Mira Venn"]) == left


def test_an_address_with_a_name_goes_as_a_whole() -> None:
    assert redact_value("https://a.example/mira-venn/1.jpg", ["Mira Venn"]) is None
    assert redact_value("https://a.example/1.jpg", ["Mira Venn"]) == "https://a.example/1.jpg"


def test_long_captions_of_strangers_take_no_time() -> None:
    start = time.process_time()
    many = [(piece * 5000, "") for piece in ("a mira venn ", "mira venn, ", "by mira venn and b ")]
    far = [("in " * 20_000, "mira venn"), ("mira venn", " " * 60_000 + "x")]
    odd = [(sign * 60_000, "mira venn") for sign in "©@(_"]
    for caption in map("".join, [*many, *far, *odd]):
        assert form_in(redact(caption, ["Mira Venn"]), "Mira Venn") is None
    assert time.process_time() - start < 20
