"""Errors about a teacher that a study names. Imports no torch."""

from __future__ import annotations

from ablative.errors import AblativeError


class TeacherError(AblativeError, ValueError):
    """A teacher cannot be loaded or read; the message names field or file, value found and remedy."""
