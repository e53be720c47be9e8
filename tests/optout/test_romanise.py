# ruff: noqa: RUF001 - letters that look alike are what is tested
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.folding import fold
from optout.romanise import MAX_SPELLINGS, is_foreign, skeleton, spellings, spelt

CONSONANTS = "б в г д ж з к л м н п р с т ф х ц ч ш щ сь ть ск ст нд кс др"
VOWELS = "а е ё и о у ы э ю я ай ий ой"
syllables = st.tuples(st.sampled_from(CONSONANTS.split()), st.sampled_from(VOWELS.split()))
cyrillic = st.lists(syllables.map("".join), min_size=1, max_size=4).map("".join)
UNSPELT = "Mira Venn|宮崎駿|홍길동|محمود درويش|宮崎 Мира||Ь"


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("Юрий Кордов", {"yuri kordov", "yury kordov", "iurii kordov", "jurij kordov"}),
        ("Фёдор Щукин", {"fedor shchukin", "fyodor shchukin"}),
        ("Александр", {"aleksandr", "alexander"}),
        ("Екатерина", {"ekaterina", "yekaterina"}),
        ("Михаил Хан", {"mikhail khan", "mihail han"}),
        ("Татьяна", {"tatyana", "tatiana"}),
        ("Χρήστος", {"christos", "hristos"}),
        ("Παπαδοπούλου", {"papadopoulou"}),
        ("Γιώργος", {"giorgos", "yorgos"}),
        ("Արշիլ", {"arshil"}),
    ],
)
def test_a_name_has_its_usual_spellings(name: str, usual: set[str]) -> None:
    assert usual <= set(spellings(name))


@pytest.mark.parametrize("name", UNSPELT.split("|"))
def test_latin_names_and_scripts_that_are_no_alphabets_have_none(name: str) -> None:
    assert spellings(name) == ()


@given(st.lists(cyrillic, min_size=1, max_size=4))
def test_all_spellings_of_a_name_have_one_skeleton(words: list[str]) -> None:
    own = [skeleton(fold(word)) for word in words]
    found = spellings(" ".join(words))
    assert len(found) <= MAX_SPELLINGS
    for way in found:
        assert [skeleton(word) for word in way.split()] == own


@given(st.text())
def test_any_text_has_a_skeleton_and_spellings_in_ascii(text: str) -> None:
    assert all(way.isascii() for way in spellings(text))
    for word in fold(text).split():
        assert isinstance(skeleton(word), str)
    assert fold(spelt(text)) == fold(spelt(spelt(text)))


@pytest.mark.parametrize(
    ("one", "other"), [("chekhov", "чехов"), ("tchekhov", "чехов"), ("kordoff", "кордов")]
)
def test_spellings_of_other_countries_agree_as_well(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("mira", "mara"), ("venn", "benn"), ("ada", "ida")])
def test_different_names_have_different_skeletons(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_words_of_other_scripts_are_left_alone() -> None:
    assert skeleton("宮崎駿") == "宮崎駿"
    assert skeleton("محمود") == "محمود"
    assert not is_foreign("宮崎駿 mira é")


@pytest.mark.parametrize(
    ("text", "said"),
    [("Jürgen Møller", "Juergen Moeller"), ("Þór", "Thór"), ("Éva Łódź 宮崎", "Éva Łódź 宮崎")],
)
def test_special_letters_are_spelt_out_and_accents_stay(text: str, said: str) -> None:
    assert fold(spelt(text)) == fold(said)
