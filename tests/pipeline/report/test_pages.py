"""The pages: one file, no network, nothing unescaped, nothing public that must not be."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout.signals.profiles import PROFILES
from pipeline.report.gallery import PICTURES
from pipeline.report.pages import ReportFacts, render_report, render_review
from pipeline.report.tally import Tally
from pipeline.report.words import FAMILY_TITLE, REASONS, Family, share, short, size, when
from schemas.manifest import ListEntry, Manifest, ModelEntry
from schemas.verdict import Reason
from tests.pipeline.samples import roots

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"


def manifest(**values: Any) -> Manifest:
    base: dict[str, Any] = {
        "title": "Garden",
        "created": "2026-01-02T03:04:05Z",
        "tool": {"name": "recuse", "version": "0.1.0"},
        "plan": "p" * 64,
        "config": {"mode": "opt_out", "signals": {"purpose": "train-gen"}},
        "source": {"name": "s"},
        "rows_in": 100,
        "released": 90,
        "dropped": {"optout_style": 4, "duplicate": 3},
        "held": {"review": 3},
        "unchecked": {},
        "signals": {},
        "signal_profile": PROFILES["default"].as_json(),
        "models": [
            ModelEntry(
                role="sem", name="m", fingerprint="f" * 64, weights_sha256="w" * 64,
                precision="fp32", device="cpu",
            )
        ],
        "lists": [
            ListEntry(origin="local/1", used=True, size=3, root="r" * 64, claims_active=2),
            ListEntry(
                name="Artists", origin="other/3", used=True, size=7, root="s" * 64,
                claims_active=5, claims_not_judged_by_similarity=4, key="pub.example+0a1b2c3d",
                exported_at="2026-01-01T00:00:00Z",
            ),
            ListEntry(name="Broad", origin="other/2", used=False, reason="takes every sunset"),
        ],
        "thresholds": {"duplicate": 0.95},
        "vault_sha256": "v" * 64,
        "roots": roots(90, 10),
    }  # fmt: skip
    return Manifest(**base | values)


def picture(name: str, **values: Any) -> dict[str, Any]:
    base = {"uid": name * 32, "verdict": "keep", "caption": f"shown-{name}", "host": "h.example"}
    sizes = {"original_width": 9, "original_height": 8, "thumb_width": 9, "thumb_height": 8}
    return dict.fromkeys(PICTURES.names) | base | sizes | {"thumb": name.encode()} | values


PICTURED = [
    picture("a"),
    picture("b", verdict="drop", reason="optout_style", claim_id="claim-of-ada", rule="style",
            similarity=0.81, threshold=0.75, host="secret.example"),
    picture("c", verdict="hold", reason="review", claim_id="claim-of-ada"),
]  # fmt: skip
TALLY = Tally(
    signals={"robots": {"ALLOW": 60, "DENY": 4, "ERROR": 1, "SILENT": 35}},
    hosts={"h.example": {"keep": 90, "drop": 3}, "secret.example": {"drop": 4}},
    claims={"claim-of-ada": {"optout_style": 4, "review": 3}},
    licenses={"CC0-1.0": 2},
    histograms={"clip_similarity": {"0.20": 30, "0.24": 60}, "edge_px": {"256": 90}},
    withheld={"clip_similarity": {"0.10": 5}},
)


def facts(
    pictured: list[dict[str, Any]] = PICTURED, counted: Tally = TALLY, **values: Any
) -> ReportFacts:
    table = pa.Table.from_pylist(pictured, schema=PICTURES)
    return ReportFacts(manifest(**values), counted, table)


class Page(HTMLParser):
    """What a browser would do with a page: its elements, their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_says_how_many_captions_lost_a_name() -> None:
    assert "captions redacted" not in Page(render_report(facts())).text
    said = Page(render_report(facts(captions_redacted=1234))).text
    assert "1,234 captions redacted" in " ".join(said.split())


RENDERERS = pytest.mark.parametrize("render", [render_report, render_review])


@RENDERERS
def test_pages_ask_the_network_for_nothing(render: Any) -> None:
    page = Page(render(facts()))
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "form", "base"}
        assert not [a for a in attributes if a.startswith("on") or a == "style"]
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/jpeg;base64,"))
    assert "@import" not in page.text
    assert "url(" not in page.text


