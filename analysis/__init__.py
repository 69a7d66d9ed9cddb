"""What it means: query, statistics, tables, figures, report."""

from __future__ import annotations

from analysis.errors import AnalysisError
from analysis.errors import IncomparableError
from analysis.errors import QueryError
from analysis.results import Results
from analysis.results import load

__all__ = ["load", "Results", "AnalysisError", "IncomparableError", "QueryError"]
