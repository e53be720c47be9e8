"""Samples of a copy as files: what tells them, and the rows of the table beside them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np

from pipeline.copies.tables import Flags, Judged
from pipeline.retracted import DIGESTS, Retracted, Told, is_json, told_of


def told_beside(files: Mapping[str, bytes]) -> Told:
    """Return what all JSON among the files of a sample says; none of it hides another."""
    return told_of({name: body for name, body in files.items() if is_json(name)})


@dataclass(slots=True)
class Samples:
    """What is known of samples, by their keys.

    hits: of those that were taken back, uids and digests. named: told by more than the digests of
    their own bytes. pictured: with an image. told: by which anything can be told. listing: that
    tell of several rows.
    """

    every: set[str] = field(default_factory=set)
    hits: dict[str, frozenset[str]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    pictured: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    listing: set[str] = field(default_factory=set)

    def add(
        self,
        key: str,
        told: Told,
        digests: Sequence[str],
        retracted: Retracted,
        *,
        is_pictured: bool,
    ) -> None:
        """Take in files of a sample. digests: of them. The files of one may come in parts."""
        self.every.add(key)
        if hits := retracted.hits(told, digests):
            self.hits[key] = self.hits.get(key, frozenset()) | hits
        if told.tells_beyond(digests):
            self.named.add(key)
        if is_pictured:
            self.pictured.add(key)
        if told.tells or is_pictured:
            self.told.add(key)
        if len(set(told.uids)) > 1 or len(set(told.digests)) > len(DIGESTS):
            self.listing.add(key)

    @property
    def untold(self) -> set[str]:
        """The keys of samples by which nobody can tell."""
        return self.every - self.told - self.hits.keys()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is of rows that were taken back, beside what goes by itself.

    met: uids and digests of those that go, images and all. alone: of rows and samples that would
    go without an image, though they had one. mute: how many images stay that nothing but their
    bytes tells: each may be the image of such a row, encoded anew.
    """

    met: frozenset[str] = frozenset()
    alone: Sequence[frozenset[str]] = ()
    mute: int = 0

    @classmethod
    def of_rows(cls, rows: Judged) -> "Evidence":
        """Return it of a table that stands by itself."""
        met = frozenset[str]().union(*(h for row, h in rows.hits.items() if rows.pictured[row]))
        alone = [hits for row, hits in rows.hits.items() if rows.lacking[row]]
        return cls(met, alone, int((rows.keep & rows.pictured & ~rows.named).sum()))

    @classmethod
    def joined(cls, parts: Iterable["Evidence"]) -> "Evidence":
        """Return the evidence of several."""
        every = list(parts)
        met = frozenset[str]().union(*(one.met for one in every))
        alone = [hits for one in every for hits in one.alone]
        return cls(met, alone, sum(one.mute for one in every))

    def lone(self, retracted: Retracted) -> frozenset[str]:
        """Return uids and digests of the rows alone that stay, since a mute image may be theirs."""
        if not self.mute:
            return frozenset()
        met = retracted.along(self.met)
        return frozenset[str]().union(*(hits for hits in self.alone if met.isdisjoint(hits)))


# --- the table beside them


@dataclass(frozen=True, slots=True)
class Joined:
    """What goes out of samples and of the table beside them. rows: bool[n] of the table's.

    lists: samples without an image that tell of several rows, some of which were taken back; they
    stay, since nobody can say what else goes with them.
    """

    samples: frozenset[str]
    rows: Flags
    lists: frozenset[str] = frozenset()
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
    going, flags = set[str](), np.zeros(len(rows.keep), bool)
    met, alone, lists, mute = set[str](), list[frozenset[str]](), set[str](), 0
    planned_samples, planned_rows = planned[0], set(planned[1])
    pictured, named, lacking = (f.tolist() for f in (rows.pictured, rows.named, rows.lacking))
    for own, numbers in _together(samples.every, keys):
        hits = frozenset[str]().union(
            *(samples.hits.get(key, ()) for key in own), *(rows.hits.get(n, ()) for n in numbers)
        )
        is_pictured = not samples.pictured.isdisjoint(own) or any(pictured[n] for n in numbers)
        is_planned = not (planned_samples.isdisjoint(own) and planned_rows.isdisjoint(numbers))
        if hits and not is_pictured and not samples.listing.isdisjoint(own):
            lists.update(own)
        elif hits or is_planned:
            going.update(own)
            flags[numbers] = True
            if is_pictured:
                met.update(hits)
            elif not is_planned and (own or any(lacking[n] for n in numbers)):
                alone.append(hits)
        elif is_pictured:
            is_named = not samples.named.isdisjoint(own) or any(named[n] for n in numbers)
            mute += not is_named
    evidence = Evidence(frozenset(met), alone, mute)
    return Joined(frozenset(going), flags, frozenset(lists), evidence)


def _together(
    every: AbstractSet[str], keys: Sequence[str | None]
) -> Iterator[tuple[list[str], list[int]]]:
    """Yield samples with the rows that mean them, each once; either side may be empty.

    Tables leave out folders, or add some, so what does not agree by the whole key is joined by its
    last part. Where a key without folder is there more than once, folders were left out.
    """
    of_key: dict[str | None, list[int]] = {}
    for number, key in enumerate(keys):
        of_key.setdefault(key, []).append(number)
    for number in of_key.pop(None, []):
        yield [], [number]
    alike: dict[str, tuple[set[str], set[str]]] = {}
    for side, names in enumerate((every, of_key)):
        for key in names:
            if key is not None:
                alike.setdefault(_last(key), (set(), set()))[side].add(key)
    for own, meant in alike.values():
        loose, unmet = own - meant, meant - own
        if loose:
            unmet |= {key for key in meant & own if key == _last(key) and len(of_key[key]) > 1}
        if loose and unmet:
            together = sorted(loose | (unmet & own))
            yield together, [n for key in sorted(unmet) for n in of_key[key]]
        else:
            yield from (([key], []) for key in sorted(loose))
            yield from (([], [n]) for key in sorted(unmet) for n in of_key[key])
        yield from (([key], of_key[key]) for key in sorted((meant & own) - unmet))


def _last(key: str) -> str:
    return key.rpartition("/")[2]
