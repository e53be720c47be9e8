"""What every table, file and message of recuse looks like. Imports nothing else of ours."""

SCHEMA_VERSION = 5
