"""Vector columns as matrices: read as stored, half floats brought to float32 and nothing else."""

import numpy as np
import pyarrow as pa

from schemas.errors import SchemaError
from schemas.ports import Vectors


def matrix(column: pa.ChunkedArray) -> Vectors:
    """Return float32[n, d] of a column of half-float lists of one length, without nulls.

    n may be 0. A row with a number that is not finite becomes NaN throughout, so that no
    infinity passes for a measured similarity. Raises SchemaError where lengths differ.
    """
    if not len(column):
        return np.empty((0, max(getattr(column.type, "list_size", 0), 0)), np.float32)
    array = pa.concat_arrays(column.chunks)
    flat = array.flatten().to_numpy(zero_copy_only=False)
    if not _one_length(array):
        raise SchemaError("expected vectors of one length in a column, found several")
    rows: Vectors = flat.reshape(len(array), -1).astype(np.float32)
    rows[~np.isfinite(rows).all(axis=1)] = np.nan
    return rows


def _one_length(array: pa.Array) -> bool:
    if pa.types.is_fixed_size_list(array.type):
        return True
    lengths = array.value_lengths().to_numpy(zero_copy_only=False)
    return bool((lengths == lengths[0]).all())
