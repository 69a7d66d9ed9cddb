"""What can go wrong between a question and its answer, and is the asker's to put right."""

from __future__ import annotations


class AnalysisError(ValueError):
    """The store cannot answer as asked; the message says what was found and what to do."""


class QueryError(AnalysisError):
    """The SQL statement is refused or wrong; the message lists the views and their columns."""
