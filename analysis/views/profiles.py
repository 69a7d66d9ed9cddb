"""The view `profiles`: the share of an arm's runs that pass each bar of the headline metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.numbers.bootstrap import FEW
from ablative.analysis.numbers.improvement import performance_profile
from ablative.analysis.numbers.improvement import profile_intervals
from ablative.analysis.numbers.shapes import Strata
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import ALL_CONDITIONS
from ablative.analysis.pairing.pairing import Pairing
from ablative.analysis.pairing.pairing import Unit
from ablative.analysis.pairing.pairing import by_task
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.pairing.verdicts import SEED
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.judged import TRIALS
from ablative.search_spaces.ties import levelled

BARS = 51
"""Bars of one profile, evenly spread from the least to the greatest value of any arm."""

PROFILE_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("bar", pa.float64()),
        pa.field("above", pa.float64()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        *TRIALS.fields,
        pa.field("note", pa.string(), nullable=False),
    ]
)


def profiles_view(records: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return performance profiles of the headline metric, over all conditions and in each.

    Over all conditions a run is a block of task and seed with its mean over the task's conditions. An arm without
    values has one row without a bar.
    """
    pairing = pairing_of(observe(records, plan), plan, plan.headline)
    rows = _family(pairing, plan, {arm: pairing.blocks(arm) for arm in plan.arms}, None)
    for label in pairing.conditions:
        values = {arm: {(label, s): value for s, value in pairing.of(arm, label).items()} for arm in plan.arms}
        rows += _family(pairing, plan, values, label)
    return pa.Table.from_pylist(rows, schema=PROFILE_SCHEMA)


def _family(
    pairing: Pairing, plan: StudyPlan, values: Mapping[str, Mapping[Unit, float]], condition: str | None
) -> list[dict[str, Any]]:
    values = _levelled(values)
    every = [value for found in values.values() for value in found.values()]
    bars = np.unique(np.linspace(min(every), max(every), BARS)).tolist() if every else []
    rows: list[dict[str, Any]] = []
    for arm, found in values.items():
        row = {**_place(pairing, plan, arm, condition), "n": len(found), "note": _note(len(found))}
        rows += [{**row, **point} for point in _points(by_task(found), bars)] if found else [row]
    return rows


def _levelled(values: Mapping[str, Mapping[Unit, float]]) -> dict[str, dict[Unit, float]]:
    """Runs that differ only in their last bits are equal, so that no bar falls between them."""
    level = iter(levelled(np.array([value for found in values.values() for value in found.values()])).tolist())
    return {arm: {unit: next(level) for unit in found} for arm, found in values.items()}


def _points(scores: Strata, bars: list[float]) -> list[dict[str, Any]]:
    intervals = profile_intervals(scores, bars, np.random.default_rng(SEED))
    shares = performance_profile(scores, bars)
    return [
        {"bar": bar, "above": share, "ci_low": (found or (None, None))[0], "ci_high": (found or (None, None))[1]}
        for bar, share, found in zip(bars, shares, intervals, strict=True)
    ]


def _place(pairing: Pairing, plan: StudyPlan, arm: str, condition: str | None) -> dict[str, Any]:
    return {
        "study": plan.study,
        "family": "cells" if condition else "pooled",
        "arm": arm,
        "condition": condition or ALL_CONDITIONS,
        "metric": pairing.metric,
        **pairing.counts((arm,), condition),
    }


def _note(n: int) -> str:
    if not n:
        return "no run has a value"
    return f"bootstrap intervals of {n} runs are too narrow" if n < FEW else ""
