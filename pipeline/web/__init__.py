"""Asking hosts: addresses, politeness, origin documents, redirects; img2dataset as an engine."""
