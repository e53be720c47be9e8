"""Small real images of every container, with a packet of XMP in each place where one can stand.

`FILES` is what tests and a served corpus go through. Files come from Pillow where Pillow writes the
container, and decode; HEIC and JPEG XL are structures without pixels.
"""

import gzip
import hashlib
import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from PIL import Image, PngImagePlugin

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
MAGIC_TRAILER = bytes([1, *range(255, -1, -1), 0])


def packet(inner: str = "", attributes: str = "", *, wrapper: bool = True, pad: int = 0) -> bytes:
    """Return a packet whose one description has these attributes and children."""
    text = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">\n'
        f'<rdf:Description rdf:about="" xmlns:plus="{PLUS}" {attributes}>\n{inner}\n'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    if wrapper:
        text = (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
            f'{text}{" " * pad}\n<?xpacket end="w"?>'
        )
    return text.encode()


def mining(value: str) -> bytes:
    """Return a packet that says one thing about data mining."""
    return packet(f"<plus:DataMining>{value}</plus:DataMining>")


def picture() -> Image.Image:
    """Return 32 by 32 pixels that are not all alike."""
    image = Image.new("RGB", (32, 32))
    image.putdata([(8 * x, 8 * y, 4 * (x + y)) for y in range(32) for x in range(32)])
    return image


def saved(kind: str, **options: Any) -> bytes:
    """Return the picture as Pillow writes it."""
    out = io.BytesIO()
    picture().save(out, kind, **options)
    return out.getvalue()


# --- JPEG


def segment(content: bytes, marker: int = 0xE1) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg_with(*segments: bytes) -> bytes:
    """Return a JPEG with segments behind its first two octets."""
    body = saved("JPEG")
    return body[:2] + b"".join(segments) + body[2:]


def jpeg(xmp: bytes) -> bytes:
    return jpeg_with(segment(SIGNATURE + xmp))


def jpeg_utf16(xmp: bytes) -> bytes:
    return jpeg(xmp.decode().encode("utf-16-be"))


def extension(xmp: bytes, *, chunk_bytes: int = 65_000, digest: bytes = b"") -> list[bytes]:
    """Return the segments of an extended packet."""
    named = digest or hashlib.md5(xmp, usedforsecurity=False).hexdigest().upper().encode()
    return [
        segment(EXTENSION + named + struct.pack(">II", len(xmp), at) + xmp[at : at + chunk_bytes])
        for at in range(0, len(xmp), chunk_bytes)
    ]


def jpeg_extended(xmp: bytes) -> bytes:
    """Return a JPEG whose standard packet says nothing; chunks of the long one are out of order."""
    filler = b"<plus:Filler>" + b"x" * 140_000 + b"</plus:Filler>"
    text = xmp.replace(b"</rdf:Description>", filler + b"</rdf:Description>")
    return jpeg_with(segment(SIGNATURE + packet()), *reversed(extension(text)))


# --- PNG


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_with(*chunks: bytes) -> bytes:
    """Return a PNG with chunks behind its pixels."""
    body = saved("PNG")
    at = body.rindex(b"IEND") - 4
    return body[:at] + b"".join(chunks) + body[at:]


def png(xmp: bytes) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return saved("PNG", pnginfo=info)


def png_deflated(xmp: bytes) -> bytes:
    return png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)))


def raw_profile(xmp: bytes, name: str = "xmp") -> bytes:
    """Return octets as ImageMagick writes a profile of them into a text chunk."""
    digits = xmp.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return f"\n{name}\n{len(xmp):8}\n{lines}\n".encode()


def png_raw_profile(xmp: bytes) -> bytes:
    content = b"Raw profile type xmp\0\0" + zlib.compress(raw_profile(xmp))
    return png_with(chunk(b"zTXt", content))


def png_raw_profile_plain(xmp: bytes) -> bytes:
    return png_with(chunk(b"tEXt", b"Raw profile type xmp\0" + raw_profile(xmp)))


def png_raw_profile_app1(xmp: bytes) -> bytes:
    content = b"Raw profile type APP1\0\0" + zlib.compress(raw_profile(SIGNATURE + xmp, "generic"))
    return png_with(chunk(b"zTXt", content))


# --- TIFF


def tiff(xmp: bytes, order: str = "<", *, big: bool = False, where: str = "first") -> bytes:
    """Return an uncompressed grey TIFF. where: directory of the packet (first, second or sub)."""
    pixels = bytes(range(64))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    if big:
        head += struct.pack(order + "HH", 8, 0)
    pointer, count, entry = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
    width = struct.calcsize("=" + pointer)

    def value(kind: int, number: int) -> bytes:
        packed = struct.pack(order + {3: "H", 4: "I"}.get(kind, pointer), number)
        return packed.ljust(width, b"\0")

    def directory(entries: list[tuple[int, int, int, int]], after: int) -> bytes:
        rows = [struct.pack(order + entry, tag, kind, n) + value(kind, v)
                for tag, kind, n, v in sorted(entries)]  # fmt: skip
        return (
            struct.pack(order + count, len(rows))
            + b"".join(rows)
            + struct.pack(order + pointer, after)
        )

    at_pixels = len(head) + width
    at_xmp = at_pixels + len(pixels)
    first_at = at_xmp + len(xmp) + len(xmp) % 2
    image = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
             (273, 4, 1, at_pixels), (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]  # fmt: skip
    note = (700, 1, len(xmp), at_xmp)
    first = [*image, *([note] if where == "first" else [])]
    first += [(330, 4, 1, 0)] if where == "sub" else []
    other_at = first_at + len(directory(first, 0))
    first = [(*e[:3], other_at) if e[0] == 330 else e for e in first]
    body = head + struct.pack(order + pointer, first_at) + pixels + xmp + b"\0" * (len(xmp) % 2)
    body += directory(first, other_at if where == "second" else 0)
    return body if where == "first" else body + directory([*image, note], 0)


