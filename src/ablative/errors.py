"""The base of every error that a person can put right; any room may import it."""

from __future__ import annotations


class AblativeError(Exception):
    """Something that you can put right; the text says what is wrong, where, and what to do."""
