"""optout.signals.xmp_packets: every container gives its packet back, and lies cost little."""

import functools
import io
import os
import struct
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from optout.signals.containers.walk import PACKET_BYTES, PACKETS
from optout.signals.xmp_packets import NONE, Packets, codes, packets
from tests.optout.signals import xmp_files as files
from tests.optout.signals.xmp_files import FILES, File, box, chunk, mining, saved, segment

XMP = mining("DMI-PROHIBITED-GENAIMLTRAINING")
SAVED = {kind: saved(kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "BMP")}


@pytest.mark.parametrize("name", FILES)
def test_every_container_gives_its_packet(name: str) -> None:
    file = FILES[name]
    found = packets(file.build(XMP))
    assert (found.container, found.faults) == (file.container, ())
    assert any(b"GENAIMLTRAINING" in p.replace(b"\0", b"") for p in found.packets)


@pytest.mark.parametrize("name", [n for n in FILES if "ext" not in n and "svg" not in n])
def test_the_packet_comes_out_as_it_went_in(name: str) -> None:
    wanted = XMP.decode().encode("utf-16-be") if "utf-16" in name else XMP
    if name == "bmp":  # the wrapper is not part of what is searched for
        wanted = wanted[wanted.index(b"<x:") : wanted.index(b"</x:xmpmeta>") + 12]
    assert packets(FILES[name].build(XMP)).packets == (wanted,)


@pytest.mark.parametrize("name", [n for n, file in FILES.items() if file.decodes])
def test_files_are_images(name: str) -> None:
    with Image.open(io.BytesIO(FILES[name].build(XMP))) as image:
        image.load()
        assert image.width >= 8


@pytest.mark.parametrize("kind", SAVED)
def test_an_image_without_packets_has_none(kind: str) -> None:
    found = packets(SAVED[kind])
    assert (found.packets, found.faults) == ((), ())


@pytest.mark.parametrize("body", [b"", b"\xff\xd8", b"GIF89a", b"II*\0", b"RIFF\0\0\0\0WEBP", b"x"])
def test_nothing_is_made_of_almost_nothing(body: bytes) -> None:
    assert packets(body).packets == ()


def test_unknown_bytes_are_none() -> None:
    assert packets(b"") == packets(b"BM123") == NONE == Packets()


# --- where a container lies


def webp_cut() -> bytes:
    return FILES["webp"].build(XMP)[:-40]


def tiff_with_packet_outside() -> bytes:
    body = files.tiff(XMP)
    entry = struct.pack("<HHI", 700, 1, len(XMP))
    at = body.index(entry) + len(entry)
    return body[:at] + struct.pack("<I", len(body) + 9) + body[at + 4 :]


GOOD_IEND = SAVED["PNG"].rindex(b"IEND") - 4
FAULTS = {
    "jpeg: segment cut": files.jpeg(XMP)[:200],
    "jpeg: header cut": SAVED["JPEG"][:2] + segment(b"x"),
    "jpeg: more segments than are walked": b"\xff\xd8" + segment(b"", 0xFE) * 20_000,
    "jpeg: extended XMP incomplete": files.jpeg_with(*files.extension(XMP, chunk_bytes=99)[:-1]),
    "jpeg: extended XMP has another digest": files.jpeg_with(
        *files.extension(XMP, digest=b"0" * 32)
    ),
    "jpeg: extended XMP cut": files.jpeg_with(segment(files.EXTENSION + b"0")),
    "png: chunk cut": SAVED["PNG"][:GOOD_IEND] + struct.pack(">I4s", 2**31, b"iTXt") + b"XML:com",
    "png: no end chunk": SAVED["PNG"][:GOOD_IEND],
    "png: iTXt does not inflate": files.png_with(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0not deflated")
    ),
    "png: iTXt breaks off": files.png_with(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)[:-30])
    ),
    "png: iTXt inflates to more than is read": files.png_deflated(bytes(PACKET_BYTES + 1)),
    "png: iTXt cut": files.png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0")),
    "png: raw profile is not hex": files.png_with(
        chunk(b"tEXt", b"Raw profile type xmp\0\nxmp\n 4\nzzzz")
    ),
    "webp: chunk cut": webp_cut(),
    "tiff: directory outside the file": b"II*\0\xff\xff\xff\x7f",
    "tiff: directory cut": files.tiff(XMP)[:-30],
    "tiff: header cut": b"MM\0+\0\x08\0\0",
    "tiff: value outside the file": tiff_with_packet_outside(),
    "tiff: more directories than are walked": struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, 2**40),
    "gif: XMP block cut": SAVED["GIF"][:-1] + b"\x21\xff\x0bXMP DataXMP" + XMP,
    "avif: box of impossible size": SAVED["AVIF"] + struct.pack(">I4s", 7, b"uuid") + files.UUID,
    "avif: box cut": SAVED["AVIF"] + files.uuid(XMP)[:-9],
    "heic: XMP item outside the file": files.heic(XMP)[: -len(XMP) - 1],
    "heic: XMP item stands outside the file or in another item": files.heic(XMP, method=2),
    "heic: XMP item does not inflate": files.heic(XMP, encoding=b"deflate"),
    "jxl: xml box compressed by Brotli": files.jxl(XMP)[:32] + box(b"brob", b"xml \x0b"),
    "svgz: document inflates to more than is read": FILES["svgz"].build(
        files.packet("<a/>" * 2**20)
    ),
    "unknown: packet has no end": SAVED["BMP"] + XMP[:-60],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_container_that_breaks_off_is_a_fault(fault: str) -> None:
    assert fault in packets(FAULTS[fault]).faults


