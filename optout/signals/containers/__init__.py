"""Walks through image containers to the XMP packets in them; one module a container.

Every walk takes any bytes that begin like its container, reads no pixels and returns a Walk.
"""
