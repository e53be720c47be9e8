"""The checks of an audit that read a release; jobs/verifying.py says in which order."""
