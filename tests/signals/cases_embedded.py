"""What stands in the image's own bytes: XMP in every container, C2PA manifests, hostile files."""

import gzip
import struct
import zlib
from collections.abc import Callable
from typing import Any

from optout.signals.c2pa_manifest import ACTIVE, COMPONENT, PARENT
from schemas.verdict import Channel, Purpose, Reason, Say
from tests.optout.signals import c2pa_cases, xmp_cases
from tests.optout.signals import c2pa_files as signed_files
from tests.optout.signals import xmp_files as files
from tests.optout.signals.xmp_cases import GENAI
from tests.optout.signals.xmp_files import FILES, mining, packet
from tests.servers import Answer, Asked, Route
from tests.signals.served import (
    DISC,
    GEN,
    Outcome,
    Served,
    Setting,
    dropped,
    expected,
    failed,
    held,
    kept,
    quoted,
)

_XMP, _C2PA = Channel.XMP, Channel.C2PA


def _setting(says: dict[Purpose, Say]) -> Setting:
    """Return the build for which a statement matters: ours, or training of the other kind."""
    return Setting() if GEN in says or DISC not in says else Setting(purpose=DISC)


def _made(build: Callable[[], bytes]) -> Route:
    """Return a route whose body is made when it is asked for: signing takes time."""
    return lambda _: build()


# --- XMP


def _of_packet(case: xmp_cases.Case) -> Served:
    says = {(_XMP, purpose): say for purpose, say in case.says.items()}
    return Served(
        f"XMP: {case.name}",
        "JPEG, " + quoted(_within(case.packet)),
        expected(says, _XMP),
        image=files.jpeg(case.packet),
    )


def _within(xmp: bytes) -> bytes:
    """Return what a packet says, without what stands around it in all of them."""
    begin, end = xmp.find(b"xmlns:plus"), xmp.rfind(b"</rdf:Description>")
    if begin < 0 or end < begin:
        return xmp
    inner = xmp[begin:end].replace(f'xmlns:plus="{files.PLUS}"'.encode(), b"")
    return inner.strip(b"> \n") if inner.strip().startswith(b">") else inner


_OTHER_LABELS = ("label ai", "label search", "label unspecified")
PACKETS = [_of_packet(case) for case in xmp_cases.CASES if case.name not in _OTHER_LABELS]
CONTAINERS = [
    Served(
        f"XMP: in {name}",
        f"{GENAI} in a file of {name}",
        dropped(_XMP),
        image=file.build(mining(GENAI)),
    )
    for name, file in FILES.items()
]
_ABSENT = [
    Served(
        f"XMP: P04 none, {kind}", f"{kind} without a packet", kept(_XMP), image=files.saved(kind)
    )
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF")
]
OTHERS = [
    *_ABSENT,
    Served("XMP: two packets, the stricter counts", f"JPEG, DMI-ALLOWED, then {GENAI}",
           dropped(_XMP),
           image=files.jpeg_with(files.segment(files.SIGNATURE + mining("DMI-ALLOWED")),
                                 files.segment(files.SIGNATURE + mining(GENAI)))),
    Served("XMP: a permission of the file against a refusal of the host",
           "DMI-ALLOWED, `X-Robots-Tag: noai`", dropped(Channel.X_ROBOTS),
           image=Answer(body=files.jpeg(mining("DMI-ALLOWED")),
                        headers=[("X-Robots-Tag", "noai")]), unread=True),
    Served("XMP: a permission of the host against a refusal of the file",
           f"{GENAI}, `tdm-reservation: 0`", dropped(_XMP),
           image=Answer(body=files.jpeg(mining(GENAI)), headers=[("tdm-reservation", "0")])),
    Served("XMP: declared as another type", f"{GENAI} in a JPEG served as text/html",
           dropped(_XMP), image=Answer(body=files.jpeg(mining(GENAI)),
                                       headers=[("Content-Type", "text/html")])),
]  # fmt: skip

_LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><x>&j;</x>"
).encode()
_PARTS = packet(
    f"<plus:Filler>{'x' * 3_000_000}</plus:Filler><plus:DataMining>{GENAI}</plus:DataMining>"
)
_PART_ALLOWED = packet(f"<plus:Filler>{'x' * 4_500_000}</plus:Filler>")


def _hostile(name: str, shown: str, body: Route, outcome: Outcome, **more: Any) -> Served:
    return Served(f"hostile bytes: {name}", shown, outcome, image=body, **more)


def _jpeg_promise() -> bytes:
    """Return a JPEG whose extended packet is said to be 100 MB long, and is not there."""
    head = files.EXTENSION + b"A" * 32 + struct.pack(">II", 100_000_000, 0) + b"<x>"
    return files.jpeg_with(files.segment(head))


_SVG_BEGIN = (
    b"<svg xmlns='http://www.w3.org/2000/svg'><metadata "
    b"xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
)