@pytest.mark.parametrize("fault", ["jpeg: segment cut", "webp: chunk cut", "gif: XMP block cut"])
def test_what_stands_before_the_break_is_a_packet(fault: str) -> None:
    assert any(p.startswith(XMP[:40]) for p in packets(FAULTS[fault]).packets)


def test_an_extended_packet_with_another_digest_is_read() -> None:
    assert XMP in packets(FAULTS["jpeg: extended XMP has another digest"]).packets


def test_extended_packets_are_told_apart_by_digest() -> None:
    other = mining("DMI-ALLOWED")
    body = files.jpeg_with(*files.extension(XMP, chunk_bytes=50), *files.extension(other))
    assert packets(body).packets == (XMP, other)


def test_segments_after_fill_bytes_and_junk_are_found() -> None:
    body = SAVED["JPEG"]
    head = b"\xff\xff" + segment(b"", 0xFE) + b"junk"
    assert packets(body[:2] + head + files.jpeg(XMP)[2:]).packets == (XMP,)


def test_a_second_image_behind_the_first_is_not_read() -> None:
    assert packets(SAVED["JPEG"] + files.jpeg(XMP)) == Packets(container="jpeg")


def test_a_chunk_between_pixels_and_end_is_read() -> None:
    assert packets(files.png_deflated(XMP)).packets == (XMP,)


def test_rsl_in_a_chunk_of_any_keyword_is_a_packet() -> None:
    fragment = b'<rsl xmlns="https://rslstandard.org/rsl"/>'
    body = files.png_with(
        chunk(b"iTXt", b"license\0\0\0\0\0" + fragment), chunk(b"tEXt", b"Comment\0hello")
    )
    assert packets(body).packets == (fragment,)


def test_directories_in_a_loop_are_walked_once() -> None:
    body = files.tiff(XMP)
    (first,) = struct.unpack_from("<I", body, 4)
    assert packets(body[:-4] + struct.pack("<I", first)) == Packets((XMP,), (), "tiff")


def test_overlapping_extents_are_read_to_the_cap() -> None:
    body = files.heic(b" " * 100_000, extents=1)
    row = body[body.index(b"iloc") + 4 + 4 + 2 + 2 + 2 + 2 + 2 + 2 :][:8]
    many = 60_000
    ftyp = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    iinf = body[body.index(b"iinf") - 4 : body.index(b"iloc") - 4]
    iloc = struct.pack(">BBHHHHH", 0x44, 0, 1, 1, 0, 0, many) + struct.pack(">II", 0, 9**5) * many
    meta = box(b"meta", b"\0\0\0\0" + iinf + box(b"iloc", b"\1\0\0\0" + iloc))
    assert len(row) == 8
    found = packets(ftyp + meta + box(b"mdat", b"x" * 10**5))
    assert "heic: packet too long" in found.faults
    assert all(len(p) <= PACKET_BYTES + 1 for p in found.packets)


def test_a_file_of_many_packets_is_read_to_the_cap() -> None:
    many = [segment(files.SIGNATURE + mining(f"DMI-ALLOWED-{n}")) for n in range(PACKETS)]
    body = files.jpeg_with(*many, segment(files.SIGNATURE + XMP))
    found = packets(body)
    assert len(found.packets) == PACKETS
    assert "jpeg: more packets than are read" in found.faults
    assert "jpeg: DMI-PROHIBITED-GENAIMLTRAINING outside a packet" in found.faults


def test_thousands_of_extended_chunks_are_put_together() -> None:
    text = files.packet("<a/>" * 30_000)
    found = packets(files.jpeg_with(*files.extension(text, chunk_bytes=10)[:8_000]))
    assert found.faults
    assert packets(files.jpeg_with(*files.extension(text, chunk_bytes=20))).packets == (text,)


# --- text that stands in no packet

CODE = "DMI-PROHIBITED-AIMLTRAINING"


