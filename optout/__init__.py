"""The registry: claims in, provable snapshots and matches out. Needs neither torch nor Dask."""
