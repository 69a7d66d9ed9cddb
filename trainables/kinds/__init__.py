"""The bundled trainables: each module lists its own in `PARTS`. Imports no torch."""
