"""Alembic's entry: runs revisions on the connection that `optout.storage` hands over."""

from alembic import context

from optout.storage_tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
context.run_migrations()
