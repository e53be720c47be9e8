"""Image headers, one module a format: bytes in, size and orientation out, nothing decoded.

A parser may raise IndexError, KeyError, OverflowError, ValueError or struct.error on bytes it
cannot follow; `pipeline.image.header` is the one boundary that turns them into ImageError.
"""
