"""`python -m jobs` is `recuse`."""

from jobs.cli import main

main()
