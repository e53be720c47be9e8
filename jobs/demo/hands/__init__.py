"""The hands: one module each, `paint(layers, random) -> Paint`. They share scenes, not manners."""
