"""Kinds of teachers: each module lists what ships in `PARTS`. Imports no torch."""
