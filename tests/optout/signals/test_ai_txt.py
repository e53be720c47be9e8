"""optout.signals.ai_txt against the facts' vectors, the generator's files, and any bytes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.ai_txt import EXTENSIONS, PURPOSES, of_file
from optout.signals.profiles import PROFILES
from optout.signals.signal import RAW_BYTES, Signal
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.ai_txt_cases import CASES, IMAGES, Case, generated

DEFAULT = PROFILES["default"]
AGENT = "ArtBot"


def read(body: bytes, path: str, media_type: str | None = None) -> tuple[Signal, ...]:
    return of_file(body, path.encode(), None, media_type, DEFAULT, AGENT)


def say_of(signals: tuple[Signal, ...]) -> Say:
    if not signals:
        return Say.SILENT
    assert tuple(s.purpose for s in signals) == PURPOSES
    (say,) = {s.say for s in signals}
    return say


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_says_what_the_table_says(case: Case) -> None:
    signals = of_file(
        case.body,
        case.path.encode(),
        case.content_type,
        case.media_type,
        PROFILES[case.profile],
        AGENT,
    )
    assert say_of(signals) is case.say
    assert {(s.channel, s.note, s.place) for s in signals} <= {(Channel.AI_TXT, case.note, "")}
    if case.line is not None:
        assert {s.line for s in signals} == {case.line}


def test_the_rule_is_shown_as_it_stands() -> None:
    (one, other) = read(b"User-agent: *\r\n  Disallow: *.JPG  # art\r\n", "/a.jpg")
    assert one.raw == other.raw == "Disallow: *.JPG  # art"
    assert {one.purpose, other.purpose} == {Purpose.TRAIN_GEN, Purpose.TRAIN_DISC}


@pytest.mark.parametrize("extension", IMAGES)
@pytest.mark.parametrize(("images", "text"), [(False, True), (True, False), (False, False)])
def test_the_choice_for_images_counts_whatever_was_chosen_for_text(
    extension: str, images: bool, text: bool
) -> None:
    expected = Say.ALLOW if images else Say.DENY
    body = generated(images=images, text=text)
    assert say_of(read(body, f"/a/b.{extension.upper()}?w=1")) is expected


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/tiff", "image/svg+xml"])
def test_the_choice_for_images_counts_for_a_name_without_extension(media_type: str) -> None:
    body = generated(images=False, text=True)
    assert say_of(read(body, "/image/1", media_type)) is Say.DENY


def test_every_type_has_extensions_in_lower_case() -> None:
    for media_type, extensions in EXTENSIONS.items():
        assert media_type.lower() == media_type
        assert extensions
        assert all(e.startswith(b".") and e.lower() == e for e in extensions)


def test_many_rules_and_many_paths_take_no_more_than_seconds() -> None:
    lines = [b"User-agent: *"] + [b"Disallow: *%d*x*.jpg" % n for n in range(20_000)]
    body = b"\n".join(lines)
    before = time.process_time()
    for n in range(50):
        read(body, f"/{n}/" + "1" * 200 + ".jpg", "image/jpeg")
    assert time.process_time() - before < 10


@pytest.mark.parametrize(
    "path", ["/" + "." * 100_000, "/" + ".a" * 50_000 + "/", "/" + ".*" * 50_000]
)
def test_a_hostile_path_is_answered_soon(path: str) -> None:
    before = time.process_time()
    read(b"User-agent: *\nDisallow: *.jpg", path)
    assert time.process_time() - before < 2


LINES = st.sampled_from(
    [
        b"User-agent: *",
        b"User-agent: */",
        b"User-agent: ArtBot",
        b"User-agent: GPTBot",
        b"Disallow: *.jpg",
        b"Disallow:/",
        b"Disallow: .JPG",
        b"Allow: *.jpg",
        b"Allow: /",
        b"Allow: /a/",
        b"# text",
        b"",
    ]
)
BODIES = st.lists(LINES, max_size=8).map(b"\n".join)
PATHS = st.sampled_from(["/", "/a/b.jpg", "/a/B.JPG?w=1", "/a/b.webp", "/image/1", "/i.php"])
TYPES = st.none() | st.sampled_from(["image/jpeg", "image/webp", "text/plain"])
NAMES = st.sampled_from(list(PROFILES))


@given(st.binary() | BODIES, st.binary(), st.none() | st.text(), st.none() | st.text(), st.text())
def test_any_bytes_are_answered(
    body: bytes, path: bytes, content_type: str | None, media_type: str | None, agent: str
) -> None:
    for profile in PROFILES.values():
        signals = of_file(body, path, content_type, media_type, profile, agent)
        assert all(len(s.raw.encode()) <= RAW_BYTES for s in signals)


@given(BODIES, PATHS, TYPES, st.sampled_from([b"Disallow: *.jpg", b"Disallow: /a/"]))
def test_one_more_rule_that_disallows_never_removes_a_denial(
    body: bytes, path: str, media_type: str | None, rule: bytes
) -> None:
    before = say_of(read(body, path, media_type))
    after = say_of(read(body + b"\n" + rule, path, media_type))
    assert before is not Say.DENY or after is Say.DENY


@given(BODIES, PATHS, NAMES)
def test_to_know_the_type_never_permits_more_of_what_has_an_extension(
    body: bytes, path: str, name: str
) -> None:
    profile = PROFILES[name]
    if "." in path:
        before = say_of(of_file(body, path.encode(), None, None, profile, AGENT))
        after = say_of(of_file(body, path.encode(), None, "image/jpeg", profile, AGENT))
        assert before is not Say.DENY or after is Say.DENY


@given(st.sets(st.sampled_from(IMAGES)), st.sampled_from(IMAGES))
def test_what_is_rendered_is_parsed(disallowed: set[str], extension: str) -> None:
    lines = ["User-agent: *", *(f"Disallow: *.{e}$" for e in sorted(disallowed)), "Allow: /"]
    denied = say_of(read("\n".join(lines).encode(), f"/a.{extension}")) is Say.DENY
    assert denied is (extension in disallowed)
