"""The files of a copy that somebody holds, layout by layout: what goes out of them, and that."""