def _looping_tiff() -> bytes:
    """Return a TIFF whose directory follows itself."""
    body = files.tiff(packet())
    at = struct.unpack_from("<I", body, 4)[0]
    count = struct.unpack_from("<H", body, at)[0]
    end = at + 2 + 12 * count
    return body[:end] + struct.pack("<I", at) + body[end + 4 :]


def _compressed(size_bytes: int) -> bytes:
    text = zlib.compress(b"<x>" + b" " * size_bytes)
    return files.png_with(files.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + text))


HOSTILE = [
    _hostile("XMP of 3 MB", "a TIFF with 3 MB before the refusal", files.tiff(_PARTS),
             dropped(_XMP)),
    _hostile("XMP beyond 4 MiB", "a TIFF with 4.5 MB of packet", files.tiff(_PART_ALLOWED),
             held(_XMP)),
    _hostile("100 MB declared", "`Content-Length: 100000000`",
             Answer(body=files.jpeg(mining(GENAI)), headers=[("Content-Length", "100000000")],
                    fault="truncate"), failed(Reason.TOO_LARGE), unread=True),
    _hostile("100 MB that come", "a packet without end",
             Answer(body=files.jpeg(packet())[:-2] + b" " * 60_000, fault="endless"),
             failed(Reason.TOO_LARGE), unread=True),
    _hostile("XMP that promises 100 MB", "an extended packet of 100 MB that is not there",
             _jpeg_promise(), held(_XMP)),
    _hostile("XMP with entities of entities", "a billion laughs in a JPEG", files.jpeg(_LAUGHS),
             held(_XMP)),
    _hostile("SVG with entities of entities", "a billion laughs in an SVG",
             _LAUGHS.replace(b"DOCTYPE x", b"DOCTYPE svg").replace(b"<x>", _SVG_BEGIN)
             .replace(b"</x>", b"</metadata></svg>"), held(_XMP)),
    _hostile("external entity", "an entity of another host in a JPEG",
             lambda asked: files.jpeg(
                 b'<!DOCTYPE a [<!ENTITY b SYSTEM "http://%s/evil.dtd">]><a>&b;</a>'
                 % asked.headers["host"].encode()), held(_XMP), unasked=("/evil.dtd",)),
    _hostile("compressed text that bursts", "a PNG whose packet is 50 MB in 50 KB",
             _made(lambda: _compressed(50_000_000)), held(_XMP)),
    _hostile("compressed picture that bursts", "an SVG of 50 MB in 50 KB",
             _made(lambda: gzip.compress(b"<svg>" + b" " * 50_000_000, mtime=0)), held(_XMP)),
    _hostile("elements within one another", "100,000 elements in a packet",
             files.tiff(packet("<a>" * 100_000)), held(_XMP)),
    _hostile("directories in a circle", "a TIFF whose directory follows itself: read once",
             _looping_tiff(), kept(_XMP)),
    _hostile("JPEG cut within its packet", f"a JPEG that ends in {GENAI}",
             files.jpeg(mining(GENAI))[:400], dropped(_XMP)),
    _hostile("PNG with a length beyond its end", "a chunk of 4 GB that is not there",
             files.saved("PNG")[:33] + b"\xff\xff\xff\xffiTXtXML", held(_XMP)),
    _hostile("boxes of no size", "an AVIF whose boxes lead backwards",
             files.box(b"ftyp", b"avif\0\0\0\0mif1avif") + struct.pack(">I4sQ", 1, b"meta", 1) * 3,
             held(_XMP)),
    _hostile("refusal behind the pixels", f"{GENAI} behind the end of a JPEG",
             files.saved("JPEG") + GENAI.encode(), dropped(_XMP)),
    _hostile("nothing", "a body of no octets", b"", kept(_XMP)),
]  # fmt: skip

# --- C2PA

_Assertions = list[tuple[str, Any]]


def _signed(case: c2pa_cases.Case) -> bytes:
    def stated(wanted: str) -> _Assertions:
        return [(label, content) for relation, label, content in case.stated if relation == wanted]

    parent = signed_files.signed(signed_files.picture(seed=2), stated(PARENT))
    component = signed_files.signed(signed_files.picture(seed=3), stated(COMPONENT))
    body = signed_files.signed(
        signed_files.picture(),
        stated(ACTIVE),
        parent=parent if stated(PARENT) else None,
        components=[component] if stated(COMPONENT) else [],
    )
    return signed_files.broken(body) if case.state == "Invalid" else body


