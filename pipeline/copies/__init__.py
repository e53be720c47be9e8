"""Rows that were taken back, out of tables, tars and folders of a copy: pure but for files given.

Rows are told by `pipeline.retracted`; samples also by the table beside them (`join`).
"""
