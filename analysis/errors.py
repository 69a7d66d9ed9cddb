"""Errors between a question and its answer that the user can fix."""

from __future__ import annotations

from ablative.errors import AblativeError


class AnalysisError(AblativeError, ValueError):
    """The store cannot answer as asked; the message says what was found and what to do."""


class IncomparableError(AnalysisError):
    """Trials that would be compared saw other data, or are other things; the message says which, and how to go on."""


class QueryError(AnalysisError):
    """The SQL statement is refused or wrong; the message lists the views and their columns."""
