"""Alembic revisions of the registry's database, run when a registry is opened."""

REVISIONS = ("0001", "0002", "0003")
"""Every revision, oldest first; the last one is what this version reads and writes."""
