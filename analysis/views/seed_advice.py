"""A warning for advice on more confirm seeds: on their own they make the luck of the search look certain."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from ablative.analysis.pairing.observations import observe
from ablative.analysis.views.results import Results
from ablative.analysis.views.search_luck import search_luck
from ablative.search_spaces.search_risk import SearchDesign
from ablative.search_spaces.search_risk import risk_line


def advice(results: Results, study: str, needed: pa.Table) -> list[str]:
    """Return lines on the seeds that `needed` (in `NEEDED_SCHEMA`) calls for; empty if luck chose nothing."""
    plan = results.plan(study)
    found = search_luck(results.tried(study), observe(results.observed(study), plan), plan)
    if found is None:
        return []
    design, scatter = found
    lines = [risk_line(design, scatter)]
    more = max((seeds for seeds in needed["more_seeds"].to_pylist() if seeds), default=0)
    if more and not design.holds:
        longer = _with_seeds(design, design.seeds + more)
        lines.append(
            f"Do not take the {more} seeds more as confirm seeds alone. With {longer.seeds} of them: "
            f"{risk_line(longer, scatter)}"
        )
    return [line for line in lines if line]


def _with_seeds(design: SearchDesign, seeds: int) -> SearchDesign:
    return replace(design, seeds=seeds)
