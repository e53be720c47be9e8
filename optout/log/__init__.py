"""The transparency log: pure functions over hashes and bytes."""
