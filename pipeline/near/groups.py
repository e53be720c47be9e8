"""Rows that are equal in something: found, numbered, and made into pairs, never k * k of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.near.scan import MOST_NEIGHBOURS, Indices, Pairs


@dataclass(frozen=True)
class Groups:
    """A partition of rows. Groups are numbered by their first row."""

    number: Indices  # of each row's group

    @cached_property
    def firsts(self) -> Indices:
        """The first row of each group, ascending."""
        return self.order[self.starts]

    @cached_property
    def first_of_row(self) -> Indices:
        """The first row of each row's group."""
        return self.firsts[self.number]

    @cached_property
    def order(self) -> Indices:
        """Rows by group, ascending inside it."""
        return np.argsort(self.number, kind="stable")

    @cached_property
    def starts(self) -> Indices:
        """Where each group begins in `order`."""
        return np.flatnonzero(np.diff(self.number[self.order], prepend=-1))

    @cached_property
    def sizes(self) -> Indices:
        """Rows in each group."""
        return np.diff(np.append(self.starts, len(self.number)))

    def rows(self, group: int) -> Indices:
        """The rows of a group, ascending."""
        return self.order[self.starts[group] : self.starts[group] + self.sizes[group]]


def groups_of(values: npt.NDArray[np.int64]) -> Groups:
    """Return the groups of equal values."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return Groups(rank[inverse])


def identical_rows(matrix: npt.NDArray[np.generic]) -> Indices:
    """Return a number for each row of a 2-d array: the first row that equals it, byte for byte."""
    rows = len(matrix)
    if not rows:
        return np.empty(0, np.int64)
    sums = np.empty(rows, np.uint64)
    width = matrix.shape[1] * matrix.itemsize
    odd = np.random.default_rng(0).integers(2**63, size=-(-width // 8), dtype=np.uint64) * 2 + 1
    for at in range(0, rows, 8192):
        block = np.ascontiguousarray(matrix[at : at + 8192]).view(np.uint8)
        padded = np.zeros((len(block), len(odd) * 8), np.uint8)
        padded[:, :width] = block.reshape(len(block), -1)
        words = padded.view(np.uint64)
        sums[at : at + 8192] = (words * odd).sum(axis=1, dtype=np.uint64)
    _, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
    found = first[inverse].astype(np.int64)
    later = np.flatnonzero(found != np.arange(rows))
    for at in range(0, len(later), 8192):  # sums may agree by chance: then rows stay apart
        part = later[at : at + 8192]
        equal = (matrix[part] == matrix[found[part]]).all(axis=1)
        found[part[~equal]] = part[~equal]
    return found


def expanded(groups: Groups, pairs: Pairs, most: int = MOST_NEIGHBOURS) -> Pairs:
    """Return pairs of rows, i < j, from pairs of groups and from all groups of several rows.

    Of large groups only pairs with one of the first `most` rows of either side are made, so that
    the number grows linearly.
    """
    a, b = pairs
    single = (groups.sizes[a] == 1) & (groups.sizes[b] == 1)
    left, right = [groups.firsts[a[single]]], [groups.firsts[b[single]]]
    for x, y in zip(a[~single].tolist(), b[~single].tolist(), strict=True):
        rows, others = groups.rows(x), groups.rows(y)
        for some, rest in ((rows[:most], others), (rows[most:], others[:most])):
            left.append(np.repeat(some, len(rest)))
            right.append(np.tile(rest, len(some)))
    for x in np.flatnonzero(groups.sizes > 1).tolist():
        rows = groups.rows(x)
        for place, row in enumerate(rows[:most].tolist()):
            rest = rows[place + 1 :]
            left.append(np.full(len(rest), row))
            right.append(rest)
    i, j = np.concatenate(left), np.concatenate(right)
    return np.minimum(i, j), np.maximum(i, j)
