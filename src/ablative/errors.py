"""The base of every error that the user can fix; any room may import it."""

from __future__ import annotations


class AblativeError(Exception):
    """An error that you can fix; the text says what is wrong, where, and what to do."""
