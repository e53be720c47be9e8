"""Input formats: one module each; all of them open files through `files` only."""
