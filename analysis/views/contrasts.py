"""The view `contrasts`: every pair of arms, and main effects and interactions of factorial designs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.numbers.bootstrap import FEW
from ablative.analysis.numbers.bootstrap import bootstrap_intervals
from ablative.analysis.numbers.bootstrap import over_all
from ablative.analysis.numbers.improvement import improvements
from ablative.analysis.numbers.paired_tests import wilcoxon_p_values
from ablative.analysis.numbers.shapes import of_one_shape
from ablative.analysis.numbers.summaries import interquartile_mean
from ablative.analysis.numbers.summaries import mean
from ablative.analysis.numbers.summaries import median
from ablative.analysis.pairing.contrast import Contrast
from ablative.analysis.pairing.contrast import contrasts_of
from ablative.analysis.pairing.contrast import judged_contrasts
from ablative.analysis.pairing.factors import terms
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.pairing.verdicts import SEED
from ablative.analysis.pairing.verdicts import Judgement
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.judged import PAIRS
from ablative.analysis.views.judged import PLACE
from ablative.analysis.views.judged import TRIALS
from ablative.analysis.views.judged import VERDICT

CONTRAST_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("contrast", pa.string(), nullable=False),
        pa.field("arm", pa.string()),
        pa.field("other", pa.string()),
        pa.field("aliases", pa.list_(pa.string()), nullable=False),
        *PLACE.fields,
        *PAIRS.fields,
        pa.field("bca_ci_low", pa.float64()),
        pa.field("bca_ci_high", pa.float64()),
        pa.field("median_difference", pa.float64()),
        pa.field("iqm_difference", pa.float64()),
        pa.field("improvement", pa.float64()),
        pa.field("improvement_ci_low", pa.float64()),
        pa.field("improvement_ci_high", pa.float64()),
        pa.field("p_wilcoxon", pa.float64()),
        *VERDICT.fields,
        *TRIALS.fields,
        pa.field("note", pa.string(), nullable=False),
    ]
)


_SUMMARIES = {"median_difference": median, "iqm_difference": interquartile_mean}
"""Column -> its value from the paired differences."""


def contrasts_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return the contrasts of one study from its records (in `RECORD_SCHEMA`).

    For the target's metric on every split that has it, pooled over all conditions and in each condition.
    """
    observations = observe(records, plan)
    factors = terms(plan)
    found: list[tuple[Contrast, Judgement]] = []
    for metric in _metrics(observations, plan):
        pairing = pairing_of(observations, plan, metric)
        cells = [item for label in pairing.conditions for item in contrasts_of(pairing, plan, factors, label)]
        for family in (contrasts_of(pairing, plan, factors), cells):
            found += judged_contrasts(family, plan)
    return _table(found, observations, plan)


def primary_contrasts_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return the rows of `contrasts_view` for the headline metric over all conditions, in a fraction of the time."""
    observations = observe(records, plan)
    return _table(pooled_contrasts(observations, plan), observations, plan)


def pooled_contrasts(observations: Observations, plan: StudyPlan) -> list[tuple[Contrast, Judgement]]:
    """Return the judged contrasts over all conditions, on the headline metric."""
    return judged_contrasts(contrasts_of(pairing_of(observations, plan, plan.headline), plan, terms(plan)), plan)


def _metrics(observations: Observations, plan: StudyPlan) -> list[str]:
    alike = [name for name in observations.metrics if name.partition("/")[2] == plan.target.name]
    return list(dict.fromkeys([plan.headline, *alike]))


def _table(found: Sequence[tuple[Contrast, Judgement]], observations: Observations, plan: StudyPlan) -> pa.Table:
    items = [contrast for contrast, _ in found]
    parts = zip(found, _sizes(items), _improvements(items, plan), strict=True)
    rows = [
        _row(contrast, observations, plan) | VERDICT.row(judgement) | sizes | improvement
        for (contrast, judgement), sizes, improvement in parts
    ]
    return pa.Table.from_pylist(rows, schema=CONTRAST_SCHEMA)


def _row(contrast: Contrast, observations: Observations, plan: StudyPlan) -> dict[str, Any]:
    arm, other = contrast.arms if contrast.term.kind == "arms" else (None, None)
    return {
        "study": plan.study,
        "kind": contrast.term.kind,
        "family": contrast.family,
        "contrast": contrast.term.name,
        "arm": arm,
        "other": other,
        "aliases": contrast.term.aliases,
        **PLACE.row(contrast, observations, plan),
        **PAIRS.row(contrast),
        **TRIALS.row(contrast),
        "note": "; ".join(_notes(contrast)),
    }


def _sizes(items: Sequence[Contrast]) -> list[dict[str, Any]]:
    """How large each difference is, by several summaries."""
    differences = [np.array(item.differences) for item in items]
    by_bootstrap = bootstrap_intervals([item.by_task() for item in items], over_all(mean), _generator, method="bca")
    by_ranks = wilcoxon_p_values([item.differences for item in items])
    found: list[dict[str, Any]] = []
    for bca, p_wilcoxon in zip(by_bootstrap, by_ranks, strict=True):
        low, high = bca or (None, None)
        found.append({"bca_ci_low": low, "bca_ci_high": high, "p_wilcoxon": p_wilcoxon})
    for positions, (values,) in of_one_shape([(values,) for values in differences]):
        for name, summary in _SUMMARIES.items():
            for position, value in zip(positions, summary(values).tolist(), strict=True):
                found[position][name] = value
    return found


def _improvements(items: Sequence[Contrast], plan: StudyPlan) -> list[dict[str, Any]]:
    """How often a run of one arm beats a run of the other, for the contrasts of two arms."""
    sign = 1.0 if plan.target.mode == "max" else -1.0
    of_two = [position for position, item in enumerate(items) if item.term.kind == "arms"]
    sides = [items[position].sides() for position in of_two]
    pairs = [([sign * values for values in first], [sign * values for values in second]) for first, second in sides]
    found: list[dict[str, Any]] = [{} for _ in items]
    for position, improvement in zip(of_two, improvements(pairs, _generator), strict=True):
        if improvement is not None:
            low, high = improvement.interval or (None, None)
            found[position] = {
                "improvement": improvement.probability,
                "improvement_ci_low": low,
                "improvement_ci_high": high,
            }
    return found


def _generator() -> np.random.Generator:
    return np.random.default_rng(SEED)


def _notes(contrast: Contrast) -> Sequence[str]:
    pairs, planned = len(contrast.units), contrast.expected_pairs
    unit = "seeds" if contrast.family == "cells" else "blocks"
    notes = []
    if pairs < planned:
        notes.append(f"{planned - pairs} of {planned} {unit} left out: an arm has no value there")
    if 1 < pairs < FEW:
        notes.append(f"bootstrap intervals of {pairs} pairs are too narrow")
    if contrast.weights:
        notes.append("only the difference, its intervals and its test are weighted")
    return notes
