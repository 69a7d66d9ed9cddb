"""The view `contrasts`: every pair of arms, and main effects and interactions of factorial designs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.bootstrap import FEW
from analysis.bootstrap import bootstrap_interval
from analysis.bootstrap import over_all
from analysis.contrast import SEED
from analysis.contrast import Contrast
from analysis.contrast import Judged
from analysis.contrast import contrasts
from analysis.contrast import judged
from analysis.effects import SHOWN
from analysis.effects import comparer_of
from analysis.effects import verdict
from analysis.factors import terms
from analysis.improvement import improvement_interval
from analysis.improvement import probability_of_improvement
from analysis.observations import Observations
from analysis.observations import observe
from analysis.paired_tests import wilcoxon_p_value
from analysis.plan import StudyPlan
from analysis.summaries import interquartile_mean
from analysis.summaries import mean
from analysis.summaries import median

CONTRAST_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("contrast", pa.string(), nullable=False),
        pa.field("arm", pa.string()),
        pa.field("other", pa.string()),
        pa.field("aliases", pa.list_(pa.string()), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("task", pa.string()),
        pa.field("data_fraction", pa.float64()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("is_headline", pa.bool_(), nullable=False),
        pa.field("n_pairs", pa.int64(), nullable=False),
        pa.field("difference", pa.float64()),
        pa.field("diff_ci_low", pa.float64()),
        pa.field("diff_ci_high", pa.float64()),
        pa.field("bca_ci_low", pa.float64()),
        pa.field("bca_ci_high", pa.float64()),
        pa.field("median_difference", pa.float64()),
        pa.field("iqm_difference", pa.float64()),
        pa.field("improvement", pa.float64()),
        pa.field("improvement_ci_low", pa.float64()),
        pa.field("improvement_ci_high", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("p_wilcoxon", pa.float64()),
        pa.field("p_corrected", pa.float64()),
        pa.field("comparisons", pa.int64(), nullable=False),
        pa.field("pairs_needed", pa.int64(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("planned", pa.int64(), nullable=False),
        pa.field("completed", pa.int64(), nullable=False),
        pa.field("failed", pa.int64(), nullable=False),
        pa.field("missing", pa.int64(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
    ]
)


def contrasts_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return the contrasts of one study from its records (in `RECORD_SCHEMA`).

    Of the target's metric on every split that has it: pooled over all conditions, and in each condition.
    """
    observations = observe(records, plan)
    factors = terms(plan)
    rows: list[dict[str, Any]] = []
    for metric in _metrics(observations, plan):
        comparer = comparer_of(observations, plan, metric)
        cells = [item for label in comparer.conditions for item in contrasts(comparer, plan, factors, label)]
        for family in (contrasts(comparer, plan, factors), cells):
            rows += [_row(item, observations, plan) for item in judged(family, plan)]
    fractions = {cell.label: cell.condition.get("task.data_fraction") for cell in plan.cells}
    for row in rows:
        row["data_fraction"] = fractions.get(row["condition"])
    return pa.Table.from_pylist(rows, schema=CONTRAST_SCHEMA)


def pooled_contrasts(observations: Observations, plan: StudyPlan) -> list[Judged]:
    """Return the judged contrasts over all conditions, on the headline metric."""
    return judged(contrasts(comparer_of(observations, plan, plan.headline), plan, terms(plan)), plan)


def _metrics(observations: Observations, plan: StudyPlan) -> list[str]:
    alike = [name for name in observations.metrics if name.partition("/")[2] == plan.target.name]
    return list(dict.fromkeys([plan.headline, *alike]))


def _row(item: Judged, observations: Observations, plan: StudyPlan) -> dict[str, Any]:
    contrast = item.contrast
    of_arms = contrast.term.kind == "arms"
    arm, other = tuple(contrast.term.weights) if of_arms else (None, None)
    return {
        "study": plan.study,
        "kind": contrast.term.kind,
        "family": contrast.family,
        "contrast": contrast.term.name,
        "arm": arm,
        "other": other,
        "aliases": contrast.term.aliases,
        "condition": contrast.condition,
        "task": observations.tasks.get(contrast.condition) or None,
        "metric": contrast.metric,
        "split": contrast.metric.partition("/")[0],
        "is_headline": contrast.metric == plan.headline,
        **_sizes(contrast),
        **(_improvement(contrast, plan) if of_arms else {}),
        "p_value": item.p_value,
        "p_wilcoxon": wilcoxon_p_value(contrast.differences),
        "p_corrected": item.p_corrected,
        "comparisons": item.comparisons,
        "pairs_needed": item.pairs_needed,
        "verdict": _verdict(item, plan),
        "planned": contrast.planned,
        "completed": contrast.completed,
        "failed": contrast.failed,
        "missing": contrast.missing,
        "note": "; ".join(_notes(contrast)),
    }


def _sizes(contrast: Contrast) -> dict[str, Any]:
    values = np.array(contrast.differences)
    if not values.size:
        return {"n_pairs": 0}
    low, high = contrast.interval or (None, None)
    rng = np.random.default_rng(SEED)
    bca = bootstrap_interval(contrast.by_task(), over_all(mean), rng, method="bca")
    bca_low, bca_high = bca or (None, None)
    return {
        "n_pairs": values.size,
        "difference": float(mean(values)),
        "diff_ci_low": low,
        "diff_ci_high": high,
        "bca_ci_low": bca_low,
        "bca_ci_high": bca_high,
        "median_difference": float(median(values)),
        "iqm_difference": float(interquartile_mean(values)),
    }


def _improvement(contrast: Contrast, plan: StudyPlan) -> dict[str, Any]:
    if not contrast.units:
        return {}
    sign = 1.0 if plan.target.mode == "max" else -1.0
    first, second = ([sign * values for values in side] for side in contrast.sides())
    low, high = improvement_interval(first, second, np.random.default_rng(SEED)) or (None, None)
    return {
        "improvement": probability_of_improvement(first, second),
        "improvement_ci_low": low,
        "improvement_ci_high": high,
    }


def _verdict(item: Judged, plan: StudyPlan) -> str:
    """An interaction is higher or lower than none: that is no merit."""
    found = verdict(item.contrast.differences, item.p_corrected, item.pairs_needed, plan, item.contrast.metric)
    if item.contrast.term.kind != "interaction" or found not in SHOWN:
        return found
    return "higher" if sum(item.contrast.differences) > 0 else "lower"


def _notes(contrast: Contrast) -> Sequence[str]:
    pairs, planned = len(contrast.units), contrast.planned_pairs
    unit = "seeds" if contrast.family == "cells" else "blocks"
    notes = []
    if pairs < planned:
        notes.append(f"{planned - pairs} of {planned} {unit} left out: an arm has no value there")
    if 1 < pairs < FEW:
        notes.append(f"bootstrap intervals of {pairs} pairs are too narrow")
    return notes


__all__ = ["CONTRAST_SCHEMA", "contrasts_view", "pooled_contrasts"]
