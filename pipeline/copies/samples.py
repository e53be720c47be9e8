"""Samples of a copy as files: what tells them, and the rows of the table beside them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np

from pipeline.copies.keys import NO_SAMPLE, together
from pipeline.copies.tables import NAMED, Flags, Judged, Marks, mark, tells_beyond
from pipeline.retracted import Retracted, Told, is_json, is_picture, told_of

TEXTS = {"txt", "json", "caption", "cls"}
"""Endings of files that belong to the image of the same name, beside those of other JSON."""


def is_text(name: str) -> bool:
    """Say whether a file is a text that belongs to an image, by its name."""
    return name.rpartition(".")[2].lower() in TEXTS or is_json(name)


def told_beside(files: Mapping[str, bytes]) -> Told:
    """Return what all JSON among the files of a sample says; none of it hides another.

    So does a file that is called as a column with uids or digests, as loaders have it.
    """
    said: dict[str, object] = {name: body for name, body in files.items() if is_json(name)}
    for ending in NAMED:
        said[ending] = [b for name, b in files.items() if name.lower().endswith(f".{ending}")]
    return told_of(said)


@dataclass(slots=True)
class Samples:
    """What is known of samples, by their keys.

    hits: of those that were taken back, uids and digests. named: told by a uid. pictured: with an
    image. told: by which anything can be told. listing: that tell of several rows. unread: with
    JSON that cannot be read. bodies: digests of their files; images: of those that are images.
    said: marks of the digests that they tell. strange: with files that are neither image nor text.
    """

    every: set[str] = field(default_factory=set)
    hits: dict[str, frozenset[str]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    listing: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)
    bodies: dict[str, list[str]] = field(default_factory=dict)
    images: dict[str, list[str]] = field(default_factory=dict)
    said: dict[str, set[int]] = field(default_factory=dict)

    def add(self, key: str, told: Told, files: Iterable["File"], retracted: Retracted) -> None:
        """Take in files of a sample; those of one may come in parts."""
        own = list(files)
        digests, images = [f.digest for f in own], [f.digest for f in own if f.is_picture]
        self.every.add(key)
        self.bodies.setdefault(key, []).extend(digests)
        if images:
            self.images.setdefault(key, []).extend(images)
        hits = retracted.hits(told, digests)
        hits |= frozenset() if told.is_ours else retracted.called(key.removeprefix(NO_SAMPLE))
        if hits:
            self.hits[key] = self.hits.get(key, frozenset()) | hits
        if told.digests:
            self.said.setdefault(key, set()).update(map(mark, told.digests))
        for flag, keys in (
            (told.uids, self.named),
            (told.tells or images, self.told),
            (told.is_list, self.listing),
            (told.is_unread, self.unread),
            (not all(file.is_picture or file.is_text for file in own), self.strange),
        ):
            if flag:
                keys.add(key)

    @property
    def untold(self) -> set[str]:
        """The keys of samples by which nobody can tell."""
        return self.every - self.told - self.hits.keys()

    def is_named(self, key: str) -> bool:
        """Say whether a sample is told by more than the digests of its own images."""
        images = self.images.get(key, ())
        return key in self.named or tells_beyond(self.said.get(key, ()), images)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a sample. digest: sha256, hex."""

    digest: str
    is_picture: bool
    is_text: bool = False

    @classmethod
    def of(cls, name: str, head: bytes, digest: str) -> "File":
        """Return what a file is, by its name and by how it begins."""
        return cls(digest, is_picture(name, head), is_text(name))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is of rows that were taken back, beside what goes by itself.

    hits: uids and digests of all that would go; met: of those with an image; alone: of each that
    would go without one, though it had one. mute: how many images stay that nothing but their
    bytes tells: each may be the image of such a row, encoded anew. gone: digests of images that go.
    stay: uint64[n], marks of those that stay.
    """

    hits: frozenset[str] = frozenset()
    met: frozenset[str] = frozenset()
    alone: Sequence[frozenset[str]] = ()
    mute: int = 0
    gone: frozenset[str] = frozenset()
    stay: Marks = field(default_factory=lambda: np.zeros(0, np.uint64))

    @classmethod
    def of_rows(cls, rows: Judged) -> "Evidence":
        """Return it of a table that stands by itself."""
        found = _Found()
        for row, hits in rows.hits.items():
            found.go(hits, rows.images.get(row, ()), is_pictured=bool(rows.pictured[row]))
            if rows.lacking[row]:
                found.alone.append(hits)
        for row in np.flatnonzero(rows.keep & rows.pictured).tolist():
            images = rows.images.get(row, ())
            found.keep(images, is_named=rows.is_named(row, images))
        return found.evidence()

    @classmethod
    def joined(cls, parts: Iterable["Evidence"]) -> "Evidence":
        """Return the evidence of several."""
        every = [cls(), *parts]
        hits, met, gone = (
            frozenset[str]().union(*(getattr(one, name) for one in every))
            for name in ("hits", "met", "gone")
        )
        alone = [hits for one in every for hits in one.alone]
        stay = np.concatenate([one.stay for one in every])
        return cls(hits, met, alone, sum(one.mute for one in every), gone, stay)

    def lone(self, retracted: Retracted, met: AbstractSet[str]) -> frozenset[str]:
        """Return uids and digests of the rows alone that stay, since a mute image may be theirs.

        met: of rows whose images have gone before.
        """
        if not self.mute:
            return frozenset()
        along = retracted.along(self.met | met)
        return frozenset[str]().union(*(hits for hits in self.alone if not hits <= along))

    def stays_of(self, digests: Iterable[str]) -> frozenset[str]:
        """Return those of some digests of which an image stays, or another by rare chance."""
        some = sorted(digests)
        found = np.isin(np.array([mark(d) for d in some], np.uint64), self.stay).tolist()
        return frozenset(d for d, stays in zip(some, found, strict=True) if stays)


@dataclass(slots=True)
class _Found:
    """Evidence as it comes in."""

    hits: set[str] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    alone: list[frozenset[str]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    some: set[str] = field(default_factory=set)
    stay: list[int] = field(default_factory=list)
    mute: int = 0

    def go(self, hits: AbstractSet[str], images: Iterable[str], *, is_pictured: bool) -> None:
        own = set(images)
        self.hits.update(hits)
        (self.gone if len(own) == 1 else self.some).update(own)
        if is_pictured:
            self.met.update(hits)

    def keep(self, images: Iterable[str], *, is_named: bool) -> None:
        """Take in an image that stays, or those of one sample or row."""
        self.stay += map(mark, images)
        self.mute += not is_named

    def evidence(self) -> Evidence:
        # One of several images that are here in another place too stands for what they share.
        here = set(self.stay)
        self.gone |= {digest for digest in self.some if mark(digest) not in here}
        stay = np.array(self.stay, np.uint64)
        hits, met, gone = map(frozenset, (self.hits, self.met, self.gone))
        return Evidence(hits, met, self.alone, self.mute, gone, stay)


# --- the table beside them


@dataclass(frozen=True, slots=True)
class Joined:
    """What goes out of samples and of the table beside them. rows: bool[n] of the table's.

    by_told: samples that go by what JSON or rows tell. lists: samples that tell of several rows,
    some of which were taken back; they stay, since nobody can say what else goes with them. unmet:
    how many rows have a key that fits no sample, and tell nothing.
    """

    samples: frozenset[str]
    rows: Flags
    by_told: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    unmet: int = 0
    evidence: Evidence = field(default_factory=Evidence)


def join(
    samples: Samples,
    keys: Sequence[str | None],
    rows: Judged,
    planned: tuple[AbstractSet[str], Iterable[int]] = (frozenset(), ()),
) -> Joined:
    """Return what goes, where either side tells it.

    keys: of the table's rows, null for none. planned: samples and rows that go in any case. Where
    nobody can say which of several samples a row means, all of them are taken for one.
    """
    joining = _Joining(samples, rows, planned[0], set(planned[1]))
    for own, numbers in together(samples.every, keys):
        joining.add(own, numbers)
    return joining.joined()


@dataclass(slots=True)
class _Joining:
    """What goes, group by group: keys of samples, and numbers of the rows that mean them."""

    samples: Samples
    rows: Judged
    planned: AbstractSet[str]
    planned_rows: AbstractSet[int]
    going: set[str] = field(default_factory=set)
    by_told: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    flags: list[int] = field(default_factory=list)
    found: _Found = field(default_factory=_Found)
    unmet: int = 0

    def add(self, own: Sequence[str], numbers: Sequence[int]) -> None:
        samples, rows = self.samples, self.rows
        hits = frozenset[str]().union(
            *(samples.hits.get(key, ()) for key in own), *(rows.hits.get(n, ()) for n in numbers)
        )
        images = [*self._images(own, numbers)]
        is_pictured = any(key in samples.images for key in own)
        is_pictured |= any(rows.pictured[number] for number in numbers)
        is_planned = not (self.planned.isdisjoint(own) and self.planned_rows.isdisjoint(numbers))
        by_bytes = {digest for key in own for digest in samples.bodies[key]}
        is_list = not samples.listing.isdisjoint(own)
        if is_list and hits and hits.isdisjoint(by_bytes) and not is_planned:
            self.lists.update(own)
        elif hits or is_planned:
            self.going.update(own)
            self.flags += numbers
            if hits - by_bytes:
                self.by_told.update(own)
            self.found.go(hits, images, is_pictured=is_pictured)
            is_lacking = bool(own) or any(rows.lacking[number] for number in numbers)
            if is_lacking and not is_pictured and not is_planned:
                self.found.alone.append(hits)
        else:
            self._keep(own, numbers)

    def _images(self, own: Iterable[str], numbers: Iterable[int]) -> Iterator[str]:
        for key in own:
            yield from self.samples.images.get(key, ())
        for number in numbers:
            yield from self.rows.images.get(number, ())

    def _keep(self, own: Sequence[str], numbers: Sequence[int]) -> None:
        """Take in what stays: of several samples alike, no row can say which one it names."""
        samples, rows = self.samples, self.rows
        is_one = len(own) <= 1
        for key in own:
            if images := samples.images.get(key):
                by_row = is_one and any(rows.is_named(n, images) for n in numbers)
                self.found.keep(images, is_named=by_row or samples.is_named(key))
        for number in numbers:
            if rows.pictured[number]:
                images = [*rows.images.get(number, ())]
                by_sample = is_one and any(map(samples.is_named, own))
                self.found.keep(images, is_named=by_sample or rows.is_named(number, images))
        if not own:
            self.unmet += sum(bool(rows.lacking[n] and not rows.tells[n]) for n in numbers)

    def joined(self) -> Joined:
        flags = np.zeros(len(self.rows.keep), bool)
        flags[self.flags] = True
        going, by_told, lists = map(frozenset, (self.going, self.by_told, self.lists))
        return Joined(going, flags, by_told, lists, self.unmet, self.found.evidence())
