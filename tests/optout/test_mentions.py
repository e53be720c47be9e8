import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.attribution import Form
from optout.mentions import form_in, holds, mentions


def test_every_place_of_a_name_is_told_signs_included() -> None:
    caption = "Mira Venn, @mira_venn and #MiraVenn by MIRA\u00ad VENN"
    found = mentions(caption, "Mira Venn")
    assert found is not None
    assert [(caption[m.start : m.end], m.form) for m in found] == [
        ("Mira Venn", Form.NAMED),
        ("@mira_venn", Form.AT),
        ("#MiraVenn", Form.TAG),
        ("MIRA\u00ad VENN", Form.BY),
    ]


def test_a_form_that_says_whose_work_it_is_comes_before_a_bare_name() -> None:
    assert form_in("Mira Venn in a castle by Mira Venn", "Mira Venn") is Form.BY
    assert form_in("Mira Venn", "Mira Venn") is Form.NAMED
    assert form_in("a castle", "Mira Venn") is None


def test_a_common_word_is_held_and_means_nobody() -> None:
    assert holds("the flora of Norway", "Flora")
    assert mentions("the flora of Norway", "Flora") == []
    assert form_in("the flora of Norway", "Flora") is None


@pytest.mark.parametrize("name", ["", "***", "#"])
def test_a_name_that_folds_to_nothing_stands_nowhere(name: str) -> None:
    assert mentions("a castle # by ***", name) == []


@given(st.text(), st.text(max_size=12))
def test_places_lie_inside_the_text_and_in_order(text: str, name: str) -> None:
    caption = f"{text} {name}"
    found = mentions(caption, name, shy=False)
    if found is not None:
        assert found == sorted(found)
        assert all(0 <= m.start < m.end <= len(caption) for m in found)
    assert holds(caption, name) == (found != [])
