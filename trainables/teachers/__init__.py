"""Frozen teachers: any open_clip model, and the bundled one. Features are computed once and read from a cache."""
