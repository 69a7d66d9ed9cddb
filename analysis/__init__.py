"""What it means: query, statistics, tables, figures, report."""

from __future__ import annotations

from ablative.analysis.errors import AnalysisError
from ablative.analysis.errors import IncomparableError
from ablative.analysis.errors import QueryError
from ablative.analysis.views.results import Results
from ablative.analysis.views.results import load

__all__ = ["load", "Results", "AnalysisError", "IncomparableError", "QueryError"]