@pytest.mark.parametrize("encoding", ["ascii", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "build",
    [
        lambda text: files.jpeg_with(segment(text, 0xED)),
        lambda text: SAVED["JPEG"] + b"more " + text,
        lambda text: files.png_with(chunk(b"teXt", text)),
        lambda text: SAVED["PNG"] + text,
        lambda text: SAVED["WEBP"] + text,
        lambda text: SAVED["GIF"] + text,
        lambda text: SAVED["TIFF"] + text,
        lambda text: SAVED["AVIF"] + box(b"free", text),
        lambda text: SAVED["BMP"] + text,
    ],
)
def test_a_prohibition_outside_every_packet_is_a_fault(build, encoding: str) -> None:
    (fault,) = packets(build(b"\1" + CODE.encode(encoding) + b"\1\2")).faults
    assert fault.endswith(f": {CODE} outside a packet")


def test_codes_are_found_in_any_encoding() -> None:
    assert codes(f"{CODE.lower()} {CODE} DMI-PROHIBITED".encode("utf-16")) == (
        CODE,
        "DMI-PROHIBITED",
    )


# --- any bytes

HEADS = st.sampled_from([b"", *(body[:n] for body in SAVED.values() for n in (16, 400))])
BODIES = {name: file.build(XMP) for name, file in FILES.items() if name != "jpeg extended"}


@given(HEADS, st.binary(max_size=400))
def test_any_bytes_are_answered(head: bytes, tail: bytes) -> None:
    assert isinstance(packets(head + tail), Packets)


@given(st.sampled_from(sorted(BODIES)), st.data())
def test_any_damage_is_survived(name: str, data: st.DataObject) -> None:
    body = bytearray(BODIES[name])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    assert isinstance(packets(bytes(body[: data.draw(st.integers(0, len(body)))])), Packets)


@given(st.sampled_from([f for f in FILES.values() if f.container not in ("svg", "svgz")]),
       st.text("abc <>&\n", max_size=50))  # fmt: skip
def test_a_packet_that_is_put_in_comes_out(file: File, note: str) -> None:
    said = note.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = files.packet(f"<plus:DataMining>{said}</plus:DataMining>")
    found = packets(file.build(text))
    value = f"<plus:DataMining>{said}<".encode()
    assert any(value in p.replace(b"\0", b"") for p in found.packets)


# --- cost


@functools.cache
def hostile() -> dict[str, bytes]:
    mega = 2**20
    bomb = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(8 * mega)))
    head = SAVED["PNG"][:33]
    return {
        "jpeg fill bytes": b"\xff\xd8" + b"\xff" * 20 * mega,
        "jpeg no markers": b"\xff\xd8" + b"\0" * 20 * mega,
        "jpeg digests": files.jpeg_with(
            *(
                segment(files.EXTENSION + b"%032d" % n + struct.pack(">II", 9, 0) + b"x")
                for n in range(16_000)
            )
        ),
        "png bombs": head + bomb * 500,
        "png chunks": head + chunk(b"teXt", b"") * mega,
        "webp chunks": b"RIFF" + struct.pack("<I", 8 * mega) + b"WEBP" + b"abcd\0\0\0\0" * mega,
        "tiff overlapping": b"II*\0\x08\0\0\0" + b"\x01\x10" * mega,
        "tiff sub-directories": b"II*\0\x08\0\0\0\xff\xff"
        + struct.pack("<HHII", 330, 4, 2**30, 8) * mega,
        "gif blocks": SAVED["GIF"] + b"\x21\xff\x0bXMP DataXMP" * mega,
        "bmff boxes": box(b"ftyp", b"avif\0\0\0\0") + box(b"free", b"") * mega,
        "bmff items": box(b"ftyp", b"avif\0\0\0\0")
        + box(
            b"meta", b"\0\0\0\0" + box(b"iinf", b"\0\0\0\0\0\1" + box(b"infe", b"\2\0\0\0") * mega)
        ),
        "marks": b"<x:xmpmeta" * mega,
        "rdf": b"BM" + b"<rdf:RDF</rdf:RDF>" * mega,
        "needles": b"BM" + b"DMI-PROHIBITED-" * mega,
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_files_cost_little(name: str) -> None:
    body = hostile()[name]
    begun = time.process_time()
    packets(body)
    assert time.process_time() - begun < 5


def test_pixels_are_not_searched() -> None:
    pixels = os.urandom(100_000).replace(b"\xff", b"\0")
    body = SAVED["JPEG"][:-2] + pixels + b"\xff\xd9"
    best = min(_seconds(body) for _ in range(50))
    assert packets(body) == Packets(container="jpeg")
    assert best < 1e-3  # some 10 microseconds; what is asserted is that it is no matter of size


def _seconds(body: bytes) -> float:
    begun = time.perf_counter()
    packets(body)
    return time.perf_counter() - begun
