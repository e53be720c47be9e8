import pytest

from optout.attribution import Form, form_of


@pytest.mark.parametrize(
    ("caption", "form"),
    [
        ("a castle by Mira Venn, oil", Form.BY),
        ("BY: “Mira Venn”", Form.BY),
        ("castle_by_Mira Venn.jpg", Form.BY),
        ("art by the artist Mira Venn", Form.BY),
        ("by @Mira Venn", Form.BY),
        ("a castle in the style of Mira Venn", Form.IN_THE_STYLE_OF),
        ("style of Mira Venn", Form.IN_THE_STYLE_OF),
        ("in the manner of painter Mira Venn", Form.IN_THE_STYLE_OF),
        ("inspired by Mira Venn", Form.INSPIRED_BY),
        ("a castle after Mira Venn", Form.AFTER),
        ("Mira Venn style", Form.STYLE),
        ("Mira Venn-style castle", Form.STYLE),
        ("in Mira Venn's style", Form.STYLE),
        ("@Mira Venn", Form.AT),
        ("#Mira Venn", Form.TAG),
        ("Mira Venn", Form.NAMED),
        ("rugby Mira Venn", Form.NAMED),
        ("a stylish hat. Mira Venn", Form.NAMED),
        ("passed by. Mira Venn, styled", Form.NAMED),
        ("Mira Venn stylish", Form.NAMED),
    ],
)
def test_a_caption_says_whose_work_it_shows(caption: str, form: Form) -> None:
    start = caption.index("Mira")
    assert form_of(caption, start, start + len("Mira Venn")) is form
