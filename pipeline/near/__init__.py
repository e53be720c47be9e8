"""Pairs of near things: Hamming distance, exact scans, and joins over cells."""