# --- GIF


def gif_with(*blocks: bytes) -> bytes:
    body = saved("GIF")
    assert body.endswith(b";")
    return body[:-1] + b"".join(blocks) + b";"


def gif(xmp: bytes) -> bytes:
    return gif_with(b"\x21\xff\x0bXMP DataXMP" + xmp + MAGIC_TRAILER + b"\0")


def gif_sub_blocks(xmp: bytes) -> bytes:
    blocks = [xmp[i : i + 255] for i in range(0, len(xmp), 255)]
    cut = b"".join(bytes([len(b)]) + b for b in blocks)
    return gif_with(b"\x21\xff\x0bXMP DataXMP" + cut + b"\0")


# --- boxes


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def uuid(xmp: bytes) -> bytes:
    return box(b"uuid", UUID + xmp)


def heic(xmp: bytes, *, method: int = 0, encoding: bytes = b"", extents: int = 1) -> bytes:
    """Return a HEIC without pixels whose packet is an item in mdat (method 0) or idat (1)."""
    entry = struct.pack(">HH4s", 1, 0, b"mime") + b"\0application/rdf+xml\0" + encoding + b"\0"
    iinf = box(b"iinf", b"\0\0\0\0\0\1" + box(b"infe", b"\2\0\0\0" + entry))
    ftyp = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    idat = box(b"idat", xmp) if method else b""
    each = -(-len(xmp) // extents)
    spans = [(at, min(each, len(xmp) - at)) for at in range(0, len(xmp), each)]

    def meta(first: int) -> bytes:
        rows = b"".join(struct.pack(">II", first + at, length) for at, length in spans)
        iloc = struct.pack(">BBHHHHH", 0x44, 0, 1, 1, method, 0, len(spans)) + rows
        return box(b"meta", b"\0\0\0\0" + iinf + box(b"iloc", b"\1\0\0\0" + iloc) + idat)

    return (
        ftyp + meta(0 if method else len(ftyp + meta(0)) + 8) + box(b"mdat", b"" if method else xmp)
    )


def jxl(xmp: bytes) -> bytes:
    head = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    return head + box(b"xml ", xmp) + struct.pack(">I4s", 0, b"jxlc") + b"\xff\x0a"


# --- text


def svg(xmp: bytes) -> bytes:
    text = xmp[xmp.find(b"<rdf:RDF") : xmp.find(b"</rdf:RDF>") + 10]
    return (
        b'<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
        b'"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><metadata>'
        + text
        + b'</metadata><path d="M0 0h9v9z"/></svg>'
    )


class File(NamedTuple):
    """How to put a packet into a file, what its container is called, whether pixels come out."""

    build: Callable[[bytes], bytes]
    container: str
    decodes: bool = True


FILES: Mapping[str, File] = {
    "jpeg": File(jpeg, "jpeg"),
    "jpeg utf-16": File(jpeg_utf16, "jpeg"),
    "jpeg extended": File(jpeg_extended, "jpeg"),
    "png": File(png, "png"),
    "png deflated": File(png_deflated, "png"),
    "png raw profile": File(png_raw_profile, "png"),
    "png raw profile, plain": File(png_raw_profile_plain, "png"),
    "png raw profile of a segment": File(png_raw_profile_app1, "png"),
    "webp": File(lambda xmp: saved("WEBP", xmp=xmp), "webp"),
    "tiff": File(tiff, "tiff"),
    "tiff big-endian": File(lambda xmp: tiff(xmp, ">"), "tiff"),
    "tiff second directory": File(lambda xmp: tiff(xmp, where="second"), "tiff"),
    "tiff sub-directory": File(lambda xmp: tiff(xmp, ">", where="sub"), "tiff"),
    "bigtiff": File(lambda xmp: tiff(xmp, big=True), "tiff"),
    "bigtiff big-endian": File(  # Pillow takes only the little-endian kind for a BigTIFF
        lambda xmp: tiff(xmp, ">", big=True), "tiff", decodes=False
    ),
    "gif": File(gif, "gif"),
    "gif in sub-blocks": File(gif_sub_blocks, "gif"),
    "avif": File(lambda xmp: saved("AVIF", xmp=xmp), "avif"),
    "avif uuid": File(lambda xmp: saved("AVIF") + uuid(xmp), "avif"),
    "heic": File(heic, "heic", decodes=False),
    "heic in extents": File(lambda xmp: heic(xmp, extents=3), "heic", decodes=False),
    "heic idat": File(lambda xmp: heic(xmp, method=1), "heic", decodes=False),
    "heic deflated": File(
        lambda xmp: heic(zlib.compress(xmp), encoding=b"deflate"), "heic", decodes=False
    ),
    "jpeg xl": File(jxl, "jxl", decodes=False),
    "jpeg 2000": File(lambda xmp: saved("JPEG2000") + uuid(xmp), "jp2"),
    "svg": File(svg, "svg", decodes=False),
    "svgz": File(lambda xmp: gzip.compress(svg(xmp), mtime=0), "svgz", decodes=False),
    "bmp": File(lambda xmp: saved("BMP") + xmp, "unknown"),
}
