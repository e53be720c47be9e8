"""The maps over a published release, made again from its own samples and ledger."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from jobs.releases import Release
from optout.log.sparse import SparseMap, Subtree
from pipeline.absence import Maps
from pipeline.release_maps import (
    ENTRIES,
    Codes,
    band_pairs,
    distinct_codes,
    entries,
    kinds,
    leaves,
    ledger_root,
    roots_of,
    row_pairs,
)
from schemas.errors import ProofError
from schemas.manifest import Roots

ROOTS = ("rows", "bands", "ledger")


@dataclass(frozen=True, slots=True)
class Entered:
    """What the maps are made of: all keys of all rows, ENTRIES, and the distinct codes by kind."""

    entries: pa.Table
    codes: dict[str, Codes]

    def maps(self) -> Maps:
        """Return the maps, whole and in memory. Raises SchemaError where two rows share a uid."""
        rows = SparseMap(row_pairs(self.entries))
        return Maps(rows, SparseMap(band_pairs(self.codes)), self.codes)


def read_samples(
    release: Release,
    told: Callable[[int, int], None] = lambda _done, _all: None,
    seen: Callable[[pa.Table], None] = lambda _rows: None,
) -> Entered:
    """Return what the maps of a release are made of, read part by part.

    told: of parts read and parts in all. seen: is shown the rows of each part, MAPPED. Raises
    ProofError where a file is not the one that the manifest names, SchemaError, StorageError.
    """
    entered, codes = [ENTRIES.empty_table()], []
    for number, name in enumerate(release.names, 1):
        rows = release.mapped(name)
        seen(rows)
        entered.append(entries(rows, name))
        codes.append(kinds(rows))
        told(number, len(release.names))
    return Entered(pa.concat_tables(entered), distinct_codes(codes))


def ledger_of(release: Release) -> Subtree:
    """Return the root over the ledger of a release, and how many rows it has. Raises likewise."""
    tables = [leaves(table) for table in release.each_ledger()]
    return Subtree(sum(t.num_rows for t in tables), ledger_root(tables))


def found_roots(maps: Maps, ledger: Subtree) -> Roots:
    """Return the roots as they come out of the files."""
    return roots_of(maps.rows.below(0), maps.bands.below(0), ledger)


def require_roots(release: Release, found: Roots) -> None:
    """Raise ProofError where the manifest says other roots than the files come to."""
    said = release.manifest.roots
    for name in ROOTS:
        if getattr(said, name) != getattr(found, name):
            raise ProofError(
                f"{release.store.root}: expected the root of {name} in the manifest, "
                f"{getattr(said, name)}, found {getattr(found, name)} by the files"
            )
    if said != found:
        raise ProofError(f"{release.store.root}: expected {found} in the manifest, found {said}")
