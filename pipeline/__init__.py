"""The stages of a build, each an Arrow table in and an Arrow table out, and the rims they need."""
