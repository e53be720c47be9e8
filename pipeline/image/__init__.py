"""One image: its header, its decoders, colours, sizes, and the canonical decode with its keys."""
