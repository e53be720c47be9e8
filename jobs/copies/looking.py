"""All units of a copy, looked at together: what goes, what stays with another, and dropping it."""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobs.copies.units import Looked, Unit, Untold, untold
from pipeline.copies.samples import Evidence
from pipeline.retracted import Retracted

LONE = "rows that were taken back, but without image: one here may be theirs, encoded anew"
NOT_TRIED = "not tried, since the disk takes nothing more"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""Errors of a disk, after which no other file can be written either."""

Told = Callable[[int, int], None]


@dataclass(slots=True)
class Looking:
    """Units of a copy, and what was found in each. retracted: what goes out of them.

    What drops a unit is left out: it may hold all keys of a shard, and a copy has thousands.
    """

    units: Sequence[Unit]
    retracted: Retracted
    looked: list[Looked] = field(default_factory=list)

    @classmethod
    def at(cls, units: Sequence[Unit], retracted: Retracted, told: Told) -> "Looking":
        """Look at all of them."""
        looked = []
        for number, unit in enumerate(units):
            looked.append(replace(_look(unit, retracted), drop=None))
            told(number + 1, len(units))
        return cls(units, retracted, looked)

    @property
    def doing(self) -> list[int]:
        """Which of the units have to be rewritten."""
        return [n for n, one in enumerate(self.looked) if one.going or one.is_unfinished]

    @property
    def unfinished(self) -> list[Path]:
        """Where a run broke off."""
        pairs = zip(self.units, self.looked, strict=True)
        return [unit.path for unit, one in pairs if one.is_unfinished]

    @property
    def unclear(self) -> Iterator[Untold]:
        return (other for one in self.looked for other in one.untold)

    def evidence(self, elsewhere: Iterable[Untold]) -> Evidence:
        """Return what there is of rows. elsewhere: what nobody can tell beside the units."""
        found = Evidence.joined(one.evidence for one in self.looked)
        mute = sum(one.is_mute for one in (*elsewhere, *self.unclear))
        return replace(found, mute=found.mute + mute)

    def meet_again(self) -> None:
        """Let images that go be met wherever else they are, by their digests."""
        while again := self._there_still():
            self.retracted = self.retracted.also(again)
            self._look_again([bool(one.evidence.stays_of(again)) for one in self.looked])

    def _there_still(self) -> frozenset[str]:
        """Return digests of images that go, and stay elsewhere."""
        found = Evidence.joined(one.evidence for one in self.looked)
        return found.stays_of(found.gone - self.retracted.digests)

    def leave(self, lone: AbstractSet[str]) -> None:
        """Let rows without images stay, and name them. lone: their uids and digests."""
        if not lone:
            return
        self.retracted = self.retracted.without(lone)
        counts = [sum(not lone.isdisjoint(a) for a in one.evidence.alone) for one in self.looked]
        self._look_again([not lone.isdisjoint(one.evidence.hits) for one in self.looked])
        for number, count in enumerate(counts):
            named = untold(self.units[number].path, count, LONE)
            one = self.looked[number]
            self.looked[number] = replace(one, untold=[*one.untold, *named])

    def _look_again(self, concerned: Sequence[bool]) -> None:
        for number, unit in enumerate(self.units):
            if concerned[number]:
                self.looked[number] = replace(_look(unit, self.retracted), drop=None)

    def drop(self, told: Told) -> list[str]:
        """Rewrite files, and return why which could not be; what is found there no longer goes.

        Each is looked at again: one before may have changed what they share.
        """
        failed: list[str] = []
        doing = self.doing
        is_full = False
        for count, number in enumerate(doing):
            unit = self.units[number]
            why = NOT_TRIED
            if not is_full:
                why, is_full = _drop(unit, self.retracted)
            if why:
                failed.append(f"{unit.path}: {why}")
                self.looked[number] = replace(self.looked[number], going=())
            told(count + 1, len(doing))
        return failed


def _drop(unit: Unit, retracted: Retracted) -> tuple[str, bool]:
    """Drop what goes out of a unit; return why it could not be, and whether the disk is full."""
    looked = _look(unit, retracted)
    if looked.drop is None:
        return "; ".join(one.why for one in looked.untold), False
    try:
        if looked.going or looked.is_unfinished:
            looked.drop()
    except OSError as e:
        return str(e), e.errno in FULL
    except Exception as e:  # noqa: BLE001 - as in _look
        return _said(e), False
    return "", False


def _look(unit: Unit, retracted: Retracted) -> Looked:
    """Return what goes out of a unit; of one that cannot be read, that nobody can tell."""
    try:
        return unit.look(retracted)
    except Exception as e:  # noqa: BLE001 - anybody's files: what fails is named, the others go on
        return Looked(untold=[Untold(unit.path, f"cannot be read: {_said(e)}", is_mute=True)])


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
