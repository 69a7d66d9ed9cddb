"""Distillation terms: each module lists what ships in `PARTS`. Imports no torch."""