@RENDERERS
def test_pages_carry_a_policy_that_allows_their_own_style_only(render: Any) -> None:
    html = render(facts())
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policies = [
        a["content"] for tag, a in Page(html).tags
        if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
    assert policies == [f"{policy}base-uri 'none'; form-action 'none'"]


def evil_facts(text: str) -> ReportFacts:
    pictured = [
        picture("a", caption=text, host=text, license=text, attribution=text),
        picture("b", verdict="drop", reason="optout_style", caption=text, host=text, url=text,
                claim_id=text, rule=text, by_uid=text, dup_of=text),
    ]  # fmt: skip
    counted = Tally(
        signals={text: {"DENY": 1}},
        hosts={text: {"keep": 1, "drop": 1}},
        claims={text: {"optout_style": 1}},
        licenses={text: 1},
    )
    said = {"name": text, "origin": text, "reason": text}
    lists = [
        ListEntry(**said, used=True, root=text, recorded_at=text, exported_at=text, key=text),
        ListEntry(**said, used=False),
    ]
    model = ModelEntry(
        role=text, name=text, fingerprint=text, weights_sha256=text, precision=text, device=text
    )
    return facts(
        pictured, counted, title=text, created=text, lists=lists, models=[model],
        tool={"name": text, "version": text}, config={text: text, "signals": {"purpose": text}},
        source={text: [text]}, thresholds={text: 1.0}, unchecked={text: 2}, plan=text,
        vault_sha256=text,
    )  # fmt: skip


@RENDERERS
def test_nothing_from_a_row_or_a_config_becomes_markup(render: Any) -> None:
    plain, evil = Page(render(evil_facts("plain"))), Page(render(evil_facts(EVIL)))
    assert [t for t, _ in evil.tags] == [t for t, _ in plain.tags]
    assert [sorted(a) for _, a in evil.tags] == [sorted(a) for _, a in plain.tags]
    assert "<script>alert(1)</script>" in evil.text
    assert "<script" not in render(evil_facts(EVIL)).replace("&lt;script", "")
    marks = evil.text.replace('"\\u202e"', "")
    assert "\u202e" not in marks  # no text turns the page around


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=40))
def test_any_text_leaves_the_structure_of_a_page_alone(text: str) -> None:
    for render in (render_report, render_review):
        found, plain = Page(render(evil_facts(f"x{text}"))), Page(render(evil_facts("x")))
        assert [t for t, _ in found.tags] == [t for t, _ in plain.tags]


def test_the_public_page_holds_nothing_of_rows_that_are_not_released() -> None:
    html = render_report(facts())
    for secret in ("secret.example", "claim-of-ada", "shown-b", "shown-c", "0.81"):
        assert secret not in html
    assert base64.b64encode(b"b").decode() + '"' not in html
    assert "shown-a" in html


def test_the_review_page_blurs_every_picture_and_warns() -> None:
    html = render_review(facts())
    assert "do not publish" in html
    page = Page(html)
    veils = [a["id"] for tag, a in page.tags if tag == "input"]
    labels = [a["for"] for tag, a in page.tags if tag == "label"]
    images = [a for tag, a in page.tags if tag == "img"]
    assert veils == labels
    assert len(veils) == len(images) == 2
    assert "shown-a" not in html
    assert "claim-of-ada" in html


def test_the_unchecked_number_stands_before_everything_else() -> None:
    html = render_report(facts(unchecked={"robots": 7, "headers": 5}))
    assert html.index("7 released rows were not fully checked") < html.index("<main")
    assert "robots (7), headers (5)" in re.sub(r"\s+", " ", html)
    assert "0 unchecked" in render_report(facts())


def test_a_release_without_lists_says_so() -> None:
    assert "No opt-out list was used" in render_report(facts(lists=[]))
    declined = [ListEntry(name="Broad", used=False, reason="takes every sunset")]
    assert "No opt-out list was used" in render_report(facts(lists=declined))


def test_lists_are_named_with_who_signed_them_and_why_they_were_declined() -> None:
    html = render_report(facts())
    for words in (
        "local/1", "the builder's own registry", "Artists", "signed by pub.example+0a1b2c3d",
        "4 not judged by similarity", "exported 1 January 2026", "declined", "takes every sunset",
    ):  # fmt: skip
        assert words in html
    assert "No opt-out list was used" not in html


def test_the_flow_names_every_family_that_occurs() -> None:
    html = render_report(facts())
    assert all(FAMILY_TITLE[f].split()[0] in html for f in (Family.OPTOUT, Family.HELD))
    assert "90 + 7 + 3 = 100" in html


@RENDERERS
def test_an_empty_build_still_has_a_page(render: Any) -> None:
    empty = facts([], Tally(), rows_in=0, released=0, dropped={}, held={}, lists=[], models=[])
    assert "</html>" in render(empty)


@RENDERERS
def test_the_same_facts_give_the_same_page(render: Any) -> None:
    assert render(facts()) == render(facts())


def test_images_are_lazy_sized_and_described() -> None:
    images = [a for tag, a in Page(render_report(facts())).tags if tag == "img"]
    assert [(a["loading"], a["alt"], a["width"]) for a in images] == [("lazy", "shown-a", "9")]


# --- words


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason: Reason) -> None:
    told = REASONS[reason]
    assert told.title
    assert told.sentence.endswith(".")


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [(0, 0, "0 %"), (0, 9, "0 %"), (1, 3, "33.3 %"), (9, 9, "100 %"), (1, 10**6, "< 0.1 %"),
     (10**6 - 1, 10**6, "> 99.9 %")],
)  # fmt: skip
def test_shares_never_round_something_to_nothing(part: int, whole: int, told: str) -> None:
    assert share(part, whole) == told


def test_sizes_times_and_ids_read_well() -> None:
    assert [size(n) for n in (950, 12_345, 123_456_789)] == ["950 B", "12.3 kB", "123 MB"]
    assert when("2026-01-02T03:04:05Z") == "2 January 2026, 03:04 UTC"
    assert when("soon") == "soon"
    assert [short(t, 4) for t in ("abcdef", "abc", None)] == ["abcd…", "abc", "-"]
