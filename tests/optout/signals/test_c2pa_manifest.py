"""optout.signals.c2pa_manifest: every container, no network, and whatever bytes come."""

import io
import json
import struct
import threading
import timeit
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from optout.signals import c2pa_manifest
from optout.signals.c2pa import of_facts
from optout.signals.c2pa_manifest import (
    ACTIVE,
    COMPONENT,
    MANIFESTS,
    PARENT,
    C2paFacts,
    _facts,
    may_hold,
    read,
)
from schemas.canonical import canonical_json
from schemas.errors import SignalError
from schemas.verdict import Say
from tests.optout.signals import c2pa_files as files
from tests.servers import serve

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "c2pa"
REFUSAL = files.training("cawg", ai_generative_training="notAllowed", ai_inference="allowed")


def facts(body: bytes) -> C2paFacts:
    found = read(body)
    assert found is not None
    return found


@pytest.mark.parametrize("container", files.MEDIA_TYPES)
def test_a_manifest_is_found_in_every_container(container: str) -> None:
    media_type = files.MEDIA_TYPES[container]
    found = facts(files.signed(files.picture(container), [REFUSAL], media_type=media_type))
    assert (found.state, found.remote, found.fault) == ("Valid", None, None)
    assert [(a.relation, a.label) for a in found.assertions] == [(ACTIVE, REFUSAL[0])]
    assert json.loads(found.assertions[0].data) == REFUSAL[1]


@pytest.mark.parametrize("container", files.MEDIA_TYPES)
def test_an_image_without_a_manifest_is_not_given_to_the_reader(container: str) -> None:
    body = files.picture(container)
    assert not may_hold(body)
    assert read(body) is None


@pytest.mark.parametrize("container", files.MEDIA_TYPES)
def test_a_manifest_that_lies_elsewhere_is_not_asked_for(container: str) -> None:
    with serve({"/m.c2pa": b"manifest"}) as server:
        url = server.url("/m.c2pa")
        body = files.remote(files.picture(container), url, media_type=files.MEDIA_TYPES[container])
        found = facts(body)
    assert (found.state, found.remote, found.fault) == ("", url, "Remote")
    assert {s.say for s in of_facts(found)} == {Say.ERROR}
    assert server.connected == 0


def test_a_manifest_inside_is_read_without_asking_for_the_one_elsewhere() -> None:
    with serve({"/m.c2pa": b"manifest"}) as server:
        url = server.url("/m.c2pa")
        found = facts(files.signed(files.picture(), [REFUSAL], remote_url=url))
    assert (found.state, found.fault, len(found.assertions)) == ("Valid", None, 1)
    assert server.connected == 0


@pytest.mark.parametrize(
    ("settings", "asked"), [({}, 1), ({"core": {"allowed_network_hosts": []}}, 0)]
)
def test_a_reader_left_to_itself_would_ask(settings: dict[str, Any], asked: int) -> None:
    with serve({}) as server:
        body = files.remote(files.picture(), server.url("/m.c2pa"))
        context = c2pa.Context(c2pa.Settings.from_dict(settings))
        with pytest.raises(c2pa.C2paError, match="Remote"):
            c2pa.Reader(None, io.BytesIO(body), context=context)
        assert server.count("/m.c2pa") == asked


@pytest.mark.parametrize("text", ["Estate of the artist", "self#jumbf=c2pa", "ftp://a.example/"])
def test_a_provenance_that_is_no_address_is_no_manifest(text: str) -> None:
    url = "http://127.0.0.1:1/" + "x" * 40
    body = files.remote(files.picture(), url)
    assert read(body.replace(url.encode(), text.ljust(len(url)).encode())) is None


def test_a_changed_image_is_invalid_and_its_assertions_are_kept() -> None:
    found = facts(files.broken(files.signed(files.picture(), [REFUSAL])))
    assert found.state == "Invalid"
    assert [s.say for s in of_facts(found)] == [Say.DENY]


def test_instances_of_a_label_are_all_found() -> None:
    body = files.signed(files.picture(), [files.training(), REFUSAL, files.training("c2pa")])
    labels = [a.label for a in facts(body).assertions]
    assert sorted(labels) == ["c2pa.training-mining", *["cawg.training-mining"] * 2]


def test_other_assertions_are_not_kept() -> None:
    body = files.signed(files.picture(), [("org.example.training-mining-not", {"a": 1})])
    assert facts(body).assertions == ()


def test_parents_of_parents_and_components_are_told_apart() -> None:
    oldest = files.signed(files.picture(), [files.training("c2pa", ai_training="notAllowed")])
    parent = files.signed(files.picture(seed=2), [], parent=oldest)
    other = files.signed(files.picture(seed=3), [REFUSAL])
    found = facts(files.signed(files.picture(seed=4), [], parent=parent, components=[other]))
    assert [(a.relation, a.label) for a in found.assertions] == [
        (PARENT, "c2pa.training-mining"),
        (COMPONENT, "cawg.training-mining"),
    ]
    assert {s.note for s in of_facts(found)} == {"inherited"}


def test_what_is_both_parent_and_component_is_a_parent() -> None:
    older = files.signed(files.picture(), [REFUSAL])
    found = facts(files.signed(files.picture(seed=2), [], parent=older, components=[older]))
    assert {a.relation for a in found.assertions} == {PARENT}


def store(manifests: dict[str, Any]) -> dict[str, Any]:
    return {"active_manifest": "0", "validation_state": "Valid", "manifests": manifests}


def manifest(*children: str, relation: str = PARENT) -> dict[str, Any]:
    ingredients = [{"active_manifest": c, "relationship": relation} for c in children]
    assertion = {"label": "cawg.training-mining", "data": REFUSAL[1]}
    return {"ingredients": ingredients, "assertions": [assertion]}