def _of_manifest(case: c2pa_cases.Case) -> Served:
    setting = _setting(dict(case.says))
    says = {(_C2PA, purpose): say for purpose, say in case.says.items()}
    relations = {"": "", PARENT: "parent: ", COMPONENT: "component: "}
    shown = "; ".join(
        relations.get(relation, "") + f"{label} {quoted(str(content))}"
        for relation, label, content in case.stated
    )
    broken = ", signature broken" if case.state == "Invalid" else ""
    return Served(
        f"C2PA: {case.name}",
        (shown or "a manifest without it") + broken,
        expected(says, _C2PA, setting),
        image=_made(lambda: _signed(case)),
        setting=setting,
    )


# A trusted signature cannot be made here; what is remote or undecodable is made below.
MANIFESTS = [
    _of_manifest(case)
    for case in c2pa_cases.CASES
    if case.state in {"Valid", "Invalid"} and case.fault is None
]
_REFUSAL = signed_files.training("cawg", ai_generative_training="notAllowed")


def _contained(name: str, media_type: str) -> Served:
    return Served(
        f"C2PA: in {name}",
        f"`cawg.ai_generative_training: notAllowed` in a {name}",
        dropped(_C2PA),
        image=_made(
            lambda: signed_files.signed(
                signed_files.picture(name), [_REFUSAL], media_type=media_type
            )
        ),
    )


def _elsewhere(name: str, media_type: str) -> Served:
    def made(asked: Asked) -> bytes:
        url = f"http://{asked.headers['host']}/m.c2pa"
        return signed_files.remote(signed_files.picture(name), url, media_type=media_type)

    return Served(
        f"hostile C2PA: a manifest that lies elsewhere, {name}",
        f"a {name} with the address of its manifest",
        held(_C2PA),
        {"/m.c2pa": b"manifest"},
        image=made,
        unasked=("/m.c2pa",),
    )


def _described(depth: int) -> bytes:
    """Return boxes within one another, as long as PNG takes them for a manifest store."""
    described = (
        struct.pack(">I", 29)
        + b"jumd"
        + bytes.fromhex("6332706100110010800000aa00389b7103")
        + b"c2pa\0"
    )
    nested, size = [], 0
    for _ in range(depth):
        size += 8 + len(described)
        nested.append(struct.pack(">I", size) + b"jumb" + described)
    return b"".join(reversed(nested))


def _png_store(store: bytes) -> bytes:
    return files.png_with(files.chunk(b"caBX", store))


def _damaged() -> bytes:
    body = signed_files.signed(signed_files.picture("PNG"), [_REFUSAL], media_type="image/png")
    return body.replace(b"jumb", b"jumx", 1)


C2PA_OTHERS = [
    *(_contained(name, kind) for name, kind in signed_files.MEDIA_TYPES.items()),
    *(_elsewhere(name, kind) for name, kind in signed_files.MEDIA_TYPES.items()),
    Served("C2PA: C06 no manifest", "an image without a manifest", kept(_C2PA),
           image=_made(signed_files.picture)),
    Served("C2PA: a manifest inside and an address", "a refusal inside, and an address",
           dropped(_C2PA), {"/m.c2pa": b"manifest"}, unasked=("/m.c2pa",),
           image=lambda asked: signed_files.signed(
               signed_files.picture(), [_REFUSAL],
               remote_url=f"http://{asked.headers['host']}/m.c2pa")),
    Served("C2PA: XMP refuses, the manifest grants", "a manifest that allows, DMI-PROHIBITED",
           dropped(_XMP),
           image=_made(lambda: signed_files.signed(
               files.jpeg(mining("DMI-PROHIBITED")),
               [signed_files.training("cawg", ai_generative_training="allowed")]))),
    Served("C2PA: the manifest grants, the header refuses", "a manifest that allows, `noai`",
           dropped(Channel.X_ROBOTS), unread=True,
           image=lambda _: Answer(
               body=signed_files.signed(signed_files.picture(), [
                   signed_files.training("cawg", ai_generative_training="allowed")]),
               headers=[("X-Robots-Tag", "noai")])),
    Served("hostile C2PA: boxes within one another", "20,000 JUMBF boxes within one another",
           held(_C2PA), image=_made(lambda: _png_store(_described(20_000)))),
    Served("hostile C2PA: a box of no size", "a JUMBF box that leads nowhere", held(_C2PA),
           image=_png_store(struct.pack(">I", 0) + b"jumb" + struct.pack(">I", 0) + b"jumb")),
    Served("hostile C2PA: a box that contains itself", "a JUMBF box longer than its file",
           held(_C2PA), image=_png_store(b"\xff\xff\xff\xffjumb" + _described(1)[8:])),
    Served("hostile C2PA: a store too damaged to be found", "one letter of a signed store changed",
           held(_C2PA), image=_made(_damaged)),
    Served("hostile C2PA: octets for a store", "4,096 octets of nothing", held(_C2PA),
           image=_png_store(bytes(4_096))),
]  # fmt: skip

CASES = [*PACKETS, *CONTAINERS, *OTHERS, *HOSTILE, *MANIFESTS, *C2PA_OTHERS]
