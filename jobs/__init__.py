"""Dask jobs and the command line: they run stages over shards and decide nothing."""