def test_ingredients_that_go_round_end() -> None:
    found = _facts(store({"0": manifest("1"), "1": manifest("0", "1", "missing")}))
    assert found is not None
    assert [(a.manifest, a.relation) for a in found.assertions] == [("0", ACTIVE), ("1", PARENT)]
    assert found.fault is None


def test_more_ingredients_than_are_followed_is_a_fault() -> None:
    chain = {str(i): manifest(str(i + 1)) for i in range(MANIFESTS + 1)}
    assert _facts(store(chain)).fault == "TooMany"


@pytest.mark.parametrize("data", ["x" * 100_000, 1e400, 2**60])
def test_what_is_not_kept_of_an_assertion_is_a_fault(data: Any) -> None:
    assertion = {"label": "cawg.training-mining", "data": data}
    assert _facts(store({"0": {"assertions": [assertion]}})).fault == "Unkept"


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3) | st.sampled_from(["0", "Valid", PARENT]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["active_manifest", "manifests", "validation_state", "assertions", "label",
                         "ingredients", "relationship", "data", "0"]),
        inner,
    ),
    max_leaves=15,
)  # fmt: skip


@given(JSON)
def test_any_answer_of_the_reader_is_taken(value: Any) -> None:
    assert isinstance(_facts(value), C2paFacts)


CORPUS = [
    files.signed(files.picture(c), [REFUSAL], media_type=m) for c, m in files.MEDIA_TYPES.items()
]


@given(st.sampled_from(CORPUS), st.data())
def test_damaged_manifests_are_answered(body: bytes, data: Any) -> None:
    damaged = bytearray(body)
    begin = max(body.find(b"jumb") - 60, 0)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(begin, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    found = read(bytes(damaged))
    assert found is None or C2paFacts.from_json(found.as_json()) == found


HEADS = [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF____WEBP", b"GIF89a", b"\0\0\0\x0cftypavif",
         b"\0\0\0\x0cJXL \r\n\x87\n", b"II*\0", b"<svg>c2pa:manifest", b"jumb c2pa"]  # fmt: skip


@given(st.sampled_from(HEADS), st.binary())
def test_any_bytes_are_answered(head: bytes, tail: bytes) -> None:
    found = read(head + tail)
    assert found is None or found.fault is not None


@given(st.sampled_from(CORPUS), st.binary(max_size=30))
def test_what_the_reader_finds_is_never_overlooked(body: bytes, tail: bytes) -> None:
    assert may_hold(body + tail)


def test_a_store_too_damaged_to_be_found_is_no_absence() -> None:
    body = files.signed(files.picture("PNG"), [REFUSAL], media_type="image/png")
    found = facts(body.replace(b"jumb", b"jumx", 1))
    assert found.fault is not None
    assert {s.say for s in of_facts(found)} == {Say.ERROR}


def test_boxes_within_boxes_are_refused_not_followed() -> None:
    described = (
        struct.pack(">I", 29)
        + b"jumd"
        + bytes.fromhex("6332706100110010800000aa00389b7103")
        + b"c2pa\0"
    )
    nested, size = [], 0
    for _ in range(20_000):
        size += 8 + len(described)
        nested.append(struct.pack(">I", size) + b"jumb" + described)
    content = b"".join(reversed(nested))
    chunk = b"caBX" + content
    png = files.picture("PNG")
    end = png.rindex(b"IEND") - 4
    made = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert facts(png[:end] + made + png[end:]).fault is not None


def compressed_xmp() -> bytes:
    text = PngImagePlugin.PngInfo()
    packet = '<x xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="http://a.example/"/>'
    text.add_itxt("XML:com.adobe.xmp", packet, zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def test_compressed_xmp_is_left_to_the_reader() -> None:
    assert may_hold(compressed_xmp())


def test_public_files_without_a_manifest_have_none() -> None:
    path = VECTORS / "A.jpg"
    if not path.exists():
        pytest.skip(f"no public vectors in {VECTORS}")
    assert read(path.read_bytes()) is None  # C06


@pytest.mark.parametrize(
    "value",
    [None, {}, {"state": "Valid"}, "Valid", [],
     {"state": "Good", "assertions": [], "remote": None, "fault": None},
     {"state": [], "assertions": [], "remote": None, "fault": None},
     {"state": "Valid", "assertions": [["a", "b", "c", "d"]], "remote": None, "fault": None},
     {"state": "Valid", "assertions": [["a", ACTIVE, "c"]], "remote": None, "fault": None},
     {"state": "Valid", "assertions": [], "remote": 1, "fault": None}],
)  # fmt: skip
def test_what_was_not_recorded_is_refused(value: Any) -> None:
    with pytest.raises(SignalError, match="recorded facts"):
        C2paFacts.from_json(value)


def test_facts_survive_their_record() -> None:
    found = facts(files.signed(files.picture(), [REFUSAL]))
    assert C2paFacts.from_json(json.loads(canonical_json(found.as_json()))) == found


def test_threads_read_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, CORPUS * 8))
    assert {f.state for f in found if f} == {"Valid"}
    assert threading.active_count() < 20


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP"])
def test_ordinary_images_cost_little(container: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (180, 190, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, container, quality=100)
    body = buffer.getvalue()
    seconds = min(timeit.repeat(lambda: may_hold(body), number=200, repeat=5)) / 200
    assert (
        seconds < 100e-6
    )  # some 5 µs on an idle machine; searching the body takes 100 µs and more


def test_the_reader_has_no_setting_that_asks_a_network() -> None:
    settings = c2pa_manifest._SETTINGS
    assert settings["verify"] == {"remote_manifest_fetch": False, "ocsp_fetch": False}
    assert settings["core"]["allowed_network_hosts"] == []
    assert c2pa.sdk_version()
