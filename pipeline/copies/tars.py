"""Tars of samples: which of them were taken back, and a tar without these."""

import hashlib
import posixpath
import re
import tarfile
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import IO

from pipeline.copies.keys import NO_SAMPLE
from pipeline.copies.samples import File, Samples, told_beside
from pipeline.retracted import Retracted
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError

BLOCK_BYTES = 1 << 20
_MEMBER = re.compile(r"((?:.*/)?[^./]+)\.[^/]+", re.DOTALL)


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
    """Return the key of the sample that a member belongs to, as `webdataset` has it.

    What has no ending belongs to none, whatever it is called.
    """
    match = _MEMBER.fullmatch(name)
    return match[1] if match else f"{NO_SAMPLE}{name}"


def samples_in(file: IO[bytes], retracted: Retracted) -> Samples:
    """Return what is known of a tar's samples. Raises SchemaError for bytes that are none."""
    samples = Samples()
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for key, members in groups(tar):
                if not key:
                    continue
                told = told_beside({info.name: body for info, body in members})
                files = [File.of(info.name, body, sha256_hex(body)) for info, body in members]
                samples.add(key, told, files, retracted)
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


def write_tar_without(source: IO[bytes], target: IO[bytes], keys: AbstractSet[str]) -> None:
    """Write a tar without the samples of some keys; what stays is written byte by byte as it is."""
    at = 0
    with tarfile.open(fileobj=source, mode="r:") as tar:
        members = list(_members(tar))
        links = _links_to([info for info, _ in members], keys)
        for info, end in members:
            goes = key_of(info.name) in keys if is_file(info) else info.name in links
            if goes:
                _copy(source, target, at, info.offset)
                at = end
        _copy(source, target, at, members[-1][1] if members else 0)
    target.write(bytes(2 * tarfile.BLOCKSIZE))
    target.write(bytes(-target.tell() % tarfile.RECORDSIZE))


def _members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, int]]:
    """Yield each member with where it ends."""
    while (info := tar.next()) is not None:
        yield info, tar.offset


def _copy(source: IO[bytes], target: IO[bytes], start: int, end: int) -> None:
    """Write the bytes between two places of a file to another one."""
    source.seek(start)
    while start < end:
        block = source.read(min(BLOCK_BYTES, end - start))
        if not block:
            raise SchemaError(f"expected a tar of {end:,} bytes, found its end at {start:,}")
        target.write(block)
        start += len(block)


def _links_to(members: Iterable[tarfile.TarInfo], keys: AbstractSet[str]) -> set[str]:
    """Return the names of links that belong, or lead, to samples of some keys."""
    left = {info.name: _target(info) for info in members if info.linkname}
    found = {name for name in left if key_of(name) in keys}
    while more := {n for n, to in left.items() if key_of(to) in keys or to in found} - found:
        found |= more
    return found


def _target(link: tarfile.TarInfo) -> str:
    """Return the name of the member to which a link leads."""
    if link.islnk():
        return link.linkname
    return posixpath.normpath(posixpath.join(posixpath.dirname(link.name), link.linkname))
