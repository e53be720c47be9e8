"""Tars of samples: which of them were taken back, and a tar without these."""

import hashlib
import io
import posixpath
import re
import tarfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from copy import copy
from typing import IO

from pipeline.copies.samples import Samples, told_beside
from pipeline.retracted import Retracted, is_picture
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError

BLOCK_BYTES = 1 << 20
_MEMBER = re.compile(r"((?:.*/)?[^./]+)\.[^/]+")


def groups(tar: tarfile.TarFile) -> Iterator[tuple[str, list[tuple[tarfile.TarInfo, bytes]]]]:
    """Yield key and members of each sample of a tar; what is no file belongs to none: key ""."""
    key, members = "", list[tuple[tarfile.TarInfo, bytes]]()
    for info in tar:
        own = key_of(info.name) if is_file(info) else ""
        if members and (own != key or not own):
            yield key, members
            members = []
        file = tar.extractfile(info) if is_file(info) else None
        key = own
        members.append((info, file.read() if file else b""))
    if members:
        yield key, members


def is_file(info: tarfile.TarInfo) -> bool:
    """Say whether a member holds bytes; one of a kind that nobody knows is unpacked like a file."""
    return info.isreg() or info.type not in tarfile.SUPPORTED_TYPES


def key_of(name: str) -> str:
    """Return the key of the sample that a member belongs to, as `webdataset` has it."""
    match = _MEMBER.fullmatch(name)
    return match[1] if match else name


def samples_in(file: IO[bytes], retracted: Retracted) -> Samples:
    """Return what is known of a tar's samples. Raises SchemaError for bytes that are none."""
    samples = Samples()
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for key, members in groups(tar):
                if not key:
                    continue
                told = told_beside({info.name: body for info, body in members})
                digests = [sha256_hex(body) for _, body in members]
                has_image = any(is_picture(info.name, body) for info, body in members)
                samples.add(key, told, digests, retracted, is_pictured=has_image)
            _require_end(file, tar.offset)
    except tarfile.TarError as e:
        raise SchemaError(f"expected a tar: {e}") from e
    return samples


def _require_end(file: IO[bytes], at: int) -> None:
    """Raise SchemaError where something follows what a tar says is its end."""
    file.seek(at)
    while block := file.read(BLOCK_BYTES):
        if block.strip(b"\0"):
            raise SchemaError(f"expected nothing behind the end of a tar at byte {at:,}")


def digest_without(file: IO[bytes], keys: AbstractSet[str]) -> str:
    """Return a digest of names and sizes of what a tar holds beside some samples, hex.

    It is the same before and after these have left. Raises SchemaError for bytes that are no tar.
    """
    left = hashlib.sha256()
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for info in filter(is_file, tar):
                if key_of(info.name) not in keys:
                    left.update(f"{info.name}\0{info.size}\n".encode(errors="surrogateescape"))
    except tarfile.TarError as e:
        raise SchemaError(f"expected a tar: {e}") from e
    return left.hexdigest()


def write_tar_without(source: IO[bytes], target: IO[bytes], keys: AbstractSet[str]) -> int:
    """Write a tar without the samples of some keys; return how many were left out."""
    left = 0
    with (
        tarfile.open(fileobj=source, mode="r:") as old,
        tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as new,
    ):
        links = _links_to(old, keys)
        for key, members in groups(old):
            if key in keys:
                left += 1
                continue
            if not key and members[0][0].name in links:
                continue
            for info, body in members:
                new.addfile(_whole(info, body), io.BytesIO(body) if is_file(info) else None)
    return left


def _whole(info: tarfile.TarInfo, body: bytes) -> tarfile.TarInfo:
    """Return the header of a member as it is written: a sparse one is written with its holes."""
    if info.sparse is None:
        return info
    filled = copy(info)
    filled.type, filled.sparse, filled.size = tarfile.REGTYPE, None, len(body)
    filled.pax_headers = {k: v for k, v in info.pax_headers.items() if "sparse" not in k}
    return filled


def _links_to(tar: tarfile.TarFile, keys: AbstractSet[str]) -> set[str]:
    """Return the names of links that belong, or lead, to samples of some keys."""
    left = {info.name: _target(info) for info in tar.getmembers() if info.linkname}
    found = {name for name in left if key_of(name) in keys}
    while more := {n for n, to in left.items() if key_of(to) in keys or to in found} - found:
        found |= more
    return found


def _target(link: tarfile.TarInfo) -> str:
    """Return the name of the member to which a link leads."""
    if link.islnk():
        return link.linkname
    return posixpath.normpath(posixpath.join(posixpath.dirname(link.name), link.linkname))
